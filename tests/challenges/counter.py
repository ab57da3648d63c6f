"""A desk with all that it stands on: real tokens, real work, escalations as they are given, providers as tests want."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import altcha

from gateway.accounts.secrets import Secrets
from gateway.challenges.desk import ALTCHA, Browser, Desk
from gateway.challenges.interface import Escalations
from gateway.challenges.ladder import Asked, Ladder, Open, Step
from gateway.challenges.memory import MemoryEscalations
from gateway.challenges.providers.altcha import Altcha
from gateway.challenges.providers.contract import Answered, Captcha, ProviderUnavailable, Verdict, Widget
from gateway.challenges.terms import Terms, Worth
from gateway.challenges.token import Challenge, Tokens
from gateway.challenges.work import Work

RULE: Final = "captcha/usual"
LADDER: Final = Ladder({Step.WORK: 20.0, Step.CAPTCHA: 40.0, Step.VERIFY: 80.0, Step.REVIEW: 120.0})
TERMS: Final = Terms(
    LADDER,
    {Step.WORK: Worth(3600.0, 100), Step.CAPTCHA: Worth(86_400.0, 1000)},
    ("first", "second"),
    subjects_at_most=3,
    within=86_400.0,
)
SECRETS: Final = Secrets({"s1": b"1" * 32})
HOME: Final = Browser("192.0.2.7", "Firefox", "cookie-of-home", "gate.example")
RIGHT: Final = "right"
"""What a person answers; any other word is the reason why it is none."""


class Provider:
    """Believes RIGHT; one that is `dead` gives no verdict."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.lost = False
        """It has given its verdict on that answer before, and gives none again."""
        self.asked: list[Answered] = []
        self.held = asyncio.Event()
        self.held.set()

    def issue(self, challenge: str, token: str) -> Widget:
        return Widget("div", {"data-challenge": challenge}, (), f"{self.name}-response", {})

    async def validate(self, answered: Answered) -> Verdict:
        self.asked.append(answered)
        await self.held.wait()
        if self.dead or self.lost:
            raise ProviderUnavailable(f"{self.name} says nothing", healthy=self.lost)
        return Verdict(True) if answered.response == RIGHT else Verdict(False, answered.response)

    async def close(self) -> None: ...


@dataclass
class Counter:
    """`now` is turned by hand. Make it within a loop."""

    now: float = 1_772_359_200.0
    make: Callable[[Callable[[], float]], Escalations] = MemoryEscalations
    terms: dict[str, Terms] = field(default_factory=lambda: {RULE: TERMS})

    def __post_init__(self) -> None:
        self.tokens = Tokens(SECRETS)
        self.work = Work(SECRETS, cost=1, tries=4)
        self.first, self.second = Provider("first"), Provider("second")
        self.own = Altcha(self.work, self.tokens, lambda: self.now)
        self.escalations = self.make(lambda: self.now)
        self.desk = self.another(self.escalations)
        self._count = 0

    def another(self, escalations: Escalations) -> Desk:
        """The desk of another worker."""
        providers: Mapping[str, Captcha] = {"first": self.first, "second": self.second, ALTCHA: self.own}
        return Desk(escalations, self.tokens, self.work, providers, self.terms.get, SECRETS, lambda: self.now)

    async def put(
        self, subject: str = "acme", step: Step = Step.CAPTCHA, key: str = "", network: str = "", lasts: float = 1800.0
    ) -> str:
        """A challenge, as the policy puts it: its token."""
        self._count += 1
        one = Open(f"c{self._count}", step, key, network, self.now, self.now + lasts)
        _, after = await self.escalations.change(RULE, subject, LADDER, Asked(one))
        assert one in after.open
        return self.tokens.make(Challenge(one.id, RULE, subject, step, key, network, one.until))


def solved(puzzle: Mapping[str, Any]) -> str:
    """What a widget sends: base64 of its payload."""
    challenge = altcha.Challenge.from_dict(dict(puzzle))
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    return str(altcha.Payload(challenge, solution).to_base64())
