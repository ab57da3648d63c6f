"""Text -> a checked tree, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.expressions import engine
from gateway.expressions.tree import Node
from gateway.feeds.kinds import ListKind


class Complaint(NamedTuple):
    """One thing wrong in a text. `line` and `column` count from 1."""

    line: int
    column: int
    message: str


class BadExpression(ValueError):
    """Everything that is wrong with a text, in the order of its places."""

    def __init__(self, complaints: Iterable[Complaint]) -> None:
        self.complaints = tuple(sorted(set(complaints)))
        super().__init__("; ".join(complaint.message for complaint in self.complaints))


def checked(text: str, lists: Mapping[str, ListKind]) -> tuple[Node, object]:
    """The tree, and cel-cpp's expression. Raises BadExpression."""
    try:
        tree, expression = engine.check(text, tuple(sorted(lists.items())))
    except engine.Refused as refused:
        raise BadExpression(
            [Complaint(max(1, one.line), max(1, one.column), one.message) for one in refused.said]
        ) from None
    if tree.type != "bool":
        raise BadExpression([Complaint(1, 1, "must be true or false")])
    return tree, expression
