"""What would have been different: counted by rule, tier and country, by account, and over time."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from gateway.policy import Principal
from gateway.rehearsal.past import ALLOWED, Past, Verdict

DAY: Final = 86_400.0
OLD: Final = 90 * DAY
"""An account that has been there for so long has a history."""
MINUTE: Final = 60.0


class Change(enum.StrEnum):
    """Of the decision on one exchange, the most dangerous first."""

    NEWLY_REFUSED = "newly refused"
    NEWLY_ALLOWED = "newly allowed"
    OTHER_REASON = "refused for another reason"
    STILL_REFUSED = "refused as before"
    STILL_ALLOWED = "allowed as before"
    NOT_JUDGED = "not judged"
    """Nobody was asked then, or it was refused before anybody knew who asks."""


CHANGED: Final = (Change.NEWLY_REFUSED, Change.NEWLY_ALLOWED, Change.OTHER_REASON)


def change_of(before: Verdict, after: Verdict | None) -> Change:
    """`after` is None where the new policies cannot be asked."""
    if not before.action or after is None:
        return Change.NOT_JUDGED
    if before.action == "allow":
        return Change.STILL_ALLOWED if after.action == "allow" else Change.NEWLY_REFUSED
    if after.action == "allow":
        return Change.NEWLY_ALLOWED
    same = (before.entry, before.reason) == (after.entry, after.reason)
    return Change.STILL_REFUSED if same else Change.OTHER_REASON


class GroupKey(NamedTuple):
    """By what changes are added up. The rule is the one that refuses: the new one, or for newly allowed the old one."""

    change: Change
    tier: str
    country: str
    entry: str
    rule: str
    reason: str


class Group:
    """Some changed exchanges."""

    __slots__ = ("accounts", "count", "example")

    def __init__(self, example: str) -> None:
        self.count = 0
        self.accounts: set[str] = set()
        self.example = example
        """The id of the first."""


class Account:
    """One account, over the whole of what was replayed."""

    __slots__ = ("countries", "exchanges", "newly_allowed", "newly_refused", "principal", "refused_before", "tokens")

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.exchanges = 0
        self.refused_before = 0
        self.newly_refused = 0
        self.newly_allowed = 0
        self.tokens = 0
        self.countries: dict[str, int] = {}

    def age(self, now: float) -> float:
        """Seconds; 0 where that is not known."""
        created = self.principal.profile.created
        return max(0.0, now - created) if created else 0.0

    def honest(self, now: float) -> bool:
        """Looks it honest? Verified, or old, and hardly ever refused before: a hint where to look first, no proof."""
        known = self.principal.profile.verification > 0 or self.age(now) >= OLD
        return known and self.refused_before * 20 <= self.exchanges

    @property
    def share(self) -> float:
        """The part of its own exchanges that would be refused anew."""
        return self.newly_refused / self.exchanges if self.exchanges else 0.0


class Comparison:
    """Sums. `add` once an exchange."""

    def __init__(self) -> None:
        self.groups: dict[GroupKey, Group] = {}
        self.accounts: dict[str, Account] = {}
        self.minutes: dict[int, list[int]] = {}
        """Minute of Unix time -> exchanges by Change, in its order."""
        self.first = self.last = 0.0

    @property
    def changes(self) -> dict[Change, int]:
        """Exchanges by change. Summed here: the hash of an enum is a call, and `add` is for millions."""
        return (
            dict(zip(Change, map(sum, zip(*self.minutes.values(), strict=True)), strict=True))
            if self.minutes
            else (dict.fromkeys(Change, 0))
        )

    @property
    def exchanges(self) -> int:
        return sum(self.changes.values())

    @property
    def judged(self) -> int:
        return self.exchanges - self.changes[Change.NOT_JUDGED]

    def add(self, past: Past, before: Verdict, after: Verdict | None) -> None:
        exchange = past.exchange
        same = before is ALLOWED and after is ALLOWED
        change = Change.STILL_ALLOWED if same else change_of(before, after)
        now = exchange.now
        self.first = self.first or now
        self.last = now
        minute = int(now // MINUTE)
        counts = self.minutes.get(minute)
        if counts is None:
            counts = self.minutes[minute] = [0] * len(_ORDER)
        counts[_STILL_ALLOWED if same else _ORDER[change]] += 1
        principal = exchange.principal
        if principal is None:
            if change in CHANGED:
                self._group(change, past, before, after, Principal("", tier=""))
            return
        account = self.accounts.get(principal.account)
        if account is None:
            account = self.accounts[principal.account] = Account(principal)
        account.exchanges += 1
        usage = past.outcome.usage
        if usage is not None:
            account.tokens += usage.input + usage.output
        if same:
            return
        if before is not ALLOWED:
            account.refused_before += 1
        if change in CHANGED:
            account.newly_refused += change is Change.NEWLY_REFUSED
            account.newly_allowed += change is Change.NEWLY_ALLOWED
            if change is Change.NEWLY_REFUSED:
                account.principal = principal
                country = exchange.location.country if exchange.location is not None else ""
                account.countries[country] = account.countries.get(country, 0) + 1
            self._group(change, past, before, after, principal)

    def _group(self, change: Change, past: Past, before: Verdict, after: Verdict | None, principal: Principal) -> None:
        by = before if change is Change.NEWLY_ALLOWED or after is None else after
        location = past.exchange.location
        key = GroupKey(change, principal.tier, location.country if location else "", by.entry, by.rule, by.reason)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(past.exchange.id)
        group.count += 1
        group.accounts.add(principal.account)

    # -- for people -------------------------------------------------------------------------------------------------

    def of(self, change: Change) -> list[tuple[GroupKey, Group]]:
        """The groups of a change, the largest first."""
        found = [(key, group) for key, group in self.groups.items() if key.change is change]
        return sorted(found, key=lambda pair: (-pair[1].count, pair[0]))

    def hurt(self) -> list[Account]:
        """Accounts of whom something would be refused anew: those that look honest first, then by how much."""
        found = [account for account in self.accounts.values() if account.newly_refused]
        return sorted(found, key=self._urgency)

    def _urgency(self, account: Account) -> tuple[object, ...]:
        profile = account.principal.profile
        return (
            not account.honest(self.last),
            -profile.verification,
            -account.newly_refused,
            -account.age(self.last),
            account.principal.account,
        )


_ORDER: Final = {change: index for index, change in enumerate(Change)}
_STILL_ALLOWED: Final = _ORDER[Change.STILL_ALLOWED]
