"""How records are written, and where."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.challenges.fleet_calls import HIGHEST, budget_key, read, record_key, solver_key, version_of
from gateway.challenges.ladder import Held, Step, dump

HELD = dump(Held(score=50.0, step=Step.WORK))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b"", 0),
        (b"x", 0),
        (b"7", 0),
        (b"7 ", 7),
        (b"-7 w 1 " + HELD, 0),
        (b"7 w 1", 7),
        (b"7 w 1 x", 7),
        (b"7 w 1 []", 7),
        (b"7 w 1 \xff", 7),
        (b"7 W 1 " + HELD, 7),
        (b"7 w nan " + HELD, 7),
        (b"7 w 1.1.1 " + HELD, 7),
        (b"7 w 1e999 " + HELD, 7),
        (b"\xd9\xa7 w 1 " + HELD, 0),
        (b"99999999999999999 w 1 " + HELD, 0),
        (b"%d w 1 " % (HIGHEST + 1) + HELD, 0),
    ],
)
def test_what_is_no_record_is_not_read(text: bytes, version: int) -> None:
    """Its version is, where it has one: a write must name it."""
    with pytest.raises(ValueError):
        read(text)
    assert version_of(text) == version


@given(text=st.binary() | st.from_regex(rb"[0-9]{1,17} [a-z]{1,3} [0-9]{1,3} \[.*\]", fullmatch=True))
def test_nothing_else_comes_of_nonsense(text: bytes) -> None:
    """A record, or a ValueError."""
    with contextlib.suppress(ValueError):
        read(text)
    assert 0 <= version_of(text) <= HIGHEST


@given(
    values=st.recursive(st.none() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=20),
    at=st.integers(0, 11),
)
def test_nothing_else_comes_of_a_record_that_was_changed(values: Any, at: int) -> None:
    """Whatever stands in the place of one of its values."""
    document = json.loads(HELD)
    document[at] = values
    with contextlib.suppress(ValueError):
        read(b"7 w 1 " + json.dumps(document).encode("utf-8", "replace"))


def test_a_record_is_read() -> None:
    """As far as versions go."""
    assert read(b"%d w.1 12.5 " % HIGHEST + HELD) == (HIGHEST, "w.1", 12.5, Held(score=50.0, step=Step.WORK))


def test_keys_of_a_subject_are_in_one_slot() -> None:
    """A script has the record and the budgets; nothing that a caller is called breaks out of the braces."""
    subject = "a}{b:c d"
    keys = [record_key(("captcha/x", subject)), budget_key(("captcha/x", subject), "c1")]
    assert keys == [b"tg:c:{a%7D%7Bb%3Ac%20d}captcha/x", b"tg:cb:{a%7D%7Bb%3Ac%20d}captcha/x:c1"]
    assert {re.findall(rb"\{(.*?)\}", key)[0] for key in keys} == {b"a%7D%7Bb%3Ac%20d"}
    assert solver_key("5f") == b"tg:cs:{5f}"
    assert record_key(("r", "")) == b"tg:c:{*}r"
