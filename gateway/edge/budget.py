"""One budget of memory for all bodies that a worker holds."""

from __future__ import annotations


class BodyBudget:
    """Bytes of request bodies held at once. A flood of large bodies is turned away, not paid with the worker's life."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.refused = 0

    def has_room(self, size: int) -> bool:
        """Whether so many bytes would fit. Counted as refused if not."""
        if self.held + size > self.limit:
            self.refused += 1
            return False
        return True

    def reserve(self, size: int) -> bool:
        """Hold so many bytes. False, and nothing held, where there is no room."""
        if self.held + size > self.limit:
            self.refused += 1
            return False
        self.held += size
        return True

    def release(self, size: int) -> None:
        self.held -= size
