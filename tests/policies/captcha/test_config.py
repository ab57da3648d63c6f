"""What the file says, for whom else it matters: the terms of a challenge, names, and what it is to be refused for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.challenges.ladder import Step
from gateway.challenges.terms import Worth
from gateway.policies.captcha.config import CaptchaConfig
from tests.policies.captcha.world import STEPS, USUAL


def config(**more: Any) -> CaptchaConfig:
    return CaptchaConfig.model_validate({**USUAL, **more})


def test_terms_of_a_ladder() -> None:
    """All that pages and answers need: thresholds, worth, providers, and how many one solver may pass for."""
    terms = config(providers=["turnstile", "altcha"], farming={"accounts": 3, "within": "1h"}).terms(
        "friction", "friction/usual"
    )
    assert terms.ladder.at == {Step[name.upper()]: at for name, at in STEPS.items()}
    assert terms.ladder.fixed is Step.OBSERVE
    assert terms.worth == {Step.WORK: Worth(3600.0, 2000), Step.CAPTCHA: Worth(86_400.0, 20_000)}
    assert terms.providers == ("turnstile", "altcha")
    assert (terms.subjects_at_most, terms.within) == (3, 3600.0)


@pytest.mark.parametrize(
    ("rule", "fixed"),
    [
        pytest.param("captcha/usual", Step.OBSERVE, id="its own ladder"),
        pytest.param("captcha/first_use", Step.WORK, id="its first use"),
        pytest.param("captcha/gone", Step.CAPTCHA, id="a ladder that is gone"),
        pytest.param("rules/usual", Step.CAPTCHA, id="another entry's rule of the same name"),
        pytest.param("geo/vpn", Step.CAPTCHA, id="another entry's"),
    ],
)
def test_terms_of_what_is_demanded(rule: str, fixed: Step) -> None:
    """One step, whatever the suspicion."""
    assert config(first_use={"step": "work"}).terms("captcha", rule).ladder.fixed is fixed


def test_a_first_use_is_remembered_as_long_as_accounts_are_new() -> None:
    """And not for less than a week."""
    assert config(first_use={"younger": "30d"}).terms("captcha", "captcha/first_use").ladder.met_lasts == 30 * 86_400.0
    assert config(first_use={"younger": "1h"}).terms("captcha", "captcha/usual").ladder.met_lasts == 7 * 86_400.0


def test_names() -> None:
    """Of rules, as metrics and tests say them, and of buckets: each with its place."""
    made = config(first_use={})
    assert made.rule_names() == {
        **{f"usual.{step}": ("ladders", 0, "steps", step) for step in STEPS},
        "first_use.work": ("first_use",),
    }
    assert made.shared_names() == {"usual-slow": ("ladders", 0, "name")}
    assert CaptchaConfig.model_validate({"ladders": [{"name": "a", "steps": {"work": 1}}]}).shared_names() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"ladders": []}, id="no ladder"),
        pytest.param({"ladders": [{"name": "a", "steps": {"work": 30, "captcha": 30}}]}, id="steps that do not rise"),
        pytest.param({"ladders": [{"name": "a", "steps": {"slow": 0}}]}, id="a step for everybody"),
        pytest.param({"ladders": [{"name": "first_use", "steps": {"slow": 1}}]}, id="a name that is taken"),
        pytest.param({"providers": []}, id="nobody who asks"),
        pytest.param({"expires": "1s"}, id="no time to answer"),
        pytest.param({"half_life": "0s"}, id="forgotten at once"),
        pytest.param({"verify": {"evidence": []}}, id="nothing to be shown"),
        pytest.param({"slow": {"requests": 0}}, id="slower than anything"),
    ],
)
def test_what_is_wrong(wrong: dict[str, Any]) -> None:
    """Refused, and not put right in silence."""
    with pytest.raises(ValidationError):
        config(**wrong)
