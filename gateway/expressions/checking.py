"""Text -> a checked tree, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.expressions import engine, laws, mismatch, syntax
from gateway.expressions.complaint import BadExpression, Complaint
from gateway.expressions.tree import Node
from gateway.expressions.values import UNSAYABLE
from gateway.expressions.words import shown
from gateway.feeds.kinds import ListKind

MAX_LENGTH = 8000
"""Characters."""


def checked(text: str, lists: Mapping[str, ListKind]) -> tuple[Node, object]:
    """The tree, and cel-cpp's expression. Raises BadExpression."""
    if not text.strip():
        raise BadExpression([Complaint(1, 1, "is empty: leave it out, or write `true`")])
    if len(text) > MAX_LENGTH:
        raise BadExpression([Complaint(1, 1, f"has {len(text)} characters, and at most {MAX_LENGTH} are allowed")])
    unsayable = UNSAYABLE.search(text)
    if unsayable:
        raise BadExpression([Complaint(*_place(text, unsayable.start()), f"U+{ord(unsayable[0]):04X} is no character")])
    declared = tuple(sorted(lists.items()))
    try:
        tree, expression = engine.check(text, declared)
    except engine.Refused as refused:
        raise BadExpression(_refused(text, declared, lists, refused.said)) from None
    found = laws.complaints(tree, lists)
    if tree.type != "bool":
        hint = ": compare it, such as `== true`" if tree.type == "dyn" else ""
        found.append(Complaint(1, 1, f"must be true or false, and is {shown(tree, tree.type)}{hint}"))
    if found:
        raise BadExpression(found)
    return tree, expression


def _refused(
    text: str, declared: engine.Lists, lists: Mapping[str, ListKind], said: tuple[engine.Said, ...]
) -> list[Complaint]:
    """What is wrong with a text that cel-cpp does not take."""
    try:
        parsed = engine.parse(text, declared)
    except engine.Refused as unreadable:
        return syntax.complaints(text, unreadable.said)
    found = laws.complaints(parsed, lists)
    # Where both complain of one place, ours says why.
    places = {(line, column) for line, column, _ in found}
    found += [one for one in mismatch.complaints(parsed, said) if one[:2] not in places]
    # Nothing that cel-cpp refuses passes, whether or not there are better words for it.
    return found or [Complaint(one.line, one.column, one.message) for one in said]


def _place(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
