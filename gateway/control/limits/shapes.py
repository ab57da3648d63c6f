"""What is said to change limits, as JSON, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, StringConstraints

from gateway.control.account_shapes import OneLine, Reason, Shape
from gateway.overrides.written import CLUSTER_AT_MOST

Word = Annotated[str, StringConstraints(max_length=256)]
Quantity = float | Annotated[str, StringConstraints(max_length=32)]
"""A number in the limit's unit, or text as in files: "10k", "$5"."""
Span = float | Annotated[str, StringConstraints(max_length=32)]
"""Seconds, or text as in files: "90s", "2h"."""
Revision = Annotated[int, Field(ge=0, le=2**53)]

DAY: Final = 86400.0


class ScopeShape(Shape):
    """For whom: all that is stated has to hold; nothing stated means everybody."""

    account: Word = ""
    organisation: Word = ""
    tier: Word = ""
    model: Word = ""
    """A pattern (`*` and `?`)."""
    country: Word = ""
    """ISO 3166-1 alpha-2: from where is asked."""
    accounts: Annotated[tuple[Word, ...], Field(max_length=CLUSTER_AT_MOST)] = ()
    """A cluster."""
    created_after: float | None = None
    """Unix time: new accounts, made at it or later."""


class ChangeShape(Shape):
    """What instead. `set` takes capacity, refill and every; `scale` a factor; the others nothing."""

    kind: Literal["set", "scale", "freeze", "unlimited", "shadow"]
    capacity: Quantity | None = None
    refill: Quantity | None = None
    every: Span | None = None
    factor: float | None = None


class NewShape(Shape):
    """An override to be set."""

    limit: Word
    """A name, or `*` for all."""
    scope: ScopeShape = ScopeShape()
    change: ChangeShape
    lasts: Span | None = None
    """From now on; either this, or `expires`."""
    expires: float | None = None
    """Unix time."""
    reason: Reason
    confirm: bool = False
    """Has to be true to freeze all limits for everybody."""


class AgainShape(Shape):
    """An override to be changed. Without `lasts` and `expires` its end stays; `expires` null takes it away."""

    limit: Word | None = None
    """May be said again; it cannot be another one."""
    scope: ScopeShape | None = None
    change: ChangeShape
    lasts: Span | None = None
    expires: float | None = None
    reason: Reason
    confirm: bool = False


class PreviewShape(Shape):
    """An override as it would be set; with `id`, one that is there as it would be changed; `withdraw`: taken back."""

    id: Revision | None = None
    limit: Word | None = None
    scope: ScopeShape | None = None
    change: ChangeShape | None = None
    withdraw: bool = False
    lasts: Span | None = None
    expires: float | None = None
    reason: OneLine = ""
    confirm: bool = False


class ReasonShape(Shape):
    reason: Reason


class ResetShape(Shape):
    """Usage back to nothing. `model`, `country` and `address`: only buckets of these."""

    limit: Word
    reason: Reason
    model: Word = ""
    country: Word = ""
    address: Word = ""


class AskedShape(Shape):
    """For which exchanges."""

    model: Word = ""
    country: Annotated[str, StringConstraints(pattern=r"^([A-Z]{2})?$")] = ""
    address: Word = ""


class OverridesQuery(Shape):
    limit: Word = ""
    account: Word = ""
    """Those whose scope names it."""
    all: bool = False
    """Also those that were withdrawn or have expired."""


class PastQuery(Shape):
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    after: Revision = 0
    """Only what is older than this revision: for the next page."""


# -- answers ----------------------------------------------------------------------------------------------------------


class OverrideShown(BaseModel):
    """An override. `said` is all of it in a sentence; `revision` its ETag."""

    id: int
    revision: int
    limit: str
    scope: dict[str, Any]
    change: dict[str, Any]
    reason: str
    by: str
    created: float
    expires: float | None
    withdrawn: float | None
    state: Literal["in force", "expired", "withdrawn", "unreadable"]
    without_limit: bool
    """The rules in force have no such limit: it bites nothing."""
    said: str


class OverridesShown(BaseModel):
    overrides: list[OverrideShown]
    revision: int
    """Of all of them together."""
    left_out: int
    """So many name accounts, which are not for this caller."""


class WorkerShown(BaseModel):
    gateway: str
    worker: str
    revision: int
    at: float | None


class MissingShown(BaseModel):
    gateway: str
    worker: str


class AppliedShown(BaseModel):
    """Whether the workers hold it. `applied` is true when all that are known do."""

    applied: bool
    revision: int
    workers: list[WorkerShown]
    missing: list[MissingShown]
    within: float | None
    """Seconds until all held it."""
    note: str


class ChangedShown(BaseModel):
    override: OverrideShown
    applied: AppliedShown
    warnings: list[str]


class PastShown(BaseModel):
    """One change of one override."""

    revision: int
    override: int
    at: float
    who: str
    did: str
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    diff: list[dict[str, Any]]
    said: str


class HistoryShown(BaseModel):
    changes: list[PastShown]
    next: int | None
    """`after` of the next page."""


class JobStarted(BaseModel):
    job: str


class LimitShown(BaseModel):
    entry: str
    name: str
    measure: str
    unit: str
    per: list[str]
    capacity: float
    refill: float
    every: float
    tiers: list[str]
    models: list[str]
    on_exhausted: str
    store: Literal["shared", "local"]
    mode: Literal["enforced", "partly", "shadow"]
    said: str
    overrides: list[OverrideShown]


class LimitsShown(BaseModel):
    ruleset: str
    limits: list[LimitShown]
    for_all: list[OverrideShown]
    """Overrides of all limits."""
    without_limit: list[OverrideShown]
    revision: int
    left_out: int


class AccountLimitsShown(BaseModel):
    account: str
    known: bool
    organisation: str
    tier: str
    model: str
    country: str
    at: float
    revision: int
    frozen: OverrideShown | None
    limits: list[dict[str, Any]]
    notes: list[str]


class ResetShown(BaseModel):
    account: str
    limit: str
    buckets: list[dict[str, Any]]
    """What was in use of each."""
    note: str
