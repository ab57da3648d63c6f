"""`RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10, as structured fields (RFC 9651).

Each limit is a policy of its own name. `q` is its capacity, `w` the seconds from empty to full, `r` what is left, `t`
the seconds until it is full again. Units that the draft's registry does not have bear our name, as it asks of vendors:
`requests` (the default, left out) and `concurrent-requests` are registered; tokens and spend (in millionths of a US
dollar, since only integers are allowed) are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gateway.policy import Limit, Measure

MICRODOLLARS = 1_000_000
MAX_INTEGER = 999_999_999_999_999
"""The largest integer of a structured field (RFC 9651, section 3.3.1)."""

_UNITS = {
    Measure.REQUESTS: "",
    Measure.INPUT_TOKENS: "tidegate-input-tokens",
    Measure.OUTPUT_TOKENS: "tidegate-output-tokens",
    Measure.TOTAL_TOKENS: "tidegate-tokens",
    Measure.SPEND: "tidegate-microdollars",
    Measure.CONCURRENCY: "concurrent-requests",
}


def scale(limit: Limit) -> int:
    """What a measured unit is in the unit that is shown."""
    return MICRODOLLARS if limit.measure is Measure.SPEND else 1


def refills(limit: Limit) -> bool:
    """Whether waiting fills it: not a lease, which its holder gives back, and not a budget that is spent once.

    A unit in thirty years is no refill.
    """
    return limit.measure is not Measure.CONCURRENCY and limit.rate > 1e-9


def string(text: str) -> str:
    """An sf-string (RFC 9651, section 4.1.6): printable ASCII, with its two escapes; `?` for what else there is."""
    plain = "".join(character if " " <= character <= "~" else "?" for character in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def integer(value: float) -> int:
    """An sf-integer that is never negative, rounded down: a part of a request is no request."""
    return int(min(max(value, 0.0), MAX_INTEGER))


def policy_value(limits: Sequence[Limit]) -> bytes:
    """The value of RateLimit-Policy: the same for all answers under the same limits."""
    items = []
    for limit in limits:
        unit = _UNITS[limit.measure]
        item = f"{string(limit.name)};q={integer(limit.capacity * scale(limit))}"
        if unit:
            item += f";qu={string(unit)}"
        if refills(limit):
            item += f";w={math.ceil(min(limit.window, MAX_INTEGER))}"
        items.append(item)
    return ", ".join(items).encode("ascii")


def state_format(limits: Sequence[Limit]) -> bytes:
    """The value of RateLimit as a format for `%`: for each limit `r`, then `t` where it refills, all as integers."""
    items = [f"{string(limit.name).replace('%', '%%')};r=%d" + (";t=%d" if refills(limit) else "") for limit in limits]
    return ", ".join(items).encode("ascii")
