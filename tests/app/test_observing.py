"""What a worker has of detection, by the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.secrets import Secrets
from gateway.app.observing import Observing
from gateway.campaigns.minted import Mint
from gateway.detect.sketching import keys_of
from gateway.rules.gateway_file import DetectorFile
from gateway.telemetry.counters import Counters

SECRETS = Secrets({"fleet": b"a secret of the whole fleet, long enough"})


@pytest.mark.parametrize(
    ("written", "observes", "mints"),
    [
        pytest.param(None, False, False, id="not-stated"),
        pytest.param({}, True, True, id="as-it-is"),
        pytest.param({"minted_ids": False}, True, False, id="ids-are-left-alone"),
    ],
)
def test_what_there_is(written: dict[str, Any] | None, observes: bool, mints: bool) -> None:
    """Nothing without `detector`; ids are marked unless that is not wished."""
    file = None if written is None else DetectorFile.model_validate(written)
    observing = Observing(file, SECRETS, Path("nowhere"), Counters())
    assert (observing.observer is not None) is observes
    assert (observing.mint is not None) is mints
    for run in (runs := observing.runs()):
        run.close()
    assert len(runs) == observes


def test_marks_are_read_by_the_sketcher() -> None:
    """Both derive the same key from the fleet's secrets."""
    marking = Observing(DetectorFile(), SECRETS, Path("nowhere"), Counters()).mint
    reading = Mint(keys_of(SECRETS)["minted"])
    assert marking is not None
    given = marking.mint("call_" + "7" * 24, "acme", "x1", 1e9)
    assert given != "call_" + "7" * 24
    assert reading.wandered(given, "other", 1e9) == reading.tag("acme")
