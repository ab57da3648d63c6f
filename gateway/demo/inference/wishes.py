"""What a request may wish of the stand-in, by fields that a gateway forwards as any other.

x-standin-status: 500             this status, with an error in the route's dialect
x-standin-delay: 0.5              seconds before the head of the answer
x-standin-tokens: 40              wants to say so many tokens (the request's own cap still holds)
x-standin-tokens-per-second: 50   0: as fast as it goes
x-standin-reasoning: 20           reasoning tokens, counted within the output
x-standin-cached: 100             input tokens read from a cache, on top of those of the request
x-standin-cache-creation: 100     the same, written to a cache (Anthropic alone states them)
x-standin-usage: none             usage is not stated
x-standin-break-after: 10         the connection drops after so many events; 0: before the head;
                                  a JSON answer drops in the middle of its body
x-standin-silence-after: 5        silent for ever after so many events; 0, or a JSON answer: before the head
x-standin-error-after: 5          an error event after so many, then the end
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Wishes(NamedTuple):
    """One request's wishes, with the settings of the server for what it did not say."""

    status: int = 200
    delay: float = 0.0
    tokens: int = 16
    tokens_per_second: float = 0.0
    reasoning: int = 0
    cached: int = 0
    cache_creation: int = 0
    usage: bool = True
    break_after: int | None = None
    silence_after: int | None = None
    error_after: int | None = None


def read_wishes(fields: Mapping[str, str], usual: Wishes) -> Wishes:
    """The wishes in a request's fields. Raises ValueError for what is not a number."""

    def given(name: str) -> str | None:
        return fields.get(f"x-standin-{name}")

    def number(name: str, otherwise: float) -> float:
        text = given(name)
        return otherwise if text is None else float(text)

    def count(name: str, otherwise: int | None = None) -> int | None:
        text = given(name)
        return otherwise if text is None else int(text)

    return Wishes(
        status=count("status") or usual.status,
        delay=number("delay", usual.delay),
        tokens=count("tokens", usual.tokens) or 0,
        tokens_per_second=number("tokens-per-second", usual.tokens_per_second),
        reasoning=count("reasoning", usual.reasoning) or 0,
        cached=count("cached", usual.cached) or 0,
        cache_creation=count("cache-creation", usual.cache_creation) or 0,
        usage=given("usage") != "none" and usual.usage,
        break_after=count("break-after", usual.break_after),
        silence_after=count("silence-after", usual.silence_after),
        error_after=count("error-after", usual.error_after),
    )
