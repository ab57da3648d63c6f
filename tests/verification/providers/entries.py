"""Entries of tidegate.yaml and webhooks of the stand-in, for the tests beside this file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from aiohttp import web

from gateway.demo.verification.delivery import DIALECTS
from gateway.demo.verification.world import CREDENTIALS, Credentials, Session, Settings, World
from gateway.rules.gateway_file import ProviderFile
from gateway.verification.provider import Provider
from gateway.verification.providers.adapter import Adapter
from gateway.verification.providers.registry import build

KINDS: Final = ("stripe", "persona", "onfido", "sumsub", "didit", "veriff")
STAMPED: Final = ("stripe", "persona", "didit")
"""Whose webhooks state when they were sent."""
FIELDS: Final = {
    "stripe": "stripe-signature",
    "persona": "persona-signature",
    "onfido": "x-sha2-signature",
    "sumsub": "x-payload-digest",
    "didit": "x-signature-v2",
    "veriff": "x-hmac-signature",
}
NOW: Final = 1_795_000_000.0


class Hook(NamedTuple):
    """A webhook as it comes in."""

    fields: dict[str, str]
    body: bytes


def entry(kind: str, url: str = "", **changes: Any) -> ProviderFile:
    """As somebody would write it who uses the stand-in."""
    known = CREDENTIALS[kind]
    stated: dict[str, Any] = {
        "name": kind,
        "kind": kind,
        "url": url or None,
        "key": known.key,
        "secret": known.secret or None,
        "webhook_secrets": list(known.webhook_secrets),
        "flow": known.flow,
    }
    return ProviderFile.model_validate({**stated, **changes})


def adapter(kind: str, url: str = "", **changes: Any) -> Adapter:
    made = build(entry(kind, url, **changes), lambda: NOW)
    conforms: Provider = made  # For mypy.
    assert conforms.name == kind
    return made


def world(kind: str, state: str) -> tuple[World, Session]:
    """A stand-in without a server, with one session."""
    made = World(Settings(now=lambda: NOW))
    session = made.open(kind, SESSIONS[kind], "ver_0123456789", "acme", "https://gateway.test/back")
    session.state, session.changed_at = state, NOW - 2
    return made, session


SESSIONS: Final = {
    "stripe": "vs_1SessionOfStripe",
    "persona": "inq_SessionOfPersona",
    "onfido": "8f2b0d84-3f7c-4a53-9f43-0f3a4c7a1b22",
    "sumsub": "ver_0123456789",
    "didit": "1f2b0d84-3f7c-4a53-9f43-0f3a4c7a1b22",
    "veriff": "2f2b0d84-3f7c-4a53-9f43-0f3a4c7a1b22",
}


def sign(kind: str, body: bytes, at: float = NOW, credentials: Credentials | None = None) -> dict[str, str]:
    """By the stand-in, which shares no code with the adapters."""
    signed = DIALECTS[kind].sign(credentials or CREDENTIALS[kind], body, at)
    return {name.lower(): value for name, value in signed.items()}


def hook(kind: str, state: str = "approved", at: float = NOW, credentials: Credentials | None = None) -> Hook:
    news = DIALECTS[kind].news(*world(kind, state))
    assert news is not None
    return Hook(sign(kind, news.body, at, credentials), news.body)


@asynccontextmanager
async def receiver(statuses: list[int] | None = None) -> AsyncIterator[tuple[str, list[Hook]]]:
    """An address for webhooks, and what came there. `statuses` are its first answers; 200 after them."""
    came: list[Hook] = []
    answers = list(statuses or [])

    async def take(request: web.Request) -> web.Response:
        fields: Mapping[str, str] = {name.lower(): value for name, value in request.headers.items()}
        came.append(Hook(dict(fields), await request.read()))
        return web.Response(status=answers.pop(0) if answers else 200)

    app = web.Application()
    app.router.add_post("/hooks/{provider}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/{{provider}}", came
    finally:
        await runner.cleanup()
