"""risk.yaml: what may be stated, and what is said of what may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policies.risk.config import RiskConfig


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "looks at nothing: state one of campaigns, key_shared, new_network, refused"),
        ({"new_network": {"settles": "30d", "remember": "1d"}}, "is longer than `remember`"),
        ({"new_network": {"moves": "30d", "remember": "7d"}}, "is longer than `remember`"),
        ({"new_network": {"settles": 60.0}}, "greater than or equal to 600"),
        ({"new_network": {"remember": "90d"}}, "less than or equal to 2592000"),
        ({"new_network": {"within": "address"}}, "'network', 'asn' or 'country'"),
        ({"new_network": {}, "key_shared": {"of": "network"}}, "must be asn, as `within` of `new_network`"),
        ({"key_shared": {"networks": 2}}, "greater than or equal to 3"),
        ({"key_shared": {"networks": 65}}, "less than or equal to 64"),
        ({"key_shared": {"within": "2d"}}, "less than or equal to 86400"),
        ({"refused": {"from": 1}}, "greater than or equal to 2"),
        ({"refused": {"within": "1s"}}, "greater than or equal to 10"),
        ({"refused": {"within": "1h"}}, "less than or equal to 600"),
        ({"refused": {"weight": 0}}, "greater than or equal to 1"),
        ({"headless": {"weight": 5}}, "Extra inputs are not permitted"),
        ({"campaigns": {}}, "has no level: state one of budget, trace, hold, challenge, verify"),
        ({"campaigns": {"tiers": {"pro": "hold"}}}, "has no level"),
        ({"campaigns": {"suspend": {}}}, "Extra inputs are not permitted"),
        ({"campaigns": {"budget": {}, "tiers": {"pro": "suspend"}}}, "'challenge' or 'verify'"),
        ({"campaigns": {"budget": {"from": 8.0}, "trace": {}}}, "must not be less than at `budget`, where it is 8"),
        ({"campaigns": {"budget": {"families": 3}, "challenge": {}}}, "must not be less than at `budget`"),
        ({"campaigns": {"challenge": {"families": 1}}}, "greater than or equal to 2"),
        ({"campaigns": {"verify": {"families": 1}}}, "greater than or equal to 2"),
        ({"campaigns": {"hold": {}}}, "withholds nothing: state `features`, `models`, or both"),
        ({"campaigns": {"hold": {"features": ["telepathy"]}}}, "'vision', 'audio'"),
        ({"campaigns": {"trace": {"wait": [10.0, 2.0]}}}, "must be the shortest and then the longest"),
        ({"campaigns": {"trace": {"share": 0.5}}}, "less than or equal to 0.2"),
        ({"campaigns": {"budget": {"requests": 0}}}, "greater than 0"),
        ({"campaigns": {"verify": {"evidence": []}}}, "at least 1 item"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_may_not_be_stated(written: dict[str, Any], said: str) -> None:
    """Each mistake in words, and none of them only when the first exchange comes."""
    with pytest.raises(ValidationError) as raised:
        RiskConfig.model_validate(written)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("written", "breadth"),
    [
        ({"refused": {}}, "asn"),
        ({"key_shared": {}}, "asn"),
        ({"key_shared": {"of": "country"}}, "country"),
        ({"new_network": {"within": "network"}}, "network"),
        ({"new_network": {"within": "network"}, "key_shared": {}}, "network"),
        ({"new_network": {"within": "network"}, "key_shared": {"of": "network"}}, "network"),
    ],
)
def test_what_counts_as_a_network(written: dict[str, Any], breadth: str) -> None:
    """One thing in one entry: both parts read one memory."""
    assert RiskConfig.model_validate(written).breadth == breadth


@pytest.mark.parametrize(
    ("written", "reads"),
    [
        ({"refused": {}}, set()),
        ({"key_shared": {}}, {"client.asn"}),
        ({"new_network": {"within": "country"}}, {"client.country"}),
        ({"new_network": {"within": "network"}}, set()),
    ],
)
def test_what_it_cannot_do_without(written: dict[str, Any], reads: set[str]) -> None:
    """For a check that knows whether there is a database."""
    assert RiskConfig.model_validate(written).reads == reads
