"""What is known of an exchange before any policy is asked: one of the past, or one that somebody thought up."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.campaigns.verdict import Verdict
from gateway.policy import Ask, Context, Facts, Location, Principal

NO_FIELDS: Final[Mapping[bytes, bytes]] = MappingProxyType({})


class Exchange(NamedTuple):
    """One exchange. It may be asked more than once, under an `id` of its own each time.

    For speed give one Principal object and one Location object wherever they are the same: policies remember by them.
    """

    id: str
    now: float
    """Unix time. The rehearsal's clock is turned to it."""
    ask: Ask
    principal: Principal | None = None
    """Whom the credential proves; None for a stranger."""
    refused: str = ""
    """The reason for which the credential is refused, such as revoked_key; empty where it proves `principal`."""
    address: str = ""
    location: Location | None = None
    """Where it comes from; None: what the databases say of the address."""
    method: str = "POST"
    path: str = "/v1/chat/completions"
    fields: Mapping[bytes, bytes] = NO_FIELDS
    """By lower-case name."""
    ja4: str = ""
    facts: Facts | None = None
    """What is known before the first entry, such as a challenge that was passed; of the principal, say `principal`."""
    verdict: Verdict | None = None
    """What the detector says of the account. Of an exchange of the past nobody knows any more."""

    def context(self) -> Context:
        """As the edge makes it: a new one each time, because the chain writes into it."""
        return Context(self.id, self.now, self.method, self.path, self.fields, self.address, self.ask, self.ja4)
