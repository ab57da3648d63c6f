"""Counts that an upstream states, taken with care: what is not a count is no usage, and then estimates are charged."""

from __future__ import annotations

from typing import Any

from gateway.policy import Usage

MAX_COUNT = 10**9
"""More tokens than any answer has: an upstream that states more is broken, and must not ruin an account."""


def count(value: object) -> int | None:
    """A stated count; None where it is not a whole number from 0 to MAX_COUNT."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def part(details: object, name: str, whole: int) -> int:
    """A count inside a breakdown: 0 where it is not stated or not sane, never more than the whole."""
    value = count(details.get(name)) if type(details) is dict else None
    return min(value, whole) if value else 0


def openai_usage(stated: Any, *, embeds: bool = False) -> Usage | None:
    """The `usage` of chat completions and embeddings (prompt_tokens…), or of responses and images (input_tokens…).

    OpenAI's input includes what came from the cache and what was written to it; ours does not. None for nonsense.
    """
    if type(stated) is not dict:
        return None
    read, made = ("prompt", "completion") if "prompt_tokens" in stated else ("input", "output")
    whole = count(stated.get(f"{read}_tokens"))
    if whole is None:
        return None
    output = stated.get(f"{made}_tokens")
    if output is None:
        # Embeddings make nothing; others may leave it to a subtraction.
        total = whole if embeds else count(stated.get("total_tokens"))
        output = None if total is None else total - whole
    output = count(output)
    if output is None:
        return None
    details = stated.get(f"{read}_tokens_details")
    cached = part(details, "cached_tokens", whole)
    creation = part(details, "cache_write_tokens", whole - cached)
    reasoning = part(stated.get(f"{made}_tokens_details"), "reasoning_tokens", output)
    return Usage(whole - cached - creation, output, cached, creation, reasoning)


def anthropic_usage(stated: Any, before: Usage | None = None) -> Usage | None:
    """The `usage` of a message. In a stream counts are cumulative and may be left out: then those of `before` stand."""
    if type(stated) is not dict:
        return before
    base = before or _NONE
    fresh = _or(stated.get("input_tokens"), base.input if before else None)
    output = _or(stated.get("output_tokens"), base.output if before else None)
    if fresh is None or output is None:
        return before
    return Usage(
        fresh,
        output,
        _or(stated.get("cache_read_input_tokens"), base.cached) or 0,
        _or(stated.get("cache_creation_input_tokens"), base.cache_creation) or 0,
        min(part(stated.get("output_tokens_details"), "thinking_tokens", output) or base.reasoning, output),
    )


_NONE = Usage()


def _or(value: object, otherwise: int | None) -> int | None:
    stated = count(value)
    return otherwise if stated is None else stated
