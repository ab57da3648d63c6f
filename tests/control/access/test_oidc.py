"""Signing in with an identity provider, over real HTTP: whom it lets in, and every lie that it does not believe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from gateway.control.access.idp import Settings
from tests.control.access.standin_idp import CLIENT, SECRET, StandinIdp, standin
from tests.control.access.world import START, Port, opened

CONSOLE = "http://console.example.com"
ROLES = {"operator": ("oncall",), "viewer": ("staff",), "admin": ("owners",)}


class World(NamedTuple):
    port: Port
    idp: StandinIdp
    web: aiohttp.ClientSession

    async def go(self, to: str = "") -> tuple[str, str]:
        """To the provider: where it sends the browser back, and the cookie that it went with."""
        query = {"to": to} if to else {}
        async with self.port.http.get(
            "/session/oidc", params=query, headers={"Host": "console.example.com"}, allow_redirects=False
        ) as answer:
            assert answer.status == 303
            there, cookie = answer.headers["Location"], answer.headers["Set-Cookie"]
        self.port.http.session.cookie_jar.clear()
        assert "SameSite=Lax" in cookie and "HttpOnly" in cookie
        async with self.web.get(URL(there, encoded=True), allow_redirects=False) as answer:
            return answer.headers["Location"].removeprefix(CONSOLE), cookie.partition(";")[0]

    async def back(self, path: str, cookie: str) -> tuple[int, str, str]:
        """Status, the session's cookie or nothing, and where to or the page's text."""
        async with self.port.http.get(
            URL(path, encoded=True), headers={"Host": "console.example.com", "Cookie": cookie}, allow_redirects=False
        ) as answer:
            named = answer.cookies.get("tidegate_session")
            self.port.http.session.cookie_jar.clear()
            text = answer.headers.get("Location") or await answer.text()
            return answer.status, f"tidegate_session={named.value}" if named is not None else "", text

    async def sign_in(self, to: str = "") -> tuple[int, str, str]:
        return await self.back(*await self.go(to))

    async def who(self, cookie: str) -> tuple[int, dict[str, Any]]:
        return await self.port.ask("GET", "/session", Cookie=cookie)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = [START]
    async with standin(lambda: clock[0]) as idp:
        settings = Settings(idp.url, CLIENT, SECRET, ("openid", "email"), "groups", ROLES)
        async with opened(tmp_path, url=CONSOLE, oidc=settings) as port, aiohttp.ClientSession() as browser:
            clock = port.clock
            yield World(port, idp, browser)


async def test_there_and_back(world: World) -> None:
    """Signed in as who the provider says, with the role that may most of what is earned."""
    status, cookie, to = await world.sign_in()
    assert (status, to) == (303, "/console/")
    _, said = await world.who(cookie)
    assert (said["name"], said["role"]) == ("oidc:u-1", "operator")
    assert world.port.lines == [("oidc:u-1", "sign_in", "console", {"way": "oidc", "role": "operator"})]


async def test_the_ways_are_told(world: World) -> None:
    """So that the console shows the button."""
    assert (await world.port.ask("GET", "/session"))[1]["ways"] == ["token", "oidc"]


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "jo@example.com", "email_verified": True}, "oidc:jo@example.com"),
        ({"email": "ceo@example.com", "email_verified": False}, "oidc:u-1"),
        ({"email": "ceo@example.com"}, "oidc:u-1"),
        ({"email": "ceo@example.com", "email_verified": "true"}, "oidc:u-1"),
    ],
)
async def test_a_name_is_what_is_verified(world: World, claims: dict[str, Any], name: str) -> None:
    """People choose the rest themselves."""
    world.idp.claims |= claims
    _, cookie, _ = await world.sign_in()
    assert (await world.who(cookie))[1]["name"] == name


async def test_two_people_are_two_names(world: World) -> None:
    """Also where only what stands in no name tells them apart; and nothing steers a terminal."""
    names = set()
    for subject in ("a/b", "a\\b", "a\r\nb", "a\u202eb"):
        world.idp.claims["sub"] = subject
        _, cookie, _ = await world.sign_in()
        names.add((await world.who(cookie))[1]["name"])
    assert len(names) == 4 and all(name.isprintable() and name.isascii() for name in names)


@pytest.mark.parametrize("groups", [[], ["nobody"], "oncal", None, {"oncall": True}, [["oncall"]], 7])
async def test_without_a_role_nobody_comes_in(world: World, groups: Any) -> None:
    """403 with whom to ask, and a line."""
    world.idp.claims["groups"] = groups
    status, cookie, text = await world.sign_in()
    assert (status, cookie) == (403, "") and "operators.oidc.roles" in text
    assert world.port.did == ["sign_in.refused"]


def _unsigned(said: dict[str, Any]) -> str:
    return jwt.encode(said, None, "none")  # type: ignore[arg-type]


def _by_secret(said: dict[str, Any]) -> str:
    return jwt.encode(said, SECRET * 2, "HS256", headers={"kid": "k1"})


def _by_another(said: dict[str, Any]) -> str:
    return jwt.encode(said, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "k1"})


def _unknown_key(said: dict[str, Any]) -> str:
    return jwt.encode(said, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "k2"})


@pytest.mark.parametrize(
    ("lie", "sign"),
    [
        pytest.param({"nonce": "another"}, None, id="another nonce"),
        pytest.param({"nonce": None}, None, id="no nonce"),
        pytest.param({"nonce": 7}, None, id="a nonce that is none"),
        pytest.param({"aud": "another"}, None, id="another audience"),
        pytest.param({"aud": [CLIENT, "another"]}, None, id="several, for none"),
        pytest.param({"aud": [CLIENT, "another"], "azp": "another"}, None, id="several, for another"),
        pytest.param({"iss": "https://evil.example"}, None, id="another issuer"),
        pytest.param({"exp": START - 61}, None, id="over"),
        pytest.param({"exp": None}, None, id="without an end"),
        pytest.param({"iat": START + 120}, None, id="of tomorrow"),
        pytest.param({"iat": START - 3600}, None, id="an old one"),
        pytest.param({"exp": True}, None, id="a time that is none"),
        pytest.param({"sub": None}, None, id="of nobody"),
        pytest.param({"sub": "x" * 300}, None, id="a long name"),
        pytest.param({}, _unsigned, id="alg none"),
        pytest.param({}, _by_secret, id="by the client's secret"),
        pytest.param({}, _by_another, id="by another key"),
        pytest.param({}, _unknown_key, id="by a key of nobody"),
        pytest.param({}, lambda _: "no.token.at all", id="no token"),
        pytest.param({}, lambda _: "x" * 10_000, id="long"),
    ],
)
async def test_a_lie(world: World, lie: dict[str, Any], sign: Any) -> None:
    """400, nobody is signed in, and it is noted; the log says why."""
    world.idp.lie, world.idp.sign = lie, sign
    status, cookie, _ = await world.sign_in()
    assert (status, cookie, len(world.port.access.sessions)) == (400, "", 0)
    assert world.port.did == ["sign_in.failed"]


async def test_strangers_do_not_fill_the_audit(world: World) -> None:
    """However often somebody comes back with what is nothing: one line, and one way back from each way there."""
    for _ in range(20):
        path, cookie = await world.go()
        mixed = str(URL(path, encoded=True).update_query(iss="https://evil.example"))
        assert (await world.back(mixed, cookie))[0] == 400
        assert (await world.back(path, cookie))[0] == 400
    assert world.port.did == ["sign_in.failed"]


async def test_back_with_another_browser(world: World) -> None:
    """Who has begun is who comes back: no link of somebody else's signs anybody in."""
    path, _ = await world.go()
    _, other = await world.go()
    for cookie in ("", other, "tidegate_oidc=x.y", "tidegate_oidc=" + other.partition("=")[2][:-1] + "0"):
        assert (await world.back(path, cookie))[:2] == (400, "")
    assert world.idp.asked == []


async def test_back_twice(world: World) -> None:
    """A code that was seen on the way is worth nothing after it."""
    path, cookie = await world.go()
    assert (await world.back(path, cookie))[0] == 303
    assert (await world.back(path, cookie))[:2] == (400, "")
    assert len(world.idp.asked) == 1


async def test_back_late(world: World) -> None:
    """Ten minutes."""
    path, cookie = await world.go()
    world.port.clock[0] += 601
    assert (await world.back(path, cookie))[:2] == (400, "")


async def test_a_code_of_another_sign_in(world: World) -> None:
    """It is tied to the verifier of its own (PKCE)."""
    (mine, cookie), (theirs, _) = await world.go(), await world.go()
    mixed = URL(mine, encoded=True).update_query(code=URL(theirs, encoded=True).query["code"])
    assert (await world.back(str(mixed), cookie))[:2] == (400, "")


async def test_an_answer_of_another_provider(world: World) -> None:
    """RFC 9207: it says so itself."""
    path, cookie = await world.go()
    mixed = URL(path, encoded=True).update_query(iss="https://evil.example")
    assert (await world.back(str(mixed), cookie))[:2] == (400, "")
    assert world.idp.asked == []


@pytest.mark.parametrize(
    "query", ["error=access_denied&state={}", "state={}", "code=x", "", "code=x&state=", "code=a&code=b&state={}"]
)
async def test_back_with_nothing(world: World, query: str) -> None:
    """What somebody said no to is no sign-in."""
    path, cookie = await world.go()
    state = URL(path, encoded=True).query["state"]
    status, session, _ = await world.back(f"/session/oidc/back?{query.format(state)}", cookie)
    assert status in {400, 422} and session == ""


@pytest.mark.parametrize(
    ("to", "arrives"),
    [
        ("/console/limits", "/console/limits"),
        ("/console/accounts/acme?tab=keys#/x", "/console/accounts/acme?tab=keys#/x"),
        ("https://evil.example/", "/console/"),
        ("//evil.example/console/", "/console/"),
        ("/console//evil.example", "/console/"),
        ("/\\evil.example", "/console/"),
        ("/console/\\evil.example", "/console/"),
        ("/console/../openapi.json", "/console/"),
        ("/console/%0d%0aSet-Cookie:x", "/console/"),
        ("javascript:alert(1)", "/console/"),
        ("/console/\r\nLocation: x", "/console/"),
        ("/console/@evil.example", "/console/"),
        ("/consoles", "/console/"),
    ],
)
async def test_where_to(world: World, to: str, arrives: str) -> None:
    """A place of the console, and no other."""
    _, cookie, there = await world.sign_in(to)
    assert there == arrives and cookie


@pytest.mark.parametrize(
    "discovery",
    [
        pytest.param({"issuer": "https://evil.example"}, id="another name"),
        pytest.param({"token_endpoint": "http://evil.example/token"}, id="a place without TLS"),
        pytest.param({"jwks_uri": None}, id="no keys"),
        pytest.param({"authorization_endpoint": "javascript:alert(1)"}, id="no place"),
        pytest.param({"padding": "x" * 300_000}, id="large"),
    ],
)
async def test_a_provider_that_is_not_as_it_should_be(world: World, discovery: dict[str, Any]) -> None:
    """503 with another way in; nobody is sent anywhere."""
    world.idp.discovery = discovery
    async with world.port.http.get(
        "/session/oidc", headers={"Host": "console.example.com"}, allow_redirects=False
    ) as answer:
        assert answer.status == 503 and "Location" not in answer.headers and "token" in await answer.text()


@pytest.mark.parametrize("status", [400, 401, 500, 302])
async def test_a_provider_that_gives_no_token(world: World, status: int) -> None:
    """Nobody is signed in."""
    world.idp.broken = status
    got, cookie, _ = await world.sign_in()
    assert got in {400, 503} and cookie == ""
