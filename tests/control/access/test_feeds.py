"""A feed is one request that may last for hours: it ends soon after its reader may no longer read it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, web

from gateway.accounts.sql import operators
from gateway.control.access import routes
from gateway.control.access.roles import Permission, Role
from gateway.control.access.routes import FEED
from gateway.control.operations import Operation
from tests.control.access.world import Port, opened

ENDED: list[str] = []


async def feed(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": FEED})
    await answer.prepare(request)
    try:
        while True:
            await answer.write(b"data: {}\n\n")
            await asyncio.sleep(0.01)
    finally:
        ENDED.append(request.path)


def feeds() -> list[Operation]:
    return [Operation("GET", "/live/people", feed, Permission.PEOPLE, "People, live.", media=FEED)]


@pytest.fixture
async def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    monkeypatch.setattr(routes, "LOOKED_AGAIN", 0.05)
    ENDED.clear()
    async with opened(tmp_path, more=feeds) as made:
        yield made


def change(port: Port, named: str, how: str) -> None:
    """As another gateway of the same directory would; what was said a moment ago is believed for a second."""
    if how == "another role":
        port.database.write("test", lambda writing: operators.change_role(writing, named, "viewer", "test"))
    elif how == "revoked":
        port.database.write("test", lambda writing: operators.revoke(writing, named, "test"))
    else:
        port.clock[0] += 3601
    port.clock[0] += 1.1


@pytest.mark.parametrize("by", ["token", "session"])
@pytest.mark.parametrize("how", ["revoked", "another role", "over"])
async def test_who_may_no_longer_read_it_reads_no_more(port: Port, how: str, by: str) -> None:
    """It breaks off, as what is not whole, and its handler ends; before that it runs on."""
    token = port.token(Role.OPERATOR, lasts=3600)
    fields = {"Authorization": f"Bearer {token}"}
    if by == "session":
        fields = {"Cookie": (await port.sign_in(token)).cookie}
    async with port.http.get("/live/people", headers=fields) as answer:
        assert answer.status == 200
        for _ in range(20):  # For longer than it takes to look again.
            assert await answer.content.readuntil(b"\n\n") == b"data: {}\n\n"
        assert ENDED == []
        change(port, token.split("_")[1], how)
        with pytest.raises(ClientPayloadError):
            async with asyncio.timeout(5):
                await answer.content.read()
    assert ENDED == ["/live/people"]


async def test_who_signs_out_reads_no_more(port: Port) -> None:
    """In whichever window."""
    browser = await port.sign_in()
    async with port.http.get("/live/people", headers={"Cookie": browser.cookie}) as answer:
        assert answer.status == 200
        assert (await browser.ask("DELETE", "/session"))[0] == 200
        with pytest.raises(ClientPayloadError):
            async with asyncio.timeout(5):
                await answer.content.read()
    assert ENDED == ["/live/people"]
