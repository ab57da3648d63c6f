"""What was seen lately, bounded: a cache in two generations.

A young generation that is full becomes the old one, and the old one before it is dropped. What is met in the old one
moves to the young. So the most recent `size` are always there, never more than twice as many, and a hit costs one
lookup where an exact LRU would move an entry each time.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A name, or the digest of a credential -> what is known of it."""

    __slots__ = ("_old", "size", "young")

    def __init__(self, size: int) -> None:
        self.size = size
        self.young: dict[K, V] = {}
        """For the hot path, which looks here before it calls `get`."""
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get(self, mark: K) -> V | None:
        found = self.young.get(mark)
        if found is None and self._old:
            found = self._old.pop(mark, None)
            if found is not None:
                self.put(mark, found)
        return found

    def put(self, mark: K, value: V) -> None:
        if len(self.young) >= self.size:
            self._old = self.young
            self.young = {}
        self.young[mark] = value

    def drop(self, mark: K) -> None:
        self.young.pop(mark, None)
        self._old.pop(mark, None)

    def clear(self) -> None:
        self.young.clear()
        self._old.clear()
