"""What is left of clearances in this worker: drawn from the fleet in chunks, and counted down in memory."""

from __future__ import annotations

import math
from typing import Final

from gateway.challenges.interface import Escalations
from gateway.challenges.ladder import Clearance
from gateway.policies.captcha.flights import Flights

REMEMBERED_AT_MOST: Final = 65_536
"""Clearances. What was drawn for one that is forgotten is lost: the fleet never gives more than the budget."""
PARTS: Final = 64
"""Into so many chunks a budget is cut: a few workers that hold a piece each waste little of it."""


class Budget:
    """Of one clearance. Whoever passes takes one of `left`."""

    __slots__ = ("left",)

    def __init__(self, left: float) -> None:
        self.left = left
        """inf where any number may pass."""


class Budgets:
    """Of all clearances that this worker has seen used."""

    def __init__(self, escalations: Escalations) -> None:
        self._escalations = escalations
        self._budgets: dict[tuple[str, str, str], Budget] = {}
        self._draws: Flights[int] = Flights()
        self.spent: set[str] = set()
        """Ids of clearances of which the fleet has no more, and never will."""

    def of(self, by: str, subject: str, clearance: Clearance) -> Budget:
        """What is left of it here; at first nothing, where it has an end."""
        name = (by, subject, clearance.id)
        budget = self._budgets.get(name)
        if budget is None:
            if len(self._budgets) >= REMEMBERED_AT_MOST:
                self._budgets.clear()
            budget = self._budgets[name] = Budget(0.0 if clearance.exchanges else math.inf)
        return budget

    async def draw(self, by: str, subject: str, clearance: Clearance) -> bool:
        """Whether one more exchange may pass: it is counted then. Raises Unavailable."""
        budget = self.of(by, subject, clearance)
        while budget.left < 1.0 and clearance.id not in self.spent:

            async def more() -> int:
                drawn = await self._escalations.draw(by, subject, clearance, max(1, clearance.exchanges // PARTS))
                budget.left += drawn
                if not drawn:
                    self._spend(clearance.id)
                return drawn

            await self._draws.ask((by, subject, clearance.id), more)
        if budget.left < 1.0:
            return False
        budget.left -= 1.0
        return True

    def _spend(self, clearance: str) -> None:
        if len(self.spent) >= REMEMBERED_AT_MOST:
            self.spent.clear()
        self.spent.add(clearance)
