"""Questions put together: one batch at a time, nobody left waiting, an outage said once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

import pytest
from sqlalchemy.exc import OperationalError

from gateway.accounts.directory import DirectoryUnavailable
from gateway.accounts.loader import Loader
from gateway.accounts.outage import Outage
from gateway.tasks import spawn

PAUSE = 0.3
"""Seconds after a failure: more than a busy machine keeps anybody waiting between two lines."""

log = logging.getLogger("test.loader")


class World:
    """A database that answers when it is told to: with the name in capitals and the number of the batch."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, ...]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.broken: Exception | None = None
        self.at_once = 0
        self.most_at_once = 0

    async def read(self, names: tuple[str, ...]) -> Mapping[str, str]:
        self.batches.append(names)
        number = len(self.batches)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            await self.answering.wait()
            if self.broken is not None:
                raise self.broken
            return {name: f"{name.upper()} {number}" for name in names}
        finally:
            self.at_once -= 1

    def loader(self, **options: float) -> Loader[str, str]:
        return Loader(self.read, Outage(log, "lost", "back"), **options)  # type: ignore[arg-type]


@pytest.fixture
async def world() -> World:
    return World()


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def away() -> OperationalError:
    return OperationalError("SELECT secrets", {"name": "acme"}, Exception("the server is gone"))


def ask(loader: Loader[str, str], names: Iterable[str]) -> asyncio.Task[list[str | BaseException]]:
    """All at once; an error is an answer."""

    async def gather() -> list[str | BaseException]:
        return await asyncio.gather(*(loader.load(name) for name in names), return_exceptions=True)

    return spawn(gather(), "ask")


async def test_a_storm_for_one_name_is_one_question(world: World) -> None:
    """A thousand at once: one batch, of one name, and the same answer for all."""
    assert set(await ask(world.loader(), ["acme"] * 1000)) == {"ACME 1"}
    assert world.batches == [("acme",)]


async def test_the_next_batch_gathers(world: World) -> None:
    """Whoever comes while one is under way goes with all others into the next, in batches of their bounded size."""
    loader = world.loader(batch=3)
    world.answering.clear()
    first = ask(loader, ["a"])
    await turn()
    rest = ask(loader, ("b", "c", "a", "d", "b", "e"))
    await turn()
    world.answering.set()

    assert await first == ["A 1"]
    assert await rest == ["B 2", "C 2", "A 1", "D 2", "B 2", "E 3"]
    assert world.batches == [("a",), ("b", "c", "d"), ("e",)]
    assert world.most_at_once == 1
    assert (loader.batches, loader.loaded) == (3, 5)


async def test_after_a_change_nobody_joins_an_older_question(world: World) -> None:
    """Who asked before gets what was read; who asks after it gets what is read after it."""
    loader = world.loader()
    world.answering.clear()
    before = ask(loader, ["a"])
    await turn()
    loader.part()
    after = ask(loader, ["a"])
    await turn()
    world.answering.set()

    assert (await before, await after) == (["A 1"], ["A 2"])


async def test_a_database_that_hangs(world: World) -> None:
    """The first wait their deadline; then nobody waits, for it or behind it; and it comes back by itself."""
    loader = world.loader(deadline=0.05)
    world.answering.clear()
    with pytest.raises(DirectoryUnavailable, match="within"):
        await loader.load("a")
    for name in ("a", "b"):
        with pytest.raises(DirectoryUnavailable, match="does not answer"):
            await asyncio.wait_for(loader.load(name), 0.02)

    world.answering.set()
    await turn()

    assert await loader.load("b") == "B 2"


async def test_too_many_wait(world: World) -> None:
    """Beyond the bound the answer is no, at once; who waits already is not put off."""
    loader = world.loader(waiting=2)
    world.answering.clear()
    waiting = ask(loader, ("a", "b"))
    await turn()
    more = ask(loader, ("c", "d"))
    await turn()
    with pytest.raises(DirectoryUnavailable, match="too many"):
        await loader.load("e")
    world.answering.set()

    assert await waiting == ["A 1", "B 1"]
    assert await more == ["C 2", "D 2"]


async def test_an_outage_is_said_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """All that wait are told, the next for a moment without asking; neither names nor statements come into the log."""
    caplog.set_level(logging.WARNING)
    loader = world.loader(pause=PAUSE)
    world.broken = away()
    for _ in range(3):
        results = await ask(loader, "abc")
        assert all(isinstance(result, DirectoryUnavailable) for result in results)
    assert len(world.batches) == 1
    await asyncio.sleep(1.1 * PAUSE)
    with pytest.raises(DirectoryUnavailable, match="the server is gone"):
        await loader.load("a")
    assert len(world.batches) == 2
    await asyncio.sleep(1.1 * PAUSE)
    world.broken = None

    assert await loader.load("a") == "A 3"
    assert [record.message for record in caplog.records] == ["lost: the server is gone", "back"]


async def test_a_lookup_that_breaks_leaves_nobody_waiting(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake of ours is told with its traceback, once; its callers are told that nobody can say."""
    loader = world.loader()
    world.broken = KeyError("ours")
    results = await ask(loader, "ab")

    assert [str(result) for result in results] == ["the lookup broke"] * 2
    assert "Traceback" in caplog.text
    world.broken = None
    assert await loader.load("c") == "C 2"


async def test_a_caller_that_goes_takes_nobody_along(world: World) -> None:
    """Its connection was closed: those who wait for the same name get their answer."""
    loader = world.loader()
    world.answering.clear()
    gone, stays = (asyncio.ensure_future(loader.load("a")) for _ in range(2))
    await turn()
    gone.cancel()
    await turn()
    world.answering.set()

    assert await stays == "A 1"
    assert gone.cancelled()


async def test_close_answers_everybody(world: World) -> None:
    """What is under way and what waits behind it; and nothing is left running."""
    loader = world.loader()
    world.answering.clear()
    waiting = ask(loader, "ab")
    await turn()
    later = ask(loader, ["c"])
    await turn()

    await loader.close()

    assert all(isinstance(result, DirectoryUnavailable) for result in await waiting + await later)
