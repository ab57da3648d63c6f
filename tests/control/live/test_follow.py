"""Decisions, live: merged, filtered on the server, bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.control.live import feed
from gateway.control.live.api import LiveApi
from gateway.control.live.busy import Busy
from gateway.control.live.feed import Feeds, Inbox
from gateway.control.live.follow import Follow
from gateway.control.live.lines import Lines
from gateway.control.live.overview import Overview
from gateway.control.live.rows import Filter
from tests.control.live.conftest import MakeCrew, port, until
from tests.history.logs import NOON, event, refused


def api_of(lines: Lines, feeds: Feeds | None = None) -> LiveApi:
    busy = Busy()
    overview = Overview(lines, time.time, time.monotonic, busy)
    return LiveApi(overview, Follow(lines), feeds or Feeds(time.monotonic), busy, time.time)


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Any]]:
    """(name, data) as a browser reads them."""
    name = ""
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, orjson.loads(line.removeprefix("data: "))


async def test_who_follows_sees_what_was_and_what_comes(crew: MakeCrew) -> None:
    """At first the last rows of all workers by time, then what ends, within a fraction of a second."""
    async with crew(2) as (workers, lines), port(api_of(lines).operations()) as base, aiohttp.ClientSession() as http:
        workers.workers[0].recent.note(event(exchange="a", time=NOON + 1))
        workers.workers[1].recent.note(event(exchange="b", time=NOON))
        async with http.get(f"{base}/live/decisions") as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            stream = events(answer)
            name, rows = await anext(stream)
            assert (name, [row["exchange"] for row in rows]) == ("decisions", ["b", "a"])
            assert workers.workers[0].recent.followed
            workers.workers[1].recent.note(refused("geo", "country_not_allowed", exchange="c", time=NOON + 2))
            began = time.monotonic()
            _, rows = await anext(stream)
            assert [(row["exchange"], row["reason"], row["worker"]) for row in rows] == [
                ("c", "country_not_allowed", "worker-1")
            ]
            assert time.monotonic() - began < 1.0


async def test_the_server_filters(crew: MakeCrew) -> None:
    """Who asks for refusals of one account is sent nothing else."""
    async with crew(1) as (workers, lines), port(api_of(lines).operations()) as base, aiohttp.ClientSession() as http:
        ring = workers.workers[0].recent
        ring.note(event(exchange="passed"))
        ring.note(refused("geo", "country_not_allowed", exchange="wanted"))
        ring.note(refused("geo", "country_not_allowed", exchange="another's", account="other"))
        async with http.get(f"{base}/live/decisions?account=acme&action=refused") as answer:
            _, rows = await anext(events(answer))
            assert [row["exchange"] for row in rows] == ["wanted"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param("acount=x", "acount", id="a misspelled filter must not mean everything"),
        pytest.param("country=no", "country", id="a country in small letters"),
        pytest.param("status=99", "status", id="no status"),
        pytest.param("action=maybe", "action", id="no action"),
    ],
)
async def test_what_cannot_be_meant_is_said(crew: MakeCrew, query: str, field: str) -> None:
    """422, with the field's name."""
    async with (
        crew(0) as (_, lines),
        port(api_of(lines).operations()) as base,
        aiohttp.ClientSession() as http,
        http.get(f"{base}/live/decisions?{query}") as answer,
    ):
        assert answer.status == 422
        assert field in (await answer.json())["fields"]


async def test_a_worker_that_starts_again_is_followed_from_its_first(crew: MakeCrew) -> None:
    """Its numbers begin anew, and nothing of it is missed."""
    async with crew(1) as (workers, lines):
        follow = Follow(lines)
        for number in range(5):
            workers.workers[0].recent.note(event(exchange=f"old-{number}"))
        with follow.follow(Filter()) as inbox:
            await until(lambda: len(inbox.waiting) == 5)
            inbox.take()
            await workers.end(0)
            (await workers.start(0)).recent.note(event(exchange="new"))
            await until(lambda: bool(inbox.waiting))
            rows, skipped = inbox.take()
            assert [orjson.loads(row)["exchange"] for row in rows] == ["new"]
            assert skipped == 0


async def test_nobody_is_asked_when_nobody_follows(crew: MakeCrew) -> None:
    """The last follower's leaving ends the asking."""
    async with crew(1) as (workers, lines):
        follow = Follow(lines)
        workers.workers[0].recent.note(event())
        with follow.follow(Filter()) as inbox:
            await until(lambda: bool(inbox.waiting))
        task = follow._task
        assert task is not None
        await until(task.done)


async def test_what_a_ring_has_lost_is_said(crew: MakeCrew) -> None:
    """More than a look can bring is skipped, and counted."""
    async with crew(1) as (workers, lines):
        follow = Follow(lines)
        ring = workers.workers[0].recent
        ring.note(event())
        with follow.follow(Filter()) as inbox:
            await until(lambda: bool(inbox.waiting))
            inbox.take()
            for number in range(5000):
                ring.note(event(exchange=str(number)))
            await until(lambda: bool(inbox.waiting))
            rows, skipped = inbox.take()
            assert orjson.loads(rows[-1])["exchange"] == "4999"
            assert len(rows) + skipped == 5000


def test_an_inbox_keeps_the_newest() -> None:
    """The oldest give way, and are counted."""
    inbox = Inbox(3)
    inbox.put([b"1", b"2"])
    inbox.put([b"3", b"4", b"5"], skipped=2)
    assert inbox.take() == ([b"3", b"4", b"5"], 4)
    assert inbox.take() == ([], 0)


async def test_feeds_are_bounded(crew: MakeCrew) -> None:
    """One too many is told so in words, and a feed that ends makes room."""
    feeds = Feeds(time.monotonic, most=1)
    async with (
        crew(1) as (workers, lines),
        port(api_of(lines, feeds).operations()) as base,
        aiohttp.ClientSession() as http,
    ):
        workers.workers[0].recent.note(event())
        async with http.get(f"{base}/live/decisions") as first:
            await anext(events(first))
            async with http.get(f"{base}/live/overview") as second:
                assert second.status == 503
                assert "close one" in (await second.json())["error"]
        await until(lambda: feeds.open == 0)


async def test_who_may_no_longer_is_told_and_cut_off(crew: MakeCrew, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is revoked ends its feeds within seconds."""
    monkeypatch.setattr(feed, "STILL", 0.05)
    monkeypatch.setattr(feed, "LOOK", 0.02)
    may = [True]

    async def still(_: object) -> bool:
        return may[0]

    async with (
        crew(1) as (workers, lines),
        port(api_of(lines, Feeds(time.monotonic, still)).operations()) as base,
        aiohttp.ClientSession() as http,
    ):
        workers.workers[0].recent.note(event())
        async with http.get(f"{base}/live/decisions") as answer:
            stream = events(answer)
            await anext(stream)
            may[0] = False
            assert (await anext(stream))[0] == "end"
            with pytest.raises(StopAsyncIteration):
                await anext(stream)


async def test_a_slow_reader_is_cut_off(crew: MakeCrew, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads nothing costs a bounded buffer for a bounded time; a quick one beside it misses nothing."""
    monkeypatch.setattr(feed, "PATIENCE", 0.2)
    feeds = Feeds(time.monotonic)
    async with crew(1) as (workers, lines), port(api_of(lines, feeds).operations()) as base:
        ring = workers.workers[0].recent
        ring.note(event())
        host, _, number = base.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(number), limit=1024)
        writer.write(b"GET /live/decisions HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: feeds.open == 1)

        async def flood() -> None:
            while not feeds.cut:
                for _ in range(400):
                    ring.note(event(path="/" + "x" * 250))
                await asyncio.sleep(0.02)

        async with asyncio.timeout(20):
            await flood()
        await until(lambda: feeds.open == 0)
        writer.transport.abort()


async def test_a_silent_feed_says_that_it_lives(crew: MakeCrew, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment now and then, so that proxies do not give it up; and it ends when the server closes."""
    monkeypatch.setattr(feed, "HEARTBEAT", 0.05)
    monkeypatch.setattr(feed, "LOOK", 0.02)
    feeds = Feeds(time.monotonic)
    async with (
        crew(0) as (_, lines),
        port(api_of(lines, feeds).operations()) as base,
        aiohttp.ClientSession() as http,
        http.get(f"{base}/live/decisions") as answer,
    ):
        assert await answer.content.readline() == b": alive\n"
        feeds.close()
        await answer.content.read()
        await until(lambda: feeds.open == 0)
