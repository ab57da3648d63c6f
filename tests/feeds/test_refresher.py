"""What is due is fetched, and a failure is said and tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.feeds.kinds import ListKind
from gateway.feeds.refresher import Refresher
from gateway.feeds.sources import FeedSet, FileSource, ListFeed
from gateway.feeds.update import Updated, World
from gateway.tasks import spawn
from gateway.testing import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1_795_000_000.0)


@pytest.fixture
def world(tmp_path: Path, clock: Clock) -> World:
    (tmp_path / "l.txt").write_text("AS1\n")
    return World(tmp_path, tmp_path / "data", clock)


def feeds(every: float = 600.0) -> FeedSet:
    return FeedSet(
        (),
        (
            ListFeed("l", ListKind.ASNS, source=FileSource("l.txt", every=every)),
            ListFeed("by_command", ListKind.ASNS, source=FileSource("no.txt")),
            ListFeed("own", ListKind.ASNS, items=("AS1",)),
        ),
    )


async def test_when_it_is_due(world: World, clock: Clock) -> None:
    """At once, and then every so often; what does not say `every` is not touched."""
    refresher = Refresher(feeds(), world)
    assert [one.what for one in await refresher.look()] == ["updated"]
    clock.turn(599)
    assert await refresher.look() == []
    assert refresher.pause() == 1.0
    clock.turn(1)
    assert [one.what for one in await refresher.look()] == ["unchanged"]
    assert refresher.pause() == 60.0


async def test_a_new_start_fetches_nothing_again(world: World, clock: Clock) -> None:
    """A gateway that starts often is no burden to a vendor."""
    await Refresher(feeds(), world).look()
    clock.turn(300)
    again = Refresher(feeds(), world)
    assert await again.look() == []
    clock.turn(300)
    assert len(await again.look()) == 1


async def test_a_failure(world: World, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Said aloud, tried again soon, and said when it is over."""
    refresher = Refresher(feeds(), world)
    (tmp_path / "l.txt").write_text("bad\n")
    with caplog.at_level(logging.INFO):
        await refresher.look()
        assert "list l was not refreshed from file l.txt" in caplog.text
        assert list(refresher.failing) == ["list l"]
        clock.turn(299)
        assert await refresher.look() == []
        (tmp_path / "l.txt").write_text("AS1\n")
        clock.turn(1)
        assert [one.what for one in await refresher.look()] == ["updated"]
        assert "list l is refreshed again" in caplog.text
    assert refresher.failing == {}


async def test_other_feeds_from_now_on(world: World, clock: Clock) -> None:
    """What stays keeps its time; what goes is forgotten, also as a failure; what changed is looked at afresh."""
    refresher = Refresher(feeds(), world)
    await refresher.look()
    refresher.replace(feeds())
    assert await refresher.look() == []
    refresher.replace(FeedSet((), (ListFeed("l", ListKind.ASNS, source=FileSource("no.txt", every=600.0)),)))
    assert [one.what for one in await refresher.look()] == ["failed"]
    refresher.replace(FeedSet())
    assert (await refresher.look(), refresher.failing, refresher.pause()) == ([], {}, 60.0)


@pytest.fixture
async def running(world: World) -> AsyncIterator[asyncio.Queue[Updated]]:
    told: asyncio.Queue[Updated] = asyncio.Queue()
    task = spawn(Refresher(feeds(), world, told.put_nowait).run(), name="refresher")
    yield told
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_runs(running: asyncio.Queue[Updated]) -> None:
    """By itself, and tells whoever wants to know."""
    assert (await asyncio.wait_for(running.get(), 10)).what == "updated"
