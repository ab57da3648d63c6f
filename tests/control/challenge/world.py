"""The pages of challenges as a gateway serves them, beside the owner's; the desk behind them does what a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from aiohttp import web

from gateway.accounts.secrets import Secrets
from gateway.challenges import addresses
from gateway.challenges.answers import Status
from gateway.challenges.desk import SHOWN_FIELD, Browser, Desk, Proof, Seen
from gateway.challenges.interface import Unavailable
from gateway.challenges.ladder import Step
from gateway.challenges.providers.contract import Widget
from gateway.challenges.token import BadChallenge, Challenge
from gateway.challenges.work import BadWork, Work
from gateway.control.challenge.pages import add_to
from gateway.control.challenge.person import Members
from gateway.control.owner.sessions import Sessions
from gateway.testing import Clock
from tests.control.owner.world import Page, World, gateway

ROOT: Final = addresses.ROOT
SOON: Final = 600.0
"""Seconds for which a challenge is open here."""


class FakeDesk:
    """What the pages need of a `Desk`: a challenge for each token, and answers that a test chooses."""

    def __init__(self, secrets: Secrets, now: Clock) -> None:
        self.now = now
        self.work = Work(secrets, tries=40)
        self.challenges: dict[str, Challenge] = {}
        self.statuses: dict[str, Status] = {}
        self.widgets: dict[str, Widget | None] = {}
        self.answers: list[Proof] = []
        """What the next answers come to; the work is looked at where there is none."""
        self.away = False
        """The fleet cannot be asked."""
        self.proved: list[tuple[str, Mapping[str, str], Browser]] = []
        self.vouched: list[tuple[str, str]] = []
        self.changed = asyncio.Event()

    def put(self, token: str = "open", *, step: Step = Step.WORK, subject: str = "acme", **values: Any) -> str:
        """A challenge, and the path of its page."""
        until = values.get("until", self.now() + SOON)
        self.challenges[token] = Challenge(f"id-{token}", "captcha/chat", subject, step, "", "asn=64496", until)
        self.statuses[token] = values.get("status", "open")
        self.widgets[token] = values.get("widget", altcha(token))
        return addresses.page(token)

    def _challenge(self, token: str) -> Challenge:
        if self.away:
            raise Unavailable("Redis")
        if token not in self.challenges:
            raise BadChallenge("forged")
        return self.challenges[token]

    async def seen(self, token: str) -> Seen:
        challenge = self._challenge(token)
        status = self.statuses[token]
        widget = self.widgets[token] if status == "open" else None
        return Seen(status, challenge, widget, challenge.until, challenge.subject, "altcha", "altcha.1.00")

    async def wait(self, token: str, seconds: float) -> Seen:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.statuses.get(token) == "open":
                    self.changed.clear()
                    await self.changed.wait()
        return await self.seen(token)

    def settle(self, token: str, status: Status) -> None:
        """Somebody else, elsewhere."""
        self.statuses[token] = status
        self.changed.set()

    def puzzle(self, token: str) -> dict[str, Any]:
        challenge = self._challenge(token)
        if self.statuses[token] != "open":
            raise BadChallenge("closed")
        return self.work.puzzle(challenge, token, 1.0, self.now())

    async def prove(self, token: str, form: Mapping[str, str], browser: Browser) -> Proof:
        self._challenge(token)
        self.proved.append((token, form, browser))
        if self.statuses[token] != "open":
            return Proof(cast("Any", self.statuses[token]))
        proof = self.answers.pop(0) if self.answers else self._judge(token, form)
        if proof.status == "passed":
            self.settle(token, "passed")
        elif proof.status == "closed":
            self.settle(token, "closed")
        return proof

    def _judge(self, token: str, form: Mapping[str, str]) -> Proof:
        assert SHOWN_FIELD in form
        widget = self.widgets[token]
        response = form.get(widget.field, "") if widget else ""
        if not response:
            return Proof("wrong", "empty")
        try:
            return Proof("passed") if self.work.check(response, self.now()) == token else Proof("wrong", "other")
        except BadWork as bad:
            return Proof("wrong", bad.reason)

    async def vouch(self, token: str, account: str) -> Proof:
        challenge = self._challenge(token)
        self.vouched.append((token, account))
        if challenge.subject != account:
            return Proof("wrong", "other_account")
        self.settle(token, "passed")
        return Proof("passed")


def altcha(token: str) -> Widget:
    """Our own widget."""
    return Widget("altcha-widget", {"challenge": addresses.puzzle(token)}, (), "altcha", {})


@dataclass
class Place:
    """One gateway, as far as challenges are passed there."""

    owner: World
    desk: FakeDesk
    visited: list[str] = field(default_factory=list)
    """What was asked for on `/back`."""

    @property
    def origin(self) -> str:
        return self.owner.origin

    async def ask(self, method: str, path: str, **values: Any) -> Page:
        """By somebody without memory of us."""
        return await self.owner.visitor().ask(method, f"{self.origin}{path}", **values)

    async def get(self, path: str, **values: Any) -> Page:
        return await self.ask("GET", path, **values)

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **values: Any) -> Page:
        return await self.ask("POST", path, data=fields or {}, **values)


@contextlib.asynccontextmanager
async def challenges(folder: Path, *, members: bool = True, public_url: str | None = None) -> AsyncIterator[Place]:
    """A gateway with an account `acme`, and something at /back."""
    made: list[Place] = []

    def more(app: web.Application, world: World) -> None:
        desk = FakeDesk(world.secrets, world.clock)
        made.append(Place(world, desk))
        sessions = Sessions(world.database, world.secrets, world.directory)
        add_to(
            app,
            desk=cast("Desk", desk),
            now=world.clock,
            public_url=world.origin if public_url is None else public_url,
            members=Members(sessions, world.secrets) if members else None,
        )
        app.router.add_get("/back/{rest:.*}", back)

    async def back(request: web.Request) -> web.Response:
        made[0].visited.append(request.path_qs)
        text = '<!doctype html><html lang="en"><title>Back</title><link rel="icon" href="data:,"><h1>You are back</h1>'
        return web.Response(text=text, content_type="text/html")

    async with gateway(folder, public_url=public_url, more=more) as world:
        world.account("acme", "ann@example.com", name="Acme Robotics")
        world.account("beta")
        yield made[0]
