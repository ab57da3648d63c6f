"""Keys of a file in words."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from gateway.expressions.expression import Expression
from gateway.quantities import Count, Duration, Name, Percentage
from gateway.rehearsal.key_words import Key, keys, meanings, models_in, span


class Inner(BaseModel):
    """A mapping in a mapping."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: str = ""


class Outer(BaseModel):
    """One of everything."""

    name: Name
    plain: str
    """Stated below."""
    choice: Literal["a", "b"] = "a"
    wait: Annotated[Duration, Field(gt=0)] = 90.0
    share: Percentage = 0.05
    share_or_none: Percentage | None = None
    number: Annotated[int, Field(ge=1, le=9)] = 1
    many: tuple[Count, ...] = ()
    when: Expression | None = None
    inner: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = {}
    either: Literal["none"] | Inner = "none"
    sure: bool = False


@pytest.mark.parametrize(
    ("name", "takes", "default"),
    [
        ("name", "name", "required"),
        ("plain", "text", "required"),
        ("choice", "`a`, `b`", "`a`"),
        ("wait", "duration", "`90s`"),
        ("share", "percentage", "`5%`"),
        ("share_or_none", "percentage", ""),
        ("number", "whole number, 1 to 9", "`1`"),
        ("many", "list of count", ""),
        ("when", "[condition](#conditions)", ""),
        ("inner", "list of THERE", ""),
        ("by_name", "mapping: text → THERE", ""),
        ("either", "`none`, or THERE", "`none`"),
        ("sure", "`true`, `false`", "`false`"),
    ],
)
def test_a_key_in_words(name: str, takes: str, default: str) -> None:
    """People read what they may write, and what holds where they write nothing, in the words of the file."""
    found = {key.name: key for key in keys(Outer, {Inner: "THERE"})}

    assert (found[name].takes, found[name].default) == (takes, default)


def test_mappings_in_a_value_are_found() -> None:
    """Each needs a table of its own."""
    assert models_in(tuple[Inner, ...]) == [Inner]
    assert [key.name for key in keys(Outer, {}) if key.models] == ["inner", "by_name", "either"]


def test_the_docstring_below_a_key_is_its_meaning() -> None:
    """Of classes of ours: what a test says of itself is no reference."""
    assert meanings(Key)["takes"] == "What may be written."
    assert meanings(Outer) == {}


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.0, "0s"), (0.25, "250ms"), (1.5, "1.5s"), (60.0, "1m"), (90.0, "90s"), (86400.0, "1d"), (129600.0, "36h")],
)
def test_a_duration_is_written_as_in_a_file(seconds: float, written: str) -> None:
    """In the largest unit in which it is whole."""
    assert span(seconds) == written


def test_a_type_without_a_word_is_an_error() -> None:
    """Nobody reads `typing.Union[...]`: whoever adds a type adds its word."""
    with pytest.raises(TypeError, match="no word"):
        models_in(bytes)


class Worth(BaseModel):
    """A mapping of two keys."""

    lasts: Annotated[Duration, Field(gt=0)]
    most: int


class Worths(BaseModel):
    """Defaults that are mappings."""

    whole: Worth = Worth(most=2000, lasts=3600.0)
    word: Inner = Inner(word="deny")
    empty: Inner = Inner()


def test_a_mapping_by_default_is_written_as_in_a_file() -> None:
    """With its keys in the order of the class, whatever was stated first; the one key of a word as the word."""
    found = {key.name: key.default for key in keys(Worths, {Inner: "THERE", Worth: "THERE"})}

    assert found == {"whole": "`{lasts: 1h, most: 2000}`", "word": "`deny`", "empty": "`{}`"}
