"""What a running stream is paid for, where its limits say `on_exhausted: cut`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gateway.policy import OnExhausted

if TYPE_CHECKING:
    from gateway.chain.chain import Asked

CHECK_EVERY: Final = 4
"""Output tokens between two looks."""


class Allowance:
    """Sees that what is delivered stays paid for: one question to the store at a time, and no stream waits for it."""

    __slots__ = ("_asked", "_checked_at", "_cut", "_waiting")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._checked_at = 0
        self._waiting = False
        self._cut: Callable[[], None] | None = None

    def look(self, delivered: int, cut: Callable[[], None]) -> None:
        """So many output tokens were passed on; `cut` is called, now or soon, where no more can be paid for."""
        if self._waiting or delivered < self._checked_at + CHECK_EVERY:
            return
        self._checked_at = delivered
        self._waiting = True
        self._cut = cut
        self._asked.extend(delivered, self._answered)

    def _answered(self, granted: bool) -> None:
        self._waiting = False
        cut, self._cut = self._cut, None
        if not granted and cut is not None:
            cut()


def allowance_of(asked: Asked) -> Allowance | None:
    """None where no limit that was taken from cuts streams."""
    cuts = any(take.bucket.limit.on_exhausted is OnExhausted.CUT for take in asked.takes)
    return Allowance(asked) if cuts else None
