"""What policies hold of overrides: an object whose content is swapped under them, always whole."""

from __future__ import annotations

from gateway.overrides.whole import NONE, Overrides


class LiveOverrides:
    """`whole` is another object whenever anything has changed, an expiry included: to compare it is all."""

    __slots__ = ("whole",)

    def __init__(self, whole: Overrides = NONE) -> None:
        self.whole = whole
