"""Providers from tidegate.yaml, and our own among them."""

from __future__ import annotations

import json
from base64 import b64encode

import altcha
import pytest

from gateway.accounts.secrets import Secrets
from gateway.challenges.ladder import Step
from gateway.challenges.providers.altcha import FIELD, Altcha
from gateway.challenges.providers.breaker import Breaker
from gateway.challenges.providers.contract import Verdict
from gateway.challenges.providers.registry import build
from gateway.challenges.token import Tokens
from gateway.challenges.work import LASTS, Work
from tests.challenges.providers.standing import KINDS, NOW, Clock, answered, challenge, entry

SECRETS = Secrets({"one": b"s" * 32})
WORK = Work(SECRETS, cost=1, tries=3)


def solved(token: str, name: str = "a-challenge") -> str:
    """What the widget puts into the form."""
    puzzle = WORK.puzzle(challenge(name), token, 1.0, NOW)
    solution = altcha.solve_challenge(altcha.Challenge.from_dict(puzzle))
    assert solution is not None
    return b64encode(json.dumps({"challenge": puzzle, "solution": solution.to_dict()}).encode()).decode()


async def test_each_entry_is_a_provider_and_ours_is_always_there() -> None:
    """By name, with a breaker; ours without one, because it is never away."""
    tokens, clock = Tokens(SECRETS), Clock()
    entries = [entry(kind, None) for kind in KINDS]
    providers = build(entries, WORK, tokens, clock, clock, "ask.example.com")
    assert set(providers) == {"altcha", *(f"my-{kind}" for kind in KINDS)}
    assert all(name == provider.name for name, provider in providers.items())
    assert all(isinstance(provider, Breaker) == (name != "altcha") for name, provider in providers.items())
    for provider in providers.values():
        await provider.close()
    assert list(build([], WORK, tokens, clock, clock)) == ["altcha"]


async def test_our_own_takes_work_for_this_challenge_alone() -> None:
    """Solved: passed. For another challenge, by a token that is none, too late, or nonsense: refused, with a reason."""
    tokens, clock = Tokens(SECRETS), Clock()
    ours = Altcha(WORK, tokens, clock)
    token, other = tokens.make(challenge()), tokens.make(challenge("another"))
    assert await ours.validate(answered(solved(token))) == Verdict(True)
    assert (await ours.validate(answered(solved(other, "another"))))[:2] == (False, "action")
    assert (await ours.validate(answered(solved("token-of-nobody"))))[:2] == (False, "wrong")
    assert (await ours.validate(answered("nonsense")))[:2] == (False, "wrong")
    late = solved(token)
    clock.now += LASTS
    assert (await ours.validate(answered(late)))[:2] == (False, "expired")
    await ours.close()


def test_our_own_widget_asks_nobody_else() -> None:
    """Its puzzle is a path of ours, and no policy is widened for it."""
    widget = Altcha(WORK, Tokens(SECRETS), Clock()).issue("a-challenge", "token")
    assert widget.attributes == {"challenge": "/tidegate/challenge/token/puzzle"}
    assert (widget.field, widget.scripts, dict(widget.sources)) == (FIELD, (), {})


@pytest.mark.parametrize("step", [Step.WORK, Step.CAPTCHA])
async def test_work_passes_whatever_the_step_of_its_token(step: Step) -> None:
    """Which step it passes is for the desk to say: here it is only whether the work was done."""
    tokens = Tokens(SECRETS)
    token = tokens.make(challenge()._replace(step=step))
    assert (await Altcha(WORK, tokens, Clock()).validate(answered(solved(token)))).passed
