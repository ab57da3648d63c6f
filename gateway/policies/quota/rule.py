"""What is quota's own in the sums: what answers may come to, and a part of a limit. The rest: `gateway.partitions`."""

from __future__ import annotations

import math
from dataclasses import replace

from gateway.policy import Limit, Measure


def part_of(limit: Limit, share: float) -> Limit:
    """A limit of the same name that gives `share` of it. Whole units stay whole: rounded up, and never less than one.

    So a part of one request every minute is one request every ten.
    """
    if limit.capacity <= 0.0:
        return limit
    capacity = limit.capacity * share
    if limit.measure is not Measure.SPEND:
        # 0.1 of 30 is 3, and not the 3.0000000000000004 that is rounded up to 4.
        capacity = float(max(1, math.ceil(round(capacity, 9))))
    if limit.measure is Measure.CONCURRENCY:
        return replace(limit, capacity=capacity)
    refill = round(limit.refill * share, 9)
    if limit.measure is Measure.SPEND or refill.is_integer():
        return replace(limit, capacity=capacity, refill=refill)
    return replace(limit, capacity=capacity, every=limit.every / share)


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
