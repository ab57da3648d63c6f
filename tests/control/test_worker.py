"""Supervisor and workers over real sockets: what is told is heard, and who is not there is known not to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.control import fleet as module
from gateway.control.fleet import Answer, Fleet, Said
from gateway.control.worker import Door, serve
from gateway.rules.whole import Whole

WHOLE = Whole(Path("/wholes/2-b"), 2, "b", "b", 0.0, ())


@dataclass
class Rules:
    """As InForce, without chains."""

    version: tuple[int, str] = (1, "a")
    problems: list[str] = field(default_factory=list)
    prepared: tuple[int, str] | None = None
    hangs: asyncio.Event | None = None

    async def prepare(self, folder: Path, version: tuple[int, str]) -> list[str]:
        if self.hangs is not None:
            await self.hangs.wait()
        if not self.problems:
            assert folder == WHOLE.folder
            self.prepared = version
        return self.problems

    def commit(self, version: tuple[int, str]) -> bool:
        if self.prepared != version:
            return False
        self.version = version
        return True

    def discard(self) -> None:
        self.prepared = None


@dataclass
class Served:
    """Two workers' doors, and the fleet that knocks."""

    rules: list[Rules]
    doors: list[Door]
    fleet: Fleet


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    rules = [Rules(), Rules()]
    doors = [Door(lambda: {"connections": 1}, one) for one in rules]
    paths = [tmp_path / f"worker-{index}.sock" for index in range(2)]
    runners: list[web.AppRunner] = []
    for path, door in zip(paths, doors, strict=True):
        door.serves = True
        runners.append(await serve(path, door))
    yield Served(rules, doors, Fleet(lambda: paths, lambda: 0))
    for runner in runners:
        await runner.cleanup()


def said(answers: list[Answer]) -> list[Said]:
    return [answer.said for answer in answers]


async def test_a_change_in_two_phases(served: Served) -> None:
    """Both are told both."""
    assert said(await served.fleet.prepare(WHOLE)) == [Said.DONE, Said.DONE]
    assert await served.fleet.versions() == {"worker-0": (1, "a"), "worker-1": (1, "a")}
    assert said(await served.fleet.commit(WHOLE)) == [Said.DONE, Said.DONE]
    assert await served.fleet.versions() == {"worker-0": (2, "b"), "worker-1": (2, "b")}


async def test_what_one_cannot_load_is_told_in_its_words(served: Served) -> None:
    """And after a discard there is nothing to commit."""
    served.rules[1].problems = ["chain.yaml:1:1: is wrong"]
    answers = await served.fleet.prepare(WHOLE)
    assert answers[1] == Answer("worker-1", Said.REFUSED, ("chain.yaml:1:1: is wrong",))
    assert said(await served.fleet.discard(WHOLE)) == [Said.DONE, Said.DONE]
    assert said(await served.fleet.commit(WHOLE)) == [Said.REFUSED, Said.REFUSED]


async def test_only_one_is_told(served: Served) -> None:
    """Who catches up."""
    assert [answer.worker for answer in await served.fleet.prepare(WHOLE, only="worker-1")] == ["worker-1"]
    assert served.rules[0].prepared is None


async def test_one_that_starts_is_absent(served: Served) -> None:
    """Its door is there before it serves: it neither takes part, nor stands in the way."""
    served.doors[0].serves = False
    assert said(await served.fleet.prepare(WHOLE)) == [Said.ABSENT, Said.DONE]
    assert list(await served.fleet.versions()) == ["worker-1"] and len(await served.fleet.snapshots()) == 1


async def test_one_that_is_dead_is_absent(served: Served, tmp_path: Path) -> None:
    """No socket, or one that nobody listens to."""
    fleet = Fleet(lambda: [tmp_path / "gone.sock", *served.fleet.sockets()], lambda: 0)
    assert said(await fleet.prepare(WHOLE)) == [Said.ABSENT, Said.DONE, Said.DONE]


async def test_one_that_hangs_is_silent(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is something else than absent: it serves, by rules that it does not change."""
    monkeypatch.setattr(module, "LOAD_WITHIN", 0.1)
    served.rules[0].hangs = asyncio.Event()
    assert said(await served.fleet.prepare(WHOLE)) == [Said.SILENT, Said.DONE]
    served.rules[0].hangs.set()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"folder": "/x"}', b'{"folder": 1, "generation": "x"}'])
async def test_nonsense_is_refused(served: Served, content: bytes) -> None:
    """Nobody but the supervisor opens the socket; still it breaks nothing."""
    connector = aiohttp.UnixConnector(str(served.fleet.sockets()[0]))
    async with aiohttp.ClientSession(connector=connector) as http:
        for path in ("prepare", "commit"):
            async with http.post(f"http://worker/ruleset/{path}", data=content) as answer:
                assert answer.status == 400
    assert served.rules[0].version == (1, "a")


async def test_only_its_user_opens_the_socket(served: Served) -> None:
    """Whoever may write there changes the rules."""
    assert [path.stat().st_mode & 0o077 for path in served.fleet.sockets()] == [0, 0]


async def test_one_that_ends_while_it_loads_counts_as_one_that_cannot(tmp_path: Path) -> None:
    """It may have died of what it was to load: then all the others would, too, one after another."""

    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    path = tmp_path / "worker-0.sock"
    server = await asyncio.start_unix_server(dies, str(path))
    fleet = Fleet(lambda: [path], lambda: 0)
    answers = await fleet.prepare(WHOLE)
    assert said(answers) == [Said.SILENT] and answers[0].problems == ("it ended, or closed, before it answered",)
    server.close()
    await server.wait_closed()
    path.unlink(missing_ok=True)
    assert said(await fleet.prepare(WHOLE)) == [Said.ABSENT]


async def test_one_that_hangs_is_not_waited_for_as_long_as_for_one_that_loads(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does not even say what it serves by is told nothing, and the others are asked meanwhile."""
    monkeypatch.setattr(module, "ANSWER_WITHIN", 0.5)
    hangs = asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        await hangs.wait()
        return web.Response()

    served.doors[1]._version = wait  # type: ignore[method-assign]
    path = served.fleet.sockets()[1]
    await asyncio.to_thread(path.unlink)
    runner = await serve(path, served.doors[1])
    async with asyncio.timeout(10.0):
        assert said(await served.fleet.prepare(WHOLE)) == [Said.DONE, Said.SILENT]
    assert served.rules[1].prepared is None
    hangs.set()
    await runner.cleanup()
