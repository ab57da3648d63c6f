"""The usual conditions as plain Python: a tenth of the time of cel-cpp, and the same answers.

What is translated here cannot fail by itself. Where it does fail (a list that cannot answer), and for all that is not
translated, the answer is cel-cpp's, whose `&&` and `||` know what to make of a part that failed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from gateway.expressions.tree import Call, Comprehension, Const, Ident, ListLiteral, Node

_COMPARED = frozenset({"string", "int", "bool", "timestamp", "duration"})
_COMPARISONS = {"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">="}
_LOGIC = {"_&&_": "and", "_||_": "or"}
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_DURATION = re.compile(r"(-?)((?:[0-9]{1,9}(?:h|ms|us|m|s))+)")
_UNITS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1}
_MAX_DIFFERENCE = (2**63 - 1) // 1000
_SOURCE = """\
def condition(c):
    try:
        return {}
    except broken:
        return exactly(c)
"""


class NotNative(Exception):
    """There is no translation."""


def compiled(tree: Node) -> CodeType | None:
    """Code that defines `condition(c)`; None where there is no translation.

    It needs `exactly(c)`, `broken` (what a list may raise), `read_<name>` for each variable and `list_<name>` for each
    list, with `_` for every dot.
    """
    try:
        source = _SOURCE.format(_Translation().of(tree))
    except NotNative:
        return None
    return compile(source, "<condition>", "exec")


def name_of(variable: str) -> str:
    """What a variable or list is called in the code."""
    return ("list_" if variable.startswith("lists.") else "read_") + variable.replace(".", "_")


def timestamp(text: str) -> int | None:
    """RFC 3339 -> microseconds since 1970; None for what is finer, or no such text."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    try:
        moment = dt.datetime(*[int(part) for part in found.groups()[:6]], tzinfo=dt.UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    seconds = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(seconds=1)
    if found[8]:
        hours, minutes = int(found[9]), int(found[10])
        if hours > 14 or minutes > 59:
            return None
        seconds -= (hours * 3600 + minutes * 60) * (1 if found[8] == "+" else -1)
    return seconds * 1_000_000 + int((found[7] or "").ljust(6, "0"))


def duration(text: str) -> int | None:
    """Such as 1h30m -> microseconds; None for what is finer, or no such text."""
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    parts = re.findall(r"([0-9]+)(h|ms|us|m|s)", found[2])
    total = sum(int(number) * _UNITS[unit] for number, unit in parts)
    return -total if found[1] else total


def _difference(later: int, earlier: int) -> int:
    """Of two times. cel-cpp counts it in nanoseconds of 64 bits: raises OverflowError beyond 292 years."""
    found = later - earlier
    if not -_MAX_DIFFERENCE <= found <= _MAX_DIFFERENCE:
        raise OverflowError("two times are more than 292 years apart")
    return found


class _Translation:
    item = ""
    """What the loop around a part calls its item."""

    def of(self, node: Node) -> str:
        if isinstance(node, Ident) and self.item and node.name == self.item:
            return "item"
        if isinstance(node, Const) and type(node.value) in {str, int, bool}:
            return repr(node.value)
        if isinstance(node, Ident) and node.type in _COMPARED | {"list(string)"}:
            return f"{name_of(node.name)}(c)"
        if isinstance(node, Call):
            return self.call(node)
        if isinstance(node, Comprehension):
            return self.loop(node)
        raise NotNative

    def loop(self, node: Comprehension) -> str:
        """`exists` and `all`: nothing that is translated fails in them, so that they may stop early."""
        step = node.step
        loops = {("_||_", False): "any", ("_&&_", True): "all"}
        if not isinstance(step, Call) or not isinstance(node.start, Const) or node.result != step.parts()[0]:
            raise NotNative
        function = loops.get((step.function, node.start.value is True))
        if function is None or node.range.type != "list(string)":
            raise NotNative
        items = node.range.items if isinstance(node.range, ListLiteral) else ()
        around = f"({''.join([f'{self.of(item)}, ' for item in items])})" if items else self.of(node.range)
        self.item = node.variable
        asked = self.of(step.parts()[1])
        self.item = ""
        return f"{function}({asked} for item in {around})"

    def call(self, node: Call) -> str:
        function, parts = node.function, node.parts()
        if function in _LOGIC:
            return f"({f' {_LOGIC[function]} '.join([self.of(part) for part in parts])})"
        if function == "!_":
            return f"(not {self.of(parts[0])})"
        if function == "_?_:_":
            asked, yes, no = (self.of(part) for part in parts)
            return f"({yes} if {asked} else {no})"
        if function in _COMPARISONS:
            left, right = parts
            if left.type != right.type or left.type not in _COMPARED:
                raise NotNative
            if left.type == "string" and function not in {"_==_", "_!=_"}:
                raise NotNative  # The order of what UTF-8 cannot say is not that of Python.
            return f"({self.of(left)} {_COMPARISONS[function]} {self.of(right)})"
        if function == "@in":
            return f"({self.of(parts[0])} in {self.searched(parts[0], parts[1])})"
        return self.function(node)

    def function(self, node: Call) -> str:
        function, parts = node.function, node.parts()
        kinds = [part.type for part in parts]
        if kinds == ["string", "string"] and function in {"startsWith", "endsWith"}:
            return f"{self.of(parts[0])}.{function.lower()}({self.of(parts[1])})"
        if kinds == ["string", "string"] and function == "contains":
            return f"({self.of(parts[1])} in {self.of(parts[0])})"
        if function == "size" and kinds in (["string"], ["list(string)"]):
            return f"len({self.of(parts[0])})"
        if function == "_-_" and kinds == ["timestamp", "timestamp"]:
            return f"difference({self.of(parts[0])}, {self.of(parts[1])})"
        if function in {"timestamp", "duration"} and isinstance(parts[0], Const) and isinstance(parts[0].value, str):
            value = (timestamp if function == "timestamp" else duration)(parts[0].value)
            if value is not None:
                return repr(value)
        raise NotNative

    def searched(self, wanted: Node, where: Node) -> str:
        """The right side of `in`."""
        if isinstance(where, Ident):
            if where.name.startswith("lists."):
                return name_of(where.name)
            if where.type == "list(string)" and wanted.type == "string":
                return self.of(where)
        if isinstance(where, ListLiteral) and wanted.type in {"string", "int"}:
            if any(not isinstance(item, Const) or item.type != wanted.type for item in where.items):
                raise NotNative
            # A set of constants is one constant frozenset in the code.
            return f"{{{', '.join([self.of(item) for item in where.items])}}}" if where.items else "()"
        raise NotNative


def defined(code: CodeType, names: Mapping[str, object]) -> Callable[[Any], bool]:
    """`condition` of this code over these names."""
    namespace: dict[str, object] = {"difference": _difference, **names}
    exec(code, namespace)  # noqa: S102 - our own translation: of the text come only literals, by repr, and known names.
    condition: Callable[[Any], bool] = namespace["condition"]  # type: ignore[assignment]
    return condition
