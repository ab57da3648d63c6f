"""cel-cpp, as far as it is needed here: text -> parsed, checked, answered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from cel_expr_python import cel

from gateway.expressions.decode import begin, parsed, types
from gateway.expressions.tree import Node
from gateway.expressions.values import CEL_TYPES
from gateway.expressions.variables import VARIABLES
from gateway.feeds.kinds import ListKind

_SAID = re.compile(
    r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?: \[INVALID_ARGUMENT\])?$", re.MULTILINE
)
_STATUS = re.compile(r"^[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?$", re.DOTALL)

MAX_NESTING = 32
"""Of cel-cpp's parser: it counts what is in brackets, and operators in operators."""

Lists = tuple[tuple[str, ListKind], ...]
"""Name and kind of each list that a text may ask, in order."""


class Said(NamedTuple):
    """One thing that cel-cpp finds wrong. Both are -1 where it does not say where."""

    line: int
    column: int
    message: str


class Refused(Exception):
    """cel-cpp takes the text for wrong."""

    def __init__(self, said: tuple[Said, ...]) -> None:
        super().__init__("; ".join(one.message for one in said))
        self.said = said


@lru_cache(maxsize=256)
def environment(lists: Lists) -> Any:
    """All variables, and these lists."""
    declared = {name: CEL_TYPES[variable.type] for name, variable in VARIABLES.items()}
    for name, kind in lists:
        item = cel.Type.INT if kind is ListKind.ASNS else cel.Type.STRING
        declared[f"lists.{name}"] = cel.Type.List(item)
    return cel.NewEnv(variables=declared)


def parse(text: str, lists: Lists) -> Node:
    """The tree, without types. Raises Refused for what is no CEL."""
    return _tree(text, lists, _compile(text, lists, disable_check=True), {})


def check(text: str, lists: Lists) -> tuple[Node, Any]:
    """The tree with its types, and cel-cpp's own. Raises Refused."""
    checked = _compile(text, lists, disable_check=False)
    tree = _tree(text, lists, _compile(text, lists, disable_check=True), types(checked.serialize()))
    return tree, checked


def _tree(text: str, lists: Lists, expression: Any, found: Mapping[int, str]) -> Node:
    names = {**VARIABLES, **{f"lists.{name}": kind for name, kind in lists}}
    return parsed(expression.serialize(), text, names, found)


def _compile(text: str, lists: Lists, *, disable_check: bool) -> Any:
    try:
        return environment(lists).compile(text, disable_check=disable_check)
    except RuntimeError as error:  # What pybind makes of an absl::Status.
        said = [
            Said(*_begin(text, int(line), int(column)), message) for line, column, message in _SAID.findall(str(error))
        ]
        raise Refused(tuple(said) or (Said(-1, -1, plain(str(error))),)) from None


def _begin(text: str, line: int, column: int) -> tuple[int, int]:
    """Of a call, cel-cpp tells the place of its bracket: people look at its name."""
    lines = text.split("\n")
    if 0 < line <= len(lines):
        return line, begin(lines[line - 1], column - 1) + 1
    return line, column


def tried(function: str, args: list[str], *, is_method: bool) -> str:
    """Why a function fails for these texts whatever else it is given; empty where it does not."""
    written = ", ".join([json.dumps(arg, ensure_ascii=False) for arg in args])
    target = "timestamp(0)" if function.startswith("get") else '""'
    try:
        checked = environment(()).compile(f"{target}.{function}({written})" if is_method else f"{function}({written})")
        found = checked.eval(data={})
    except RuntimeError:
        return ""  # Not what it takes: the type checker says that.
    return plain(str(found.plain_value())) if found.type() == cel.Type.ERROR else ""


def answer(checked: Any, values: Mapping[str, Any]) -> bool | str:
    """What it answers for these variables; text where it fails, which says why."""
    try:
        found = checked.eval(data=values).plain_value()
    except RuntimeError as error:
        return plain(str(error))
    return found if found is True or found is False else plain(str(found))


def plain(status: str) -> str:
    """The words of an absl::Status."""
    found = _STATUS.match(status)
    return found[1] if found else status
