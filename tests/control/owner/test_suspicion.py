"""What an owner sees of suspicion, and that one click brings a person to look at it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import pytest

from gateway.accounts.one_time import Scope
from gateway.accounts.sql import standing, tables
from gateway.campaigns.verdict import Family, Level, Verdict
from gateway.challenges.ladder import Held, Step
from gateway.policies.risk.campaigns import Response
from gateway.policies.risk.levels import CampaignsConfig
from tests.control.owner.world import World

RESPONSE: Final = Response(
    CampaignsConfig.model_validate(
        {"budget": {}, "hold": {"features": ["batch"]}, "challenge": {}, "verify": {}, "tiers": {"partner": "observe"}}
    ),
    "risk",
)


def suspect(world: World, score: float, **more: Any) -> None:
    """From half an hour ago on."""
    world.response = RESPONSE
    families = ((Family.CONTENT, score / 2), (Family.LINKS, score / 2))
    evidence = ("a template of 31 shingles, in 240 accounts",)
    named = {"since": world.clock() - 1800.0, "expires": math.inf, "evidence": evidence, **more}
    world.verdicts.tell([Verdict("acme", "c12", score, families, size=240, **named)])


@pytest.mark.parametrize(
    ("score", "more", "title"),
    [
        pytest.param(4.0, {}, "", id="nothing-is-asked"),
        pytest.param(6.0, {}, "This account shares a budget of requests", id="budget"),
        pytest.param(8.0, {}, "Some features wait for now", id="hold"),
        pytest.param(10.0, {}, "Somebody has to pass a challenge", id="challenge"),
        pytest.param(13.0, {}, "Please show who you are", id="verify"),
        pytest.param(30.0, {"most": Level.BUDGET}, "This account shares a budget of requests", id="in-one-place"),
    ],
)
async def test_what_is_said(world: World, score: float, more: Mapping[str, Any], title: str) -> None:
    """What follows, in kind words: never by what it was found, nor which others are meant."""
    suspect(world, score, **more)
    # What is read: tags carry random tokens, in which any three signs may stand.
    page = re.sub(r"<[^>]*>", " ", (await (await world.signed_in("acme")).get()).text)
    assert ("Ask for a review" in page) is bool(title)
    assert title in page
    assert not any(word in page for word in ("c12", "template", "240", "score"))


async def test_evidence_is_asked_for_first_and_ends_it(world: World) -> None:
    """The button begins at the provider with what is asked for; what was shown before does not count."""
    for kind in ("email", "document", "liveness"):
        world.write(standing.add_evidence, "acme", kind, obtained=world.clock() - 3600.0)
    suspect(world, 13.0)
    visitor = await world.signed_in("acme", Scope.VERIFY)
    assert "You can show it now" in (await visitor.get()).text
    assert (await visitor.post("/verify")).location == f"{world.checks.url}/ses-1"
    world.clock.turn(60.0)
    for kind in ("document", "liveness"):
        world.write(standing.add_evidence, "acme", kind)
    page = (await visitor.get()).text
    assert "Please show who you are" not in page
    assert "This account shares a budget of requests" in page


@pytest.mark.parametrize("scope", [Scope.OWNER, Scope.VERIFY])
async def test_one_click_asks_for_a_review(world: World, scope: Scope) -> None:
    """Whoever was sent here by a refusal may press it; once, and the page says that it is being looked at."""
    suspect(world, 10.0)
    visitor = await world.signed_in("acme", scope)
    await visitor.get()
    assert (await visitor.post("/appeal", {"about": "use"})).location.endswith("?done=appeal")
    (review,) = world.rows(tables.reviews)
    assert (review.account, review.subject, review.state) == ("acme", "appeal", "open")
    assert "button on the account" in review.statement
    page = await visitor.get()
    assert "You have told us that this is wrong" in page.text
    assert "Ask for a review" not in page.text
    again = await visitor.post("/appeal", {"about": "use"})
    assert again.status == 409
    assert "An appeal is open already" in again.text


async def test_an_owner_may_say_more(world: World) -> None:
    """In words of their own, as for every other decision."""
    suspect(world, 10.0)
    visitor = await world.signed_in("acme")
    assert "<textarea" in (await visitor.get()).text
    assert (await visitor.post("/appeal", {"statement": "We are forty people in one office."})).status == 303
    assert world.rows(tables.reviews)[0].statement == "We are forty people in one office."


async def test_nothing_to_appeal_stays_so(world: World) -> None:
    """The button is no door for accounts of which nothing is said."""
    visitor = await world.signed_in("acme")
    await visitor.get()
    page = await visitor.post("/appeal", {"about": "use"})
    assert page.status == 409
    assert "There is no decision to appeal against" in page.text
    assert world.rows(tables.reviews) == []


async def test_a_review_by_suspicion_can_be_appealed(world: World) -> None:
    """What captcha.yaml calls `review` is a decision, too; of another account it is none of this one's."""
    world.held["captcha/usual", "other"] = Held(step=Step.REVIEW)
    visitor = await world.signed_in("acme")
    assert "Somebody looks at this account" not in (await visitor.get()).text
    world.held["captcha/usual", "acme"] = Held(step=Step.REVIEW)
    assert "Somebody looks at this account" in (await visitor.get()).text
    assert (await visitor.post("/appeal", {"about": "use"})).status == 303


async def test_a_tier_that_is_only_watched_sees_nothing(world: World) -> None:
    """What has no effect is nobody's worry."""
    world.account("bolt", tier="partner")
    suspect(world, 30.0)
    world.verdicts.tell([Verdict("bolt", "c12", 30.0, ((Family.LINKS, 8.0), (Family.WORK, 3.0)), expires=math.inf)])
    visitor = await world.signed_in("bolt")
    assert "Ask for a review" not in (await visitor.get()).text
