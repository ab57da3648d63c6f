"""Rows of the exchange log -> exchanges as they can be asked again, with what became of them then.

A principal, a location and a set of features that came before are the same object again: policies remember by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import pyarrow as pa

from gateway.history.decode import column
from gateway.history.event import evidence_of, falls_of
from gateway.policy import NOWHERE, Ask, Facts, Location, Outcome, Principal, Profile, Usage
from gateway.rehearsal.exchange import NO_FIELDS, Exchange

UNKNOWN: Final = "identity_not_recorded"
"""Stands for the reason why a credential is refused where the log does not know whose it was."""
PASSED: Final = Facts(captcha=True)

_WHO: Final = (
    "account", "organisation", "key", "tier",
    "created", "email_domain", "signup_country", "billing_country", "verification",
    "assigned", "evidence", "falls", "identity", "signup_burst",
)  # fmt: skip
_WHERE: Final = ("country", "asn", "network_kinds", "latitude", "longitude", "radius", "private")
_ASK: Final = (
    "dialect", "route", "model", "streaming", "features", "input_tokens", "output_cap", "items", "generates",
)  # fmt: skip
_USAGE: Final = ("usage_input", "usage_output", "usage_cached", "usage_cache_creation", "usage_reasoning")
_REST: Final = (
    "exchange", "time", "method", "path", "client_address", "ja4", "captcha",
    "action", "entry", "reason", "rules", "seconds", "status", "delivered", "aborted", "reached",
)  # fmt: skip
COLUMNS: Final = (*_WHO, *_WHERE, *_ASK, *_USAGE, *_REST)
"""What a replay reads."""

_new: Final[Callable[[type[Any], tuple[Any, ...]], Any]] = tuple.__new__
"""A NamedTuple without the call in between: half the price, and there are five an exchange."""
_PASSED_ON: Final = Outcome(0)[5:]
"""The end of an Outcome, of an exchange that nobody refused."""
MOST: Final = 4_000_000
"""Principals and locations that are held. Beyond it they are made anew: slower, and the same."""


class Verdict(NamedTuple):
    """What was decided. `action` is empty where nobody was asked."""

    action: str
    entry: str = ""
    rule: str = ""
    reason: str = ""


ALLOWED: Final = Verdict("allow")
NOT_ASKED: Final = Verdict("")


class Past(NamedTuple):
    """An exchange of the past."""

    exchange: Exchange
    verdict: Verdict
    outcome: Outcome
    """As it was; of one that was refused it says nothing."""
    seconds: float


class Reader:
    """Makes them. `identifying` are the names of the entries that find out who asks: what they refused they refuse
    again. `locate` leaves the location open, for the databases of today.
    """

    def __init__(self, identifying: frozenset[str], *, locate: bool = False) -> None:
        self._identifying = identifying
        self._locate = locate
        self._principals: dict[tuple[Any, ...], Principal | None] = {}
        self._locations: dict[tuple[Any, ...], Location] = {}
        self._verdicts: dict[tuple[str, str, str, Any], Verdict] = {}
        self._features: dict[tuple[str, ...], frozenset[str]] = {(): frozenset()}

    def read(self, table: pa.Table) -> Iterator[Past]:
        """One a row."""

        def zipped(names: tuple[str, ...], **made: list[Any]) -> Iterator[tuple[Any, ...]]:
            return zip(*[made.get(name) or column(table, name) for name in names], strict=True)

        principals, locations = self._principals, self._locations
        asks = zipped(_ASK, features=[self._set(names) for names in column(table, "features")])
        for who, where, ask, usage, rest in zip(
            zipped(_WHO), zipped(_WHERE), asks, zipped(_USAGE), zipped(_REST), strict=True
        ):
            try:
                principal = principals[who]
            except KeyError:
                principal = self._principal(who)
            location = None
            if not self._locate:
                try:
                    location = locations[where]
                except KeyError:
                    location = self._location(where)
            exchange, time, method, path, address, ja4, captcha, action, entry, reason, rules, seconds, *end = rest
            refused = ""
            if action == "allow":
                verdict = ALLOWED
                if principal is None:
                    refused = UNKNOWN
            else:
                verdict = self._verdict(action, entry, reason, rules)
                if entry in self._identifying:
                    refused = reason
                elif principal is None:
                    refused = UNKNOWN
            status, delivered, aborted, reached = end
            used = None if usage[1] is None else _new(Usage, usage)
            facts = PASSED if captcha else None
            asked = _new(
                Exchange,
                (
                    exchange, time, _new(Ask, (*ask, False)), principal, refused, address, location,
                    method, path, NO_FIELDS, ja4, facts, None,
                ),
            )  # fmt: skip
            outcome = _new(Outcome, (status, used, delivered, aborted, reached, *_PASSED_ON))
            yield _new(Past, (asked, verdict, outcome, seconds))

    def _set(self, names: tuple[str, ...]) -> frozenset[str]:
        found = self._features.get(names)
        if found is None:
            found = self._features[names] = frozenset(names)
        return found

    def _principal(self, who: tuple[Any, ...]) -> Principal | None:
        account, organisation, key, tier, created, email_domain, signup, billing, verification, *more = who
        if not account:
            return None
        assigned, evidence, falls, identity, burst = more
        profile = Profile(
            created or 0.0, email_domain, signup, billing, verification,
            evidence_of(evidence), falls_of(falls), identity, burst, assigned,
        )  # fmt: skip
        # Where a ladder found a tier then, today's finds it again, or another: it begins with what was there before.
        principal = Principal(account, organisation, key, assigned or tier, profile=profile)
        if len(self._principals) < MOST:
            self._principals[who] = principal
        return principal

    def _location(self, where: tuple[Any, ...]) -> Location:
        country, asn, kinds, latitude, longitude, radius, private = where
        location = Location(country, asn, frozenset(kinds), latitude, longitude, radius, private)
        if location == NOWHERE:
            location = NOWHERE
        if len(self._locations) < MOST:
            self._locations[where] = location
        return location

    def _verdict(self, action: str, entry: str, reason: str, rules: tuple[tuple[Any, ...], ...]) -> Verdict:
        if not action:
            return NOT_ASKED
        rule = ""
        for by, name, _, _, enforced in rules:
            if by == entry and enforced:
                rule = name
        key = (action, entry, rule, reason)
        return self._verdicts.setdefault(key, Verdict(*key))
