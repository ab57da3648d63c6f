"""What an exchange costs."""

from __future__ import annotations

import pytest

from gateway.partitions import NOTHING, reserved, used
from gateway.policies.quota.rule import OutputHistory
from gateway.policy import Ask, Outcome, Usage

PRICE = (3.0, 0.3, 3.75, 15.0)
CHAT = Ask("openai", "chat.completions", "m", input_tokens=100)


@pytest.mark.parametrize(
    ("ask", "expected", "costs"),
    [
        pytest.param(CHAT, 50.0, (1, 100, 50.0, 150.0, (100 * 3 + 50 * 15) / 1e6, 1), id="no cap: what is expected"),
        pytest.param(
            CHAT._replace(output_cap=20), 50.0, (1, 100, 20, 120, (100 * 3 + 20 * 15) / 1e6, 1), id="the caller's cap"
        ),
        pytest.param(
            CHAT._replace(output_cap=0), 50.0, (1, 100, 0, 100, 100 * 3 / 1e6, 1), id="a cap of nothing is a cap"
        ),
        pytest.param(CHAT._replace(generates=False), 50.0, (1, 0, 0, 0, 0, 1), id="nothing is generated"),
        pytest.param(
            CHAT._replace(items=7, output_cap=70), 50.0, (7, 100, 70, 170, (100 * 3 + 70 * 15) / 1e6, 1), id="a batch"
        ),
    ],
)
def test_what_is_reserved(ask: Ask, expected: float, costs: tuple[float, ...]) -> None:
    """The caller's cap is reserved whole; without one what is expected stands in."""
    assert reserved(ask, expected, PRICE) == pytest.approx(costs)


USAGE = Usage(input=90, output=7, cached=10, cache_creation=5)


@pytest.mark.parametrize(
    ("ask", "outcome", "weight", "costs"),
    [
        pytest.param(CHAT, Outcome(200, USAGE), 0.0, (1, 95, 7, 102), id="as stated, cached input free"),
        pytest.param(CHAT, Outcome(200, USAGE), 1.0, (1, 105, 7, 112), id="as stated, cached input counted"),
        pytest.param(CHAT, Outcome(200, None), 0.0, (1, 100, 50, 150), id="no usage: as reserved, never free"),
        pytest.param(CHAT, Outcome(200, None, delivered=80), 0.0, (1, 100, 80, 180), id="no usage, more delivered"),
        pytest.param(
            CHAT, Outcome(200, None, 12, aborted=True), 0.0, (1, 100, 12, 112), id="broken: what was delivered"
        ),
        pytest.param(CHAT, Outcome(0, None, 0, aborted=True), 0.0, (1, 100, 0, 100), id="left before the answer"),
        pytest.param(CHAT, Outcome(400), 0.0, (1, 0, 0, 0), id="400: the request alone"),
        pytest.param(CHAT, Outcome(404), 0.0, (1, 0, 0, 0), id="404: the request alone"),
        pytest.param(CHAT, Outcome(429), 0.0, (0, 0, 0, 0), id="429: nothing"),
        pytest.param(CHAT, Outcome(500), 0.0, (0, 0, 0, 0), id="500: nothing"),
        pytest.param(CHAT, Outcome(529), 0.0, (0, 0, 0, 0), id="529: nothing"),
        pytest.param(CHAT, Outcome(0), 0.0, (0, 0, 0, 0), id="no answer: nothing"),
        pytest.param(CHAT, Outcome(200, USAGE, reached=False), 0.0, (0, 0, 0, 0), id="not reached: nothing"),
        pytest.param(CHAT._replace(generates=False), Outcome(200), 0.0, (1, 0, 0, 0), id="count_tokens: the request"),
        pytest.param(CHAT, Outcome(101), 0.0, (1, 100, 50, 150), id="a tunnel pays what was reserved"),
    ],
)
def test_what_is_charged(ask: Ask, outcome: Outcome, weight: float, costs: tuple[float, ...]) -> None:
    """By usage where it is stated; never free without; nothing where the upstream did no work."""
    assert used(ask, outcome, PRICE, weight, 50.0)[:4] == costs


def test_spend_counts_each_kind_of_token_at_its_price() -> None:
    """Cached input, cache creation, input and output have prices of their own."""
    spend = used(CHAT, Outcome(200, USAGE), PRICE, 0.0, 0.0)[4]
    assert spend == pytest.approx((90 * 3 + 10 * 0.3 + 5 * 3.75 + 7 * 15) / 1e6)


def test_concurrency_costs_nothing_in_the_end() -> None:
    """The slot goes back with the lease."""
    assert used(CHAT, Outcome(200, USAGE), PRICE, 0.0, 0.0)[5] == 0
    assert used(CHAT, Outcome(0), PRICE, 0.0, 0.0) == NOTHING


def test_history_learns_and_forgets() -> None:
    """An account's answers with a model set what is expected of the next, within bounds."""
    history = OutputHistory(1000.0)
    assert history.expect("a", "m") == 1000.0
    history.learn("a", "m", 10)
    assert history.expect("a", "m") == 15.0
    for _ in range(50):
        history.learn("a", "m", 100)
    assert history.expect("a", "m") == pytest.approx(150, rel=0.01)
    assert history.expect("a", "other") == 1000.0
    assert history.expect("b", "m") == 1000.0
    history.learn("z", "m", 0)
    assert history.expect("z", "m") == 1.0


def test_history_is_bounded() -> None:
    """A caller that invents models cannot make it grow."""
    history = OutputHistory(1000.0)
    history.MOST = 3
    for index in range(10):
        history.learn("a", f"m{index}", 5)
    assert history.expect("a", "m9") == 7.5
    assert history.expect("a", "m0") == 1000.0
