"""Who used what since it was last asked: sums by account, country and model, taken away by the supervisor each second.

One look into a dictionary an exchange; windows, ranks and names that deserve a label are the supervisor's business.
"""

from __future__ import annotations

from typing import Final

from gateway.policy import Context, Usage

AT_MOST: Final = 8192
"""Different (account, country, model) between two looks; what comes beyond is summed as nobody's."""
LONGEST: Final = 256
"""Characters of a model: callers choose it."""

Row = list[int]
"""Requests, of them refused, tokens: input, output, cached, cache creation."""
Key = tuple[str, str, str]
"""Account, country, model; empty is unknown."""
NOBODY: Final[Key] = ("", "", "")
WIDTH: Final = 6


class Sums:
    """One worker's. Bounded, whether anybody asks or not."""

    __slots__ = ("_held", "crowded")

    def __init__(self) -> None:
        self._held: dict[Key, Row] = {}
        self.crowded = 0
        """Exchanges that were summed as nobody's, because there were too many different ones."""

    def add(self, context: Context | None, refused: bool, usage: Usage | None) -> None:
        """One exchange that has ended; `context` is None where it could not be read."""
        if context is None:
            key = NOBODY
        else:
            principal = context.principal
            key = (principal.account if principal is not None else "", context.location.country, context.ask.model)
        row = self._held.get(key)
        if row is None:
            row = self._new(key)
        row[0] += 1
        if refused:
            row[1] += 1
        elif usage is not None:
            input_, output, cached, creation, _ = usage
            row[2] += input_
            row[3] += output
            if cached:
                row[4] += cached
            if creation:
                row[5] += creation

    def _new(self, key: Key) -> Row:
        held = self._held
        if len(key[2]) > LONGEST:
            key = (key[0], key[1], key[2][:LONGEST])
        if len(held) >= AT_MOST:
            self.crowded += 1
            key = NOBODY
        row = held.get(key)
        if row is None:
            row = held[key] = [0] * WIDTH
        return row

    def take(self) -> list[tuple[str | int, ...]]:
        """All since the last time, as (account, country, model, *numbers); they begin at nothing again."""
        held, self._held = self._held, {}
        return [(*key, *row) for key, row in held.items()]
