"""Signing in with a browser: sessions, links that work once, and how often it may be tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from yarl import URL

from gateway.control.access.roles import Role
from gateway.control.access.sessions import IDLE, LONGEST, MOST
from gateway.control.access.tries import AGAIN, EACH
from tests.control.access.world import ADMIN, Port, opened


async def test_a_session_is_for_a_browser_alone(port: Port) -> None:
    """No script reads its cookie, no other site sends it; who it is stands in the answer, with what its page needs."""
    async with port.http.post("/session", json={"token": ADMIN}) as answer:
        said, cookie = await answer.json(), answer.headers["Set-Cookie"]
    assert re.fullmatch(r"tidegate_session=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict", cookie)
    assert (said["name"], said["role"], len(said["csrf"])) == ("admin_token", "admin", 43)
    assert "govern" in said["permissions"] and said["expires"] == port.clock[0] + IDLE
    assert port.lines == [("admin_token", "sign_in", "console", {"way": "token", "role": "admin"})]


async def test_by_https_the_cookie_is_tied_to_its_host(tmp_path: Path) -> None:
    """As the configuration says; what a field states of a proxy is not believed."""
    async with opened(tmp_path, url="https://console.example.com") as port:
        for fields in ({"Host": "console.example.com"}, {"X-Forwarded-Proto": "https"}):
            async with port.http.post("/session", json={"token": ADMIN}, headers=fields) as answer:
                secure = answer.headers["Set-Cookie"].startswith("__Host-") and "Secure" in answer.headers["Set-Cookie"]
                assert (answer.status, secure) == (200, "Host" in fields)


async def test_who_is_signed_in_is_told(port: Port) -> None:
    """By cookie and by token; 401 with the ways to sign in for nobody."""
    browser = await port.sign_in()
    assert (await browser.ask("GET", "/session"))[1]["csrf"] == browser.csrf
    status, said = await port.ask("GET", "/session", port.token(Role.AUTHOR))
    assert (status, said["role"], said["csrf"], said["expires"]) == (200, "author", "", None)
    assert await port.ask("GET", "/session") == (401, {"error": "nobody is signed in", "ways": ["token"]})


async def test_signed_out_is_out(port: Port) -> None:
    """The cookie is worth nothing afterwards, whoever has kept it."""
    browser = await port.sign_in()
    assert await browser.ask("DELETE", "/session") == (200, {"signed_out": True})
    assert (await browser.ask("GET", "/look"))[0] == 401
    assert port.did == ["sign_in", "sign_out"]


async def test_idle_it_ends_and_in_use_it_ends_all_the_same(port: Port) -> None:
    """Half an hour, and twelve."""
    browser = await port.sign_in()
    port.clock[0] += IDLE - 1
    assert (await browser.ask("GET", "/look"))[0] == 200
    port.clock[0] += IDLE
    assert (await browser.ask("GET", "/look"))[0] == 401
    browser = await port.sign_in()
    for _ in range(int(LONGEST // (IDLE - 10)) + 1):
        status, _ = await browser.ask("GET", "/look")
        assert status == 200
        port.clock[0] += IDLE - 10
    assert (await browser.ask("GET", "/look"))[0] == 401


async def test_a_session_ends_with_its_token(port: Port) -> None:
    """However short that is."""
    browser = await port.sign_in(port.token(Role.VIEWER, lasts=60))
    port.clock[0] += 61
    assert (await browser.ask("GET", "/look"))[0] == 401


async def test_sessions_are_bounded(port: Port) -> None:
    """The one that was used least lately goes."""
    first = await port.sign_in()
    for _ in range(MOST):
        port.access.sessions.open((await port.access.tokens.find(ADMIN.encode())).operator, "")  # type: ignore[union-attr]
    assert len(port.access.sessions) == MOST
    assert (await first.ask("GET", "/look"))[0] == 401


@pytest.mark.parametrize("content", ["token=x", '{"token": "x"}'])
async def test_a_form_signs_nobody_in(port: Port, content: str) -> None:
    """415: what a page elsewhere can send without asking is no JSON."""
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        async with port.http.post("/session", data=content, headers={"Content-Type": kind}) as answer:
            assert answer.status == 415


async def test_a_link_signs_in_once(port: Port) -> None:
    """To look at it spends nothing; whoever opens it is who had it made, with what they may then."""
    token = port.token(Role.ADMIN, "jo")
    status, made = await port.ask("POST", "/session/links", token, {})
    assert (status, made["expires"]) == (201, port.clock[0] + 300.0)
    path = URL(made["url"]).path
    for _ in range(3):
        async with port.http.get(path) as answer:
            text = await answer.text()
            assert answer.status == 200 and '<form method="post">' in text and "<script" not in text
            assert "Set-Cookie" not in answer.headers
            assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    own = {"Origin": port.origin, "Sec-Fetch-Site": "same-origin"}
    async with port.http.post(path, headers=own, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/console/")
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert (await port.ask("GET", "/look", Cookie=cookie))[1] == {"who": "token:jo"}
    port.http.session.cookie_jar.clear()
    async with port.http.post(path, headers=own, allow_redirects=False) as answer:
        assert answer.status == 410 and "Set-Cookie" not in answer.headers
    assert port.did == ["sign_in.link", "sign_in", "sign_in.failed"]


@pytest.mark.parametrize("how", ["late", "revoked", "made up", "of another site"])
async def test_a_link_that_is_over(port: Port, how: str) -> None:
    """410, and nobody is signed in; a page elsewhere cannot have it opened."""
    token = port.token(Role.ADMIN, "jo")
    _, made = await port.ask("POST", "/session/links", token, {})
    path = URL(made["url"]).path
    if how == "late":
        port.clock[0] += 301
    elif how == "revoked":
        await port.ask("DELETE", f"/operators/{token.split('_')[1]}", ADMIN, {"reason": "x"})
    elif how == "made up":
        path = "/session/links/" + "x" * 43
    fields = {"Origin": "https://evil.example"} if how == "of another site" else {}
    async with port.http.post(path, headers=fields, allow_redirects=False) as answer:
        assert answer.status == (403 if fields else 410) and "Set-Cookie" not in answer.headers
    assert len(port.access.sessions) == 0


async def test_a_link_is_made_by_who_governs(port: Port) -> None:
    """Not by others, and for five minutes at most."""
    assert (await port.ask("POST", "/session/links", port.token(Role.OPERATOR), {}))[0] == 403
    assert (await port.ask("POST", "/session/links", ADMIN, {"lasts": "1h"}))[0] == 422


async def test_guessing_is_bounded(port: Port) -> None:
    """Ten at once, then one in half a minute, by whatever door; what is refused is not looked at."""
    heard = 0
    for index in range(200):
        if index % 2:
            status, _ = await port.ask("GET", "/look", f"a guess {index}")
        else:
            status, _ = await port.ask("POST", "/session", content={"token": f"a guess {index}"})
        heard += status == 401
    assert heard == EACH
    status, said = await port.ask("POST", "/session", content={"token": ADMIN})
    assert status == 429 and "try again in" in said["error"]
    port.clock[0] += AGAIN
    await port.sign_in()
    assert (await port.ask("GET", "/look", "a guess"))[0] == 401
    assert (await port.ask("GET", "/look", "a guess"))[0] == 429


async def test_a_token_that_was_right_before_is_no_guess(port: Port) -> None:
    """Whoever works is not locked out by who guesses behind the same address."""
    token = port.token(Role.VIEWER)
    assert (await port.ask("GET", "/look", token))[0] == 200
    for index in range(20):
        await port.ask("GET", "/look", f"a guess {index}")
    assert (await port.ask("GET", "/look", "a guess"))[0] == 429
    assert (await port.ask("GET", "/look", token))[0] == 200


async def test_failures_are_few_lines(port: Port) -> None:
    """One at once, the rest together: nobody fills the audit."""
    for index in range(9):
        await port.ask("GET", "/look", f"a guess {index}")
    assert port.lines == [("nobody", "sign_in.failed", "from 127.0.0.1", {"times": 1})]
    port.clock[0] += 61
    await port.ask("GET", "/look", "another")
    assert port.lines[1:] == [
        ("nobody", "sign_in.failed", "from 127.0.0.1", {"times": 8}),
        ("nobody", "sign_in.failed", "from 127.0.0.1", {"times": 1}),
    ]
