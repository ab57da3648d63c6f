"""What tests reach: entries, rules both ways, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.rehearsal.coverage import Coverage, Seen
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import suites
from gateway.rehearsal.trial import Trial
from tests.rehearsal.folders import folder_of

EMBARGO = "- {name: a, given: {country: IR}, expect: {decision: deny}}\n"
PLAIN = "- {name: b, given: {country: DE}, expect: {decision: allow}}\n"
VPN = "- {name: c, given: {network_kinds: [vpn]}, expect: {decision: allow}}\n"
LATE = "- {name: d, given: {time: 2026-03-01T23:00:00Z}, expect: {decision: allow}}\n"
RAMP = "- {name: e, given: {model: m-new, rollout: {ramp: outside}}, expect: {decision: allow}}\n"
TOR = "- {name: f, given: {network_kinds: [tor]}, expect: {decision: deny}}\n"


def coverage(base: Path, tests: str) -> Coverage:
    folder = folder_of(base, tests="tests:\n" + tests)
    with Rehearsal(folder, {}) as rehearsal:
        trial = Trial(rehearsal)
        for suite in suites(folder, rehearsal.ruleset):
            for index in range(len(suite.file.tests)):
                trial.run(suite, index)
        seen = Seen(rehearsal.ruleset)
        seen.note(trial.heard)
        return seen.coverage()


@pytest.mark.parametrize(
    ("tests", "gaps"),
    [
        pytest.param(
            EMBARGO,
            {
                ("entry", "quota", "no test asks it"),
                ("rule", "networks.tor", "it never applies"),
                ("rule", "embargo", "it always applies"),
                ("rule", "ramp", "no test comes to it"),
                ("rule", "vpn", "no test comes to it"),
                ("rule", "late", "no test comes to it"),
                ("limit", "requests", "no test takes from it"),
                ("limit", "output", "no test takes from it"),
                ("limit", "spend", "no test takes from it"),
                ("limit", "slots", "no test takes from it"),
            },
            id="a refusal hides what is behind it",
        ),
        pytest.param(
            EMBARGO + PLAIN,
            {
                ("rule", "networks.tor", "it never applies"),
                ("rule", "ramp", "it never applies"),
                ("rule", "vpn", "it never applies"),
                ("rule", "late", "it never applies"),
            },
            id="rules seen one way",
        ),
        pytest.param(EMBARGO + PLAIN + VPN + LATE + RAMP + TOR, set(), id="all of it, in shadow, too"),
    ],
)
def test_gaps(tests: str, gaps: set[tuple[str, str, str]], tmp_path: Path) -> None:
    """What no test reaches, and rules that were seen one way only."""
    found = coverage(tmp_path, tests)

    assert {(gap.what, gap.name, gap.problem) for gap in found.gaps} == gaps
    assert (found.share == 1.0) == (not gaps)


def test_a_gap_has_its_place(tmp_path: Path) -> None:
    """File and line, for whoever goes there."""
    found = coverage(tmp_path, PLAIN)
    (place,) = [gap.place for gap in found.gaps if gap.name == "embargo"]

    assert (place.path.name, place.line) == ("rules.yaml", 2)
