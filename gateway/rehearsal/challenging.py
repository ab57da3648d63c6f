"""Challenges in a rehearsal: what is held of accounts, in this process alone, and a way to pass what was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.accounts.secrets import Secrets
from gateway.challenges.interface import Unavailable
from gateway.challenges.ladder import Clearance, Event, Held, Ladder, Passed
from gateway.challenges.memory import MemoryEscalations
from gateway.challenges.token import BadChallenge, Tokens
from gateway.challenges.work import Work
from gateway.policies import Challenges
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policy import Decision
from gateway.rules.ruleset import Ruleset

SECRETS: Final = Secrets({"rehearsal": b"what is signed here is believed by nobody else"})


class Rehearsed(MemoryEscalations):
    """As the fleet's, which is `away` where the store is."""

    def __init__(self, now: Callable[[], float], away: Callable[[], bool]) -> None:
        super().__init__(now)
        self._away = away

    async def look(self, rule: str, subject: str) -> Held:
        self._there()
        return await super().look(rule, subject)

    async def change(self, rule: str, subject: str, ladder: Ladder, *events: Event) -> tuple[Held, Held]:
        self._there()
        return await super().change(rule, subject, ladder, *events)

    async def draw(self, rule: str, subject: str, clearance: Clearance, wanted: int) -> int:
        self._there()
        return await super().draw(rule, subject, clearance, wanted)

    def _there(self) -> None:
        if self._away():
            raise Unavailable("the store is away in this rehearsal")


class Challenging:
    """What policies are given, and the one who passes."""

    def __init__(self, ruleset: Ruleset, now: Callable[[], float], away: Callable[[], bool]) -> None:
        self.escalations = Rehearsed(now, away)
        self.offered = Challenges(self.escalations, Tokens(SECRETS), Work(SECRETS))
        self._now = now
        self._configs = {
            entry.name: entry.config
            for entry in ruleset.entries
            if isinstance(entry.config, CaptchaConfig) and entry.rollout > 0.0
        }

    async def solve(self, decision: Decision) -> bool:
        """Pass the challenge of a refusal, as its owner would. False where it has none, or none that is open."""
        token = str(decision.members.get("challenge_url", "")).rpartition("/")[2]
        try:
            challenge = self.offered.tokens.read(token, self._now())
        except BadChallenge:
            return False
        # Where it is another entry's, the first one has made it passable.
        name = challenge.rule.partition("/")[0]
        name = name if name in self._configs else next(iter(self._configs))
        terms = self._configs[name].terms(name, challenge.rule)
        worth = terms.worth[challenge.step]
        event = Passed(challenge.id, worth.lasts, worth.exchanges)
        before, after = await self.escalations.change(challenge.rule, challenge.subject, terms.ladder, event)
        return after is not before
