"""Captcha in a chain, on workers of one fleet with a real Redis: challenged here, solved there, and let pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

from gateway import fleet_stream
from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.challenges.ladder import Passed
from gateway.challenges.token import Tokens
from gateway.challenges.work import Work
from gateway.policies import Challenges, Services
from gateway.policies.captcha import KIND
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.rules.config import RulesConfig
from gateway.policies.rules.policy import Rules
from gateway.policy import Action, Decision, Facts, note_facts
from gateway.stores.memory import MemoryStore
from gateway.testing import context, services
from tests.challenges.conformance import Fleet, open_fleet
from tests.policies.captcha.world import SECRETS, USUAL
from tests.stores.conftest import redis_url

__all__ = ["redis_url"]

TOKENS: Final = Tokens(SECRETS)
ODD: Final = {"rules": [
    {"name": "odd", "when": "request.items > 5", "action": "challenge"},
    {"name": "worse", "when": "request.items > 50", "action": "deny"},
]}  # fmt: skip


@pytest_asyncio.fixture
async def fleet(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """Four workers."""
    monkeypatch.setattr(fleet_stream, "BLOCK", 0.1)
    async with open_fleet(redis_url) as opened:
        yield opened


class Worker:
    """Rules, then captcha."""

    def __init__(self, fleet: Fleet, index: int, on_failure: OnFailure = OnFailure.DENY, *, few: bool = False) -> None:
        """`few`: a clearance is for a hundred exchanges."""
        self.fleet = fleet
        challenges = Challenges(fleet.workers[index], TOKENS, Work(SECRETS, cost=1, tries=20))
        base = services(fleet.clock)
        made = Services(base.now, base.directory, base.prices, challenges=challenges, entry="captcha")
        captcha = KIND.build(config_of(few=few), made)
        named = Services(base.now, base.directory, base.prices, entry="rules")
        rules = Rules(RulesConfig.model_validate(ODD), named)
        store = MemoryStore(fleet.clock)
        entries = (
            Entry.of("rules", "rules", rules, OnFailure.DENY),
            Entry.of("captcha", "captcha", captcha, on_failure),
        )
        self.failures: dict[tuple[str, str], int] = {}
        self.chain = Chain(entries, store, store, self.failures)
        self.count = 0

    async def ask(self, weight: int = 0, items: int = 1) -> Asked:
        self.count += 1
        name = f"{self.fleet.subject}-{id(self)}-{self.count}"
        exchange = context(exchange=name, now=self.fleet.clock(), account=self.fleet.subject, items=items)
        note_facts(exchange, Facts(weight=weight))
        told: asyncio.Future[Asked] = asyncio.get_running_loop().create_future()
        self.chain.begin(exchange, told.set_result)
        return await asyncio.wait_for(told, 10.0)


def config_of(*, few: bool = False) -> CaptchaConfig:
    more = {"clearance": {"captcha": {"lasts": "1h", "exchanges": 100}}} if few else {}
    return CaptchaConfig.model_validate({**USUAL, **more})


async def solve(fleet: Fleet, decision: Decision, *, few: bool = False) -> None:
    """On the last worker."""
    config = config_of(few=few)
    token = str(decision.members["challenge_url"]).rpartition("/")[2]
    challenge = TOKENS.read(token, fleet.clock())
    terms = config.terms("captcha", challenge.rule)
    worth = terms.worth[challenge.step]
    event = Passed(challenge.id, worth.lasts, worth.exchanges)
    await fleet.workers[-1].change(challenge.rule, challenge.subject, terms.ladder, event)
    fleet.clock.turn(0.1)


async def test_solved_on_one_worker_it_passes_on_all(fleet: Fleet) -> None:
    """The next call, wherever it comes, and later entries see it."""
    workers = [Worker(fleet, index) for index in range(3)]
    asked = await workers[0].ask(60)
    assert (asked.entry, asked.decision.reason) == ("captcha", "challenge_required")
    await solve(fleet, asked.decision)
    for worker in workers:
        passed = await worker.ask(60)
        assert passed.decision.action is Action.ALLOW
        assert passed.context.passed == {"captcha/usual"}


async def test_another_entrys_challenge(fleet: Fleet) -> None:
    """Its own clearance, and its other rules still count; the refusal is its own, with what is needed to pass it."""
    here, there = Worker(fleet, 0), Worker(fleet, 1)
    asked = await here.ask(items=9)
    assert (asked.entry, [match.rule for _, match in asked.matches]) == ("rules", ["odd"])
    assert asked.decision.members["kinds"] == ("captcha",)
    await solve(fleet, asked.decision)
    assert (await there.ask(items=9)).decision.action is Action.ALLOW
    worse = await there.ask(items=90)
    assert (worse.decision.action, worse.entry) == (Action.DENY, "rules")
    both = await there.ask(60, items=9)
    assert (both.decision.action, both.entry) == (Action.CHALLENGE, "captcha")


async def test_workers_at_once_let_a_budget_pass_and_no_more(fleet: Fleet) -> None:
    """Every worker draws its chunks of one budget."""
    workers = [Worker(fleet, index, few=True) for index in range(3)]
    asked = await workers[0].ask(60)
    await solve(fleet, asked.decision, few=True)
    said = await asyncio.gather(*(workers[n % 3].ask(60) for n in range(150)))
    assert sum(one.decision.action is Action.ALLOW for one in said) == 100


@pytest.mark.parametrize(
    ("on_failure", "expected"),
    [(OnFailure.DENY, ("deny", "policy_unavailable", 503)), (OnFailure.ALLOW, ("allow", "", 0))],
    ids=["deny", "allow"],
)
async def test_without_redis(redis_url: str, on_failure: OnFailure, expected: tuple[Any, ...]) -> None:
    """Who would have to be challenged is for `on_failure`; who is not suspected hears nothing of it."""
    async with open_fleet(redis_url, deadline=0.2) as fleet:
        worker = Worker(fleet, 0, on_failure)
        await fleet.workers[0]._redis.connection_pool.disconnect()  # type: ignore[attr-defined]

        async def away(*_: Any, **__: Any) -> None:
            raise ConnectionError("away")

        fleet.workers[0]._redis.execute_command = away  # type: ignore[attr-defined]
        said = (await worker.ask(60)).decision
        assert (said.action.value, said.reason, said.status) == expected
        assert (await worker.ask(0)).decision.action is Action.ALLOW
        assert (await worker.ask(25)).decision.action is Action.ALLOW
        assert worker.failures == {("captcha", "decide"): 1}
