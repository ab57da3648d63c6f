"""All overrides that hold at a time, and which one bites. Pure, and made for being asked often."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Final, NamedTuple

from gateway.overrides.override import ALL_LIMITS, Kind, Override, Scope
from gateway.policy import Limit, Measure, Principal

Rank = tuple[bool, int, int, tuple[bool, ...], bool, int, int]
"""What is smaller bites."""


class Overrides:
    """Immutable. Several may mean one exchange; then of those for a limit one bites:

    1. a FREEZE, whoever else has what: an incident is not undone by an account's boost;
    2. else the most specific scope: account, cluster, organisation, tier, new accounts, model, country, everybody;
       of those that begin alike, one that states more of these before one that states less; of equal scopes, the limit
       by name before all limits;
    3. else the newest.
    """

    def __init__(self, overrides: Iterable[Override] = (), revision: int = 0, now: float = 0.0) -> None:
        """`revision` is that of the directory, withdrawn ones included; what has expired by `now` is left out."""
        self.revision = revision
        self.all = tuple(one for one in overrides if one.expires > now)
        self.next_expiry = min((one.expires for one in self.all), default=math.inf)
        """Unix time at which this whole is no longer right by itself."""
        self.by_model = any(one.scope.model for one in self.all)
        """Whether what bites depends on the model that is asked for; as with the country."""
        self.by_country = any(one.scope.country for one in self.all)
        self.shadowed = any(one.kind is Kind.SHADOW for one in self.all)
        frozen, by_limit = [], dict[str, list[Override]]()
        for one in self.all:
            if one.kind is Kind.FREEZE and one.limit == ALL_LIMITS:
                frozen.append(one)
            elif one.kind is not Kind.SHADOW:
                by_limit.setdefault(one.limit, []).append(one)
        self._frozen = _Index(frozen)
        self._for_all = _Index(by_limit.pop(ALL_LIMITS, ()))
        self._by_limit = {limit: _Index(found) for limit, found in by_limit.items()}

    def __bool__(self) -> bool:
        return bool(self.all)

    def __repr__(self) -> str:
        return f"<Overrides {len(self.all)} at revision {self.revision}>"

    def at(self, now: float) -> Overrides:
        """Without what has expired by then: the same object where nothing has."""
        return self if now < self.next_expiry else Overrides(self.all, self.revision, now)

    def frozen(self, principal: Principal, model: str, country: str) -> Override | None:
        """The freeze of all limits that means such an exchange. It refuses also where no limit matches."""
        found = self._frozen.find(principal, model, country)
        return found.override if found is not None else None

    def of(self, limit: str, principal: Principal, model: str, country: str) -> Override | None:
        """What bites of those for this limit; never a FREEZE of all limits (`frozen`), never SHADOW."""
        named = self._by_limit.get(limit)
        found = named.find(principal, model, country) if named is not None else None
        other = self._for_all.find(principal, model, country)
        best = found if other is None or (found is not None and found.rank < other.rank) else other
        return best.override if best is not None else None


class _Ranked(NamedTuple):
    rank: Rank
    override: Override
    is_model: Callable[[str], object] | None
    """None: of every model."""


class _Index:
    """Overrides by the first thing that their scope states of whom it means: a question looks at a few of them.

    What states neither is looked at one by one: patterns of models and new accounts, of which there are few.
    """

    def __init__(self, overrides: Iterable[Override]) -> None:
        self._by_account: dict[str, list[_Ranked]] = {}
        self._by_organisation: dict[str, list[_Ranked]] = {}
        self._by_tier: dict[str, list[_Ranked]] = {}
        self._by_model: dict[str, list[_Ranked]] = {}
        self._by_country: dict[str, list[_Ranked]] = {}
        self._others: list[_Ranked] = []
        self._empty = True
        # The best first: in each list the first that means somebody is the one.
        for one in sorted(map(_ranked, overrides), key=attrgetter("rank")):
            self._empty = False
            for found in self._places(one.override.scope):
                found.append(one)

    def find(self, principal: Principal, model: str, country: str) -> _Ranked | None:
        if self._empty:
            return None
        best = None
        for found in (
            self._by_account.get(principal.account),
            self._by_organisation.get(principal.organisation),
            self._by_tier.get(principal.tier),
            self._by_model.get(model),
            self._by_country.get(country),
            self._others,
        ):
            for one in found or ():
                if best is not None and best.rank < one.rank:
                    break
                if _means(one, principal, model, country):
                    best = one
                    break
        return best

    def _places(self, scope: Scope) -> Iterable[list[_Ranked]]:
        if scope.account:
            return (self._by_account.setdefault(scope.account, []),)
        if scope.accounts:
            return [self._by_account.setdefault(account, []) for account in scope.accounts]
        for value, where in (
            (scope.organisation, self._by_organisation),
            (scope.tier, self._by_tier),
            ("" if _is_pattern(scope.model) else scope.model, self._by_model),
            (scope.country, self._by_country),
        ):
            if value:
                return (where.setdefault(value, []),)
        return (self._others,)


def stated(scope: Scope) -> tuple[bool, ...]:
    """What a scope states, the most specific first."""
    return (
        bool(scope.account),
        bool(scope.accounts),
        bool(scope.organisation),
        bool(scope.tier),
        bool(scope.created_after),
        bool(scope.model),
        bool(scope.country),
    )


def _ranked(override: Override) -> _Ranked:
    states = stated(override.scope)
    rank = (
        override.kind is not Kind.FREEZE,
        states.index(True) if True in states else len(states),
        -sum(states),
        tuple(not one for one in states),
        override.limit == ALL_LIMITS,
        -override.revision,
        -override.id,
    )
    model = override.scope.model
    return _Ranked(rank, override, re.compile(fnmatch.translate(model)).match if _is_pattern(model) else None)


def _is_pattern(model: str) -> bool:
    return any(letter in model for letter in "*?[")


def _means(one: _Ranked, principal: Principal, model: str, country: str) -> bool:
    """Of somebody who is not known yet nothing holds but where the exchange comes from, and what it asks for."""
    scope = one.override.scope
    if scope.account and scope.account != principal.account:
        return False
    if scope.accounts and principal.account not in scope.accounts:
        return False
    if scope.organisation and scope.organisation != principal.organisation:
        return False
    # A principal without an account is nobody yet, and has a tier for want of another word.
    if scope.tier and (scope.tier != principal.tier or not principal.account):
        return False
    if scope.created_after and not 0.0 < scope.created_after <= principal.profile.created:
        return False
    if scope.country and scope.country != country:
        return False
    if one.is_model is not None:
        return one.is_model(model) is not None
    return not scope.model or scope.model == model


NONE: Final = Overrides()
DOLLARS_AT_MOST: Final = 1e12
"""What is left is told by the store in whole millionths, of 64 bits: more would be told as a debt."""


def changed(limit: Limit, override: Override) -> Limit | None:
    """The limit as the override has it, by the same name, so usage is kept; None where it is not asked at all.

    Whole units stay whole: rounded up, and never less than one. A FREEZE has capacity 0. What the file has frozen
    (capacity 0) no factor thaws: numbers do.
    """
    match override.kind:
        case Kind.UNLIMITED:
            return None
        case Kind.FREEZE:
            return replace(limit, capacity=0.0)
        case Kind.SET:
            return _set(limit, override)
        case Kind.SCALE:
            return scaled(limit, override.factor)
        case Kind.SHADOW:
            return limit


def scaled(limit: Limit, factor: float) -> Limit:
    """So many times what it gives. Half of one request every minute is one request every two."""
    if limit.capacity <= 0.0:
        return limit
    capacity = _whole(limit.measure, limit.capacity * factor)
    if limit.measure is Measure.CONCURRENCY:
        return replace(limit, capacity=capacity)
    # 0.1 of 30 is 3, and not 3.0000000000000004.
    refill = round(limit.refill * factor, 9)
    if limit.measure is Measure.SPEND or refill.is_integer():
        return replace(limit, capacity=capacity, refill=refill)
    return replace(limit, capacity=capacity, every=limit.every / factor)


def _set(limit: Limit, override: Override) -> Limit:
    capacity = limit.capacity if override.capacity is None else _whole(limit.measure, override.capacity)
    if limit.measure is Measure.CONCURRENCY:
        return replace(limit, capacity=capacity)
    refill = limit.refill if override.refill is None else _whole(limit.measure, override.refill)
    if refill <= 0.0:
        # Frozen by the file, which then states no refill either: what a bucket holds comes back, as in the file.
        refill = capacity
    return replace(
        limit, capacity=capacity, refill=refill, every=limit.every if override.every is None else override.every
    )


def _whole(measure: Measure, amount: float) -> float:
    return min(amount, DOLLARS_AT_MOST) if measure is Measure.SPEND else float(max(1, math.ceil(round(amount, 9))))
