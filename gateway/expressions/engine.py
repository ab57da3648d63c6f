"""cel-cpp, as far as it is needed here: text -> parsed, checked, answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from cel_expr_python import cel

from gateway.expressions.decode import parsed, types
from gateway.expressions.tree import Node
from gateway.expressions.values import CEL_TYPES
from gateway.expressions.variables import VARIABLES
from gateway.feeds.kinds import ListKind

_SAID = re.compile(
    r"^(?:INVALID_ARGUMENT: )?ERROR: <input>:(-?\d+):(-?\d+): (.*?)(?: \[INVALID_ARGUMENT\])?$", re.MULTILINE
)
_STATUS = re.compile(r"^[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?$", re.DOTALL)

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
        said = [Said(int(line), int(column), message) for line, column, message in _SAID.findall(str(error))]
        raise Refused(tuple(said) or (Said(-1, -1, plain(str(error))),)) from None


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
