"""Buckets: what has one of its own, how that is spelled, and what an exchange takes from it. Pure.

For rooms that take: these sums must be the same in all of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final, Literal

from gateway.policy import Ask, Context, Measure, Outcome, Principal, Usage

Dimension = Literal[
    "account", "identity", "organisation", "key", "tier", "model", "client_address", "network", "country"
]

TAG_ORDER: Final = (
    "account",
    "identity",
    "organisation",
    "key",
    "client_address",
    "network",
    "country",
    "tier",
    "model",
)
"""The dimension that decides where a bucket lives comes first: buckets of one account are taken from in one script."""
NOBODY: Final = Principal(account="")


def partition(per: tuple[Dimension, ...], context: Context) -> tuple[str, str]:
    """Tag and partition of the buckets with these dimensions (`policy.Bucket`)."""
    principal = context.principal or NOBODY
    values = [f"{dimension}={_value(dimension, context, principal)}" for dimension in TAG_ORDER if dimension in per]
    return values[0], ",".join(values) if len(values) > 1 else values[0]


def _value(dimension: str, context: Context, principal: Principal) -> str:
    match dimension:
        case "account" | "organisation" | "key" | "tier":
            return str(getattr(principal, dimension))
        case "identity":
            # An account without one has its own, under a name that no identity has: no account's id holds a `=`.
            return principal.profile.identity or f"account={principal.account}"
        case "model":
            return context.ask.model
        case "client_address":
            return context.client_address
        case "network":
            return _network(context.client_address)
        case _:
            return context.location.country


def _network(address: str) -> str:
    """The /24 or /56 of an address: what one household or office usually has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 56), strict=False))


# -- what it costs -----------------------------------------------------------------------------------------------------

Price = tuple[float, float, float, float]
"""US dollars per million tokens of input, cached input, cache creation, output."""


def is_free(outcome: Outcome) -> bool:
    """The upstream was not asked, gave no answer, or said that it did not do the work: not even the request counts."""
    status = outcome.status
    return not outcome.reached or status == 429 or status >= 500 or (status == 0 and not outcome.aborted)


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
    if is_free(outcome):
        return NOTHING
    items = ask.items
    if not ask.generates or outcome.status >= 400:
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
