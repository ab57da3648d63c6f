"""How records are written, and where."""

from __future__ import annotations

import re

import pytest

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
