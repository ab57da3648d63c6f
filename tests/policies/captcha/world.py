"""Workers of one fleet, each with a captcha policy and a memory of its own: nothing tells them but what they ask."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import altcha

from gateway.accounts.secrets import Secrets
from gateway.challenges.addresses import ANSWER_FIELD
from gateway.challenges.interface import Name, Unavailable
from gateway.challenges.ladder import NOTHING_HELD, Clearance, Event, Held, Ladder, Passed
from gateway.challenges.steps import after, passed
from gateway.challenges.token import Challenge, Tokens
from gateway.challenges.work import Work
from gateway.policies import Challenges, Services
from gateway.policies.captcha import KIND
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policy import Context, Decision, Facts, Principal, Profile, note_facts
from gateway.testing import NOON, Clock, context, services

STEPS: Final = {"slow": 20, "work": 30, "captcha": 50, "verify": 80, "review": 95}
USUAL: Final = {"ladders": [{"name": "usual", "steps": STEPS}]}
RULE: Final = "captcha/usual"
SECRETS: Final = Secrets({"test": b"a secret of thirty-two bytes, at least"})
OTHERS: Final = Secrets({"test": b"of somebody else, just as long as ours"})


class Fleet:
    """What Redis would hold."""

    def __init__(self) -> None:
        self.held: dict[Name, Held] = {}
        self.drawn: dict[tuple[str, str, str], int] = {}
        self.away = False
        self.asked: list[str] = []
        """look, change or draw, one each time."""


class View:
    """Escalations as one worker has them: it remembers what it asked for, and hears nothing of others."""

    def __init__(self, fleet: Fleet, now: Callable[[], float]) -> None:
        self.fleet = fleet
        self.held: dict[Name, Held] = {}
        self._now = now

    async def _ask(self, what: str) -> None:
        self.fleet.asked.append(what)
        await asyncio.sleep(0)
        if self.fleet.away:
            raise Unavailable("away")

    async def look(self, rule: str, subject: str) -> Held:
        await self._ask("look")
        held = self.held[rule, subject] = self.fleet.held.get((rule, subject), NOTHING_HELD)
        return held

    async def change(self, rule: str, subject: str, ladder: Ladder, *events: Event) -> tuple[Held, Held]:
        await self._ask("change")
        before = held = self.fleet.held.get((rule, subject), NOTHING_HELD)
        for event in events:
            held = after(ladder, held, event, self._now())
        self.fleet.held[rule, subject] = self.held[rule, subject] = held
        return before, held

    async def draw(self, rule: str, subject: str, clearance: Clearance, wanted: int) -> int:
        await self._ask("draw")
        name = (rule, subject, clearance.id)
        drawn = min(wanted, clearance.exchanges - self.fleet.drawn.get(name, 0))
        self.fleet.drawn[name] = self.fleet.drawn.get(name, 0) + drawn
        return drawn

    async def solvers(self, solver: str, subject: str, within: float) -> int:
        raise NotImplementedError

    async def wait(self, rule: str, subject: str, seconds: float) -> None:
        raise NotImplementedError


class World:
    """A clock, a fleet, and as many workers as are asked for."""

    def __init__(self, config: Mapping[str, Any] = USUAL, rollout: float = 1.0) -> None:
        self.clock = Clock()
        self.fleet = Fleet()
        self.tokens = Tokens(SECRETS)
        self.work = Work(SECRETS, cost=1, tries=20)
        self.config = CaptchaConfig.model_validate(config)
        self.rollout = rollout
        self.number = 0
        self.here = self.worker()

    def worker(self) -> Any:
        """A policy with a memory of its own."""
        challenges = Challenges(View(self.fleet, self.clock), self.tokens, self.work)
        return KIND.build(self.config, self.services(challenges))

    def services(self, challenges: Challenges | None) -> Services:
        made = services(self.clock, challenges=challenges, owner_link=lambda account: f"/tidegate/account/{account}")
        return Services(
            now=made.now,
            directory=made.directory,
            prices=made.prices,
            owner_link=made.owner_link,
            challenges=challenges,
            entry="captcha",
            rollout=self.rollout,
        )

    def exchange(
        self, weight: int = 0, account: str | None = "acme", profile: Profile | None = None, key: str = "", **more: Any
    ) -> Context:
        """One that brings so much suspicion."""
        self.number += 1
        fields = {ANSWER_FIELD: more.pop("answer").encode()} if "answer" in more else {}
        made = context(
            exchange=f"exchange-{self.number}", now=self.clock(), account=account, key=key, fields=fields, **more
        )
        if account is not None and profile is not None:
            note_facts(made, Facts(principal=Principal(account, key=key, profile=profile)))
        note_facts(made, Facts(weight=weight))
        return made

    async def ask(self, weight: int = 0, *, of: Any = None, **more: Any) -> Decision:
        """What a worker says of an exchange: this one if none is named."""
        return await said((of or self.here).decide(self.exchange(weight, **more)))

    async def demand(self, by: str, decision: Decision, *, of: Any = None, **more: Any) -> Decision:
        """What becomes of another entry's challenge."""
        return await said((of or self.here).challenge(self.exchange(**more), by, decision))

    def challenge_of(self, decision: Decision) -> Challenge:
        """What the token in its address says."""
        return self.tokens.read(self.token_of(decision), self.clock())

    def token_of(self, decision: Decision) -> str:
        return str(decision.members["challenge_url"]).rpartition("/")[2]

    async def solve(self, decision: Decision) -> bool:
        """Pass a challenge on a page, which any worker may have served, some moments later."""
        self.clock.turn(0.1)
        challenge = self.challenge_of(decision)
        terms = self.config.terms("captcha", challenge.rule)
        worth = terms.worth[challenge.step]
        event = Passed(challenge.id, worth.lasts, worth.exchanges)
        view = View(self.fleet, self.clock)
        before, held = await view.change(challenge.rule, challenge.subject, terms.ladder, event)
        return passed(before, held, challenge.id)

    def answer(self, decision: Decision, secrets: Secrets = SECRETS) -> str:
        """What a program sends in the field, the work done."""
        work = Work(secrets, cost=1, tries=20)
        puzzle = work.puzzle(self.challenge_of(decision), self.token_of(decision), 1.0, self.clock())
        return solution(puzzle)


def solution(puzzle: Mapping[str, Any], *, right: bool = True) -> str:
    """Base64 of the payload of ALTCHA, version 2."""
    solved = altcha.solve_challenge(altcha.Challenge.from_dict(dict(puzzle)))
    assert solved is not None
    answer = solved.to_dict() if right else {**solved.to_dict(), "derivedKey": "0" * 64}
    return base64.b64encode(json.dumps({"challenge": puzzle, "solution": answer}).encode()).decode()


async def said(decision: Any) -> Decision:
    """Waits where it has to."""
    return decision if isinstance(decision, Decision) else await decision


__all__ = ["NOON", "RULE", "STEPS", "USUAL", "Fleet", "View", "World", "said", "solution"]
