"""What cel-cpp's type checker says -> what the author is told."""

from __future__ import annotations

import re

from gateway.expressions.complaint import Complaint
from gateway.expressions.engine import Said
from gateway.expressions.functions import FUNCTIONS
from gateway.expressions.tree import Call, Comprehension, Const, Node, Select, walk
from gateway.expressions.words import literal, path, shown, type_words

_OVERLOAD = re.compile(r"found no matching overload for '(.*?)' applied to '\((.*)\)'")
_FIELD = re.compile(r"expression of type '(.*?)' cannot be the operand of a select operation")
_RANGE = re.compile(r"expression of type '(.*?)' cannot be the range of a comprehension")
_TIMES = frozenset({"google.protobuf.Timestamp", "timestamp"})
_DURATIONS = frozenset({"google.protobuf.Duration", "duration"})
_COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
_SIGNS = {"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%"}


def complaints(tree: Node, said: tuple[Said, ...]) -> list[Complaint]:
    """What `laws` has better words for is left out: names that are not there, and lists asked for the wrong thing."""
    asks = {(node.line, node.column) for node in walk(tree) if _asks_list(node)}
    left = [one for one in said if "undeclared" not in one.message and (one.line, one.column) not in asks]
    return [_ranged(tree, one) or Complaint(one.line, one.column, _words(tree, one)) for one in left]


def _ranged(tree: Node, one: Said) -> Complaint | None:
    """A loop over what is no list: cel-cpp tells the place of the last dot of its name."""
    found = _RANGE.match(one.message)
    if found is None:
        return None
    for node in walk(tree):
        if isinstance(node, Comprehension):
            ranged = node.range
            dot = ranged.column + max(0, path(ranged).rfind("."))
            if (ranged.line, one.column) in {(one.line, ranged.column), (one.line, dot)}:
                return Complaint(ranged.line, ranged.column, f"{shown(ranged, found[1])} is no list")
    return Complaint(one.line, one.column, f"{type_words(found[1])} is no list")


def _asks_list(node: Node) -> bool:
    return isinstance(node, Call) and node.function == "@in" and path(node.args[1]).startswith("lists.")


def _words(tree: Node, one: Said) -> str:
    here = [node for node in walk(tree) if (node.line, node.column) == (one.line, one.column)]
    if overload := _OVERLOAD.match(one.message):
        function, types = overload[1], _types(overload[2])
        for node in here:
            if isinstance(node, Call) and node.function == function and len(node.parts()) == len(types):
                return _mismatch(node, types)
    if field := _FIELD.match(one.message):
        for node in here:
            if isinstance(node, Select):
                return f"{shown(node.operand, field[1])} has no field `{node.field}`"
    return one.message


def _types(text: str) -> list[str]:
    """`map(string, dyn), int` -> its two parts."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def _mismatch(node: Call, types: list[str]) -> str:
    function, parts = node.function, node.parts()
    if function in _COMPARISONS:
        first, second = (shown(part, kind) for part, kind in zip(parts, types, strict=True))
        return f"{first} is compared to {second}{_compared(parts, types)}"
    if function == "@in":
        return _searched(parts, types)
    if function in {"_&&_", "_||_", "!_"}:
        sign = {"_&&_": "&&", "_||_": "||", "!_": "!"}[function]
        part, kind = next(pair for pair in zip(parts, types, strict=True) if pair[1] != "bool")
        return f"`{sign}` needs what is true or false, not {shown(part, kind)}: compare it with something"
    if function == "_?_:_":
        if types[0] != "bool":
            return f"before `?` stands what is true or false, not {shown(parts[0], types[0])}"
        return (
            f"the two answers of `? :` are {type_words(types[1])} and {type_words(types[2])}: they must be of one type"
        )
    if function in _SIGNS:
        first, second = (shown(part, kind) for part, kind in zip(parts, types, strict=True))
        return f"`{_SIGNS[function]}` cannot join {first} and {second}"
    if function == "-_":
        return f"`-` needs a number, not {shown(parts[0], types[0])}"
    if function == "_[_]":
        return f"{shown(parts[0], types[0])} cannot be asked for {shown(parts[1], types[1])}"
    given = " and ".join(shown(part, kind) for part, kind in zip(parts, types, strict=True))
    usage = FUNCTIONS[function].usage if function in FUNCTIONS else function
    if function == "contains" and types[0].startswith("list("):
        return f"a list has no `contains`: write {_written(parts[1])} in {_written(parts[0])}"
    return f"`{function}` cannot be used on {given}: it is written as `{usage}`"


def _written(node: Node) -> str:
    return literal(node.value) if isinstance(node, Const) else path(node) or "..."


def _compared(parts: tuple[Node, ...], types: list[str]) -> str:
    """What is probably meant."""
    for (part, kind), (other, wanted) in (
        (one, two)
        for pairs in [list(zip(parts, types, strict=True))]
        for one, two in ((pairs[1], pairs[0]), (pairs[0], pairs[1]))
    ):
        value = part.value if isinstance(part, Const) else None
        if kind in {"null", "null_type"}:
            return ": there is no null, a missing value is the empty value of its type"
        if wanted in _TIMES and kind == "string":
            return f": write timestamp({_written(part)})"
        if wanted in _DURATIONS and kind in {"string", "int"}:
            return f": write duration({literal(value)})" if isinstance(value, str) else ': write duration("24h")'
        if wanted == "string" and kind in {"int", "bool", "double"} and isinstance(part, Const):
            return f': write "{literal(value)}"'
        if wanted == "string" and kind.startswith("list("):
            return ": write `in`"
        if wanted.startswith("list(") and kind == "string":
            return f": write {_written(part)} in {_written(other)}"
        if wanted == "int" and isinstance(value, str) and value.isdecimal():
            return f": write {value}"
        if wanted == "int" and isinstance(value, float):
            return f": write {value:.0f}"
        if wanted == "bool" and isinstance(part, Const):
            return f": write {_written(other)} or !{_written(other)}"
    return ""


def _searched(parts: tuple[Node, ...], types: list[str]) -> str:
    (wanted, where), (kind, within) = parts, types
    if kind.startswith("list(") and within == "string":
        return f"`in` looks in a list, which stands on its right: write {_written(where)} in {_written(wanted)}"
    if not within.startswith(("list(", "map(")):
        item = f": write [{_written(where)}]" if isinstance(where, Const) else ""
        return f"`in` looks in a list, and {shown(where, within)} is none{item}"
    return f"{shown(wanted, kind)} is never in {shown(where, within)}"
