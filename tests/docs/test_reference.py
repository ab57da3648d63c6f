"""docs/policies/reference.md is what the code says."""

from __future__ import annotations

import re
from typing import Final

import pytest

from gateway.expressions.expression import compile_expression
from gateway.expressions.functions import FUNCTIONS
from gateway.expressions.variables import VARIABLES
from gateway.feeds.kinds import ListKind
from gateway.rehearsal.reference import FILES, page
from gateway.rules.build import policy_kinds
from tests.docs.pages import ROOT, rows, section

PAGE: Final = ROOT / "docs" / "policies" / "reference.md"
LISTS: Final = {"office": ListKind.NETWORKS}


def test_the_page_is_written_from_the_code() -> None:
    """A key, its default and its meaning are spelled once: where they are read."""
    command = "python -m gateway.rehearsal.reference > docs/policies/reference.md"
    assert PAGE.read_text(encoding="utf-8") == page(), command


def test_every_kind_that_ships_is_there() -> None:
    """An author who may write a kind finds its keys."""
    shipped = {name for name, kind in policy_kinds().items() if kind.config.__module__.startswith("gateway.")}
    assert shipped == {heading.removeprefix("kind: ") for heading in FILES if heading.startswith("kind: ")}


def test_every_variable_is_there() -> None:
    """What a condition may read stands in one table."""
    assert set(rows(section(PAGE, "Variables"))) == set(VARIABLES)


def test_a_key_that_is_not_stated_has_no_default() -> None:
    """`when` of an entry is optional and has no default; `mode` has one; `name` is required."""
    table = rows(section(PAGE, "chain.yaml: chain"))

    assert table["when"][:2] == ["[condition](#conditions)", ""]
    assert table["mode"][:2] == ["`enforce`, `shadow`", "`enforce`"]
    assert table["name"][:2] == ["name", "required"]


OPERATORS: Final = [
    written
    for line in section(PAGE, "Operators").splitlines()
    for written in re.findall(r"`([^`]{6,})`", "|".join(line.split("|")[3:]))
]


@pytest.mark.parametrize("written", [*OPERATORS, 'request.model == "m"', "request.path.matches('^/v1')"])
def test_an_example_is_a_condition(written: str) -> None:
    """What stands in the tables as an example can be copied."""
    text = f"{written} == 'gold'" if written.startswith("claims[") else written
    assert compile_expression(text, LISTS)


SAMPLES: Final = {
    "text or list": "request.features",
    "text": "request.path",
    "time": "time.now",
    "list": "request.features",
    "value": "request.items",
    "item, condition": 'item, item == "tools"',
    "item, value": "item, size(item)",
    "regular expression": "^/v1/",
    "claims.name": "claims.plan",
}
"""What stands for something in the usage of a function -> something."""
ANSWERS: Final = {"bool": "", "exists": "", "exists_one": "", "all": "", "has": "", "contains": "", "matches": ""} | {
    "startsWith": "",
    "endsWith": "",
    "size": " == 1",
    "timestamp": " < time.now",
    "duration": " < account.age",
    "int": " == 1",
    "double": " > 0.5",
    "string": ' == "1"',
    "filter": " == []",
    "map": " == [1]",
}
"""What makes a truth of what a function gives; of a part of a time, a number is asked."""


@pytest.mark.parametrize(
    ("name", "usage"), [(name, way) for name, one in FUNCTIONS.items() for way in one.usage.split(") or ")]
)
def test_a_function_is_called_as_the_page_says(name: str, usage: str) -> None:
    """The usage of each function, with something in the place of its words, is a condition."""
    text = usage if usage.endswith(")") else f"{usage})"
    for word, sample in SAMPLES.items():
        text = re.sub(rf"(?<![\w.]){re.escape(word)}(?=[.)]|\"\))", sample, text, count=1)
    if name == "bool":
        text = text.replace("request.items", "request.path")

    assert compile_expression(text + ANSWERS.get(name, " == 1"), LISTS)
