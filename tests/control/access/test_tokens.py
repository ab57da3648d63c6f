"""Who bears a token: what holds, for how long, and what happens while the directory is away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gateway.accounts.sql import operators, tables
from gateway.control.access.roles import Role
from gateway.control.access.tokens import WITHOUT
from tests.control.access.world import ADMIN, SECRETS, Port, opened


async def test_a_token_is_its_role(port: Port) -> None:
    """And stands in the audit by its name."""
    assert await port.ask("GET", "/look", port.token(Role.VIEWER)) == (200, {"who": "token:a-viewer"})
    assert await port.ask("GET", "/look", ADMIN) == (200, {"who": "admin_token"})
    assert await port.ask("GET", "/look", ADMIN, X_Tidegate_Actor="jo") == (200, {"who": "admin_token:jo"})


async def test_a_refusal_says_who_may(port: Port) -> None:
    """403 with the role, what it needs, and those who have it."""
    status, said = await port.ask("POST", "/tune", port.token(Role.VIEWER), {"reason": "x"})
    assert (status, said["needs"], said["roles"]) == (403, "tune", ["operator", "admin"])
    assert said["error"] == "the role viewer may not do this: operator or admin may"
    assert port.done == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda token: "", id="nothing"),
        pytest.param(lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"), id="checksum"),
        pytest.param(lambda token: operators.mint().token, id="of nobody"),
        pytest.param(lambda token: token[:15] + operators.mint().token[15:], id="another secret"),
        pytest.param(lambda token: token + " ", id="a space more"),
        pytest.param(lambda token: token * 40, id="long"),
        pytest.param(lambda token: "tgo_" + "é" * 20, id="no ASCII"),
    ],
)
async def test_what_is_not_the_token_is_none(port: Port, change: Any) -> None:
    """401 with what to send."""
    token = port.token(Role.ADMIN)
    wrong = change(token)
    async with port.http.get("/look", headers={"Authorization": f"Bearer {wrong}".strip()}) as answer:
        assert answer.status == (200 if wrong.strip() == token else 401)
        assert answer.status == 200 or answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_digest_is_keyed_and_the_secret_nowhere(port: Port) -> None:
    """Who reads the table has no token."""
    token = port.token(Role.ADMIN)
    row = port.database.read(lambda connection: connection.execute(tables.operators.select()).one())
    assert token.split("_")[2] not in str(row)
    assert operators.is_same(SECRETS, row, token) and not operators.is_same(SECRETS, row, token[:-1])


async def test_an_end_is_an_end(port: Port) -> None:
    """To the second, without the directory being asked again."""
    token = port.token(Role.VIEWER, lasts=100)
    assert (await port.ask("GET", "/look", token))[0] == 200
    port.clock[0] += 99.5
    assert (await port.ask("GET", "/look", token))[0] == 200
    port.clock[0] += 0.6
    assert (await port.ask("GET", "/look", token))[0] == 401


@pytest.mark.parametrize("how", ["revoke", "role"])
async def test_what_another_process_takes_is_taken_within_a_second(port: Port, how: str) -> None:
    """The directory is asked again; nothing waits for a session to end."""
    token = port.token(Role.OPERATOR)
    assert (await port.ask("POST", "/tune", token, {"reason": "x"}))[0] == 200
    named = token.split("_")[1]
    if how == "revoke":
        port.database.write("cli", lambda writing: operators.revoke(writing, named, "gone"))
    else:
        port.database.write("cli", lambda writing: operators.change_role(writing, named, "viewer", "less"))
    port.clock[0] += 1.0
    assert (await port.ask("POST", "/tune", token, {"reason": "x"}))[0] == (401 if how == "revoke" else 403)
    assert port.done == ["token:a-operator"]


async def test_without_the_directory_what_was_known_goes_on_for_a_while(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's token and whoever is signed in for good, a token for five minutes; one that is new is told so."""
    token, other = port.token(Role.OPERATOR), port.token(Role.VIEWER)
    browser = await port.sign_in(token)
    assert (await port.ask("GET", "/look", token))[0] == 200

    async def away(_: Any) -> Any:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(port.database, "reading", away)
    port.clock[0] += 60
    assert (await port.ask("GET", "/look", token))[0] == 200
    assert (await port.ask("GET", "/look", other))[0] == 503
    port.clock[0] += WITHOUT
    assert (await port.ask("GET", "/look", token))[0] == 503
    assert (await port.ask("GET", "/look", ADMIN))[0] == 200
    assert (await browser.ask("GET", "/look"))[0] == 200


async def test_a_role_that_there_is_not_may_nothing(port: Port) -> None:
    """A row that a newer release has written opens nothing here."""
    token = port.token(Role.ADMIN)
    port.database.write(
        "test", lambda writing: writing.connection.execute(tables.operators.update().values(role="emperor"))
    )
    assert (await port.ask("GET", "/look", token))[0] == 401


async def test_when_it_was_used_is_noted_once_a_minute(port: Port) -> None:
    """Beside the request."""
    token = port.token(Role.VIEWER)

    async def used() -> float | None:
        while port.access.tokens._writes:
            await asyncio.sleep(0.005)
        rows = await port.database.reading(operators.listed)
        return rows[0].used  # type: ignore[no-any-return]

    await port.ask("GET", "/look", token)
    first = port.clock[0]
    assert await used() == first
    port.clock[0] += 59
    await port.ask("GET", "/look", token)
    assert await used() == first
    port.clock[0] += 2
    await port.ask("GET", "/look", token)
    assert await used() == first + 61


async def test_without_any_token_it_is_said_how_there_is_one(tmp_path: Path) -> None:
    """An empty token is none."""
    async with opened(tmp_path, token="") as port:
        for stated in ("Bearer ", "Bearer", "bearer x"):
            assert (await port.ask("GET", "/look", Authorization=stated))[0] == 401
        assert (await port.ask("POST", "/session", content={"token": " "}))[0] == 401
