"""Which ladder is for whom: asked once for an account where nothing else counts, and each time where a request does."""

from __future__ import annotations

import pytest

from gateway.policies.captcha import KIND
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.captcha.policy import Captcha
from gateway.policy import Facts, Principal, note_facts
from gateway.testing import context, services

BY_TIER = ["account.tier == 'pro'", "true"]
BY_MODEL = ["account.tier == 'pro' && request.model == 'm-large'", "true"]


def policy(conditions: list[str]) -> Captcha:
    ladders = [
        {"name": name, "when": when, "steps": {"captcha": at}}
        for name, when, at in zip(("first", "second"), conditions, (90, 50), strict=True)
    ]
    made = KIND.build(CaptchaConfig.model_validate({"ladders": ladders}), services())
    assert isinstance(made, Captcha)
    return made


def asked(made: Captcha, tier: str, model: str = "m-large") -> list[str]:
    """The ladders that are asked."""
    findings = made.explain(context(tier=tier, model=model))
    return [finding.rule for finding in findings if not finding.note.startswith("not asked")]


@pytest.mark.parametrize(
    ("conditions", "tier", "model", "ladder"),
    [
        (BY_TIER, "pro", "m-large", "first"),
        (BY_TIER, "free", "m-large", "second"),
        (BY_MODEL, "pro", "m-large", "first"),
        (BY_MODEL, "pro", "m-small", "second"),
    ],
)
def test_the_first_that_holds_counts(conditions: list[str], tier: str, model: str, ladder: str) -> None:
    """In the order of the file."""
    assert asked(policy(conditions), tier, model) == [ladder]


@pytest.mark.parametrize(("conditions", "second"), [(BY_TIER, "first"), (BY_MODEL, "second")], ids=["tier", "model"])
def test_what_is_remembered_of_an_account_is_not_of_a_request(conditions: list[str], second: str) -> None:
    """The same principal asks for two models: its tier is looked at once, its request always."""
    made = policy(conditions)
    who = Facts(Principal("acme", tier="pro"))
    found = []
    for model in ("m-large", "m-small"):
        exchange = context(account=None, model=model)
        note_facts(exchange, who)
        found += [one.rule for one in made.explain(exchange) if not one.note.startswith("not asked")]
    assert found == ["first", second]


def test_an_account_that_came_to_another_tier_is_asked_anew() -> None:
    """Its principal is another object then."""
    made = policy(BY_TIER)
    assert [asked(made, tier) for tier in ("pro", "free", "pro")] == [["first"], ["second"], ["first"]]
