"""Counts that an upstream states."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.tally import anthropic_usage, openai_usage
from gateway.policy import Usage

GARBAGE: list[Any] = [None, -1, "5", True, 1.5, 10**12, [], {}]


@pytest.mark.parametrize("value", GARBAGE)
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens"])
def test_a_count_that_is_none_is_no_usage(name: str, value: Any) -> None:
    """Then estimates are charged, not nothing."""
    assert openai_usage({"prompt_tokens": 5, "completion_tokens": 6, name: value}) is None


@pytest.mark.parametrize("value", GARBAGE)
def test_a_breakdown_that_is_none_is_left_out(value: Any) -> None:
    """The whole still counts."""
    stated = {"prompt_tokens": 5, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": value}}

    assert openai_usage(stated) == Usage(5, 6)
    assert openai_usage({**stated, "prompt_tokens_details": value}) == Usage(5, 6)


@pytest.mark.parametrize(
    ("stated", "usage"),
    [
        pytest.param({"prompt_tokens": 5, "total_tokens": 8}, Usage(5, 3), id="by-subtraction"),
        pytest.param({"prompt_tokens": 5, "total_tokens": 4}, None, id="less-than-nothing"),
        pytest.param(
            {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(0, 1, 5),
            id="more-cached-than-whole",
        ),
        pytest.param(
            {
                "input_tokens": 100,
                "output_tokens": 1,
                "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
            },
            Usage(10, 1, 60, 30),
            id="written-to-the-cache",
        ),
        pytest.param({"type": "duration", "seconds": 3}, None, id="seconds"),
        pytest.param("usage", None, id="text"),
    ],
)
def test_openai_counts(stated: Any, usage: Usage | None) -> None:
    """Cached and written tokens are taken out of the input, and are never more than it."""
    assert openai_usage(stated) == usage


def test_anthropic_counts_are_cumulative() -> None:
    """What a later event leaves out stands as it was."""
    first = anthropic_usage({"input_tokens": 9, "output_tokens": 1, "cache_read_input_tokens": 4})
    last = anthropic_usage({"output_tokens": 30, "input_tokens": None}, first)

    assert last == Usage(9, 30, 4)
    assert anthropic_usage({"output_tokens": -1}, last) == last
    assert anthropic_usage(None, last) is last


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
)
_NAMES = st.sampled_from(
    [
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "cache_read_input_tokens",
        "output_tokens_details",
    ]
)


@given(st.dictionaries(_NAMES, _JSON) | _JSON)
def test_no_statement_breaks_the_tally(stated: Any) -> None:
    """Whatever is stated, the counts are whole numbers and never negative."""
    for usage in (openai_usage(stated), openai_usage(stated, embeds=True), anthropic_usage(stated)):
        assert usage is None or all(type(part) is int and part >= 0 for part in usage)
