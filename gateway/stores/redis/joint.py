"""One take in several slots of a Cluster: all are asked at once, and if one says no the others are given back.

For the moment between its answer and that return a slot may refuse another exchange that would have fitted; it never
admits one that does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.policy import Take, Taken
from gateway.stores.interface import StoreUnavailable, TakeAnswer

if TYPE_CHECKING:
    from gateway.stores.redis.plan import Plan
    from gateway.stores.redis.store import RedisStore


def part_name(exchange: str, slot: int) -> str:
    """The part of an exchange that lives in one slot has a mark, and a settle, of its own."""
    return f"{exchange}@{slot}"


class JointTake:
    """Gathers the answers of the parts; tells the caller of the first failure at once, or of all answers."""

    __slots__ = ("_answers", "_exchange", "_failed", "_missing", "_more", "_parts", "_store", "_takes", "_then")

    def __init__(
        self,
        store: RedisStore,
        exchange: str,
        takes: Sequence[Take],
        parts: tuple[tuple[Plan, tuple[int, ...]], ...],
        then: TakeAnswer,
        *,
        more: bool,
    ) -> None:
        self._store = store
        self._exchange = exchange
        self._takes = takes
        self._parts = parts
        self._then = then
        self._more = more
        self._missing = len(parts)
        self._failed = False
        self._answers: list[Taken | None] = [None] * len(parts)
        for index, (plan, places) in enumerate(parts):
            rows = [takes[place] for place in places]
            if more:
                store.more_of(plan, exchange, rows, self._hear(index))
            else:
                store.take_of(plan, part_name(exchange, plan.slot), rows, self._hear(index))

    def _hear(self, index: int) -> TakeAnswer:
        def then(answer: Taken | StoreUnavailable) -> None:
            self._missing -= 1
            if isinstance(answer, Taken):
                self._answers[index] = answer
            elif not self._failed:
                self._failed = True
                self._then(answer)
            if not self._missing:
                self._finish()

        return then

    def _finish(self) -> None:
        granted = not self._failed and all(answer is not None and answer.granted for answer in self._answers)
        if not granted:
            for (plan, _), answer in zip(self._parts, self._answers, strict=True):
                if answer is not None and answer.granted:
                    self._store.undo(self._exchange, plan, more=self._more)
        if not self._failed:
            self._then(self._whole(granted=granted))

    def _whole(self, *, granted: bool) -> Taken:
        remaining = [0.0] * len(self._takes)
        short, wait = -1, 0.0
        for (_, places), answer in zip(self._parts, self._answers, strict=True):
            if answer is None:
                continue
            for place, left in zip(places, answer.remaining, strict=True):
                # What was taken here is on its way back.
                back = self._takes[place].cost if answer.granted and not granted else 0.0
                remaining[place] = left + back
            if not answer.granted and (short < 0 or answer.wait > wait):
                short, wait = places[answer.short], answer.wait
        return Taken(granted, tuple(remaining), short, wait)
