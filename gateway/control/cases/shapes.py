"""What is asked of cases, and what is answered. Times are Unix seconds, evidence is in nats."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.control.account_shapes import Reason, Shape

State = Literal["open", "approved", "rejected", "merged", "closed"]
Word = Literal["observe", "budget", "trace", "hold", "challenge", "verify", "suspend"]
Membership = Literal["in", "left", "split", "suspended", "asked", "restored"]
Action = Literal["rules", "verify", "suspend"]
Account = Annotated[str, StringConstraints(min_length=1, max_length=128)]

MOST: Final = 500
"""Of a page."""
SPLIT_MOST: Final = 5_000
NOTE_MOST: Final = 4_000
TEXT: Final = r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
"""Lines, and nothing that steers a terminal or turns around what is read."""


class CasesQuery(Shape):
    """Which cases, and in which order."""

    state: Literal["open", "approved", "rejected", "merged", "closed", "decided", "all"] = "open"
    level: Word | Literal[""] = ""
    """Those whose accounts may come to this level, by the rules in force."""
    sort: Literal["score", "accounts", "exchanges", "updated", "opened"] = "score"
    """The highest first."""
    limit: Annotated[int, Field(ge=1, le=MOST)] = 100
    skip: Annotated[int, Field(ge=0, le=2**31)] = 0
    """`next` of the page before."""


class AccountsQuery(Shape):
    """Which of its accounts, those that belong the most first."""

    state: Membership | Literal["", "still"] = ""
    """`still`: those to which a decision applies."""
    limit: Annotated[int, Field(ge=1, le=MOST)] = 100
    after: Annotated[str, StringConstraints(max_length=128)] = ""
    """`next` of the page before."""


class ReasonShape(Shape):
    reason: Reason


class ApproveShape(ReasonShape):
    action: Action = "rules"
    """What becomes of its accounts: what the rules say of them, or they fall on the ladder until they have verified,
    or they are suspended."""
    seen: Annotated[float, Field(ge=0, le=1e12)] = 0
    """`updated` of the case as it was looked at: who joined later is not meant. 0: as it is now."""


class RejectShape(ReasonShape):
    marks: Annotated[tuple[Annotated[str, StringConstraints(max_length=64)], ...], Field(max_length=64)] = ()
    """Which of its marks count for nothing from now on."""
    days: Annotated[float, Field(ge=0, le=3650)] = 0
    """For so long; 0: for good."""


class SplitShape(ReasonShape):
    accounts: Annotated[tuple[Account, ...], Field(min_length=1, max_length=SPLIT_MOST)]
    """Those that are not of it."""


class MergeShape(ReasonShape):
    other: Annotated[int, Field(ge=1, le=2**53)]
    """The number of the case that goes into this one."""


class NoteShape(Shape):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NOTE_MOST, pattern=TEXT)]


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FamilyShown(Answer):
    family: str
    nats: float
    cap: float
    """The most that it may say."""


class CaseBrief(Answer):
    """One line of the list."""

    id: int
    cluster: str
    state: State
    opened: float
    updated: float
    """By the detector."""
    began: float
    accounts: int
    exchanges: int
    score: float
    families: list[FamilyShown]
    kinds: int
    """Families that speak against it with a nat or more."""
    most: Word
    """The highest level that it may come to, whatever its score."""
    level: Word | None
    """What the rules in force say of an account without a tier of its own; null where they say nothing of clusters."""
    false_alarm: float
    action: Action | Literal[""]
    decided: float | None
    by: str
    reason: str
    wanted: Action | Literal[""]
    """What waits for a second person."""
    wanted_by: str
    wanted_why: str
    wanted_at: float | None
    merged_into: int | None


class CasesShown(Answer):
    cases: list[CaseBrief]
    counts: dict[str, int]
    """State -> how many there are."""
    next: int | None


class MarkShown(Answer):
    id: str
    family: str
    words: str
    accounts: int
    nats: float
    sample: list[str]
    """A few hashes of its sketch, in hex: never text."""


class HourShown(Answer):
    at: float
    exchanges: int
    accounts: int


class ShareShown(Answer):
    name: str
    exchanges: int


class CaseShown(CaseBrief):
    """All of one case but its picture and its accounts."""

    evidence: list[str]
    marks: list[MarkShown]
    timeline: list[HourShown]
    models: list[ShareShown]
    countries: list[ShareShown]
    members: dict[str, int]
    """State of its accounts -> how many."""
    joined_since: int
    """Accounts that joined since it was decided."""
    to_do: int
    """Accounts that a decision means and that were not reached yet."""
    notes: int
    revision: int
    you: str
    you_were_first: bool


class NodeShown(Answer):
    id: str
    """Of an account, veiled for whoever may not see people; or of a mark."""
    kind: Literal["account", "mark"]
    x: float
    y: float
    """Between 0 and 1."""
    nats: float
    words: str


class EdgeShown(Answer):
    one: int
    other: int
    """Places in `nodes`."""
    kind: str
    weight: float


class GraphShown(Answer):
    nodes: list[NodeShown]
    edges: list[EdgeShown]
    accounts: int
    """Of the case: those that are drawn are the strongest."""
    drawn: int
    veiled: bool


class AccountShown(Answer):
    account: str
    nats: float
    joined: float
    state: Membership
    known: Literal["directory", "file", "token"]
    """Where it stands: nowhere, where only tokens have named it."""
    tier: str
    verification: int
    """Steps of the ladder; without one, kinds of evidence that hold."""
    suspended: bool
    level: Word | None
    """What the rules in force make of the verdict on it; null where there is none."""
    exchanges: int | None
    """Not known cheaply: null."""


class AccountsShown(Answer):
    accounts: list[AccountShown]
    next: str | None


class TierShown(Answer):
    """Of what one tier's accounts come to."""

    tier: str
    accounts: int
    verified: int
    level: Word | None


class ActionShown(Answer):
    accounts: int
    """To how many it would do something."""
    verified: int
    """Of them."""
    left_out: dict[str, int]
    """Why not -> how many."""
    needs_second: bool
    said: str
    """In a sentence."""


class PreviewShown(Answer):
    """What each action would do. It does nothing."""

    tiers: list[TierShown]
    shadow: bool
    """The rules that say so are in shadow: nothing happens to anybody by them."""
    rules: ActionShown
    verify: ActionShown
    suspend: ActionShown
    reject: ActionShown


class LineShown(Answer):
    at: float
    who: str
    did: str
    """`note`, or what stands in the audit: case.open, case.approve …"""
    words: str


class HistoryShown(Answer):
    """The newest first."""

    lines: list[LineShown]


class DecidedShown(Answer):
    case: CaseShown
    waits: bool
    """A second person has to say the same."""
    job: str
    """That does it to the accounts; empty where there is none."""


class NotedShown(Answer):
    note: int


class JobStarted(Answer):
    job: str


class VerdictShown(Answer):
    """What the detector says of one account, and where it is judged."""

    account: str
    case: int | None
    cluster: str
    score: float | None
    """Null where nothing is in force."""
    families: list[FamilyShown]
    evidence: list[str]
    size: int
    level: Word | None
    since: float | None
    expires: float | None
