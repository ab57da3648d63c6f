"""A folder of policies, a supervisor's rulesets over it, and the operations on both behind a guard that is told a role.

The wholes, the checks and their processes are real; the workers do as they are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.live_directory import LiveDirectory
from gateway.control.access.border import border
from gateway.control.access.roles import MAY, Role
from gateway.control.access.routes import Operations
from gateway.control.audit import Audit
from gateway.control.jobs import Jobs
from gateway.control.lists_api import ListsApi
from gateway.control.operations import OPERATOR, Operation, Operator
from gateway.control.rules_files.bench import Bench
from gateway.control.rules_files.drafts_api import DraftsApi
from gateway.control.rules_files.files_api import FilesApi
from gateway.control.rules_files.saving import Deployment, Saving
from gateway.control.rules_files.workshop import Workshop
from gateway.control.rulesets import Rulesets
from gateway.feeds.sources import FeedSet
from gateway.feeds.update import World as FeedWorld
from gateway.policies import Services
from gateway.rules.build import FREE, policy_kinds
from gateway.rules.whole import OnDisk, Whole, make
from tests.control.fakes import Crew

SHIPPED = Path(__file__).parents[3] / "policies"

RULES = """\
# Who may do what.
rules:
  - name: embargo  # by law
    when: client.country == "KP"
    action: deny
  - name: long
    when: request.input_tokens > 8000
    action: deny
    mode: shadow
"""
FILES = {
    "chain.yaml": "chain:\n  - {name: auth, kind: auth, on_failure: deny}\n"
    "  - {name: rules, kind: rules, on_failure: deny}\n",
    "auth.yaml": "api_keys: true\n",
    "rules.yaml": RULES,
    "feeds.yaml": "lists:\n  suspected: {kind: accounts, path: lists/suspected.txt}\n"
    "  office: {kind: networks, path: lists/office.txt, stale_after: 1d}\n",
    "lists/suspected.txt": "acme-corp\nstrange-one\n",
    "lists/office.txt": "192.0.2.0/24\n",
    "tests/basic.yaml": "tests:\n  - name: from KP nobody is served\n    given: {account: {}, country: KP}\n"
    "    expect: {decision: deny, rule: embargo}\n",
}


class InThread(Workshop):
    """The bench's own answers, in a thread of this process: to start another takes two seconds."""

    def __init__(self, work: Path) -> None:
        super().__init__()
        self._bench = Bench(work, time.time, time.perf_counter)

    async def ask(self, question: Mapping[str, Any], limit: float, tell: Any = None) -> dict[str, Any]:
        async with asyncio.timeout(limit):
            return await asyncio.to_thread(self._bench.answer, question, tell or (lambda _: None))

    async def warm(self) -> None:
        pass


@dataclass
class Worked:
    """What a test holds."""

    client: TestClient[web.Request, web.Application]
    folder: Path
    rules: Rulesets[OnDisk]
    crew: Crew
    workshop: Workshop
    data: Path
    notes: list[tuple[str, str, str, dict[str, object]]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, content: Any = None, *, role: Role = Role.ADMIN, match: str = "", raw: str = ""
    ) -> tuple[int, Any]:
        fields = {"X-Role": role.value} | ({"If-Match": f'"{match}"'} if match else {})
        url: Any = path
        if raw:
            # As it stands on the wire: a client would mend it.
            from yarl import URL  # noqa: PLC0415

            url = URL(raw, encoded=True)
        async with self.client.request(method, url, json=content, headers=fields) as answer:
            self.etag = answer.headers.get("ETag", "").strip('"')
            return answer.status, await answer.json()

    async def open(self, path: str) -> tuple[str, str]:
        """Text and digest."""
        status, found = await self.ask("GET", f"/policies/files/{path}")
        assert status == 200, found
        return found["text"], found["digest"]

    async def save(self, path: str, text: str, match: str = "", **more: Any) -> tuple[int, Any]:
        match = match or (await self.open(path))[1]
        return await self.ask(
            "PUT", f"/policies/files/{path}", {"text": text, "reason": "because"}, match=match, **more
        )


def lay(folder: Path, files: dict[str, str] | None = None) -> Path:
    policies = folder / "policies"
    for name, text in (FILES if files is None else files).items():
        (policies / name).parent.mkdir(parents=True, exist_ok=True)
        (policies / name).write_text(text)
    return policies


async def guard(request: web.Request, operation: Operation) -> None:
    role = Role(request.headers.get("X-Role", "admin"))
    request[OPERATOR] = Operator(f"token:{role}", role)
    if operation.needs is not None and operation.needs not in MAY[role]:
        raise web.HTTPForbidden


@contextlib.asynccontextmanager
async def worked(
    folder: Path,
    *,
    shipped: bool = False,
    processes: bool = False,
    log: Path | None = None,
    extra: list[Operation] | None = None,
) -> AsyncIterator[Worked]:
    if shipped:
        shutil.copytree(SHIPPED, folder / "policies")
    policies = folder / "policies" if shipped else lay(folder)
    data = folder / "data"
    clock = [1_800_000_000.0]
    made = _maker(policies, data, folder / "wholes")
    first, disk = made(1)
    crew = Crew(2, first)
    rules = Rulesets(first, disk, made, crew, Audit(folder / "audit.log", lambda: clock[0]), lambda: clock[0])
    workshop = Workshop() if processes else InThread(folder / "bench")
    notes: list[tuple[str, str, str, dict[str, object]]] = []
    snapshots: list[dict[str, Any]] = []

    def note(who: str, did: str, subject: str, **detail: object) -> None:
        notes.append((who, did, subject, detail))

    async def snapped() -> list[dict[str, Any]]:
        return snapshots

    deployment = Deployment(policies, data, log=log)
    jobs = Jobs(lambda: clock[0])
    drafts = DraftsApi(deployment, workshop, rules, snapped, jobs, lambda: clock[0])
    world = FeedWorld(policies, data, lambda: clock[0])
    apis: list[Any] = [
        FilesApi(Saving(deployment, workshop, rules, note), rules, crew.versions, workshop),
        drafts,
        jobs,
        ListsApi(deployment, workshop, rules, dict, world, note, lambda: clock[0]),
    ]
    app = web.Application(middlewares=[border])
    wanted = [one for api in apis for one in api.operations() if one.path != "/jobs/{id}" or one.method == "GET"]
    Operations(wanted + (extra or [])).add_to(app, guard)
    client = TestClient(TestServer(app))
    await client.start_server()
    try:
        yield Worked(client, policies, rules, crew, workshop, data, notes, snapshots)
    finally:
        await client.close()
        await jobs.close()
        await drafts.close()
        await workshop.close()
        rules.close()


def _maker(policies: Path, data: Path, wholes: Path) -> Any:
    def services(ruleset: Any, feeds: Any) -> Services:
        prices = ruleset.prices or FREE
        return Services(now=lambda: 0.0, directory=LiveDirectory(), prices=prices, lists=feeds.lists)

    def made(generation: int) -> tuple[Whole, OnDisk]:
        whole, ruleset = make(policies, data, wholes, generation, policy_kinds(), services, 0.0, os.environ)
        return whole, OnDisk(policies, data, ruleset.feeds.plain() if ruleset.feeds else FeedSet())

    return made
