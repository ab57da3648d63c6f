"""A change is announced on a real Redis of each shape, and nothing that is wrong with it stops a write."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts import announce
from gateway.accounts.announce import CHANNEL, LISTED, Announcer
from gateway.accounts.sql.database import ALL, Change
from gateway.stores.redis.client import blocking, client
from gateway.testing import Clock
from tests import servers

needs_valkey = pytest.mark.skipif(bool(servers.missing("valkey")), reason=servers.missing("valkey"))
needs_redis = pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))


@asynccontextmanager
async def redis_of(shape: str) -> AsyncIterator[tuple[str, str]]:
    """Where to announce, and where to listen: in a Cluster at another node, behind a Sentinel at the master."""
    if shape == "cluster":
        async with servers.cluster() as nodes:
            yield servers.cluster_url(nodes), f"redis://127.0.0.1:{nodes[-1].port}"
    elif shape == "sentinel":
        async with servers.sentinel() as (url, master, _):
            yield url, f"redis://127.0.0.1:{master.port}"
    else:
        async with servers.server("valkey", port=0) as one:
            url = f"unix://{one.socket}" if shape == "unix" else f"redis://127.0.0.1:{one.port}/0"
            yield url, url


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param("unix", marks=needs_valkey),
        pytest.param("single", marks=needs_valkey),
        pytest.param("sentinel", marks=needs_redis),
        pytest.param("cluster", marks=needs_valkey),
    ],
)
async def test_a_change_is_heard(shape: str) -> None:
    """By who listens to the channel, whatever kind of Redis it is."""
    async with redis_of(shape) as (url, other):
        listener = client(other)
        announcer = Announcer(functools.partial(blocking, url), time.monotonic)
        async with listener.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(CHANNEL)
            await pubsub.get_message(timeout=1)
            announcer(Change(7, ("acme", ALL)))
            assert announcer.settle()
            heard: Any = None
            deadline = time.monotonic() + 2
            while heard is None and time.monotonic() < deadline:
                heard = await pubsub.get_message(timeout=0.1)
        announcer.close()
        await listener.aclose()

    assert announce.read(heard["data"]) == Change(7, ("acme", ALL))
    assert (announcer.told, announcer.untold) == (1, 0)


@needs_valkey
async def test_a_redis_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """Said once; for a while it is not tried again; then changes are announced as before."""
    caplog.set_level(logging.WARNING)
    clock = Clock()
    async with servers.server("valkey") as one:
        announcer = Announcer(functools.partial(blocking, f"unix://{one.socket}"), clock)
        said(announcer, 1)
        await one.stop()
        said(announcer, 2)
        clock.turn(2.1)
        said(announcer, 3)
        await one.start()
        said(announcer, 4)
        assert (announcer.told, announcer.untold) == (1, 3)
        clock.turn(2.1)
        announcer(Change(5, ("acme",)))
        # It says what waits before it goes.
        announcer.close()

    assert (announcer.told, announcer.untold) == (2, 3)
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "changes cannot be announced, workers notice them within a second",
        "changes are announced again",
    ]


def said(announcer: Announcer, version: int) -> None:
    """And waited for."""
    announcer(Change(version, ("acme",)))
    assert announcer.settle()


class Hanging:
    """A Redis that answers when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.heard: list[int] = []

    def publish(self, _: str, content: bytes) -> None:
        self.let.wait(10.0)
        change = announce.read(content)
        assert change is not None
        self.heard.append(change.version)

    def close(self) -> None:
        """Nothing is open."""


def test_nobody_waits_for_a_redis_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """Who writes goes on; what was written is said in its order; what is too much, or too late, is counted and said."""
    hanging = Hanging()
    announcer = Announcer(lambda: hanging, Clock(), waiting=3)
    announcer(Change(1, ("acme",)))
    assert not announcer.settle(0.05)
    for version in range(2, 9):
        announcer(Change(version, ("acme",)))
    assert not announcer.settle(0.01)
    dropped = announcer.untold
    assert dropped >= 4 and "wait to be said" in caplog.text
    hanging.let.set()
    assert announcer.settle()
    assert hanging.heard == list(range(1, 9 - dropped))
    announcer.close()
    announcer(Change(9, ("acme",)))
    assert (announcer.told, announcer.untold) == (8 - dropped, dropped + 1)


@pytest.mark.parametrize("url", ["http://example.com", "redis+cluster://127.0.0.1:1", "redis://127.0.0.1:1"])
def test_no_address_raises(url: str) -> None:
    """Whatever it comes to, the write is done, and its caller hears of that alone."""
    announcer = Announcer(functools.partial(blocking, url, timeout=0.1), Clock())
    announcer(Change(1, ("acme",)))
    announcer.close()

    assert announcer.untold == 1


def test_a_long_list_is_left_out() -> None:
    """A message stays small: from then on workers ask the database."""
    listed = tuple(f"a{number}" for number in range(LISTED))

    assert announce.read(announce.message(Change(3, listed))) == Change(3, listed)
    assert announce.read(announce.message(Change(3, (*listed, "one more")))) == Change(3, ())


values = st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3) | st.lists(st.text() | st.integers(0, 9))


@given(st.binary() | st.dictionaries(st.sampled_from(["version", "accounts", "x"]), values).map(orjson.dumps))
def test_what_others_say_breaks_nothing(content: bytes) -> None:
    """Read as a change, or as nothing."""
    change = announce.read(content)

    assert change is None or (type(change.version) is int and all(type(one) is str for one in change.accounts))
