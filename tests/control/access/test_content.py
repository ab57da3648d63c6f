"""What is read of a request: JSON of which no two readers could think differently; queries whose names there are."""

from __future__ import annotations

import contextlib
import time
from typing import Annotated, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from gateway.control.access.content import DEEPEST, _kinds, _value, parse, unknown
from gateway.control.account_shapes import PageShape, Shape, Wrong, checked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(b"{", "must be JSON", id="cut off"),
        pytest.param(b"\xff", "must be JSON", id="no UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", "must be JSON", id="a mark of its order"),
        pytest.param(b'{"a": 1, "a": 1}', "`a` is stated twice", id="twice"),
        pytest.param(b'{"b": [{"a": 1, "\\u0061": 2}]}', "`a` is stated twice", id="twice below, written otherwise"),
        pytest.param(b"NaN", "must be JSON", id="NaN"),
        pytest.param(b"[-Infinity]", "must be JSON", id="infinity"),
        pytest.param(b"1e999", "number|JSON", id="too large"),
        pytest.param(b"9" * 5000, "number|JSON", id="long"),
        pytest.param(b"1" * 33, "too long", id="33 digits"),
        pytest.param(b'"\\ud800"', "must be JSON", id="half a pair"),
        pytest.param(b"[" * 100_000, "must be JSON", id="opened only"),
        pytest.param(b"[" * 1000 + b"]" * 1000, "nested|JSON", id="deep"),
        pytest.param(b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2), "nested more than", id="a little too deep"),
        pytest.param(b'{"a": 1} {"b": 2}', "must be JSON", id="two"),
        pytest.param(b"{'a': 1}", "must be JSON", id="Python"),
        pytest.param(b'{"a": 1,}', "must be JSON", id="a comma more"),
    ],
)
def test_what_is_not_clear_is_not_read(text: bytes, said: str) -> None:
    """One sentence, under no field."""
    with pytest.raises(Wrong, match=said) as wrong:
        parse(text)
    assert list(wrong.value.fields) == [""]


def test_much_that_is_wrong_takes_no_time() -> None:
    """A megabyte of names, of which one is there twice, or that no shape has: strangers may send that, too."""
    many = [f'"n{number:06}":0' for number in range(80_000)]
    began = time.perf_counter()
    for text, said in (([*many, many[-1]], "stated twice"), (many, "values"), (["[]"], "JSON")):
        with pytest.raises(Wrong, match=said):
            parse(("{" + ",".join(text) + "}").encode())
    found: Any = parse(("{" + ",".join(many[:9_000]) + "}").encode())
    with pytest.raises(Wrong) as wrong:
        checked(Some, found)
    assert time.perf_counter() - began < 3.0
    assert len(wrong.value.fields) == 9_000
    with pytest.raises(Wrong, match="values"):
        parse(b"[" + b"0," * 30_000 + b"0]")


def test_of_a_long_query_a_few_names_are_said() -> None:
    """A line of 8 KB has thousands of them."""
    began = time.perf_counter()
    assert len(unknown([f"n{number}" for number in range(4_000)], PageShape)) == 20
    assert time.perf_counter() - began < 0.5


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(), below, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_what_is_clear_is_read_as_it_is(value: Any) -> None:
    """Whatever JSON can say, up to the depth."""
    assert parse(orjson.dumps(value)) == value


@given(st.binary(max_size=60))
def test_anything_else_is_one_answer(text: bytes) -> None:
    """No other exception than Wrong comes of bytes."""
    with contextlib.suppress(Wrong):
        parse(text)


def test_a_name_that_there_is_not_is_said_with_the_one_that_was_meant() -> None:
    """For all of them at once."""
    assert unknown(["teir", "limit", "x" * 99], PageShape) == {
        "teir": "is unknown: did you mean `tier`?", "x" * 64: "is unknown",
    }  # fmt: skip
    assert unknown(["a"], None) == {"a": "is unknown"}


class Some(Shape):
    number: Annotated[int, Field(ge=1)] | None = None
    share: float = 0.0
    many: tuple[str, ...] = ()
    yes: bool = False


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("number", "7", 7),
        ("number", "-7", -7),
        ("number", "7.5", "7.5"),
        ("number", "٧", "٧"),
        ("number", "9" * 40, "9" * 40),
        ("share", "0.5", 0.5),
        ("share", "1e5", "1e5"),
        ("share", "--", "--"),
        ("yes", "true", True),
        ("yes", "1", "1"),
        ("many", "7", "7"),
    ],
)
def test_a_query_has_the_types_of_its_shape(name: str, text: str, value: object) -> None:
    """What cannot be one stays text, and the shape says what is wrong with it."""
    assert _value(text, _kinds(Some.model_fields[name].annotation)) == value
