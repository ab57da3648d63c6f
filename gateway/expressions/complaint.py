"""What is wrong in a text, and where: values first, an exception to carry all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Complaint(NamedTuple):
    """One thing wrong in a text. `line` and `column` count from 1, in characters."""

    line: int
    column: int
    message: str


class BadExpression(ValueError):
    """Everything that is wrong with a text, in the order of its places."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(sorted(set(complaints)))
        said = (f"{line}:{column}: {message}" for line, column, message in self.complaints)
        super().__init__("; ".join(said))
