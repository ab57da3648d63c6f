"""RateLimit-Policy and RateLimit, draft-ietf-httpapi-ratelimit-headers-10."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import Limit, Measure
from gateway.wire.ratelimit_fields import integer, policy_value, state_format, string

REQUESTS = Limit("rpm", Measure.REQUESTS, 100, 100, 60)
INPUT = Limit("itpm", Measure.INPUT_TOKENS, 50_000, 50_000, 60)
OUTPUT = Limit("otpm", Measure.OUTPUT_TOKENS, 8000, 8000, 60)
TOTAL = Limit("tpd", Measure.TOTAL_TOKENS, 1e6, 1e6, 86_400)
SPEND = Limit("budget", Measure.SPEND, 12.5, 12.5, 2_592_000)
LEASES = Limit("at-once", Measure.CONCURRENCY, 4)
ONCE = Limit("trial", Measure.REQUESTS, 5)
BURST = Limit("burst", Measure.REQUESTS, 10, 3, 1)


@pytest.mark.parametrize(
    ("limit", "policy", "state"),
    [
        pytest.param(REQUESTS, b'"rpm";q=100;w=60', b'"rpm";r=%d;t=%d', id="requests-by-default"),
        pytest.param(INPUT, b'"itpm";q=50000;qu="tidegate-input-tokens";w=60', b'"itpm";r=%d;t=%d', id="input"),
        pytest.param(OUTPUT, b'"otpm";q=8000;qu="tidegate-output-tokens";w=60', b'"otpm";r=%d;t=%d', id="output"),
        pytest.param(TOTAL, b'"tpd";q=1000000;qu="tidegate-tokens";w=86400', b'"tpd";r=%d;t=%d', id="total"),
        pytest.param(
            SPEND, b'"budget";q=12500000;qu="tidegate-microdollars";w=2592000', b'"budget";r=%d;t=%d', id="spend"
        ),
        pytest.param(LEASES, b'"at-once";q=4;qu="concurrent-requests"', b'"at-once";r=%d', id="leases-have-no-time"),
        pytest.param(ONCE, b'"trial";q=5', b'"trial";r=%d', id="no-refill-no-time"),
        pytest.param(BURST, b'"burst";q=10;w=4', b'"burst";r=%d;t=%d', id="window-rounds-up"),
    ],
)
def test_one_limit_is_one_policy(limit: Limit, policy: bytes, state: bytes) -> None:
    """Name, quota, unit where it is not requests, window where there is one."""
    assert policy_value([limit]) == policy
    assert state_format([limit]) == state


def test_limits_are_a_list() -> None:
    """In their order."""
    assert policy_value([REQUESTS, LEASES]) == b'"rpm";q=100;w=60, "at-once";q=4;qu="concurrent-requests"'
    assert state_format([REQUESTS, LEASES]) % (1, 2, 3) == b'"rpm";r=1;t=2, "at-once";r=3'


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("plain", '"plain"'),
        ('a"b', '"a\\"b"'),
        ("a\\b", '"a\\\\b"'),
        ("a\r\nx: y", '"a??x: y"'),
        ("é\x7f\x00", '"???"'),
    ],
)
def test_a_name_is_a_string_of_structured_fields(text: str, field: str) -> None:
    """Escaped; what it cannot hold becomes a question mark."""
    assert string(text) == field


@given(st.text())
def test_no_name_breaks_a_line(name: str) -> None:
    """And no name breaks the format."""
    limit = Limit(name, Measure.REQUESTS, 5, 5, 60)
    line = policy_value([limit]) + (state_format([limit]) % (3, 4))

    assert line.endswith(b";r=3;t=4")
    assert all(0x20 <= byte <= 0x7E for byte in line)


@pytest.mark.parametrize(("value", "shown"), [(-3.0, 0), (0.0, 0), (2.999, 2), (1e300, 999_999_999_999_999)])
def test_integers_are_never_negative_and_never_too_long(value: float, shown: int) -> None:
    """RFC 9651 allows fifteen digits."""
    assert integer(value) == shown
