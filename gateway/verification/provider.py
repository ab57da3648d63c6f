"""The contract of a provider of verifications: start a session, read its news, ask for its decision.

What a provider knows of a person stays with it: an adapter gives on states, times, kinds of evidence, and what
identifies a person only as `Identified`, which is hashed before it is kept and never printed.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable


class State(enum.StrEnum):
    """Of a session with a provider, in our words."""

    CREATED = "created"
    SUBMITTED = "submitted"
    """The person has done their part."""
    REVIEW = "review"
    """People at the provider look at it."""
    RETRY = "retry"
    """The person has to do something again."""
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    REVERSED = "reversed"
    """An approval was taken back."""
    DISPUTED = "disputed"
    """A payment was taken back."""
    OTHER = "other"
    """Nothing that concerns an account."""


class Event(NamedTuple):
    """One piece of news, as it was read from a webhook whose signature held."""

    id: str
    """The provider's; the hash of the content where it has none."""
    kind: str
    """The provider's word."""
    state: State
    reference: str
    """The session, or the payment, that it is about."""
    at: float
    """Unix time by the provider's clock; 0 where it states none, and then the provider is asked before a tier rises."""


class Identified(NamedTuple):
    """What identifies a person: kind of link (`gateway.accounts.evidence.LINKS`), and its value."""

    kind: str
    value: str

    def __repr__(self) -> str:
        return f"<Identified {self.kind}>"


class Verdict(NamedTuple):
    """What a provider says of a session when it is asked."""

    state: State
    at: float
    """Unix time of that state by the provider's clock; 0 where it states none."""
    gives: frozenset[str] = frozenset()
    """Kinds of evidence; for APPROVED alone."""
    expires: float = math.inf
    """Unix time at which what was shown ends, such as a passport."""
    reason: str = ""
    """A code: why it is no approval. The provider's word in lower case, never prose of it."""
    identified: tuple[Identified, ...] = ()
    ours: str = ""
    """The id of the verification that we gave it when the session was started, as it says it back."""


class Started(NamedTuple):
    """A session that a person can go to."""

    reference: str
    url: str
    """Where the person is sent. Secret: who has it takes part."""


class Rejected(Exception):
    """A webhook that is not believed, or not understood. `reason` is stable:

    missing_signature, malformed_signature, unsupported_algorithm, wrong_signature, too_old, from_the_future,
    malformed_content.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class ProviderUnavailable(Exception):
    """It did not answer, or not well: try again later. The text is for the log and holds no secret."""


class NoSuchSession(Exception):
    """The provider does not know the session."""


class Provider(Protocol):
    name: str
    """As tidegate.yaml names it."""
    gives: frozenset[str]
    """Kinds of evidence that its approval is."""

    @property
    def dated(self) -> bool:
        """Whether its webhooks state a time that is signed."""

    def read(self, fields: Mapping[str, str], body: bytes, now: float) -> Event:
        """A webhook: request fields by lower-case name, and the content as it came. Raises Rejected."""

    async def start(self, verification: str, account: str, back: str) -> Started:
        """`verification` is our id of it, `back` the address that the person returns to. Raises ProviderUnavailable."""

    async def resume(self, reference: str) -> Started | None:
        """The way back into a session that is not over; None where the provider has none, and a new one is started.

        Raises ProviderUnavailable.
        """

    async def fetch(self, reference: str) -> Verdict:
        """The decision as it stands. Raises ProviderUnavailable, NoSuchSession."""

    async def close(self) -> None: ...


@runtime_checkable
class Disputes(Protocol):
    """What a provider that is a payment processor can be asked as well: whose payment it was that was taken back."""

    async def disputed(self, reference: str) -> tuple[Identified, ...]:
        """Of the payment that an Event of State.DISPUTED names: links `customer` and `payment`, as far as it has them.

        Raises ProviderUnavailable, and NoSuchSession where it does not know the payment.
        """
