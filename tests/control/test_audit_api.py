"""The admin API's audit, on a real SQLite file, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.sql import audit
from gateway.accounts.sql.database import Database, Writing
from gateway.control import audit_api
from gateway.control.access.border import border
from gateway.control.access.routes import Operations
from gateway.control.audit_api import AuditApi, PageShown, VerdictShown
from gateway.control.operations import Operation
from gateway.testing import Clock
from tests import schema

LINES = 25
PATIENCE = 30.0


@dataclass
class Port:
    http: TestClient[web.Request, web.Application]
    database: Database
    clock: Clock

    async def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.http.get(path) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.json()

    async def export(self, path: str = "/audit/export") -> list[dict[str, Any]]:
        async with self.http.get(path) as answer:
            assert answer.content_type == "application/x-ndjson"
            return [json.loads(line) for line in (await answer.text()).splitlines()]

    def forced(self, *statements: str) -> None:
        """By who broke in."""

        def work(writing: Writing) -> None:
            writing.connection.execute(sql.text("DROP TRIGGER IF EXISTS audit_change"))
            for statement in statements:
                writing.connection.execute(sql.text(statement))

        self.database.write("eve", work)


def fill(writing: Writing) -> None:
    for number in range(LINES):
        did = "account.suspend" if number % 2 else "key.revoke"
        writing.note(f"cli:u{number % 3}", 1000.0 + number, did, f"a{number}", {"reason": f"<b>{number}</b>"})


async def anybody(request: web.Request, operation: Operation) -> None:
    """Who may is tested where the guard is."""


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    clock = Clock(at=5000.0)
    database = Database("sqlite:///directory.db", clock, tmp_path)
    schema.lay(database)
    database.write("cli:ann", fill)
    app = web.Application(middlewares=[border])
    Operations(AuditApi(database, clock).operations()).add_to(app, anybody)
    http = TestClient(TestServer(app))
    await http.start_server()
    yield Port(http, database, clock)
    await http.close()
    database.close()


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("limit=3", [25, 24, 23]),
        ("limit=3&after=23", [22, 21, 20]),
        ("after=1", []),
        ("subject=a4", [5]),
        ("who=cli:u0&limit=2", [25, 22]),
        ("who=cli:u", []),
        ("did=account.&limit=2", [24, 22]),
        ("did=key.revoke&limit=1", [25]),
        ("did=%25", []),
        ("since=1022", [25, 24, 23]),
        ("since=1003&until=1005", [5, 4]),
        ("since=1003.5&until=1004", []),
        ("who=cli:u1&did=account.&since=1010", [20, 14]),
    ],
)
async def test_which_lines_are_shown(port: Port, query: str, ids: list[int]) -> None:
    """The newest first; filters hold together; a pattern is a text as any other."""
    status, found = await port.ask(f"/audit?{query}")
    assert (status, [line["id"] for line in found["audit"]]) == (200, ids)
    PageShown.model_validate(found)


async def test_pages_hold_every_line_once(port: Port) -> None:
    """From `next` to `next`, also while lines are added."""
    seen, after = [], ""
    while True:
        _, found = await port.ask(f"/audit?limit=7{after}")
        seen += [line["id"] for line in found["audit"]]
        port.database.write("cli:ann", lambda writing: writing.audit("test.more", "a"))
        if found["next"] is None:
            break
        after = f"&after={found['next']}"
    assert seen == list(range(LINES, 0, -1))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/audit?limit=0", "limit"),
        ("/audit?limit=1001", "limit"),
        ("/audit?after=x", "after"),
        ("/audit?after=0", "after"),
        ("/audit?after=99999999999999999999", "after"),
        ("/audit?since=nan", "since"),
        ("/audit?since=-1", "since"),
        ("/audit?who=%00", "who"),
        ("/audit?nothing=1", "nothing"),
        ("/audit/export?limit=1", "limit"),
        ("/audit/verify?head=xyz", "head"),
        ("/audit/verify?wait=31", "wait"),
    ],
)
async def test_what_cannot_be_meant_is_said(port: Port, path: str, field: str) -> None:
    """422 with the field, and no database is asked."""
    status, found = await port.ask(path)
    assert status == 422
    assert field in found["fields"]


async def test_an_export_is_all_of_it(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pages, the oldest first, with what proves it."""
    monkeypatch.setattr(audit_api, "PAGE", 10)
    found = await port.export()
    assert [line["id"] for line in found] == list(range(1, LINES + 1))
    link = audit.FIRST
    for line in found:
        said = audit.Line(*(line[name] for name in audit.Line._fields))
        assert audit.digest_of(bytes.fromhex(line["salt"]), said).hex() == line["digest"]
        link = audit.link_of(link, line["id"], bytes.fromhex(line["digest"]))
        assert link.hex() == line["link"]
    assert [line["id"] for line in await port.export("/audit/export?did=account.&since=1020")] == [22, 24]
    assert await port.export("/audit/export?subject=nobody") == []


async def test_it_is_verified(port: Port) -> None:
    """Whole: ok and the head. Edited: which line, and what is wrong with it."""
    status, found = await port.ask("/audit/verify")
    assert (status, found["ok"], found["lines"], found["state"]) == (200, True, LINES, "done")
    VerdictShown.model_validate(found)
    assert (await port.ask(f"/audit/verify?head={found['head']}"))[1]["ok"] is True
    assert (await port.ask(f"/audit/verify?head={'0' * 64}"))[1]["ok"] is False
    port.forced("UPDATE audit SET who = 'cli:eve' WHERE id = 7")
    status, found = await port.ask("/audit/verify")
    assert (status, found["ok"], found["wrong"]) == (200, False, 1)
    assert found["broken"] == [{"id": 7, "what": audit.CHANGED}]


async def ended() -> None:
    """When none is under way any more."""
    running = [task for task in asyncio.all_tasks() if task.get_name() == "audit verify"]
    assert running
    await asyncio.wait(running)


async def test_one_that_takes_long_runs_once(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks meanwhile hears of the same one."""
    begun, ends, runs, verify = threading.Event(), threading.Event(), list[str](), audit.verify

    def slow(connection: Any, tell: audit.Tell, noted: str) -> audit.Verified:
        runs.append(noted)
        tell(10, LINES)
        begun.set()
        assert ends.wait(PATIENCE)
        return verify(connection, tell, noted)

    monkeypatch.setattr(audit, "verify", slow)
    assert (await port.ask("/audit/verify?wait=0"))[0] == 202
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    status, found = await port.ask("/audit/verify?wait=0.2")
    assert (status, found["state"], found["ok"], found["lines"], found["whole"]) == (202, "running", None, 10, LINES)
    assert (await port.ask(f"/audit/verify?wait=0&head={'0' * 64}"))[0] == 409
    asked = [asyncio.create_task(port.ask("/audit/verify?wait=30")) for _ in range(2)]
    await port.ask("/audit/verify?wait=0")
    ends.set()
    assert [(status, found["ok"]) for status, found in await asyncio.gather(*asked)] == [(200, True)] * 2
    assert runs == [""]


@pytest.mark.parametrize(("after", "looks"), [(audit_api.KEPT, 1), (audit_api.KEPT + 1.0, 2)])
async def test_what_came_of_it_is_kept(port: Port, monkeypatch: pytest.MonkeyPatch, after: float, looks: int) -> None:
    """For a minute, for who was told that it runs; whoever asks after that has it looked at anew."""
    ends, runs, verify = threading.Event(), list[str](), audit.verify

    def slow(connection: Any, tell: audit.Tell, noted: str) -> audit.Verified:
        runs.append(noted)
        assert ends.wait(PATIENCE)
        return verify(connection, tell, noted)

    monkeypatch.setattr(audit, "verify", slow)
    assert (await port.ask("/audit/verify?wait=0"))[0] == 202
    ends.set()
    await ended()
    port.clock.turn(after)
    status, found = await port.ask("/audit/verify?wait=30")
    assert (status, found["ok"], len(runs)) == (200, True, looks)
    assert (await port.ask("/audit/verify?wait=30"))[0] == 200
    assert len(runs) == looks + 1, "it was heard: the next one looks anew"


async def test_a_directory_that_is_away_is_said(port: Port) -> None:
    """503, in a sentence; the next one asks again."""
    port.forced("ALTER TABLE audit RENAME TO gone")
    for path in ("/audit", "/audit/export", "/audit/verify", "/audit/verify"):
        status, found = await port.ask(path)
        assert (status, "directory" in found["error"]) == (503, True)
    port.forced("ALTER TABLE gone RENAME TO audit")
    assert (await port.ask("/audit/verify"))[1]["ok"] is True


async def test_an_export_that_breaks_is_no_whole_one(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transfer ends without its end."""
    monkeypatch.setattr(audit_api, "PAGE", 10)
    following: Callable[..., Any] = audit_api._following

    def once(connection: Any, asked: Any, after: int) -> Any:
        if after:
            connection.execute(sql.text("SELECT * FROM nowhere"))
        return following(connection, asked, after)

    monkeypatch.setattr(audit_api, "_following", once)
    with pytest.raises(ClientError):
        await port.export()
