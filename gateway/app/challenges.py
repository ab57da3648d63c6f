"""What a worker has to challenge with, made once for all rulesets: the fleet's state, tokens, puzzles, the desk."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.accounts.secrets import Secrets
from gateway.app.clocks import monotonic, wall
from gateway.challenges.deliveries import secret_of
from gateway.challenges.desk import Desk
from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.interface import Changed
from gateway.challenges.notices import Notices
from gateway.challenges.providers import registry
from gateway.challenges.telling import happened
from gateway.challenges.terms import Terms
from gateway.challenges.token import Tokens
from gateway.challenges.work import Load, Work
from gateway.policies import Challenges
from gateway.rules.gateway_file import GatewayFile

log = logging.getLogger(__name__)

CAUGHT_UP: Final = 2.0
"""Seconds that a worker waits, before it serves, for what is held of accounts."""


class Challenging:
    """Everything of one worker. `run` is for tasks; `close` comes after they have ended."""

    def __init__(
        self,
        file: GatewayFile,
        redis: Any,
        secrets: Secrets,
        terms: Callable[[str], Terms | None],
        signs_in: Callable[[str], bool],
    ) -> None:
        """`terms` are those of the rules in force; `signs_in` says whether an account's owner has pages to sign in on.
        Raises ValueError for a secret of `notices` that is none.
        """
        self.counts: Counter[tuple[str, str]] = Counter()
        """(rule, what happened) -> how often; read by telemetry."""
        self.tokens = Tokens(secrets)
        self.work = Work(secrets, Load(monotonic))
        self.providers = registry.build(
            file.captchas, self.work, self.tokens, wall, monotonic, urlsplit(file.public_url).hostname or ""
        )
        self.notices: Notices | None = None
        if file.notices is not None:
            secret = secret_of(file.notices.secret.get_secret_value())
            self.notices = Notices(redis, file.notices.url, secret, file.public_url, self.tokens, wall, signs_in)
        told = [self._count] if self.notices is None else [self._count, self.notices.told]
        self.escalations = RedisEscalations(redis, wall, told)
        self.desk = Desk(self.escalations, self.tokens, self.work, self.providers, terms, secrets, wall)

    @property
    def offered(self) -> Challenges:
        """To policies."""
        return Challenges(self.escalations, self.tokens, self.work)

    def runs(self) -> list[Any]:
        """Coroutines that follow the fleet, and tell its operator: until cancelled."""
        return [self.escalations.run()] if self.notices is None else [self.escalations.run(), self.notices.run()]

    async def close(self) -> None:
        if self.notices is not None:
            await self.notices.close()
        for provider in self.providers.values():
            await provider.close()

    def snapshot(self) -> dict[str, Any]:
        """What telemetry adds up."""
        seen = self.escalations.counts
        told = self.notices.counts if self.notices is not None else {}
        return {
            "challenges": [[*key, count] for key, count in self.counts.items()],
            "challenge_answers": [[*key, count] for key, count in self.desk.counts.items()],
            "challenge_events": {name: getattr(seen, name) for name in seen.__slots__}
            | {f"notices_{name}": count for name, count in told.items()},
        }

    def _count(self, changed: Changed) -> None:
        for what in happened(changed):
            self.counts[changed.rule, what] += 1
