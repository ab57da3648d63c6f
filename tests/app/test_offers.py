"""On what terms challenges are passed, by the rules in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app.offers import offers_of
from gateway.challenges.ladder import Step
from gateway.rules.build import policy_kinds
from gateway.rules.ruleset import load

CHAIN = """chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: captcha, kind: captcha, on_failure: deny}
"""


@pytest.mark.parametrize(
    ("rule", "fixed"),
    [
        pytest.param("captcha/usual", Step.OBSERVE, id="a ladder"),
        pytest.param("captcha/first_use", Step.WORK, id="new accounts"),
        pytest.param("captcha/renamed", None, id="a ladder that is gone"),
        pytest.param("rules/odd", Step.CAPTCHA, id="what another entry demands"),
    ],
)
def test_terms_of_a_challenge(tmp_path: Path, rule: str, fixed: Step | None) -> None:
    """A challenge of a ladder that is there no more is over: to pass it would help nobody."""
    (tmp_path / "auth.yaml").write_text("api_keys: true\n")
    (tmp_path / "captcha.yaml").write_text("ladders: [{name: usual, steps: {captcha: 50}}]\nfirst_use: {}\n")
    (tmp_path / "chain.yaml").write_text(CHAIN)
    terms = offers_of(load(tmp_path, policy_kinds())).terms(rule)
    assert (terms.ladder.fixed if terms is not None else None) == fixed
