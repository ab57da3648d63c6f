"""The attack table: a fleet of four workers on a real Redis, with the real policy, work, tokens and desks.

A program answers in a field of its request (`Header`), a person on a page (`Page`). Each row is refused, says why, and
costs less than a millisecond of CPU.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import pytest
import pytest_asyncio

from gateway.challenges.addresses import ANSWER_FIELD, ROOT
from gateway.challenges.desk import Desk, Proof
from gateway.challenges.interface import Escalations
from gateway.challenges.ladder import WRONG_AT_MOST, Held, Step
from gateway.challenges.providers.altcha import Altcha
from gateway.challenges.providers.contract import Captcha
from gateway.challenges.terms import Terms
from gateway.challenges.token import BadChallenge, Tokens
from gateway.challenges.work import Work
from gateway.policies import Challenges
from gateway.policies.captcha import KIND
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.captcha.policy import Captcha as CaptchaPolicy
from gateway.policy import Action, Context, Decision, Facts, note_facts
from gateway.testing import Clock, context, services
from tests.challenges.conformance import Fleet, open_fleet
from tests.challenges.counter import HOME, RIGHT, SECRETS, Provider, solved

USUAL: Final = "captcha/usual"
DEMANDING: Final = "rules/demanding"
WEIGHT: Final = 50
"""What each exchange brings: a proof of work is asked for, also after one was passed."""
MOST: Final = 0.001
"""Seconds of CPU that an attack may cost."""
BATCHES: Final = 4
TIMES: Final = 25
"""Attempts of a batch, a millisecond apart. The cheapest batch counts: a machine that does other things is no cost."""
CONFIG: Final = CaptchaConfig.model_validate(
    {
        "ladders": [{"name": "usual", "steps": {"work": 20, "captcha": 60}}],
        "clearance": {
            "of": "key",
            "within": "network",
            "work": {"lasts": 3600, "exchanges": 1},
            "captcha": {"lasts": 3600, "exchanges": 10},
        },
        "demanded": "work",
        "providers": ["first", "altcha"],
        "farming": {"accounts": 3},
    }
)
_count = itertools.count()


@dataclass
class Worker:
    """One process of the fleet."""

    escalations: Escalations
    policy: CaptchaPolicy
    desk: Desk


class Site:
    """A fleet with its accounts' callers. A subject is new for every test."""

    def __init__(self, fleet: Fleet) -> None:
        self.clock: Clock = fleet.clock
        self.tokens, self.work = Tokens(SECRETS), Work(SECRETS, cost=1, tries=8)
        self.provider = Provider("first")
        number = next(_count)
        self.account = f"victim{number}"
        # Of this test alone: whom others passed for is remembered for a day.
        self.home = HOME._replace(cookie=f"cookie{number}", address=f"10.{number // 256}.{number % 256}.7")
        self.workers = [self._worker(escalations) for escalations in fleet.workers]
        self.first = self.workers[0]

    def _worker(self, escalations: Escalations) -> Worker:
        offered = Challenges(escalations, self.tokens, self.work)
        made = replace(services(self.clock, challenges=offered), entry="captcha")
        policy = KIND.build(CONFIG, made)
        assert isinstance(policy, CaptchaPolicy)
        own = Altcha(self.work, self.tokens, self.clock)
        providers: Mapping[str, Captcha] = {"first": self.provider, "altcha": own}
        desk = Desk(escalations, self.tokens, self.work, providers, terms, SECRETS, self.clock)
        return Worker(escalations, policy, desk)

    def request(
        self, answer: str = "", account: str = "", key: str = "k1", address: str = "192.0.2.1", weight: int = WEIGHT
    ) -> Context:
        """Of a program."""
        fields = {ANSWER_FIELD: answer.encode()} if answer else {}
        made = context(
            exchange=f"x{next(_count)}",
            now=self.clock(),
            fields=fields,
            account=account or self.account,
            key=key,
            client_address=address,
        )
        note_facts(made, Facts(weight=weight))
        return made

    async def decide(self, request: Context, worker: int = 0) -> Decision:
        """What the policy says."""
        return await at_once(self.workers[worker].policy.decide(request))

    async def demand(self, request: Context) -> Decision:
        """What it makes of another entry's challenge."""
        said = Decision(Action.CHALLENGE, "demanded", "Show yourself.")
        return await at_once(self.first.policy.challenge(request, DEMANDING, said))

    async def solve(self, **caller: Any) -> str:
        """The right answer to the challenge that is put to this caller."""
        refused = await self.decide(self.request(**caller))
        assert refused.reason == "challenge_required", refused
        return solved(self.first.desk.puzzle(token_of(refused)))

    async def page(self, account: str = "", weight: int = 70) -> str:
        """The token of a challenge for a person."""
        refused = await self.decide(self.request(account=account, weight=weight))
        assert refused.members["kinds"] == ("captcha",), refused
        return token_of(refused)

    async def held(self, account: str = "", rule: str = USUAL) -> Held:
        """As the fleet has it."""
        return await self.first.escalations.look(rule, account or self.account)


def terms(rule: str) -> Terms:
    return CONFIG.terms("captcha", rule)


def token_of(decision: Decision) -> str:
    return str(decision.members["challenge_url"]).removeprefix(f"{ROOT}/")


async def at_once(said: Decision | Awaitable[Decision]) -> Decision:
    return said if isinstance(said, Decision) else await said


@contextlib.asynccontextmanager
async def site_on(url: str) -> AsyncIterator[Site]:
    async with open_fleet(url) as fleet:
        yield Site(fleet)


@pytest_asyncio.fixture
async def site(redis_url: str) -> AsyncIterator[Site]:
    """Four workers on Redis."""
    async with site_on(redis_url) as one:
        yield one


def edited(answer: str, change: Callable[[dict[str, Any]], None]) -> str:
    """The payload with something else in it."""
    content = json.loads(base64.b64decode(answer))
    change(content)
    return base64.b64encode(json.dumps(content).encode()).decode()


T = TypeVar("T")


async def repeated(site: Site, attempt: Callable[[], Awaitable[T]]) -> tuple[list[T], float]:
    """What came of each, and the seconds of CPU that one costs: what all four workers do because of it."""
    said, costs = [], []
    for _ in range(BATCHES):
        began = time.process_time()
        for _ in range(TIMES):
            said.append(await attempt())
            site.clock.turn(0.001)
        costs.append((time.process_time() - began) / TIMES)
    return said, min(costs)


# -- a program's answers -----------------------------------------------------------------------------------------------

Attack = Callable[[Site], Awaitable[Callable[[], Awaitable[Decision]]]]
"""Prepares it, and returns what is done again and again."""


async def replayed(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = await site.solve()
    assert (await site.decide(site.request(answer))).action is Action.ALLOW
    return lambda: site.decide(site.request(answer))


async def replayed_elsewhere(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = await site.solve()
    assert (await site.decide(site.request(answer))).action is Action.ALLOW
    return lambda: site.decide(site.request(answer), 3)


async def forged(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = edited(await site.solve(), lambda content: content["challenge"].update(signature="0" * 64))
    return lambda: site.decide(site.request(answer))


async def forged_easier(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = edited(await site.solve(), lambda content: content["challenge"]["parameters"].update(keyPrefix="00"))
    return lambda: site.decide(site.request(answer))


async def moved_to_another_token(site: Site) -> Callable[[], Awaitable[Decision]]:
    other = token_of(await site.decide(site.request(account=f"{site.account}b")))
    answer = edited(
        await site.solve(), lambda content: content["challenge"]["parameters"]["data"].update(challenge=other)
    )
    return lambda: site.decide(site.request(answer))


async def rubbish(site: Site) -> Callable[[], Awaitable[Decision]]:
    return lambda: site.decide(site.request("A" * 4000))


async def wrong(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = edited(await site.solve(), lambda content: content["solution"].update(derivedKey="0" * 64))
    return lambda: site.decide(site.request(answer))


async def expired(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = await site.solve()
    site.clock.turn(601.0)
    return lambda: site.decide(site.request(answer))


async def swapped_account(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = await site.solve(account=f"{site.account}b")
    return lambda: site.decide(site.request(answer))


async def swapped_network(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = await site.solve()
    return lambda: site.decide(site.request(answer, address="198.51.100.1"))


async def swapped_key(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = await site.solve(key="k2")
    return lambda: site.decide(site.request(answer))


async def of_another_rule(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = await site.solve()
    return lambda: site.demand(site.request(answer))


async def work_where_a_person_is_asked_for(site: Site) -> Callable[[], Awaitable[Decision]]:
    answer = await site.solve()
    return lambda: site.decide(site.request(answer, weight=70))


async def clearance_of_another_rule(site: Site) -> Callable[[], Awaitable[Decision]]:
    token = await site.page()
    assert await site.first.desk.prove(token, {"first-response": RIGHT}, site.home) == Proof("passed")
    assert (await site.decide(site.request(weight=70))).action is Action.ALLOW
    return lambda: site.demand(site.request())


async def clearance_on_another_network(site: Site) -> Callable[[], Awaitable[Decision]]:
    token = await site.page()
    assert await site.first.desk.prove(token, {"first-response": RIGHT}, site.home) == Proof("passed")
    return lambda: site.decide(site.request(address="198.51.100.1"), 1)


async def clearance_with_another_key(site: Site) -> Callable[[], Awaitable[Decision]]:
    token = await site.page()
    assert await site.first.desk.prove(token, {"first-response": RIGHT}, site.home) == Proof("passed")
    return lambda: site.decide(site.request(key="k2"), 1)


HEADER: dict[str, tuple[Attack, str]] = {
    "replayed": (replayed, "answer: not open any more"),
    "replayed on another worker": (replayed_elsewhere, "answer: not open any more"),
    "forged": (forged, "answer: forged"),
    "forged: made easier": (forged_easier, "answer: forged"),
    "forged: for another challenge": (moved_to_another_token, "answer: forged"),
    "rubbish": (rubbish, "answer: malformed"),
    "wrong": (wrong, "answer: wrong"),
    "expired": (expired, "answer: expired"),
    "swapped account": (swapped_account, "answer: other_account"),
    "swapped network": (swapped_network, "answer: other_network"),
    "swapped key": (swapped_key, "answer: other_key"),
    "another rule's answer": (of_another_rule, "answer: other_rule"),
    "work where a person is asked for": (work_where_a_person_is_asked_for, ""),
    "another rule's clearance": (clearance_of_another_rule, ""),
    "a clearance stolen to another network": (clearance_on_another_network, ""),
    "a clearance with another key": (clearance_with_another_key, ""),
}


@pytest.mark.timing
@pytest.mark.parametrize(("attack", "note"), HEADER.values(), ids=HEADER)
async def test_attacks_by_programs(site: Site, attack: Attack, note: str) -> None:
    """Refused with a challenge, the reason is noted, the CPU is bounded, and nothing was gained."""
    attempt = await attack(site)
    before = (await site.held()).clearances
    first = await attempt()
    rest, cost = await repeated(site, attempt)

    assert {one.action for one in (first, *rest)} == {Action.CHALLENGE}
    assert note in {one.note for one in (first, *rest)}
    assert all("challenge_url" in one.members for one in rest)
    assert (await site.held()).clearances == before
    assert cost < MOST, f"{cost * 1e6:.0f} us"


async def test_one_answer_in_parallel(site: Site) -> None:
    """Brought to four workers at once, eight times to each: one clearance, and no exchange beyond its budget."""
    answer = await site.solve()
    said = await asyncio.gather(*(site.decide(site.request(answer), worker) for worker in range(4) for _ in range(8)))

    assert [one.action for one in said].count(Action.ALLOW) == 1
    assert len((await site.held()).clearances) == 1


@pytest.mark.timing
async def test_a_thousand_wrong_answers_a_second(site: Site) -> None:
    """An account climbs one step at most by them, they are not all written down, and nobody else is hurt."""
    answer = edited(await site.solve(), lambda content: content["solution"].update(derivedKey="0" * 64))
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(1_000):
        assert (await site.decide(site.request(answer), number % 4)).action is Action.CHALLENGE
        site.clock.turn(0.001)
    cost, took = (time.process_time() - cpu) / 1_000, time.perf_counter() - began

    held = await site.held()
    assert held.step <= Step.CAPTCHA
    assert all(one.wrong < WRONG_AT_MOST for one in held.open)
    assert (await site.decide(site.request(account=f"{site.account}b", weight=0))).action is Action.ALLOW
    assert cost < MOST, f"{cost * 1e6:.0f} us"
    assert took < 5.0


# -- a person's answers ------------------------------------------------------------------------------------------------

Try = Callable[[], Awaitable[Proof]]


async def page_replayed(site: Site) -> Try:
    token = await site.page()
    assert await site.first.desk.prove(token, {"first-response": RIGHT}, site.home) == Proof("passed")
    site.clock.turn(3_700.0)  # The clearance is over; the answer is what it was.
    return lambda: site.first.desk.prove(token, {"first-response": RIGHT}, site.home)


async def page_wrong(site: Site) -> Try:
    token = await site.page()
    return lambda: site.first.desk.prove(token, {"first-response": "wrong"}, site.home)


async def page_spent_answer(site: Site) -> Try:
    token = await site.page()
    return lambda: site.first.desk.prove(token, {"first-response": "duplicate"}, site.home)


async def page_answer_for_another(site: Site) -> Try:
    token = await site.page()
    return lambda: site.first.desk.prove(token, {"first-response": "action"}, site.home)


async def page_huge(site: Site) -> Try:
    token = await site.page()
    return lambda: site.first.desk.prove(token, {"first-response": "A" * 1_000_000}, site.home)


async def page_expired(site: Site) -> Try:
    token = await site.page()
    site.clock.turn(1_801.0)
    return lambda: site.first.desk.prove(token, {"first-response": RIGHT}, site.home)


async def page_other_member(site: Site) -> Try:
    token = await site.page()
    return lambda: site.first.desk.vouch(token, f"{site.account}b")


async def page_weaker_provider(site: Site) -> Try:
    token = await site.page()
    answer = solved(site.first.desk.puzzle(token))
    return lambda: site.first.desk.prove(token, {"altcha": answer, "tidegate-shown": "altcha.9999999999.00"}, site.home)


async def page_work_of_another_challenge(site: Site) -> Try:
    answer = await site.solve()
    other = token_of(await site.decide(site.request(account=f"{site.account}b")))
    return lambda: site.first.desk.prove(other, {"altcha": answer}, site.home)


async def page_farm(site: Site) -> Try:
    for number in range(3):
        token = await site.page(f"{site.account}-{number}")
        assert await site.first.desk.prove(token, {"first-response": RIGHT}, site.home) == Proof("passed")
    token = await site.page()
    return lambda: site.workers[1].desk.prove(token, {"first-response": RIGHT}, site.home)


PAGE: dict[str, tuple[Callable[[Site], Awaitable[Try]], str, str]] = {
    "replayed": (page_replayed, "expired", ""),
    "wrong": (page_wrong, "wrong", "wrong"),
    "spent before": (page_spent_answer, "wrong", "duplicate"),
    "given for another challenge": (page_answer_for_another, "wrong", "action"),
    "huge": (page_huge, "wrong", "malformed"),
    "expired": (page_expired, "expired", ""),
    "a member of another account": (page_other_member, "wrong", "other_account"),
    "by a provider that was not shown": (page_weaker_provider, "wrong", "empty"),
    "work for another challenge": (page_work_of_another_challenge, "wrong", "action"),
    "a farm": (page_farm, "farmed", "farmed"),
}


@pytest.mark.timing
@pytest.mark.parametrize(("attack", "status", "reason"), PAGE.values(), ids=PAGE)
async def test_attacks_on_pages(site: Site, attack: Callable[[Site], Awaitable[Try]], status: str, reason: str) -> None:
    """Refused, with a reason; again and again it is slowed down; the CPU is bounded, and nothing was gained."""
    attempt = await attack(site)
    before = await site.held()
    first = await attempt()
    rest, cost = await repeated(site, attempt)

    assert (first.status, first.reason) == (status, reason)
    assert "passed" not in {one.status for one in rest}
    assert len((await site.held()).clearances) <= len(before.clearances)
    assert cost < MOST, f"{cost * 1e6:.0f} us"


@pytest.mark.timing
async def test_tokens_that_are_made_up(site: Site) -> None:
    """None is looked up: they end before anybody is asked."""
    token = await site.page()
    for forged_token in (token[:-4] + "AAAA", token[::-1], "x", "A" * 4_000, token + token):

        async def attempt(made_up: str = forged_token) -> str:
            with pytest.raises(BadChallenge) as bad:
                await site.first.desk.prove(made_up, {"first-response": RIGHT}, site.home)
            return bad.value.reason

        reasons, cost = await repeated(site, attempt)
        assert set(reasons) <= {"forged", "malformed"}
        assert cost < MOST
    assert site.provider.asked == []


async def test_one_page_in_parallel(site: Site) -> None:
    """Answered at four workers at once: one clearance."""
    token = await site.page()
    form = {"first-response": RIGHT}
    proofs = await asyncio.gather(
        *(worker.desk.prove(token, form, site.home) for worker in site.workers for _ in range(3))
    )

    assert {one.status for one in proofs} <= {"passed", "paced"}
    held = await site.held()
    assert len(held.clearances) == 1
    said = [await site.decide(site.request(weight=70), number % 4) for number in range(40)]
    assert [one.action for one in said].count(Action.ALLOW) == 10


@pytest.mark.timing
async def test_a_thousand_wrong_answers_on_pages(site: Site) -> None:
    """Most are refused before anybody is asked; the challenge is closed after some, and another one can be passed."""
    token = await site.page()
    statuses = []
    began = time.process_time()
    for number in range(1_000):
        proof = await site.workers[number % 4].desk.prove(token, {"first-response": "wrong"}, site.home)
        statuses.append(proof.status)
        site.clock.turn(0.001)
    cost = (time.process_time() - began) / 1_000

    assert "passed" not in statuses
    assert statuses.count("paced") > 900
    assert len(site.provider.asked) <= WRONG_AT_MOST
    assert cost < MOST, f"{cost * 1e6:.0f} us"
    token = await site.page()
    assert await site.first.desk.prove(token, {"first-response": RIGHT}, site.home) == Proof("passed")
