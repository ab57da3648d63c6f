"""The way of one exchange through the chain with a clock beside it, for the few that are traced.

The usual `Asked` knows nothing of it: a traced exchange is asked through a copy of the chain that looks at each entry.
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import NOT_ASKED, Entry
from gateway.policy import Context, Decision, Taken, place
from gateway.stores.interface import StoreUnavailable

TAKE = "take"
"""The name of the step at which all buckets are taken from."""


class Step(NamedTuple):
    """An entry that was asked, or the store; times by the clock that was given."""

    name: str
    kind: str
    """Of the entry; `store` for the take."""
    began: float
    ended: float
    said: str
    """An action, `not asked` (it did not apply, or is in shadow) or `failed`; of the take `granted`, `refused`, or why
    the store gave no answer."""
    reason: str = ""


class TimedAsked(Asked):
    """`steps` grow as it goes."""

    __slots__ = ("clock", "original", "steps", "took")

    def __init__(
        self, chain: Chain, context: Context, then: Callable[[Asked], None], clock: Callable[[], float]
    ) -> None:
        looking = copy.copy(chain)
        looking.asks = [None] * len(chain.entries)
        super().__init__(looking, context, then)
        self.original = chain
        """Held on to: a chain that nobody holds any more is closed."""
        self.clock = clock
        self.steps: list[Step] = []
        self.took = 0.0

    def _ask(self, entry: Entry) -> Decision | Awaitable[Decision]:
        began = self.clock()
        try:
            decision = super()._ask(entry)
        except Exception:
            self._step(entry, began, "failed")
            raise
        if not isinstance(decision, Decision):
            return self._awaited(entry, began, decision)
        self._said(entry, began, decision)
        return decision

    async def _awaited(self, entry: Entry, began: float, awaitable: Awaitable[Decision]) -> Decision:
        try:
            decision = await awaitable
        except BaseException:
            self._step(entry, began, "failed")
            raise
        self._said(entry, began, decision)
        return decision

    def _said(self, entry: Entry, began: float, decision: Decision) -> None:
        if isinstance(decision, Decision):
            said = "not asked" if decision is NOT_ASKED else decision.action.value
            self._step(entry, began, said, decision.reason)

    def _step(self, entry: Entry, began: float, said: str, reason: str = "") -> None:
        self.steps.append(Step(entry.name, entry.kind, began, self.clock(), said, reason))

    def _take(self) -> None:
        self.took = self.clock()
        super()._take()

    def _taken(self, taken: Taken | StoreUnavailable) -> None:
        said = taken.reason if isinstance(taken, StoreUnavailable) else "granted" if taken.granted else "refused"
        self.steps.append(Step(TAKE, "store", self.took, self.clock(), said))
        super()._taken(taken)


def begin_timed(
    chain: Chain, context: Context, then: Callable[[Asked], None], clock: Callable[[], float]
) -> TimedAsked:
    """As `Chain.begin`. `clock` is any monotonic one, in seconds."""
    if chain.locate is not None:
        place(context, chain.locate(context.client_address))
    asked = TimedAsked(chain, context, then, clock)
    asked.run()
    return asked
