"""The address for providers stands in the open: bounded, silent about what came, and true to its word."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest
from aiohttp import web

from gateway.accounts.sql.database import Database
from gateway.control import hooks
from gateway.control.hooks import Hooks
from gateway.testing import Clock
from gateway.verification import inbox
from gateway.verification.inbox import Inbox, Shown
from gateway.verification.provider import Event, Rejected
from tests import schema
from tests.verification.fakes import PROVIDER, FakeProvider

GOOD = {"x-signature": "good"}
NEWS = {"id": "evt_1", "kind": "session.approved", "state": "approved", "reference": "ses_1", "at": 100}


class Place(NamedTuple):
    """A server with the hooks of one provider."""

    client: aiohttp.ClientSession
    hooks: Hooks
    provider: FakeProvider
    database: Database

    def letters(self) -> list[Shown]:
        return self.database.read(inbox.letters)


@contextlib.asynccontextmanager
async def _serving(hook: Hooks) -> AsyncIterator[aiohttp.ClientSession]:
    app = web.Application()
    hooks.add_to(app, hook)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = site._server.sockets[0].getsockname()  # type: ignore[union-attr]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{address[1]}") as client:
        yield client
    await runner.cleanup()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    database = Database(f"sqlite:///{tmp_path}/directory.db", Clock())
    schema.lay(database)
    provider = FakeProvider()
    hook = Hooks({PROVIDER: provider}, Inbox(database, database.now), database.now)
    async with _serving(hook) as client:
        yield Place(client, hook, provider, database)
    database.close()


async def _post(place: Place, name: str = PROVIDER, **named: Any) -> tuple[int, dict[str, Any]]:
    async with place.client.post(f"/tidegate/hooks/{name}", **named) as answer:
        return answer.status, orjson.loads(await answer.read())


async def test_news_is_stored_before_it_is_acknowledged(place: Place) -> None:
    """Once, and without its content."""
    for _ in range(2):
        assert await _post(place, data=orjson.dumps(NEWS | {"name": "Ann Onymous"}), headers=GOOD) == (
            200,
            {"received": True},
        )

    [letter] = place.letters()
    assert (letter.event, letter.state, letter.reference, letter.stated) == ("evt_1", "approved", "ses_1", 100.0)
    assert place.hooks.counts == {(PROVIDER, "stored"): 1, (PROVIDER, "known"): 1}


async def _garbage() -> AsyncIterator[bytes]:
    for _ in range(40):
        yield b"x" * 64 * 1024


@pytest.mark.parametrize(
    ("name", "sent", "status", "word"),
    [
        (PROVIDER, {"data": b"{}"}, 400, "wrong_signature"),
        (PROVIDER, {"data": b"not json", "headers": GOOD}, 400, "malformed_content"),
        (PROVIDER, {"data": io.BytesIO(b"x" * (hooks.LARGEST + 1)), "headers": GOOD}, 413, "content_too_large"),
        (PROVIDER, {"data": b"{}", "headers": GOOD | {"content-encoding": "gzip"}}, 415, "encoded_content"),
        (PROVIDER, {"data": b"[]", "headers": GOOD}, 500, "broken"),
        ("manual", {"data": b"{}"}, 404, "there is no such provider"),
    ],
    ids=["unsigned", "unreadable", "large", "encoded", "broken-adapter", "unknown"],
)
async def test_what_is_not_taken_has_a_word(
    place: Place, name: str, sent: dict[str, Any], status: int, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A stable one, and nothing of what came is said back or logged."""
    with caplog.at_level(logging.INFO):
        assert await _post(place, name, **sent) == (status, {"error": word})

    assert "not json" not in caplog.text
    assert "Error: " not in caplog.text


async def test_chunks_without_a_length_are_bounded_as_well(place: Place) -> None:
    """It is read no further than the bound."""
    assert (await _post(place, data=_garbage(), headers=GOOD))[0] == 413
    assert place.hooks._held == 0


async def test_what_is_signed_and_not_understood_is_a_dead_letter(place: Place) -> None:
    """With its hash alone, once."""
    for _ in range(2):
        await _post(place, data=b"not json", headers=GOOD)

    assert [(letter.outcome, letter.kind) for letter in place.letters()] == [("malformed_content", "")]


async def test_other_methods(place: Place) -> None:
    """Only POST."""
    async with place.client.get(f"/tidegate/hooks/{PROVIDER}") as answer:
        assert answer.status == 405


async def test_without_its_database_the_provider_has_to_come_again(place: Place) -> None:
    """503, never 200."""
    place.database.close()

    assert await _post(place, data=orjson.dumps(NEWS), headers=GOOD) == (503, {"error": "not_stored"})


async def test_too_many_at_once_come_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded, and it recovers."""
    monkeypatch.setattr(hooks, "QUEUED", 2)
    waits = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await waits.wait()
        yield orjson.dumps(NEWS)[1:]

    slow = [asyncio.ensure_future(_post(place, data=slowly(), headers=GOOD)) for _ in range(2)]
    while place.hooks._under_way < 2:
        await asyncio.sleep(0.01)

    assert (await _post(place, data=orjson.dumps(NEWS), headers=GOOD))[0] == 503
    waits.set()
    assert [answer[0] for answer in await asyncio.gather(*slow)] == [200, 200]
    assert (await _post(place, data=orjson.dumps(NEWS), headers=GOOD))[0] == 200


async def test_large_contents_share_a_budget(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who need more than everybody may have; small ones pass meanwhile."""
    monkeypatch.setattr(hooks, "BUDGET", 100_000)
    waits = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b" " * 120_000
        await waits.wait()

    slow = asyncio.ensure_future(_post(place, data=slowly(), headers=GOOD))
    while not place.hooks._held:
        await asyncio.sleep(0.01)
    assert (await _post(place, data=b" " * 200_000, headers=GOOD))[0] == 503
    assert (await _post(place, data=orjson.dumps(NEWS), headers=GOOD))[0] == 200
    waits.set()
    await slow
    assert place.hooks._held == 0


async def test_who_is_slow_is_let_go(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content has to come in time."""
    monkeypatch.setattr(hooks, "WITHIN", 0.05)
    waits = asyncio.Event()

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await waits.wait()

    status, said = await _post(place, data=never(), headers=GOOD)
    waits.set()
    assert (status, said) == (408, {"error": "too_slow"})


async def test_who_leaves_in_the_middle_is_no_fault_of_ours(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """No traceback, and nothing is stored."""
    url = place.client._base_url
    assert url is not None and url.host and url.port
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /tidegate/hooks/checks HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    while not place.hooks._under_way:
        await asyncio.sleep(0.01)
    writer.close()
    await writer.wait_closed()
    while place.hooks._under_way:
        await asyncio.sleep(0.01)

    assert place.letters() == []
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_flood_of_forgeries_is_one_line(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Each is counted; the log says it now and then."""
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            await _post(place, data=b"{}")

    assert place.hooks.counts[PROVIDER, "wrong_signature"] == 20
    assert len([record for record in caplog.records if "wrong_signature" in record.getMessage()]) == 1


async def test_field_names_are_lower_case_and_bytes_as_they_came(place: Place) -> None:
    """What an adapter checks is what was sent."""
    seen: list[tuple[str, bytes]] = []

    def read(fields: Any, body: bytes, now: float) -> Event:
        seen.append((fields["x-signature"], body))
        raise Rejected("too_old")

    place.provider.read = read  # type: ignore[method-assign]
    assert await _post(place, data=b' {"a":\t1} ', headers={"X-SIGNATURE": "v1=ab"}) == (400, {"error": "too_old"})
    assert seen == [("v1=ab", b' {"a":\t1} ')]
