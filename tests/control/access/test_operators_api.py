"""Tokens by the port: made, listed, given another role, revoked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.control.access.operators_api import LAST_ADMIN
from gateway.control.access.roles import Role
from tests.control.access.world import ADMIN, Port, opened

JO = {"name": "jo", "role": "operator", "lasts": "30d", "reason": "on call"}
WHY = {"reason": "left"}


async def test_one_is_made_shown_once_and_works(port: Port) -> None:
    """What is listed has no token in it."""
    status, made = await port.ask("POST", "/operators", ADMIN, JO)
    assert (status, made["state"], made["expires"] - made["created"]) == (201, "holds", 30 * 86400.0)
    assert await port.ask("GET", "/look", made["token"]) == (200, {"who": "token:jo"})
    _, there = await port.ask("GET", "/operators", ADMIN)
    assert [one["name"] for one in there["operators"]] == ["jo"] and there["admin_token"] is True
    assert made["token"] not in str(there)
    assert port.audit() == [("admin_token", "operator.create")]


async def test_two_of_one_name_are_not_told_apart(port: Port) -> None:
    """So the second is refused while the first holds."""
    _, made = await port.ask("POST", "/operators", ADMIN, JO)
    assert (await port.ask("POST", "/operators", ADMIN, JO))[0] == 409
    await port.ask("DELETE", f"/operators/{made['id']}", ADMIN, WHY)
    assert (await port.ask("POST", "/operators", ADMIN, JO))[0] == 201


async def test_revoked_it_is_gone_at_once_with_its_sessions(port: Port) -> None:
    """The clock has not moved."""
    _, made = await port.ask("POST", "/operators", ADMIN, JO)
    browser = await port.sign_in(made["token"])
    assert (await browser.ask("GET", "/look"))[0] == 200
    assert (await port.ask("DELETE", f"/operators/{made['id']}", ADMIN, WHY))[1]["state"] == "revoked"
    assert (await port.ask("GET", "/look", made["token"]))[0] == 401
    assert (await browser.ask("GET", "/look"))[0] == 401
    assert len(port.access.sessions) == 0


async def test_another_role_is_the_sessions_role_at_once(port: Port) -> None:
    """Up and down."""
    _, made = await port.ask("POST", "/operators", ADMIN, JO)
    browser = await port.sign_in(made["token"])
    assert (await browser.ask("POST", "/tune", {"reason": "x"}))[0] == 200
    await port.ask("PATCH", f"/operators/{made['id']}", ADMIN, {"role": "viewer", **WHY})
    assert (await browser.ask("POST", "/tune", {"reason": "x"}))[0] == 403
    assert (await browser.ask("GET", "/session"))[1]["role"] == "viewer"
    await port.ask("PATCH", f"/operators/{made['id']}", ADMIN, {"role": "admin", **WHY})
    assert (await browser.ask("GET", "/operators"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        pytest.param("DELETE", "/operators/admin_token", WHY, 409, id="that of the file"),
        pytest.param("PATCH", "/operators/admin_token", {"role": "viewer", **WHY}, 409, id="its role"),
        pytest.param("DELETE", "/operators/nobody", WHY, 404, id="none"),
        pytest.param("PATCH", "/operators/nobody", {"role": "viewer", **WHY}, 404, id="the role of none"),
        pytest.param("POST", "/operators", JO | {"role": "emperor"}, 422, id="no role"),
        pytest.param("POST", "/operators", JO | {"name": "a\r\nb"}, 422, id="a name of two lines"),
        pytest.param("POST", "/operators", JO | {"name": "\u202eoj"}, 422, id="a name turned around"),
        pytest.param("POST", "/operators", JO | {"lasts": 30}, 422, id="no unit"),
        pytest.param("POST", "/operators", JO | {"lasts": "20000d"}, 422, id="for ever and a day"),
        pytest.param("POST", "/operators", JO | {"reason": "\x1b[2J"}, 422, id="a reason that steers"),
    ],
)
async def test_what_cannot_be_done(port: Port, method: str, path: str, content: Any, status: int) -> None:
    """Nothing was done, and nothing stands in the audit."""
    assert (await port.ask(method, path, ADMIN, content))[0] == status
    assert port.audit() == []


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_nobody_else_makes_tokens(port: Port, role: Role) -> None:
    """Not even one for less than they may."""
    assert (await port.ask("POST", "/operators", port.token(role), JO | {"role": "viewer"}))[0] == 403


async def test_the_last_admin_is_told(tmp_path: Path) -> None:
    """It is done all the same: a token that is known to others has to go."""
    async with opened(tmp_path, token="") as port:
        first, second = port.token(Role.ADMIN, "one"), port.token(Role.ADMIN, "two")
        _, said = await port.ask("DELETE", f"/operators/{first.split('_')[1]}", second, WHY)
        assert said["note"] == ""
        status, said = await port.ask("DELETE", f"/operators/{second.split('_')[1]}", second, WHY)
        assert (status, said["note"]) == (200, LAST_ADMIN)
        assert (await port.ask("GET", "/look", second))[0] == 401
