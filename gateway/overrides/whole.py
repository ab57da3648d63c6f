"""All overrides that hold at a time, and which one bites. Pure, and made for being asked often."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from gateway.overrides.override import Kind, Override
from gateway.policy import Limit, Principal


class Overrides:
    """Immutable. Several may mean one exchange; then of those for a limit one bites:

    1. a FREEZE, whoever else has what: an incident is not undone by an account's boost;
    2. else the most specific scope: account, cluster, organisation, tier, new accounts, model, country, everybody;
       one that states more of these before one that states less, and the limit by name before all limits;
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

    def __bool__(self) -> bool:
        return bool(self.all)

    def frozen(self, principal: Principal, model: str, country: str) -> Override | None:
        """The freeze of all limits that means such an exchange. It refuses also where no limit matches."""
        raise NotImplementedError

    def of(self, limit: str, principal: Principal, model: str, country: str) -> Override | None:
        """What bites of those for this limit; never a FREEZE of all limits (`frozen`), never SHADOW."""
        raise NotImplementedError


NONE: Final = Overrides()


def changed(limit: Limit, override: Override) -> Limit | None:
    """The limit as the override has it, by the same name, so usage is kept; None where it is not asked at all.

    Whole units stay whole: rounded up, and never less than one. A FREEZE has capacity 0.
    """
    raise NotImplementedError
