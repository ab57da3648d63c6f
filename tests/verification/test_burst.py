"""A burst over HTTP while the process is killed again and again: what was acknowledged is there, once, and has its
effect, once. `TIDEGATE_BURST=10000` makes it a large one.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import sqlalchemy as sql

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database, Writing
from gateway.stores.embedded import free_port
from gateway.verification import inbox
from gateway.verification.inbox import Which
from tests.verification.fakes import KINDS, PROVIDER

BURST: Final = int(os.environ.get("TIDEGATE_BURST", "500"))
STEPS: Final = (("created", 10), ("submitted", 50), ("approved", 100), ("approved", 100), ("expired", 200))
SENDERS: Final = 64
KILLS: Final = 2
ROOT: Final = Path(__file__).parents[2]


def _place_sessions(writing: Writing) -> None:
    """One a fifth of the burst."""
    numbers = range(BURST // len(STEPS))
    writing.connection.execute(tables.accounts.insert(), [{"id": f"a{n}", "created": 1.0} for n in numbers])
    row = {"provider": PROVIDER, "kinds": orjson.dumps(KINDS).decode(), "state": "created", "created": 1, "updated": 1}
    rows = [row | {"id": f"v{n}", "account": f"a{n}", "reference": f"s{n}"} for n in numbers]
    writing.connection.execute(tables.verifications.insert(), rows)


def _news() -> Iterator[dict[str, Any]]:
    for session in range(BURST // len(STEPS)):
        for number, (state, at) in enumerate(STEPS):
            yield {"id": f"{session}-{number}", "kind": state, "state": state, "reference": f"s{session}", "at": at}


class Burst:
    """Sends everything, and again what was not acknowledged, as providers do."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.todo = list(_news())
        random.Random(7).shuffle(self.todo)
        self.sent = len(self.todo)
        self.acknowledged: set[str] = set()
        self.failed = 0

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=SENDERS)
        async with aiohttp.ClientSession(connector=connector) as client:
            await asyncio.gather(*(self._send(client) for _ in range(SENDERS)))

    async def _send(self, client: aiohttp.ClientSession) -> None:
        url = f"http://127.0.0.1:{self.port}/tidegate/hooks/{PROVIDER}"
        while self.todo:
            news = self.todo.pop()
            try:
                async with client.post(url, data=orjson.dumps(news), headers={"x-signature": "good"}) as answer:
                    if answer.status == 200 and await answer.json() == {"received": True}:
                        self.acknowledged.add(news["id"])
                        continue
            except (aiohttp.ClientError, OSError):
                pass
            self.failed += 1
            self.todo.insert(0, news)
            await asyncio.sleep(0.05)


async def _office(url: str, port: int) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.verification.office", url, str(port),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_a_burst_while_the_process_is_killed(database: Database, url: str) -> None:
    """None lost, none doubled."""
    database.write("test", _place_sessions)
    burst = Burst(free_port())
    office = await _office(url, burst.port)
    sending = asyncio.ensure_future(burst.run())
    try:
        for kill in range(1, KILLS + 1):
            while len(burst.acknowledged) < burst.sent * kill // (KILLS + 1):
                await asyncio.sleep(0.002)
            office.kill()
            await office.wait()
            there = set(database.read(lambda c: [letter.event for letter in inbox.letters(c, most=burst.sent)]))
            assert burst.acknowledged <= there
            office = await _office(url, burst.port)
        await sending
        while database.read(inbox.counts)["waiting"]:
            await asyncio.sleep(0.05)
    finally:
        sending.cancel()
        if office.returncode is None:
            office.terminate()
            await office.wait()

    letters = database.read(lambda connection: inbox.letters(connection, Which.DONE, burst.sent + 1))
    assert burst.failed > 0
    assert sorted(letter.event for letter in letters) == sorted(burst.acknowledged)
    assert len(letters) == burst.sent
    sessions = burst.sent // len(STEPS)
    evidence, audit = tables.evidence, tables.audit
    given = sql.select(evidence.c.account, evidence.c.kind)
    rows = database.read(lambda connection: [tuple(row) for row in connection.execute(given)])
    assert sorted(rows) == sorted((f"a{n}", kind) for n in range(sessions) for kind in KINDS)
    states = sql.select(tables.verifications.c.state, sql.func.count()).group_by(tables.verifications.c.state)
    assert database.read(lambda c: [tuple(row) for row in c.execute(states)]) == [("approved", sessions)]
    lines = sql.select(sql.func.count()).select_from(audit).where(audit.c.did == "evidence.add")
    assert database.read(lambda connection: connection.execute(lines).scalar_one()) == 2 * sessions
