"""The operators' own port: every operation with its guard; and health, readiness, metrics and the rules in force."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import StringConstraints

from gateway import __version__
from gateway.control.access.access import Access
from gateway.control.access.answers import said
from gateway.control.access.border import border
from gateway.control.access.content import LARGEST, content
from gateway.control.access.roles import Permission
from gateway.control.access.routes import Operations
from gateway.control.account_shapes import Shape
from gateway.control.fleet import Fleet
from gateway.control.openapi import About, document
from gateway.control.operations import Operation, who
from gateway.control.rulesets import Outcome, Rulesets
from gateway.control.veil import veiled
from gateway.telemetry.exposition import render

OPENMETRICS: Final = "application/openmetrics-text"
STATUS: Final = {"refused": 422, "unknown": 404, "set_aside": 409}
"""Of a change that did not come into force; 200 for the rest."""


class RollbackShape(Shape):
    to: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{0,64}$")] = ""
    """The beginning of a digest, or a generation; the one before if not stated."""


def application(operations: Iterable[Operation], access: Access) -> web.Application:
    """The whole port. Raises ValueError where an operation is not whole, or two are the same."""
    app = web.Application(middlewares=[border], client_max_size=LARGEST)
    port(operations, access).add_to(app, access.guard)
    return app


def port(operations: Iterable[Operation], access: Access) -> Operations:
    """All that there is, with its own description. Raises ValueError."""

    async def described(_: web.Request) -> web.Response:
        return said(whole)

    own = Operation("GET", "/openapi.json", described, Permission.LOOK, "This API, as OpenAPI 3.1 has it.")
    found = Operations([*operations, *access.operations(), own])
    whole = document(found, About("Tidegate: operators' port", __version__))
    return found


class PoliciesApi:
    """Health and the rules in force."""

    def __init__(
        self,
        fleet: Fleet,
        rulesets: Rulesets[Any],
        now: Callable[[], float],
        detectors: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]] | None = None,
    ) -> None:
        """`detectors` is how each is; None where there are none."""
        self.fleet = fleet
        self.rulesets = rulesets
        self.now = now
        self.detectors = detectors

    def operations(self) -> list[Operation]:
        change = {404: "No generation is called so.", 409: "The files on disk are set aside by a rollback."}
        return [
            Operation("GET", "/healthz", self.healthz, None, "Whether this process lives."),
            Operation(
                "GET", "/readyz", self.readyz, None, "Whether every worker takes requests.",
                errors={503: "Some worker does not."},
            ),
            Operation(
                "GET", "/metrics", self.metrics, None, "Counters and gauges of all workers, for Prometheus.",
                media="text/plain",
            ),
            Operation("GET", "/policies", self.status, Permission.LOOK, "The rules in force, by worker."),
            Operation("GET", "/policies/history", self.history, Permission.LOOK, "What was in force, newest first."),
            Operation(
                "POST", "/policies/reload", self.reload, Permission.WRITE, "Apply the files on disk.", errors=change
            ),
            Operation(
                "POST", "/policies/rollback", self.rollback, Permission.WRITE, "Go back to an earlier generation.",
                content=RollbackShape, errors=change,
            ),
        ]  # fmt: skip

    async def healthz(self, _: web.Request) -> web.Response:
        """This process lives; workers that die are started again, so this does not look at them."""
        return said({"status": "ok"})

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
        return said(answer, 200 if ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Text format 0.0.4; OpenMetrics, which has exemplars, for who asks for it."""
        openmetrics = OPENMETRICS in request.headers.get("Accept", "")
        snapshots = await self.fleet.snapshots()
        status, restarts = self.rulesets.status(), self.fleet.restarts()
        found = await self.detectors() if self.detectors is not None else None
        text = await asyncio.to_thread(render, snapshots, restarts, status, openmetrics=openmetrics, detectors=found)
        kind = f"{OPENMETRICS}; version=1.0.0" if openmetrics else "text/plain; version=0.0.4"
        return web.Response(body=text, headers={"Content-Type": f"{kind}; charset=utf-8"})

    async def status(self, request: web.Request) -> web.Response:
        """The rules in force, those of each worker, and what is wrong with the files on disk."""
        workers = {
            worker: {"generation": generation, "digest": digest}
            for worker, (generation, digest) in (await self.fleet.versions()).items()
        }
        found = self.rulesets.status()
        told = {name: veiled(found[name], request) for name in ("problems", "shown")}
        return said(found | told | {"workers": workers})

    async def history(self, _: web.Request) -> web.Response:
        return said({"history": self.rulesets.past()})

    async def reload(self, request: web.Request) -> web.Response:
        """Apply the files on disk, also those that were set aside by a rollback."""
        return _told(request, await self.rulesets.reload(who(request), insist=True))

    async def rollback(self, request: web.Request) -> web.Response:
        """`{"to": DIGEST}` or nothing for the one before."""
        asked = await content(request, RollbackShape)
        return _told(request, await self.rulesets.rollback(who(request), asked.to))


def _told(request: web.Request, outcome: Outcome) -> web.Response:
    generation, digest = outcome.version
    answer = {
        "outcome": outcome.word,
        "generation": generation,
        "digest": digest,
        "problems": veiled(outcome.problems, request),
    }
    return said(answer, STATUS.get(outcome.word, 200))
