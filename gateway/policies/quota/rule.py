"""What an exchange costs: pure sums over what is asked, and over what was used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.policy import Ask, Measure, Outcome, Usage

Price = tuple[float, float, float, float]
"""US dollars per million tokens of input, cached input, cache creation, output."""

REFUNDED_STATUSES: Final = frozenset({429, 502, 503, 504, 529})
"""The upstream said that it did not do the work: nothing is charged, not even the request."""


Costs = tuple[float, float, float, float, float, float]
"""What one exchange costs: requests, input, output and total tokens, spend, concurrency. Indexed by `INDEX`."""

INDEX: Final[Mapping[Measure, int]] = {
    Measure.REQUESTS: 0,
    Measure.INPUT_TOKENS: 1,
    Measure.OUTPUT_TOKENS: 2,
    Measure.TOTAL_TOKENS: 3,
    Measure.SPEND: 4,
    Measure.CONCURRENCY: 5,
}

NOTHING: Final[Costs] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
MILLION: Final = 1_000_000.0


def price_of(prices: Mapping[str, Price], model: str) -> Price:
    """A model without a price of its own pays the default: none is free."""
    price = prices.get(model)
    return prices["default"] if price is None else price


def reserved(ask: Ask, expected_output: float, price: Price) -> Costs:
    """What is taken before the upstream is asked. `expected_output` stands in where the caller states no cap.

    A cap of the caller's is reserved whole: the answer may have that many tokens, and what is not used comes back.
    """
    items = ask.items
    if not ask.generates:
        return (items, 0.0, 0.0, 0.0, 0.0, 1.0)
    output = expected_output if ask.output_cap is None else ask.output_cap
    spend = (ask.input_tokens * price[0] + output * price[3]) / MILLION
    return (items, ask.input_tokens, output, ask.input_tokens + output, spend, 1.0)


def used(ask: Ask, outcome: Outcome, price: Price, cached_weight: float, reserved_output: float) -> Costs:
    """What an exchange that reached the upstream really cost.

    - an upstream that refused or failed: nothing (5xx, 429), or the request alone (other 4xx);
    - usage stated: exactly that;
    - a broken stream without usage: the estimated input, and the output that was delivered;
    - a whole answer without usage: the estimated input, and the larger of what was delivered and reserved. Never free.
    """
    status = outcome.status
    if not outcome.reached or status in REFUNDED_STATUSES or status >= 500 or (status == 0 and not outcome.aborted):
        return NOTHING
    items = ask.items
    if not ask.generates or status >= 400:
        return (items, 0.0, 0.0, 0.0, 0.0, 0.0)
    usage = outcome.usage
    if usage is None:
        output = outcome.delivered if outcome.aborted else max(outcome.delivered, reserved_output)
        usage = Usage(input=ask.input_tokens, output=int(output))
    counted_input = usage.input + usage.cache_creation + usage.cached * cached_weight
    spend = (
        usage.input * price[0] + usage.cached * price[1] + usage.cache_creation * price[2] + usage.output * price[3]
    ) / MILLION
    return (items, counted_input, usage.output, counted_input + usage.output, spend, 0.0)


class OutputHistory:
    """How long the answers of an account with a model were: an exponential mean, for reservations without a cap.

    Bounded: the oldest pair goes when a new one comes. In each worker of its own, so it costs no round trip.
    """

    MOST = 100_000
    WEIGHT = 0.2
    MARGIN = 1.5
    """Reserve this many times the mean: answers vary, and a reservation that is too small is paid by debt."""

    def __init__(self, assumed: float) -> None:
        self._assumed = assumed
        self._means: dict[tuple[str, str], float] = {}

    def expect(self, account: str, model: str) -> float:
        mean = self._means.get((account, model))
        return self._assumed if mean is None else max(1.0, mean * self.MARGIN)

    def learn(self, account: str, model: str, output: float) -> None:
        means = self._means
        mean = means.get((account, model))
        if mean is None:
            if len(means) >= self.MOST:
                del means[next(iter(means))]
            means[account, model] = float(output)
        else:
            means[account, model] = mean + (output - mean) * self.WEIGHT
