"""Detectors as metrics."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.telemetry.exposition import render

STATE: dict[str, Any] = {
    "name": "one:1", "leader": True, "time": 1.0, "lag": 0.5, "events": 70, "rate": 3.0, "unreadable": 2,
    "missed_seconds": 4.0, "accounts": 9, "bytes": 4096, "verdicts": 5, "told": 6, "clusters": 3,
    "levels": {"hold": 1, "observe": 2}, "look_seconds": 0.25,
}  # fmt: skip
LINES = (
    'tidegate_detector_lag_seconds{detector="one:1"} 0.5',
    'tidegate_detector_leads{detector="one:1"} 1.0',
    'tidegate_detector_leads{detector="two:2"} 0.0',
    'tidegate_detector_events_total{detector="one:1"} 70.0',
    'tidegate_detector_missed_seconds_total{detector="one:1"} 4.0',
    'tidegate_clusters{level="hold"} 1.0',
    'tidegate_clusters{level="observe"} 2.0',
)


@pytest.mark.parametrize("line", LINES)
def test_detectors(line: str) -> None:
    """Each says how it is; clusters are those of the one that tells."""
    two = STATE | {"name": "two:2", "leader": False, "levels": {"verify": 9}}
    text = render([], detectors=[two, STATE]).decode()
    assert line in text.splitlines()
    assert "verify" not in text


def test_none() -> None:
    """Where there is no detector there is nothing to say."""
    assert b"tidegate_detector" not in render([])
