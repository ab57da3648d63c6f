"""What was found is remembered by the values that it was found by, in bounded memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

AT_MOST: Final = 32_768
"""Values of the two generations together."""
LONGEST: Final = 256
"""Characters of all texts of a key together. A caller who sends long model names or paths is judged each time: slower
for that caller, and no memory of ours.
"""

ValueT = TypeVar("ValueT")


class Memory(Generic[ValueT]):
    """Two generations: when the young one is full it becomes the old one, and what was old and not asked for goes.

    What is asked for often stays, whatever a flood of others does; both looking up and forgetting cost the same at any
    size, as deleting the first of a large dict does not.
    """

    __slots__ = ("_half", "_old", "young")

    def __init__(self, at_most: int = AT_MOST) -> None:
        self._half = max(1, at_most // 2)
        self.young: dict[Hashable, ValueT] = {}
        """For those who cannot pay for a call: what is here is what `get` would give."""
        self._old: dict[Hashable, ValueT] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, key: Hashable) -> ValueT | None:
        """Raises TypeError for a key that cannot be remembered by."""
        found = self.young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is not None:
                self._add(key, found)
        return found

    def remember(self, key: Hashable, value: ValueT) -> None:
        """Nothing happens for a key that is too long."""
        if _length(key) <= LONGEST:
            self._add(key, value)

    def _add(self, key: Hashable, value: ValueT) -> None:
        if len(self.young) >= self._half:
            self._old, self.young = self.young, {}
        self.young[key] = value


def _length(part: Hashable) -> int:
    if isinstance(part, str | bytes):
        return len(part)
    return sum(_length(inner) for inner in part) if isinstance(part, tuple | frozenset) else 0
