"""Quantities: what people write means what they think, and anything else is refused and never crashes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from gateway.quantities import Count, Duration, Money, Name, Size, count, duration, money, size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("250ms", 0.25), ("10s", 10.0), ("5m", 300.0), ("1h", 3600.0), ("1.5h", 5400.0), ("1d", 86400.0), ("30d", 2592e3)],
)
def test_a_duration_is_seconds(written: str, seconds: float) -> None:
    """Every unit."""
    assert duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "10", "s", "-1s", "1 s", "1S", "1M", "1y", "1h30m", "1e3s", "١s", "1s\n", "99999999d", 10, True, None],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    """A missing unit, above all: `every: 60` is a minute for one and an hour for another."""
    with pytest.raises(ValueError, match="must be a duration"):
        duration(written)


@pytest.mark.parametrize(
    ("written", "amount"),
    [("0B", 0), ("512B", 512), ("64kB", 64_000), ("1KiB", 1024), ("32MiB", 33_554_432), ("2GB", 2_000_000_000)],
)
def test_a_size_is_bytes(written: str, amount: int) -> None:
    """kB is a thousand, KiB is 1024."""
    assert size(written) == amount


@pytest.mark.parametrize("written", ["", "1", "1K", "1kb", "1KB", "1.5MiB", "-1B", 5, None])
def test_what_is_no_size_is_refused(written: object) -> None:
    """Also what may mean two things, as KB does."""
    with pytest.raises(ValueError, match="must be a size"):
        size(written)


@pytest.mark.parametrize(
    ("written", "pieces"),
    [
        (0, 0),
        (1000, 1000),
        (10.0, 10),
        ("7", 7),
        ("1_000", 1000),
        ("10k", 10_000),
        ("1.5M", 1_500_000),
        ("2G", 2 * 10**9),
    ],
)
def test_a_count_is_whole(written: object, pieces: int) -> None:
    """As a number, with underscores, or with a factor of a thousand."""
    assert count(written) == pieces
    assert isinstance(count(written), int)


@pytest.mark.parametrize(
    "written", ["", "k", "1K", "1m", "1__0", "_1", "1_", "1.5", 1.5, -1, "-1", 2**53 + 1, True, None, float("nan")]
)
def test_what_is_no_count_is_refused(written: object) -> None:
    """Fractions, negatives, and more than a double holds exactly."""
    with pytest.raises(ValueError, match="must be a"):
        count(written)


@pytest.mark.parametrize(("written", "dollars"), [(5, 5.0), (0.25, 0.25), ("$5", 5.0), ("$0.000001", 0.000001)])
def test_money_is_dollars(written: object, dollars: float) -> None:
    """With or without its sign."""
    assert money(written) == dollars


@pytest.mark.parametrize("written", ["5", "€5", "$", "$-1", "$1e9", -1, True, None, float("inf"), float("nan")])
def test_what_is_no_money_is_refused(written: object) -> None:
    """Text without a sign could be any currency."""
    with pytest.raises(ValueError, match="must be an amount"):
        money(written)


@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_written_duration_is_read_back(number: int, unit: str) -> None:
    """Whole numbers of any unit, as long as they stay below a hundred years."""
    factor = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}[unit]
    if number * factor <= 100 * 366 * 86400:
        assert duration(f"{number}{unit}") == pytest.approx(number * factor)
    else:
        with pytest.raises(ValueError, match="hundred years"):
            duration(f"{number}{unit}")


@given(st.integers(0, 2**53))
def test_a_written_count_is_read_back(number: int) -> None:
    """As it is, and with underscores."""
    assert count(str(number)) == number if len(str(number)) <= 15 else True
    assert count(f"{number:_}") == number if len(str(number)) <= 15 else True


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())))
def test_nothing_but_value_errors(written: object) -> None:
    """Whatever is written, a parser answers or says that the value is wrong."""
    for parse in (duration, size, count, money):
        try:
            answer: object = parse(written)
        except ValueError as error:
            answer = error
        assert str(answer).startswith("must be a") if isinstance(answer, ValueError) else answer >= 0  # type: ignore[operator]


class Quantities(BaseModel):
    every: Duration = 1.0
    size: Size = 1
    count: Count = 1
    price: Money = 0.0
    name: Name = "a"


def test_python_may_say_it_in_the_base_unit() -> None:
    """A config that code makes needs no text; a file does."""
    assert Quantities(every=60.0, size=10, count=5).every == 60.0
    with pytest.raises(ValidationError):
        Quantities.model_validate_json(json.dumps({"every": 60}))


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("a-b_9", True), ("", False), ("A", False), ("9a", False), ("a" * 49, False), ("a\n", False)],
)
def test_a_name_is_stable(name: str, good: bool) -> None:
    """Lower case, digits, `-` and `_`, 48 at most: it stands in fields of answers and in keys of the store."""
    if good:
        assert Quantities(name=name).name == name
    else:
        with pytest.raises(ValidationError):
            Quantities(name=name)
