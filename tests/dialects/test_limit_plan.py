"""The response fields of limits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import ANTHROPIC, OPENAI
from gateway.dialects.interface import Dialect
from gateway.dialects.limit_plan import MOST_PLANS, OPENAI_SLOTS, LimitPlans, go_duration, rfc3339
from gateway.policy import Limit, Measure

NOW = 1_763_776_000.5  # 2025-11-22T01:46:40.5Z
REQUESTS = Limit("rpm", Measure.REQUESTS, 100, 100, 60)
INPUT = Limit("itpm", Measure.INPUT_TOKENS, 50_000, 50_000, 60)
OUTPUT = Limit("otpm", Measure.OUTPUT_TOKENS, 8000, 8000, 60)
TOTAL = Limit("tpd", Measure.TOTAL_TOKENS, 1_000_000, 1_000_000, 86_400)
SPEND = Limit("budget", Measure.SPEND, 12.5, 12.5, 125)
LEASES = Limit("at-once", Measure.CONCURRENCY, 4)
TRIAL = Limit("trial", Measure.REQUESTS, 5)


def fields(dialect: Dialect | LimitPlans, *states: tuple[Limit, float], now: float = NOW) -> dict[str, str]:
    write = dialect.lines if isinstance(dialect, LimitPlans) else dialect.limit_fields
    limits, remaining = tuple(limit for limit, _ in states), [left for _, left in states]
    text = write(limits, remaining, now).decode("ascii")
    assert re.fullmatch(r"(?:[!-9;-~]+: [ -~]+\r\n)*", text)
    pairs = [line.split(": ", 1) for line in text.split("\r\n")[:-1]]
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_openai_shows_requests_and_the_tightest_tokens() -> None:
    """Of several limits of tokens the one with the smallest part left."""
    shown = fields(OPENAI, (REQUESTS, 40), (INPUT, 49_000.7), (OUTPUT, 4000), (LEASES, 3), (SPEND, 12.5))

    assert shown == {
        "RateLimit-Policy": '"rpm";q=100;w=60, "itpm";q=50000;qu="tidegate-input-tokens";w=60, '
        '"otpm";q=8000;qu="tidegate-output-tokens";w=60, "at-once";q=4;qu="concurrent-requests", '
        '"budget";q=12500000;qu="tidegate-microdollars";w=125',
        "RateLimit": '"rpm";r=40;t=36, "itpm";r=49000;t=2, "otpm";r=4000;t=30, "at-once";r=3, "budget";r=12500000;t=0',
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "40",
        "x-ratelimit-reset-requests": "36s",
        "x-ratelimit-limit-tokens": "8000",
        "x-ratelimit-remaining-tokens": "4000",
        "x-ratelimit-reset-tokens": "30s",
    }


def test_anthropic_shows_each_kind_and_the_tightest() -> None:
    """The plain `tokens` are those of the most restrictive limit."""
    shown = fields(ANTHROPIC, (REQUESTS, 100), (INPUT, 5000), (OUTPUT, 8000), (TOTAL, 900_000))
    of = "anthropic-ratelimit-"

    assert {name: value for name, value in shown.items() if name.startswith(of)} == {
        of + "requests-limit": "100",
        of + "requests-remaining": "100",
        of + "requests-reset": "2025-11-22T01:46:41Z",
        of + "tokens-limit": "50000",
        of + "tokens-remaining": "5000",
        of + "tokens-reset": "2025-11-22T01:47:35Z",
        of + "input-tokens-limit": "50000",
        of + "input-tokens-remaining": "5000",
        of + "input-tokens-reset": "2025-11-22T01:47:35Z",
        of + "output-tokens-limit": "8000",
        of + "output-tokens-remaining": "8000",
        of + "output-tokens-reset": "2025-11-22T01:46:41Z",
    }


@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_debt_is_shown_as_nothing_left(dialect: Dialect) -> None:
    """And the time until it is paid and the bucket is full."""
    shown = fields(dialect, (TOTAL, -500_000))

    assert shown["RateLimit"] == '"tpd";r=0;t=129600'
    remaining = "x-ratelimit-remaining-tokens" if dialect is OPENAI else "anthropic-ratelimit-tokens-remaining"
    assert shown[remaining] == "0"


@pytest.mark.parametrize(
    ("left", "reset"),
    [
        (100.0, "0s"),
        (99.99, "6ms"),
        (99.0, "600ms"),
        (98.3334, "1s"),
        (98.0, "2s"),
        (0.0, "1m0s"),
        (-100.0, "2m0s"),
        (-6000.0, "1h1m0s"),
        (101.0, "0s"),
    ],
)
def test_openai_resets_in_durations_of_go(left: float, reset: str) -> None:
    """Rounded up, so that who waits so long has waited long enough."""
    assert fields(OPENAI, (REQUESTS, left))["x-ratelimit-reset-requests"] == reset


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, b"0s"), (59, b"59s"), (60, b"1m0s"), (3600, b"1h0m0s"), (90_061, b"25h1m1s")]
)
def test_go_prints_hours_minutes_seconds(seconds: int, text: bytes) -> None:
    """As time.Duration does: no days."""
    assert go_duration(seconds) == text


def test_a_date_is_in_utc() -> None:
    """RFC 3339 with Z."""
    assert rfc3339(0) == b"1970-01-01T00:00:00Z"


@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_what_never_refills_says_so(dialect: Dialect) -> None:
    """No `t`, and a reset in ten years."""
    shown = fields(dialect, (TRIAL, 2))

    assert shown["RateLimit"] == '"trial";r=2'
    assert shown.get("x-ratelimit-reset-requests", "87600h0m0s") == "87600h0m0s"
    assert shown.get("anthropic-ratelimit-requests-reset", "2035-11-20T01:46:40Z") == "2035-11-20T01:46:40Z"


def test_no_limits_no_fields() -> None:
    """An unlimited account is told nothing."""
    assert OPENAI.limit_fields((), (), NOW) == b""


def test_limits_that_begin_alike_are_told_apart() -> None:
    """Also where they alternate, in number or in kind."""
    for _ in range(2):
        assert "budget" in fields(OPENAI, (REQUESTS, 1), (SPEND, 1))["RateLimit"]
        assert "at-once" in fields(OPENAI, (REQUESTS, 1), (LEASES, 1))["RateLimit"]
        assert fields(OPENAI, (REQUESTS, 1))["RateLimit"] == '"rpm";r=1;t=60'


def test_the_cache_is_bounded_and_never_wrong() -> None:
    """A new limit at the address of an old one is a new limit."""
    plans = LimitPlans(OPENAI_SLOTS)
    for number in range(MOST_PLANS + 10):
        limit = Limit(f"n{number}", Measure.REQUESTS, 10, 10, 10)
        assert fields(plans, (limit, 5))["RateLimit"] == f'"n{number}";r=5;t=5'

    assert len(plans._plans) <= MOST_PLANS
    assert len(plans._latest) <= MOST_PLANS


_LIMITS = st.builds(
    Limit,
    st.text(max_size=4),
    st.sampled_from(Measure),
    st.floats(0, 1e9),
    st.floats(0, 1e6),
    st.floats(0.001, 1e6),
)


@given(st.lists(st.tuples(_LIMITS, st.floats(-1e12, 1e12)), max_size=4), st.floats(0, 4e9))
def test_any_limits_make_fields(states: list[tuple[Limit, float]], now: float) -> None:
    """No number and no name breaks a line."""
    for dialect in (OPENAI, ANTHROPIC):
        shown = fields(dialect, *states, now=now)
        assert bool(shown) is bool(states)
        assert all(int(left) >= 0 for left in re.findall(r";[rt]=(-?\d+)", shown.get("RateLimit", "")))
