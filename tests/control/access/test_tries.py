"""How often a wrong credential may be tried: by one client, and by all of them together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.access.tries import AGAIN, CLIENTS, EACH, OVERALL, Tries, group


def test_of_one_client_so_many_and_then_one_in_a_while() -> None:
    """And it is said how long that is."""
    clock = [0.0]
    tries = Tries(lambda: clock[0])
    assert [tries.take("192.0.2.1") for _ in range(EACH)] == [0.0] * EACH
    assert tries.take("192.0.2.1") == pytest.approx(AGAIN)
    clock[0] += AGAIN / 2
    assert tries.take("192.0.2.1") == pytest.approx(AGAIN / 2)
    clock[0] += AGAIN / 2
    assert tries.take("192.0.2.1") == 0.0


def test_an_attack_from_everywhere_keeps_nobody_out() -> None:
    """Who has not failed lately is heard, and a client that has is not, until there is more for all."""
    clock = [0.0]
    tries = Tries(lambda: clock[0])
    for index in range(OVERALL):
        assert tries.take(f"198.51.{index // 250}.{index % 250}") == 0.0
    assert tries.take("198.51.0.0") > 0.0
    assert tries.take("203.0.113.7") == 0.0
    tries.give_back("203.0.113.7")
    assert tries.take("203.0.113.7") == 0.0


def test_what_is_right_takes_nothing() -> None:
    """However often."""
    tries = Tries(lambda: 0.0)
    for _ in range(OVERALL * 2):
        assert tries.take("192.0.2.1") == 0.0
        tries.give_back("192.0.2.1")


def test_clients_are_bounded() -> None:
    """Memory is not for strangers."""
    tries = Tries(lambda: 0.0)
    for index in range(CLIENTS + 100):
        tries.take(f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}")
    assert len(tries._clients) == CLIENTS


@pytest.mark.parametrize(
    ("client", "named"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unix", "unix"),
    ],
)
def test_who_is_one_client(client: str, named: str) -> None:
    """An IPv6 client has as many addresses as it likes."""
    assert group(client) == named


@given(st.lists(st.floats(-1000, 1000, allow_nan=False), max_size=60))
def test_no_clock_gives_more_than_time_does(steps: list[float]) -> None:
    """Also one that goes back and forth."""
    clock, heard, forward = [0.0], 0, 0.0
    tries = Tries(lambda: clock[0])
    for step in steps:
        clock[0] += step
        forward += max(0.0, step)
        heard += tries.take("192.0.2.1") == 0.0
    assert heard <= EACH + forward / AGAIN + 1e-6
