"""What an exchange comes to: by what it is suspected of, what was passed, and what another worker knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.challenges.interface import Unavailable
from gateway.challenges.ladder import Step
from gateway.policies.captcha import KIND
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policy import ALLOW, Action, Decision, Evidence, Facts, Outcome, Principal, Profile, Taken, note_facts
from gateway.testing import NOON, assert_conforms, services
from tests.policies.captcha.world import RULE, STEPS, USUAL, World, said

DAY: Final = 86_400.0
PASSED: Final = Facts(captcha=True, passed=frozenset({RULE}))
SHOWN: Final = ("document", "liveness")


def in_short(decision: Decision) -> tuple[Any, ...]:
    """(action, reason, rule)."""
    return decision.action.value, decision.reason, decision.matches[-1].rule if decision.matches else ""


ALLOWED: Final = ("allow", "", "")
WORK: Final = ("challenge", "challenge_required", "usual.work")
CAPTCHA: Final = ("challenge", "challenge_required", "usual.captcha")
VERIFY: Final = ("deny", "verification_required", "usual.verify")
REVIEW: Final = ("deny", "account_under_review", "usual.review")


async def driven_to_verify(world: World, weight: int = 85) -> Decision:
    """Suspected so far, and no challenge was answered."""
    await world.ask(weight)
    world.clock.turn(1801)
    return await world.ask(weight)


@pytest.mark.parametrize(
    ("weight", "account", "expected"),
    [
        pytest.param(0, "acme", ALLOWED, id="nothing speaks against it"),
        pytest.param(19, "acme", ALLOWED, id="below the lowest step"),
        pytest.param(20, "acme", ALLOWED, id="slow, while there is room"),
        pytest.param(30, "acme", WORK, id="work"),
        pytest.param(49, "acme", WORK, id="below captcha"),
        pytest.param(50, "acme", CAPTCHA, id="captcha"),
        pytest.param(500, "acme", CAPTCHA, id="nobody verifies who was not asked for less"),
        pytest.param(30, None, WORK, id="a stranger, by address"),
        pytest.param(500, None, CAPTCHA, id="a stranger is asked for a challenge at most"),
    ],
)
async def test_the_step_by_suspicion(weight: int, account: str | None, expected: tuple[Any, ...]) -> None:
    """What is asked of the first exchange that brings so much."""
    assert in_short(await World().ask(weight, account=account)) == expected


async def test_who_is_not_suspected_costs_nobody_anything() -> None:
    """No state, no question to the fleet: the plain yes."""
    world = World()
    assert await world.ask(0) is ALLOW
    assert await world.ask(19) is ALLOW
    assert world.fleet.asked == []


async def test_what_a_challenge_says() -> None:
    """All that is needed to pass it: paths of our own pages, until when, and what passes it."""
    world = World()
    decision = await world.ask(30)
    token = world.token_of(decision)
    assert decision.members == {
        "challenge_id": "exchange-1",
        "challenge_url": f"/tidegate/challenge/{token}",
        "status_url": f"/tidegate/challenge/{token}/status",
        "puzzle_url": f"/tidegate/challenge/{token}/puzzle",
        "expires_at": "2023-11-15T12:30:00Z",
        "kinds": ("work", "sign_in"),
    }
    challenge = world.challenge_of(decision)
    assert (challenge.rule, challenge.subject, challenge.step) == (RULE, "acme", Step.WORK)
    person = await world.ask(50, account="other")
    assert person.members["kinds"] == ("captcha", "sign_in")
    assert "puzzle_url" not in person.members
    stranger = await world.ask(50, account=None)
    assert stranger.members["kinds"] == ("captcha",)


async def test_a_challenge_stays_the_same() -> None:
    """For all calls of a scope, on all workers, as long as there is time to answer it; then there is another one."""
    world = World()
    first = await world.ask(50)
    assert (await world.ask(50)).members == first.members
    assert (await world.ask(50, of=world.worker())).members == first.members
    assert (await world.ask(50, client_address="198.51.100.1")).members != first.members
    world.clock.turn(1795)
    assert (await world.ask(50)).members != first.members


@pytest.mark.parametrize(
    ("clearance", "more", "expected"),
    [
        pytest.param({}, {}, "allow", id="the same caller"),
        pytest.param({}, {"client_address": "192.0.2.77"}, "allow", id="the same network"),
        pytest.param({}, {"client_address": "198.51.100.1"}, "challenge", id="another network"),
        pytest.param({}, {"key": "k2"}, "allow", id="another key of the account"),
        pytest.param({}, {"account": "other"}, "challenge", id="another account"),
        pytest.param({"within": "address"}, {"client_address": "192.0.2.77"}, "challenge", id="another address"),
        pytest.param({"within": "any"}, {"client_address": "198.51.100.1"}, "allow", id="anywhere"),
        pytest.param({"of": "key"}, {"key": "k1"}, "allow", id="the key that was challenged"),
        pytest.param({"of": "key"}, {"key": "k2"}, "challenge", id="bound to the key"),
    ],
)
async def test_whom_a_clearance_lets_pass(clearance: dict[str, Any], more: dict[str, Any], expected: str) -> None:
    """Solved on any worker, it counts at once for whom it is bound to, and for nobody else."""
    world = World({**USUAL, "clearance": clearance})
    decision = await world.ask(50, key="k1")
    assert await world.solve(decision)
    after = await world.ask(50, **{"key": "k1", **more})
    assert after.action.value == expected
    if expected == "allow":
        assert after.facts == PASSED


async def test_a_clearance_covers_its_step_and_those_below() -> None:
    """Whoever did the work is not slowed; a person is asked for all the same where more speaks against it."""
    world = World()
    await world.solve(await world.ask(30))
    world.clock.turn(1)
    slow = await world.ask(30)
    assert slow.takes == ()
    assert in_short(await world.ask(79)) == CAPTCHA


async def test_what_is_remembered_is_not_believed_for_more() -> None:
    """More suspicion, another address, or news of the account: it is judged again, at once."""
    world = World({**USUAL, "clearance": {"within": "address"}})
    await world.solve(await world.ask(30))
    for _ in range(3):
        assert (await world.ask(30)).facts == PASSED
    assert in_short(await world.ask(30, client_address="192.0.2.9")) == WORK
    world.fleet.held[RULE, "acme"] = replace(world.fleet.held[RULE, "acme"], clearances=())
    world.here._escalations.held.update(world.fleet.held)
    world.clock.turn(0.1)
    assert in_short(await world.ask(30)) == WORK
    await world.solve(await world.ask(30))
    for _ in range(3):
        assert (await world.ask(30)).facts == PASSED
    assert in_short(await world.ask(79)) == CAPTCHA


async def test_another_worker_asks_the_fleet_before_it_refuses() -> None:
    """It has never heard of the account, and lets it pass with the first call."""
    world = World()
    await world.solve(await world.ask(50))
    assert (await world.ask(50, of=world.worker())).facts == PASSED


async def test_the_fleet_is_not_asked_for_every_refusal() -> None:
    """Once in 50 ms for one account, however many calls of it are refused."""
    world = World()
    await world.ask(50)
    world.fleet.asked.clear()
    for _ in range(100):
        await world.ask(50)
    assert world.fleet.asked.count("look") <= 1
    world.clock.turn(0.06)
    for _ in range(100):
        await world.ask(50)
    assert world.fleet.asked.count("look") <= 2
    assert world.fleet.asked.count("change") == 0


async def test_many_calls_at_once_put_one_challenge() -> None:
    """A burst of one account is one question each to the fleet, and one challenge."""
    world = World()
    decisions = await asyncio.gather(*(world.ask(50) for _ in range(50)))
    assert len({decision.members["challenge_id"] for decision in decisions}) == 1
    assert len(world.fleet.asked) <= 4


async def test_two_workers_at_once_put_one_challenge() -> None:
    """Both are in the middle of asking: the second sees the first one's."""
    world = World()
    here, there = world.worker(), world.worker()
    first, second = await asyncio.gather(world.ask(50, of=here), world.ask(50, of=there))
    assert first.members == second.members


async def test_a_budget_is_for_the_whole_fleet() -> None:
    """All workers together let so many pass, and then the account is challenged again."""
    world = World({**USUAL, "clearance": {"captcha": {"lasts": "1h", "exchanges": 100}}})
    await world.solve(await world.ask(50))
    workers = [world.worker() for _ in range(4)]
    decisions = await asyncio.gather(*(world.ask(50, of=workers[n % 4]) for n in range(300)))
    assert sum(decision.action is Action.ALLOW for decision in decisions) == 100
    assert in_short(decisions[-1]) == CAPTCHA
    assert world.fleet.asked.count("draw") < 300


async def test_a_budget_is_drawn_in_chunks() -> None:
    """A sixty-fourth at a time: in between nobody is asked, and no coroutine is made."""
    world = World({**USUAL, "clearance": {"captcha": {"lasts": "1h", "exchanges": 6400}}})
    await world.solve(await world.ask(50))
    await world.ask(50)
    world.fleet.asked.clear()
    for _ in range(99):
        assert isinstance(world.here.decide(world.exchange(50)), Decision)
    assert world.fleet.asked == []
    await asyncio.gather(*(world.ask(50) for _ in range(50)))
    assert world.fleet.asked == ["draw"]


async def test_a_clearance_ends() -> None:
    """With its time, to the second."""
    world = World({**USUAL, "half_life": "7d", "clearance": {"captcha": {"lasts": "60s", "exchanges": 0}}})
    await world.solve(await world.ask(79))
    world.clock.turn(59)
    for _ in range(3):
        assert (await world.ask(79)).action is Action.ALLOW
    world.clock.turn(1)
    assert in_short(await world.ask(79)) == CAPTCHA


async def test_a_rule_of_another_entry_is_made_passable() -> None:
    """Its words stay, its clearance is its own, and a ladder's is worth nothing for it."""
    world = World()
    await world.solve(await world.ask(50))
    demand = Decision(Action.CHALLENGE, "embassies", "Show that you are a person.", link="https://docs.example.com")
    decision = await world.demand("rules/visits", demand)
    assert (decision.action, decision.reason, decision.detail) == (Action.CHALLENGE, "embassies", demand.detail)
    assert decision.matches == ()
    assert world.challenge_of(decision).rule == "rules/visits"
    assert await world.solve(decision)
    passed = await world.demand("rules/visits", demand, of=world.worker())
    assert passed.action is Action.ALLOW
    assert passed.facts == Facts(captcha=True, passed=frozenset({"rules/visits"}))
    assert (await world.demand("rules/others", demand)).action is Action.CHALLENGE


async def test_the_step_of_what_others_demand() -> None:
    """As the file says, whatever the suspicion."""
    world = World({**USUAL, "demanded": "work"})
    decision = await world.demand("rules/visits", Decision(Action.CHALLENGE))
    assert world.challenge_of(decision).step is Step.WORK
    assert decision.reason == "challenge_required"
    assert decision.detail


async def test_a_challenge_of_another_entry_of_this_kind_is_left_alone() -> None:
    """It can be passed already."""
    world = World()
    made = await world.ask(50)
    assert await world.demand("other/usual.captcha", made) is made


async def test_verification() -> None:
    """Who did not answer is asked for evidence; what was shown before counts nothing, what is shown then ends it."""
    world = World()
    before = Profile(evidence=tuple(Evidence(kind, NOON - DAY) for kind in SHOWN))
    decision = await driven_to_verify(world)
    assert in_short(decision) == VERIFY
    assert in_short(await world.ask(85, profile=before)) == VERIFY
    assert decision.members == {"missing": SHOWN, "verification_url": "/tidegate/account/acme"}
    world.clock.turn(60)
    half = Profile(evidence=(Evidence("document", world.clock()),))
    assert (await world.ask(85, profile=half)).members["missing"] == ("liveness",)
    whole = Profile(evidence=tuple(Evidence(kind, world.clock()) for kind in SHOWN))
    assert in_short(await world.ask(85, profile=whole)) != VERIFY
    assert in_short(await world.ask(85)) != VERIFY


async def test_a_stranger_is_never_asked_for_papers() -> None:
    """There is nobody who could show them: a challenge it stays, however often it was ignored."""
    world = World()
    for _ in range(4):
        assert in_short(await world.ask(400, account=None)) == CAPTCHA
        world.clock.turn(1801)


async def test_review() -> None:
    """Comes after verification was asked for, and ignored for long; it stays its time."""
    world = World()
    assert in_short(await driven_to_verify(world, 200)) == VERIFY
    for _ in range(30):
        world.clock.turn(900)
        decision = await world.ask(200)
    assert in_short(decision) == REVIEW
    assert decision.status == 403
    assert decision.retry_after is None


async def test_slow() -> None:
    """A bucket of the account, in the words of the step; what the upstream did not take up goes back."""
    world = World({**USUAL, "slow": {"requests": 5, "every": "10s"}})
    decision = await world.ask(20)
    (take,) = decision.takes
    assert (take.bucket.partition, take.bucket.limit.name, take.bucket.limit.capacity) == (
        "account=acme", "usual-slow", 5.0,
    )  # fmt: skip
    exchange = world.exchange(20)
    refused = world.here.refuse(exchange, take, Taken(False, (0.0,), 0, 2.0))
    assert in_short(refused) == ("throttle", "suspicion_throttled", "usual.slow")
    assert refused.retry_after == 2.0
    assert "5 requests every 10 s" in refused.detail
    assert world.here.settle(exchange, decision.takes, Outcome(503)) == (0.0,)
    assert world.here.settle(exchange, decision.takes, Outcome(200)) == ()
    assert (await world.ask(20, items=100)).takes[0].cost == 5.0


async def test_a_stranger_is_slowed_by_address() -> None:
    """And not with all other strangers."""
    (take,) = (await World().ask(20, account=None)).takes
    assert take.bucket.partition == "client_address=192.0.2.1"


def test_who_slows_nobody_settles_nothing() -> None:
    """Without a step `slow` the chain has nobody to tell how exchanges end."""
    steps = {"work": 30}
    assert not hasattr(World({"ladders": [{"name": "usual", "steps": steps}]}).here, "settle")
    assert hasattr(World().here, "settle")


async def test_the_first_ladder_that_holds() -> None:
    """By tier, as the condition says; of whom none holds, nothing is asked."""
    world = World(
        {
            "ladders": [
                {"name": "paying", "when": 'account.tier == "pro"', "steps": {"captcha": 90}},
                {"name": "usual", "when": 'account.tier != "unlimited"', "steps": STEPS},
            ]
        }
    )
    assert (await world.ask(89, account="a", tier="pro")).action is Action.ALLOW
    assert (await world.ask(90, account="a", tier="pro")).matches[0].rule == "paying.captcha"
    assert in_short(await world.ask(50, account="b")) == CAPTCHA
    assert (await world.ask(500, account="c", tier="unlimited")).action is Action.ALLOW


@pytest.mark.parametrize(
    ("age", "tier", "expected"),
    [
        pytest.param(DAY, "free", "challenge", id="new"),
        pytest.param(8 * DAY, "free", "allow", id="not new any more"),
        pytest.param(DAY, "pro", "allow", id="another tier"),
        pytest.param(None, "free", "allow", id="nobody knows how old"),
    ],
)
async def test_first_use(age: float | None, tier: str, expected: str) -> None:
    """A new account is asked once, whatever speaks against it; one of unknown age is not new."""
    world = World({**USUAL, "first_use": {"step": "work", "younger": "7d", "tiers": ["free"]}})
    profile = Profile(created=NOON - age if age is not None else 0.0)
    exchange = world.exchange(0)
    note_facts(exchange, Facts(principal=Principal("acme", tier=tier, profile=profile)))
    assert (await said(world.here.decide(exchange))).action.value == expected


async def test_first_use_is_asked_once() -> None:
    """Passed, it is remembered as long as the account is new, whatever the clearance lasts; on every worker."""
    world = World({**USUAL, "first_use": {"younger": "7d"}})
    new = Profile(created=NOON - 60)
    decision = await world.ask(0, profile=new)
    assert in_short(decision) == ("challenge", "challenge_required", "first_use.work")
    assert await world.solve(decision)
    assert (await world.ask(0, profile=new)).action is Action.ALLOW
    world.clock.turn(6 * DAY)
    assert (await world.ask(0, profile=new)).action is Action.ALLOW
    assert (await world.ask(0, profile=new, of=world.worker(), client_address="203.0.113.9")).action is Action.ALLOW


async def test_who_was_suspected_and_passed_is_not_asked_again_for_being_new() -> None:
    """One challenge is enough."""
    world = World({**USUAL, "first_use": {"step": "work"}})
    new = Profile(created=NOON - 60)
    decision = await world.ask(50, profile=new)
    assert in_short(decision) == CAPTCHA
    await world.solve(decision)
    assert (await world.ask(50, profile=new)).facts == PASSED


async def test_who_has_passed_everything() -> None:
    """As a test of policies gives it: no challenge is left, but what no challenge passes."""
    world = World()
    exchange = world.exchange(50)
    note_facts(exchange, Facts(captcha=True))
    assert (await said(world.here.decide(exchange))).action is Action.ALLOW
    await driven_to_verify(world)
    exchange = world.exchange(85)
    note_facts(exchange, Facts(captcha=True))
    assert in_short(await said(world.here.decide(exchange))) == VERIFY


async def test_in_shadow_nothing_is_changed() -> None:
    """It says what it would have done, by a memory of its own; nobody is put a challenge."""
    world = World(rollout=0.0)
    decision = await world.ask(50)
    assert in_short(decision) == CAPTCHA
    assert decision.members == {}
    assert world.fleet.asked == []
    assert world.fleet.held == {}


async def test_outside_of_a_rollout_nothing_is_changed() -> None:
    """The same file, enforced for a half: the fleet hears of that half alone."""
    world = World(rollout=0.5)
    decisions = {name: await world.ask(50, account=name) for name in [f"a{n}" for n in range(40)]}
    inside = {name for name, decision in decisions.items() if decision.members}
    assert 5 < len(inside) < 35
    assert {subject for _, subject in world.fleet.held} == inside


async def test_without_anything_to_challenge_with() -> None:
    """It is said, with 503, and nobody is let pass; others' challenges stay as they are."""
    world = World()
    bare = KIND.build(CaptchaConfig.model_validate(USUAL), world.services(None))
    decision = await said(bare.decide(world.exchange(50)))
    assert in_short(decision) == ("deny", "challenge_unavailable", "usual.captcha")
    assert decision.status == 503
    demand = Decision(Action.CHALLENGE, "x", "y")
    assert bare.challenge(world.exchange(), "rules/x", demand) is demand  # type: ignore[attr-defined]


async def test_while_redis_is_away() -> None:
    """What is in memory stays in force; who would have to be challenged is for `on_failure`; nobody else is refused."""
    world = World()
    await world.solve(await world.ask(50, account="cleared"))
    assert (await world.ask(50, account="cleared")).action is Action.ALLOW
    await driven_to_verify(world)
    world.fleet.away = True
    assert (await world.ask(50, account="cleared")).action is Action.ALLOW
    assert (await world.ask(0, account="calm")) is ALLOW
    assert (await world.ask(20, account="slowed")).takes
    assert in_short(await world.ask(85)) == VERIFY
    with pytest.raises(Unavailable):
        await world.ask(50, account="suspect")
    with pytest.raises(Unavailable):
        await world.demand("rules/x", Decision(Action.CHALLENGE), account="calm")


async def test_who_has_passed_is_no_worse_off_while_redis_is_away() -> None:
    """A piece of the budget is used up and none can be had: who would only be slowed without it is slowed, no more."""
    clearance = {"work": {"lasts": "1h", "exchanges": 64}}
    world = World({**USUAL, "clearance": clearance, "answers": {"passed": 0}})
    decision = await world.ask(30)
    assert (await world.ask(30, answer=world.answer(decision))).action is Action.ALLOW
    world.fleet.away = True
    with pytest.raises(Unavailable):
        await world.ask(30)
    world.clock.turn(900)
    assert (await world.ask(0)).takes
    world.fleet.away = False
    assert (await world.ask(0)).facts == PASSED


async def test_a_stranger_with_many_addresses() -> None:
    """Of IPv6 whoever has a /64 is one: the fleet holds one record, and one bucket slows all of it."""
    world = World()
    for number in range(50):
        address = f"2001:db8:0:1::{number + 1:x}"
        assert (await world.ask(50, account=None, client_address=address)).action is Action.CHALLENGE
    assert set(world.fleet.held) == {(RULE, "address=2001:db8:0:1::/64")}
    slowed = [await world.ask(20, account=None, client_address=f"2001:db8:0:2:{n:x}::1") for n in range(3)]
    assert len({decision.takes[0].bucket for decision in slowed}) == 1
    await world.ask(50, account=None, client_address="::ffff:192.0.2.7")
    assert (RULE, "address=192.0.2.7") in world.fleet.held


async def test_an_account_that_is_called_from_everywhere() -> None:
    """A key that a hundred networks have: the first ones can be passed, and refused calls write nothing."""
    world = World()
    first = await world.ask(50, client_address="10.0.0.1")
    for number in range(1, 17):
        last = await world.ask(50, client_address=f"10.0.{number}.1")
    world.clock.turn(1.0)
    world.fleet.asked.clear()
    for number in range(17, 100):
        last = await world.ask(50, client_address=f"10.0.{number}.1")
    assert (in_short(last), dict(last.members), last.retry_after) == (CAPTCHA, {}, 60.0)
    assert "change" not in world.fleet.asked
    assert await world.solve(first)
    assert (await world.ask(50, client_address="10.0.0.1")).action is Action.ALLOW
    assert (await world.ask(50, client_address="10.0.99.1")).members


async def test_an_explanation() -> None:
    """Each ladder with its step and what it read; it changes nothing."""
    world = World({**USUAL, "first_use": {}})
    await world.solve(await world.ask(50))
    world.fleet.asked.clear()
    usual, first = world.here.explain(world.exchange(50))
    assert (usual.rule, usual.applies) == ("usual", True)
    assert "step captcha, suspicion 50" in usual.note
    assert usual.read["risk.score"] == 50
    assert (first.rule, first.applies) == ("first_use", False)
    assert world.fleet.asked == []


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(USUAL, id="usual"),
        pytest.param({**USUAL, "first_use": {"younger": "30000d"}}, id="everybody is new"),
        pytest.param({"ladders": [{"name": "x", "steps": {"captcha": 1}}], "clearance": {"of": "key"}}, id="by key"),
    ],
)
def test_it_conforms(config: dict[str, Any]) -> None:
    """To the contract of policies, suspected or not."""
    world = World(config)
    suspected = {f"suspected by {weight}": world.exchange(weight) for weight in (20, 30, 60, 1000)}
    assert_conforms(KIND, CaptchaConfig.model_validate(config), suspected)
    assert services().challenges is None
