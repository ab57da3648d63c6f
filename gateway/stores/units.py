"""In what units the store counts.

Requests and tokens are counted as such. US dollars are counted in micro-dollars, because answers are whole numbers.
"""

from __future__ import annotations

from gateway.policy import Limit, Measure

MICRO = 1_000_000.0
SLACK = 0.000001
"""Units by which a sum of doubles may be off; as in take.lua."""
LEASE_WAIT = 1.0
"""Seconds to wait for a slot: nobody knows when a running exchange will end; as in take.lua."""


def scale_of(limit: Limit) -> float:
    """How many units of the store one unit of the limit is."""
    return MICRO if limit.measure is Measure.SPEND else 1.0
