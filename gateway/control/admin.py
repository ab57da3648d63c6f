"""The operators' own port: health, readiness, metrics, and the rules in force with what changes them.

Whoever reaches the port may look; who changes something, or looks at accounts, has to bear the admin token.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from aiohttp import web

from gateway.control import console
from gateway.control.fleet import Fleet
from gateway.control.rulesets import Outcome, Rulesets
from gateway.telemetry.exposition import render

log = logging.getLogger(__name__)

WHO: Final = "admin_token"
"""How whoever bears the token is called in the audit log: by its name in tidegate.yaml."""
PERSONAL: Final = ("/accounts", "/challenges")
"""Routes below it tell of people: who only looks has to bear the token as well."""
OPEN: Final = ("/healthz", "/readyz", "/metrics")
"""Asked by any name: probes and scrapers have theirs, and no line of a file stands there."""
STATUS: Final = {"refused": 422, "unknown": 404, "set_aside": 409}
"""Of a change that did not come into force; 200 for the rest."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    fleet: Fleet,
    rulesets: Rulesets[Any],
    token: str,
    now: Callable[[], float],
    more: Callable[[web.Application], None] | None = None,
) -> web.Application:
    """Everything on the port. Without a token nothing can be changed by it. `more` adds routes of others."""
    admin = _Admin(fleet, rulesets, now)
    app = web.Application(middlewares=[_guard(token, rulesets)])
    app.router.add_get("/", admin.page)
    app.router.add_get("/healthz", admin.healthz)
    app.router.add_get("/readyz", admin.readyz)
    app.router.add_get("/metrics", admin.metrics)
    app.router.add_get("/policies", admin.status)
    app.router.add_get("/policies/history", admin.history)
    app.router.add_post("/policies/reload", admin.reload)
    app.router.add_post("/policies/rollback", admin.rollback)
    if more is not None:
        more(app)
    return app


class _Admin:
    def __init__(self, fleet: Fleet, rulesets: Rulesets[Any], now: Callable[[], float]) -> None:
        self.fleet = fleet
        self.rulesets = rulesets
        self.now = now

    async def healthz(self, _: web.Request) -> web.Response:
        """This process lives; workers that die are started again, so this does not look at them."""
        return _json({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """200 where every worker takes requests; 503 with the reason where one does not."""
        wanted = len(self.fleet.sockets())
        snapshots = await self.fleet.snapshots()
        draining = sum(snapshot["draining"] for snapshot in snapshots)
        ready = len(snapshots) == wanted and not draining
        generation, digest = self.rulesets.in_force.version
        answer = {
            "status": "ready" if ready else "not ready",
            "workers": len(snapshots),
            "wanted": wanted,
            "draining": draining,
            "store_available": sum(snapshot["store_available"] for snapshot in snapshots),
            "generation": generation,
            "digest": digest,
            "rulesets": sorted({snapshot["digest"] for snapshot in snapshots}),
        }
        return _json(answer, 200 if ready else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        snapshots = await self.fleet.snapshots()
        text = await asyncio.to_thread(render, snapshots, self.fleet.restarts(), self.rulesets.status())
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def page(self, _: web.Request) -> web.Response:
        snapshots = await self.fleet.snapshots()
        text = console.page(self.rulesets.status(), self.rulesets.past(), snapshots, self.now())
        return web.Response(text=text, content_type="text/html", headers=console.FIELDS)

    async def status(self, _: web.Request) -> web.Response:
        """The rules in force, those of each worker, and what is wrong with the files on disk."""
        workers = {
            worker: {"generation": generation, "digest": digest}
            for worker, (generation, digest) in (await self.fleet.versions()).items()
        }
        return _json(self.rulesets.status() | {"workers": workers})

    async def history(self, _: web.Request) -> web.Response:
        return _json({"history": self.rulesets.past()})

    async def reload(self, _: web.Request) -> web.Response:
        """Apply the files on disk, also those that were set aside by a rollback."""
        return _told(await self.rulesets.reload(WHO, insist=True))

    async def rollback(self, request: web.Request) -> web.Response:
        """`{"to": DIGEST}` or nothing for the one before."""
        content = await request.read()
        try:
            asked = orjson.loads(content) if content else {}
            wanted = asked.get("to", "")
            if not isinstance(wanted, str):
                raise TypeError("`to` must be text")
        except (ValueError, AttributeError, TypeError) as error:
            return _json({"error": f'the content must be JSON such as {{"to": "3f2a"}}: {error}'}, 400)
        return _told(await self.rulesets.rollback(WHO, wanted))


def _told(outcome: Outcome) -> web.Response:
    generation, digest = outcome.version
    content = {
        "outcome": outcome.word,
        "generation": generation,
        "digest": digest,
        "problems": outcome.problems,
    }
    return _json(content, STATUS.get(outcome.word, 200))


def _guard(token: str, rulesets: Rulesets[Any]) -> Any:
    """Let in who looks; who changes has to bear the token. A browser sends none by itself, so no page can do it."""
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if isinstance(request.match_info.http_exception, web.HTTPNotFound):
            return await handler(request)
        stated = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        bears = bool(token) and hmac.compare_digest(stated, expected)
        resource = request.match_info.route.resource
        personal = resource is not None and resource.canonical.startswith(PERSONAL)
        if request.method in ("GET", "HEAD") and not personal:
            if bears or request.path in OPEN or _is_own_name(request.host):
                return await handler(request)
            said = "ask by address, or as localhost, or with the admin token: by this name anybody's page could ask"
            return _json({"error": said}, 421)
        if not token:
            said = "changes and accounts need a token: set admin_token in tidegate.yaml, and start again"
            return _json({"error": said}, 403)
        if not bears:
            rulesets.note_denied(request.path)
            answer = _json({"error": "Authorization: Bearer with the admin token is needed"}, 401)
            answer.headers["WWW-Authenticate"] = 'Bearer realm="tidegate admin"'
            return answer
        return await handler(request)

    return guard


def _is_own_name(host: str) -> bool:
    """Whether a page elsewhere could not have made an operator's browser ask so: it can have its own name lead here
    (DNS rebinding), and then read the answers; an address, or a name without a dot, it can not.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(".localhost")
    return True


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=body, status=status, content_type="application/json")
