"""Challenges in a rehearsal: put, passed, and told to whom they would be put."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.policy import Action, Ask, Facts, Principal
from gateway.rehearsal.buckets import Buckets
from gateway.rehearsal.exchange import Exchange
from gateway.rehearsal.given import USUAL_TIME
from gateway.rehearsal.places import Places, named
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import suite
from gateway.rehearsal.trial import Trial
from gateway.rules.problems import Problems
from tests.docs.pages import ROOT

AT = USUAL_TIME.timestamp()


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The policies that ship."""
    return Path(shutil.copytree(ROOT / "policies", tmp_path / "policies"))


@pytest.fixture
def rehearsal(shipped: Path) -> Iterator[Rehearsal]:
    with Rehearsal(shipped, {}) as made:
        yield made


def exchange(weight: int, account: str = "acme", at: float = 0.0, items: int = 1) -> Exchange:
    ask = Ask("openai", "chat.completions", "m-large", input_tokens=10, output_cap=10, items=items)
    who, facts = Principal(account, tier="free"), Facts(weight=weight)
    return Exchange(f"{account}-{at}", AT + at, ask, who, address="192.0.2.7", facts=facts)


def test_a_challenge_is_passed_and_counts(rehearsal: Rehearsal) -> None:
    """As its owner would pass it; what is not challenged cannot be passed, and nothing twice."""
    asked = rehearsal.ask(exchange(60))
    assert (asked.decision.action, asked.entry, asked.rule) == (Action.CHALLENGE, "captcha", "usual.captcha")
    assert rehearsal.solve(asked)
    assert not rehearsal.solve(asked)
    passed = rehearsal.ask(exchange(60, at=1.0))
    assert passed.decision.action is Action.ALLOW
    assert passed.context.captcha
    assert not rehearsal.solve(passed)
    rehearsal.reset()
    assert rehearsal.ask(exchange(60, at=2.0)).decision.action is Action.CHALLENGE


def test_a_rule_that_challenges_can_be_passed(shipped: Path) -> None:
    """What another entry demands is made passable on both ways to ask, and its words stay."""
    (shipped / "rules.yaml").write_text(
        "rules:\n  - {name: odd, when: 'request.items > 5', action: challenge, message: Say that you are there.}\n"
    )
    with Rehearsal(shipped, {}) as rehearsal:
        many = exchange(0, items=9)
        assert rehearsal.begin(many).decision.detail == "Say that you are there."
        asked = rehearsal.ask(many)
        assert (asked.entry, asked.rule) == ("rules", "odd")
        assert rehearsal.solve(asked)
        later = many._replace(id="later", now=AT + 1.0)
        assert rehearsal.begin(later).decision.action is Action.ALLOW
        assert rehearsal.ask(later).decision.action is Action.ALLOW


def test_a_replay_tells_whom_it_would_have_challenged(shipped: Path) -> None:
    """On the short way as on the long one."""
    for make_store in (None, Buckets):
        kinds: dict[str, Any] = {"make_store": make_store} if make_store else {}
        with Rehearsal(shipped, {}, **kinds) as rehearsal:
            said = [rehearsal.begin_shortly(exchange(weight, f"a{weight}")) for weight in (0, 35, 60)]
            assert getattr(said[0], "entry", "") == ""
            assert [(one.entry, one.matches[-1][1].rule) for one in said[1:]] == [  # type: ignore[union-attr]
                ("captcha", "usual.work"), ("captcha", "usual.captcha"),
            ]  # fmt: skip


def test_names_of_steps_and_buckets_have_places(rehearsal: Rehearsal) -> None:
    """A step by ladder and step, its bucket by ladder: tests may name them, and are shown where they stand."""
    places = Places(rehearsal.ruleset)
    lines = (rehearsal.ruleset.entries[-2].path).read_text().splitlines()
    place = places.rule("captcha", "usual.captcha")
    assert place is not None
    assert lines[place.line - 1][place.column - 1 :].startswith("captcha: 50")
    buckets = [thing.name for thing in named(rehearsal.ruleset) if thing.entry == "captcha" and thing.has_bucket]
    assert buckets == ["paying-slow", "usual-slow"]


SOLVED = """\
tests:
  - name: it is passed
    given: {weight: 60}
    steps:
      - {expect: {decision: challenge}}
      - {solved: true, expect: {decision: allow}}
  - name: there is nothing to pass
    steps:
      - {expect: {decision: allow}}
      - {solved: true, expect: {decision: allow}}
"""


def test_a_step_that_is_solved(shipped: Path) -> None:
    """Passes what was asked before it; where nothing was, the test fails and says so."""
    path = shipped / "tests" / "solved.yaml"
    path.write_text(SOLVED)
    with Rehearsal(shipped, {}) as rehearsal:
        written = suite(path, rehearsal.ruleset)
        trial = Trial(rehearsal)
        assert trial.run(written, 0).passed
        failed = trial.run(written, 1)
    assert not failed.passed
    assert failed.differences == (("solved", "an open challenge", "allow"),)
    assert failed.line == 10


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        pytest.param("{name: x, solved: true, expect: {decision: allow}}", "nothing was asked before", id="alone"),
        pytest.param("{name: x, steps: [{solved: true, expect: {decision: allow}}]}", "nothing was asked before",
                     id="the first step"),
        pytest.param("{name: x, expect: {rule: usual.captch}}", "unknown rule `usual.captch`", id="a misspelt step"),
        pytest.param("{name: x, counters: {usual-fast: 1}, expect: {decision: allow}}", "unknown limit `usual-fast`",
                     id="a misspelt bucket"),
    ],
)  # fmt: skip
def test_what_a_test_cannot_say(shipped: Path, test: str, problem: str) -> None:
    """Where nothing was asked nothing is passed; and names have to be there."""
    path = shipped / "tests" / "wrong.yaml"
    path.write_text(f"tests:\n  - {test}\n")
    with Rehearsal(shipped, {}) as rehearsal, pytest.raises(Problems) as caught:
        suite(path, rehearsal.ruleset)
    assert problem in str(caught.value)
