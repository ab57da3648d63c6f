"""Tests of policies that hold in shadow, for a part and for all; and names that only some policies have."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.rehearsal.coverage import Seen
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import suites
from gateway.rehearsal.trial import Result, Trial
from gateway.rules.problems import Problems
from tests.rehearsal.folders import FILES, folder_of

RULE = '  - {name: ramp, when: request.model == "m-new", action: deny, rollout: 50%}\n'
ENTRY = "  - {name: rules, kind: rules, on_failure: deny}\n"


def run(base: Path, given: str, expect: str, more: str = "", **files: str) -> Result:
    """One test of that folder."""
    tests = f"tests:\n  - name: it\n    given: {given}\n    expect: {expect}\n{more}"
    folder = folder_of(base, tests=tests, **files)
    with Rehearsal(folder, {}) as rehearsal:
        (suite,) = suites(folder, rehearsal.ruleset)
        return Trial(rehearsal).run(suite, 0)


def of_rule(stage: str) -> dict[str, str]:
    return {"rules": FILES["rules"].replace(", rollout: 50%", f", {stage}" if stage else "")}


def of_entry(stage: str) -> dict[str, str]:
    return {"chain": FILES["chain"].replace(ENTRY, ENTRY.replace("}", f", {stage}}}"))}


STAGES = {
    "a rule in shadow": of_rule("mode: shadow"),
    "a rule for a part": of_rule("rollout: 1%"),
    "a rule for all": of_rule(""),
    "an entry in shadow": of_rule("") | of_entry("mode: shadow"),
    "an entry for a part": of_rule("") | of_entry("rollout: 1%"),
}


@pytest.mark.parametrize("files", STAGES.values(), ids=STAGES)
def test_a_test_holds_in_every_stage(files: dict[str, str], tmp_path: Path) -> None:
    """What a rule is for does not change while it is rolled out: its test names it as enforced, and stays as it is."""
    result = run(
        tmp_path, "{model: m-new, enforced: [ramp, rules]}", "{decision: deny, rule: ramp, shadow: []}", **files
    )

    assert result.differences == ()


def test_only_what_is_named_is_enforced(tmp_path: Path) -> None:
    """Another entry in shadow stays there, and the next test is as the files say."""
    files = of_rule("mode: shadow")
    assert run(tmp_path, "{model: m-new, enforced: [rules]}", "{decision: allow, shadow: [ramp]}", **files).passed


@pytest.mark.parametrize(
    ("stage", "given", "said"),
    [
        pytest.param(
            "mode: shadow",
            "rollout: {ramp: inside}",
            "7.*`ramp` is in shadow for everybody: nobody is inside; `enforced: [ramp]` under `given`",
            id="inside-of-a-shadow",
        ),
        pytest.param(
            "", "rollout: {ramp: outside}", "`ramp` is enforced for everybody: nobody is outside", id="outside"
        ),
        pytest.param("", "enforced: [rmap]", "unknown entry or rule `rmap`: did you mean `ramp`?", id="misspelt"),
        pytest.param(
            "rollout: 5%",
            "rollout: {ramp: outside}, enforced: [ramp]",
            "`ramp` enforced for everybody, and outside of its rollout",
            id="both",
        ),
    ],
)
def test_a_side_that_nobody_is_on(stage: str, given: str, said: str, tmp_path: Path) -> None:
    """It is said before anything is asked, with what would help."""
    with pytest.raises(Problems) as found:
        run(tmp_path, f"{{model: m-new, {given}}}", "{decision: deny}", **of_rule(stage))

    assert said.removeprefix("7.*") in str(found.value)


@pytest.mark.parametrize(("stage", "side", "decision"), [("mode: shadow", "outside", "allow"), ("", "inside", "deny")])
def test_a_side_that_everybody_is_on(stage: str, side: str, decision: str, tmp_path: Path) -> None:
    """A test that names it goes on to hold when the rollout is over, or has not begun."""
    assert run(
        tmp_path, f"{{model: m-new, rollout: {{ramp: {side}}}}}", f"{{decision: {decision}}}", **of_rule(stage)
    ).passed


def test_sides_are_those_of_the_gateway(tmp_path: Path) -> None:
    """Of a rule in an entry that is not called as its kind, too."""
    files = {
        "chain": FILES["chain"].replace(
            ENTRY, "  - {name: opening, kind: rules, on_failure: deny, file: rules.yaml}\n"
        ),
        "rules": FILES["rules"].replace("rollout: 50%", "rollout: 0.5%"),
    }
    expect = "{decision: deny, rule: ramp}"

    assert run(tmp_path, "{model: m-new, rollout: {ramp: inside}}", expect, **files).passed


@pytest.mark.parametrize("steps", [False, True], ids=["test", "step"])
def test_a_side_goes_before_what_the_file_enforces(steps: bool, tmp_path: Path) -> None:
    """Most tests of a file are of the rule, and one is of its rollout."""
    one = "given: {model: m-new, rollout: {ramp: outside}}, expect: {decision: allow, shadow: [ramp]}"
    tests = f"given: {{enforced: [ramp]}}\ntests:\n  - {{name: it, {f'steps: [{{{one}}}]' if steps else one}}}\n"
    folder = folder_of(tmp_path, tests=tests)
    with Rehearsal(folder, {}) as rehearsal:
        (suite,) = suites(folder, rehearsal.ruleset)

        assert Trial(rehearsal).run(suite, 0).differences == ()


def test_a_step_enforces_nothing_of_its_own(tmp_path: Path) -> None:
    """Policies are made once a test."""
    steps = "  - name: steps\n    steps: [{given: {enforced: [ramp]}, expect: {decision: allow}}]\n"
    with pytest.raises(Problems, match="`enforced` is for the whole test"):
        run(tmp_path, "{}", "{decision: allow}", steps)


THROTTLE = """\
rules:
  - {name: slow, when: request.model == "m-new", action: throttle, limit: {requests: 5, per: [account]}}
"""


def test_the_bucket_of_a_rule_is_a_limit(tmp_path: Path) -> None:
    """It can be filled before, and looked at after."""
    files = {"rules": THROTTLE, "feeds": "lists: {}\n"}
    last = run(
        tmp_path / "a", "{model: m-new}", "{decision: allow, limits: {slow: 0}}", "    counters: {slow: 1}\n", **files
    )
    none = run(
        tmp_path / "b", "{model: m-new}", "{decision: throttle, rule: slow}", "    counters: {slow: 0}\n", **files
    )

    assert last.differences == none.differences == ()


GEO = """\
networks: {tor: deny, vpn: {action: weigh, weight: 5}}
unknown: {country: allow}
rules:
  - {name: trial, tiers: [trial], networks: {vpn: deny}, countries: {deny: [IR]}}
"""


@pytest.mark.parametrize(
    ("given", "expect"),
    [
        ("{network_kinds: [tor]}", "{decision: deny, rule: networks.tor}"),
        ("{tier: trial, network_kinds: [vpn]}", "{decision: deny, rule: trial.networks.vpn}"),
        ("{tier: trial, country: IR}", "{decision: deny, matches: [trial.countries]}"),
        ("{network_kinds: [vpn]}", "{decision: allow, matches: [networks.vpn, vpn]}"),
    ],
)
def test_parts_of_geo_can_be_expected(given: str, expect: str, tmp_path: Path) -> None:
    """By the names that stand in metrics and access lines."""
    assert run(tmp_path, given, expect, geo=GEO).differences == ()


@pytest.mark.parametrize("rule", ["networks.toor", "networks.relay", "trial.asns", "tiral.countries"])
def test_parts_that_are_not_written_cannot(rule: str, tmp_path: Path) -> None:
    """A misspelt one would be a test that can only fail."""
    with pytest.raises(Problems, match="unknown rule"):
        run(tmp_path, "{}", f"{{decision: deny, rule: {rule}}}", geo=GEO)


def test_a_rule_of_geo_is_covered_by_its_parts(tmp_path: Path) -> None:
    """It applies where one of them does."""
    tests = (
        "tests:\n  - {name: a, given: {tier: trial, network_kinds: [vpn]}, expect: {decision: deny}}\n"
        "  - {name: b, given: {tier: trial, country: NO}, expect: {decision: deny}}\n"
    )
    folder = folder_of(tmp_path, geo=GEO, tests=tests)
    with Rehearsal(folder, {}) as rehearsal:
        (suite,) = suites(folder, rehearsal.ruleset)
        trial = Trial(rehearsal)
        for index in range(2):
            trial.run(suite, index)
        seen = Seen(rehearsal.ruleset)
        seen.note(trial.heard)
        gaps = {gap.name: gap.problem for gap in seen.coverage().gaps}

    assert "trial" not in gaps


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        ("{}", "deny"),
        ("{key: {models: [m-large]}}", "deny"),
        ("{claims: {plan: gold}}", "allow"),
        ("{key: token}", "allow"),
        ("{key: {name: abc}}", "deny"),
    ],
)
def test_a_key_has_a_prefix(given: str, decision: str, tmp_path: Path) -> None:
    """Else rules about keys could not be tested. Who comes with a token has none."""
    rules = "rules:\n  - {name: keyed, when: 'key.id != \"\"', action: deny}\n"
    assert run(tmp_path, given, f"{{decision: {decision}}}", rules=rules, feeds="lists: {}\n").passed


def test_a_limit_that_nobody_takes_from_is_a_gap(tmp_path: Path) -> None:
    """That it was looked at and is for others reaches nothing."""
    quota = FILES["quota"] + "  - {name: trial, measure: requests, per: [account], capacity: 1, tiers: [trial]}\n"
    folder = folder_of(tmp_path, quota=quota, tests="tests:\n  - {name: a, expect: {decision: allow}}\n")
    with Rehearsal(folder, {}) as rehearsal:
        (suite,) = suites(folder, rehearsal.ruleset)
        trial = Trial(rehearsal)
        trial.run(suite, 0)
        seen = Seen(rehearsal.ruleset)
        seen.note(trial.heard)
        limits = [gap.name for gap in seen.coverage().gaps if gap.what == "limit"]

    assert limits == ["trial"]
