"""Webhooks on their way: signed when sent, again until they are taken, some of them twice, late, or backwards."""

from __future__ import annotations

import asyncio
import collections
from dataclasses import asdict, dataclass
from typing import Any, Self

import aiohttp

from gateway.demo.verification import didit, onfido, persona, stripe, sumsub, veriff
from gateway.demo.verification.dialect import Dialect, News
from gateway.demo.verification.world import Credentials, Session, World
from gateway.tasks import spawn

DIALECTS: dict[str, Dialect] = {
    "stripe": stripe,
    "persona": persona,
    "onfido": onfido,
    "sumsub": sumsub,
    "didit": didit,
    "veriff": veriff,
}
_TIMEOUT = aiohttp.ClientTimeout(total=5.0)


@dataclass(slots=True)
class Delivery:
    """One webhook, and what came of it."""

    provider: str
    kind: str
    attempts: int = 0
    status: int = 0
    """Of the last attempt; 0 where nobody answered."""
    done: bool = False
    """It was taken, or given up."""


class Post:
    """Sends what a World says. Open it as a context."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.deliveries: list[Delivery] = []
        self._held: list[tuple[str, News]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def tell(self, session: Session) -> None:
        """Of the state that it is in."""
        news = DIALECTS[session.provider].news(self._world, session)
        if news is not None:
            self.send(session.provider, news)

    def send(self, provider: str, news: News) -> None:
        behaviour = self._world.behaviour
        if behaviour.silent or not self._world.settings.hooks:
            return
        if behaviour.hold:
            self._held.append((provider, news))
            return
        for _ in range(1 + behaviour.duplicates):
            task = spawn(self._deliver(provider, news), "webhook")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def release(self, *, backwards: bool = False) -> int:
        """What was held, in its order or the other way round. Says how many there are."""
        held, self._held = self._held, []
        self._world.behaviour.hold = False
        for provider, news in reversed(held) if backwards else held:
            self.send(provider, news)
        return len(held)

    async def idle(self) -> None:
        """Until all that was sent is taken or given up."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def as_json(self) -> dict[str, Any]:
        statuses = collections.Counter(delivery.status for delivery in self.deliveries)
        return {
            "deliveries": [asdict(delivery) for delivery in self.deliveries],
            "statuses": {str(status): count for status, count in sorted(statuses.items())},
            "waiting": len(self._tasks),
            "held": len(self._held),
        }

    async def _deliver(self, provider: str, news: News) -> None:
        delivery = Delivery(provider, news.kind)
        self.deliveries.append(delivery)
        for pause in (self._world.behaviour.delay, *self._world.settings.retries):
            if pause:
                await asyncio.sleep(pause)
            delivery.attempts += 1
            delivery.status = await self._attempt(provider, news)
            if 200 <= delivery.status < 300:
                break
        delivery.done = True

    async def _attempt(self, provider: str, news: News) -> int:
        assert self._session is not None  # noqa: S101 - it is open while the context lasts
        fields = self.signed(provider, news.body)
        url = self._world.settings.hooks.replace("{provider}", provider)
        try:
            async with self._session.post(url, data=news.body, headers=fields, allow_redirects=False) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    def signed(self, provider: str, body: bytes) -> dict[str, str]:
        """The fields of a webhook, signed now: a retry has a time of its own, as the real ones have."""
        credentials: Credentials = self._world.credentials[provider]
        if self._world.behaviour.corrupt:
            wrong = tuple(f"not-{secret}" for secret in credentials.webhook_secrets)
            credentials = credentials._replace(webhook_secrets=wrong)
        signed = DIALECTS[provider].sign(credentials, body, self._world.now())
        return {"Content-Type": "application/json", "User-Agent": f"standin-{provider}", **signed}
