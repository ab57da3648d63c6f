"""The YAML of a quota entry."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policies.quota.config import QuotaConfig

GOOD = {"name": "rpm", "measure": "requests", "per": ["account"], "capacity": 100}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"capactiy": 1}, "Extra inputs", id="unknown key"),
        pytest.param({"name": "Not A Name"}, "pattern", id="name"),
        pytest.param({"measure": "tokens"}, "input_tokens", id="measure"),
        pytest.param({"per": []}, "at least 1", id="no dimension"),
        pytest.param({"per": ["account", "account"]}, "twice", id="dimension twice"),
        pytest.param({"per": ["acount"]}, "account", id="unknown dimension"),
        pytest.param({"capacity": -1}, "count", id="negative capacity"),
        pytest.param({"capacity": 1.5}, "whole numbers", id="half a request"),
        pytest.param({"refill": 0}, "greater than 0", id="no refill"),
        pytest.param({"every": 0.0}, "greater than 0", id="no time"),
        pytest.param({"measure": "concurrency", "refill": 5}, "no `refill`", id="refill of slots"),
        pytest.param({"on_exhausted": "cut"}, "is for output_tokens", id="cut of requests"),
        pytest.param({"cached_weight": 2.0}, "less than or equal to 1", id="weight"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, Any], says: str) -> None:
    """With words that say what would."""
    with pytest.raises(ValidationError, match=says):
        QuotaConfig.model_validate({"limits": [GOOD | change]})


@pytest.mark.parametrize(
    ("config", "says"),
    [
        pytest.param({"limits": []}, "at least one", id="no limits"),
        pytest.param({"limits": [GOOD, GOOD]}, "two limits are named rpm", id="a name twice"),
        pytest.param(
            {"limits": [GOOD | {"measure": "concurrency"}], "store": "local"}, "needs `store: shared`", id="local slots"
        ),
    ],
)
def test_laws_between_limits(config: dict[str, Any], says: str) -> None:
    """A bucket's name is its own."""
    with pytest.raises(ValidationError, match=says):
        QuotaConfig.model_validate(config)


def test_amounts_are_read_as_people_write_them() -> None:
    """Counts with letters, dollars with a sign; the refill is the capacity where it is not stated."""
    config = QuotaConfig.model_validate(
        {
            "limits": [
                GOOD | {"capacity": "10k"},
                GOOD | {"name": "day", "measure": "spend", "capacity": "$2.50", "refill": 0.5, "every": 86400.0},
            ]
        }
    )
    requests, spend = (limit.limit() for limit in config.limits)
    assert (requests.capacity, requests.refill, requests.every) == (10_000, 10_000, 60)
    assert (spend.capacity, spend.refill, spend.window) == (2.5, 0.5, 5 * 86400)
    assert config.needs_prices() == ("limits", 1, "measure")
