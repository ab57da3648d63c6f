"""What is tried against the operators' port: what is sent, what is answered, and that nothing happened."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.accounts.sql import tables
from gateway.control.access.content import LARGEST
from gateway.control.access.roles import Role
from gateway.control.access.server import Runner
from gateway.control.console import Console
from tests.control.access.world import ADMIN, Port, opened
from tests.control.whole_port import ADMIN_TOKEN, WholePort

X = {"reason": "x"}
EVIL = "https://evil.example"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    async with opened(tmp_path, more=lambda: Console().operations()) as made:
        yield made


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({}, 200, id="the console's own page"),
        pytest.param({"Sec_Fetch_Site": ""}, 200, id="a browser without fetch metadata"),
        pytest.param({"Origin": ""}, 200, id="without an origin, from our own page"),
        pytest.param({"Origin": "", "Sec_Fetch_Site": ""}, 403, id="nothing said of where from"),
        pytest.param({"Origin": EVIL, "Sec_Fetch_Site": "cross-site"}, 403, id="a page elsewhere"),
        pytest.param({"Origin": EVIL}, 403, id="another origin"),
        pytest.param({"Origin": "null"}, 403, id="a page in a sandbox"),
        pytest.param({"Sec_Fetch_Site": "same-site"}, 403, id="a neighbour of the site"),
        pytest.param({"Sec_Fetch_Site": "cross-site"}, 403, id="cross-site with our origin"),
        pytest.param({"Origin": "", "Sec_Fetch_Site": "none"}, 403, id="typed by hand"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, 403, id="another port of the host"),
        pytest.param({"Origin": "http://127.0.0.1.evil.example"}, 403, id="a name like ours"),
        pytest.param({"X_Tidegate_Csrf": ""}, 403, id="no field"),
        pytest.param({"X_Tidegate_Csrf": "x" * 43}, 403, id="a made-up field"),
        pytest.param({"X_Tidegate_Csrf": "é"}, 403, id="a field of other letters"),
        pytest.param({"Cookie": ""}, 401, id="no cookie"),
    ],
)
async def test_cross_site(port: Port, fields: dict[str, str], status: int) -> None:
    """A browser sends the cookie by itself: only our own page, with its field, changes something."""
    browser = await port.sign_in()
    assert (await browser.ask("POST", "/tune", X, **fields))[0] == status
    assert len(port.done) == (status == 200)
    assert (await browser.ask("DELETE", "/session", **fields))[0] in {status, 200}


async def test_the_field_of_another_session(port: Port) -> None:
    """Each has its own, also those of one token."""
    mine, other = await port.sign_in(), await port.sign_in()
    assert (await mine.ask("POST", "/tune", X, X_Tidegate_Csrf=other.csrf))[0] == 403
    assert port.done == []


async def test_a_form_of_a_page_elsewhere(port: Port) -> None:
    """Nor does it sign in (login CSRF), or open a link."""
    browser = await port.sign_in()
    fields = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Cookie": browser.cookie}
    for path in ("/tune", "/session", "/session/links/x"):
        async with port.http.post(path, data={"token": ADMIN, "reason": "x"}, headers=fields) as answer:
            assert answer.status == 403 and "Set-Cookie" not in answer.headers
    assert port.done == [] and len(port.access.sessions) == 1


async def test_a_method_is_what_it_is(port: Port) -> None:
    """No field and no parameter makes a GET a POST."""
    for fields in ({"X_HTTP_Method_Override": "POST"}, {"X_Method_Override": "POST"}, {"X_HTTP_Method": "POST"}):
        assert (await port.ask("GET", "/tune", ADMIN, X, **fields))[0] == 405
    assert (await port.ask("GET", "/look?_method=POST", ADMIN))[0] == 422
    assert port.done == []


async def test_fixation(port: Port) -> None:
    """A name that somebody has set before is not the session's; that of an earlier sign-in ends."""
    fixed = "tidegate_session=" + "x" * 43
    browser = await port.sign_in(Cookie=fixed)
    assert browser.cookie != fixed
    assert (await port.ask("GET", "/look", Cookie=fixed))[0] == 401
    again = await port.sign_in(Cookie=browser.cookie)
    assert again.cookie != browser.cookie and again.csrf != browser.csrf
    assert (await browser.ask("GET", "/look"))[0] == 401


async def test_tossed_cookies(port: Port) -> None:
    """One that names nothing is passed over; two that name a session each are nobody's."""
    mine, other = await port.sign_in(), await port.sign_in(port.token(Role.VIEWER))
    junk = "tidegate_session=" + "x" * 43
    assert (await mine.ask("GET", "/look", Cookie=f"{junk}; {mine.cookie}"))[1] == {"who": "admin_token"}
    assert (await mine.ask("GET", "/look", Cookie=f"{mine.cookie}; {junk}"))[1] == {"who": "admin_token"}
    assert (await mine.ask("GET", "/look", Cookie=f"{other.cookie}; {mine.cookie}"))[0] == 401
    assert (await mine.ask("GET", "/look", Cookie=f"__Host-{other.cookie}; {mine.cookie}"))[0] == 401


@pytest.mark.parametrize(
    "actor", ["a\tb", "\x1b[2J", "\u202ejo", "admin_token", "<script>", "' OR 1=1 --", "x" * 5000, "token:jo"]
)
async def test_what_is_stated_of_whom(port: Port, actor: str) -> None:
    """It stands behind who it was, in letters that steer nothing, and is short."""
    raw = actor.encode()
    reader, writer = await asyncio.open_connection(port.http.host, port.http.port)
    writer.write(
        b"POST /operators HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer " + ADMIN.encode()
        + b"\r\nX-Tidegate-Actor: " + raw + b"\r\nContent-Length: 31\r\n\r\n" + b'{"name": "jo", "role":"viewer"} '[:31]
    )  # fmt: skip
    head = await reader.readline()
    writer.close()
    if b" 201 " in head:
        [(who, _)] = port.audit()
        assert who.startswith("admin_token:") and len(who) < 80
        assert all(one.isalnum() or one in "_.@+-:" for one in who)
    else:
        assert b" 400 " in head and port.audit() == []


async def test_two_lines_in_a_field(port: Port) -> None:
    """A line break ends the field: what follows is another one, and no line of the audit."""
    reader, writer = await asyncio.open_connection(port.http.host, port.http.port)
    writer.write(
        f"GET /look HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\n"
        "X-Tidegate-Actor: jo\nX-Other: token:root\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    assert b" 400 " in answer.partition(b"\r\n")[0] or b'"admin_token:jo"' in answer


@pytest.mark.parametrize(
    "path",
    ["../../../../etc/passwd", "..%2f..%2f..%2fetc/passwd", "%2e%2e/%2e%2e/roles.py", "%252e%252e%252froles.py",
     "..%5c..%5croles.py", "....//....//etc/passwd", "%c0%ae%c0%ae/roles.py", "app.js%00.css", "/etc/passwd",
     "%2fetc%2fpasswd", "vendor/../../assets.py", "..;/assets.py", "\uff0e\uff0e/assets.py", "./../assets.py",
     "assets.py"],
)  # fmt: skip
@pytest.mark.parametrize("root", ["/console/", "/console/static/", "/people/", "/session/links/"])
async def test_paths_lead_nowhere(port: Port, root: str, path: str) -> None:
    """Nothing that is not the console's is told, however it is written."""
    target = root + path
    async with port.http.get(URL(target, encoded=True), allow_redirects=False) as answer:
        text = await answer.text()
    assert answer.status in {200, 307, 308, 400, 401, 404, 422}
    assert "root:" not in text and "import annotations" not in text


@pytest.mark.parametrize(
    "path", ["..%2f..%2ftidegate.yaml", "%2e%2e/tidegate.yaml", "..%5ctidegate.yaml", "/etc/passwd",
             "a/../../tidegate.yaml", "%2fetc%2fpasswd", "chain.yaml%00",
             "%252e%252e%252ftidegate.yaml", "....//tidegate.yaml"],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_files_of_the_rules_are_those_alone(whole: WholePort, path: str) -> None:
    """What stands beside them, such as the configuration with its token, is neither read nor written."""
    url = URL(f"{whole.url}/policies/files/{path}", encoded=True)
    bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}", "If-Match": "*"}
    for method in ("GET", "PUT", "DELETE"):
        async with whole.http.request(
            method, url, headers=bearer, json={"text": "x"} if method == "PUT" else None
        ) as answer:
            assert answer.status in {400, 404, 412, 422, 428}
            assert ADMIN_TOKEN not in await answer.text()
    assert whole.port.access.tokens.file


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b'{"reason": "' + b"x" * LARGEST + b'"}', 413, id="too large"),
        pytest.param(b'{"reason": "a", "reason": "b"}', 422, id="a name twice"),
        pytest.param(b'{"reason":' * 5000 + b"1" + b"}" * 5000, 422, id="deep"),
        pytest.param(b'{"reason": NaN}', 422, id="NaN"),
        pytest.param(b'{"reason": ' + b"9" * 100_000 + b"}", 422, id="a number of 100,000 digits"),
        pytest.param(b'{"reason": "\\ud800"}', 422, id="half a pair"),
        pytest.param(b'{"reason": "\\u0000"}', 422, id="NUL"),
        pytest.param(b'{"reason": "a\\r\\nb"}', 422, id="two lines"),
        pytest.param(b'{"reason": "\\u001b[2J"}', 422, id="steers a terminal"),
        pytest.param(b'{"reason": "\\u202egnp.exe"}', 422, id="turned around"),
        pytest.param(b'{"reason": "x", "__proto__": {}}', 422, id="a member of every object"),
        pytest.param(b'[{"reason": "x"}]', 422, id="a list"),
        pytest.param(b"\x00\x01\x02", 422, id="bytes"),
        pytest.param(b'{"reason": "x\'); DROP TABLE operators;--"}', 200, id="SQL is text"),
        pytest.param(b'{"reason": "<img src=x onerror=alert(1)>"}', 200, id="HTML is text"),
    ],
)
async def test_content(port: Port, content: bytes, status: int) -> None:
    """One clear answer in JSON; what is only text is kept as text."""
    bearer = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
    async with port.http.post("/tune", data=io.BytesIO(content), headers=bearer) as answer:
        said = await answer.json()
        assert answer.status == status
        assert status == 200 or next(iter(said)) == "error"
    assert len(port.done) == (status == 200)
    assert port.database.read(lambda connection: connection.execute(tables.operators.select()).all()) == []


async def test_what_was_not_foreseen(port: Port, caplog: pytest.LogCaptureFixture) -> None:
    """500 with an id that stands in the log, and nothing of the inside."""
    status, said = await port.ask("GET", "/broken", ADMIN)
    assert status == 500 and "secret" not in json.dumps(said)
    assert said["id"] in caplog.text and "a secret of the inside" in caplog.text


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost:8081", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421),
     ("localhost.evil.example", 421), ("evil.example:80", 421), ("[::1]", 200), ("2130706433", 200),
     ("a@evil.example", 421)],
)  # fmt: skip
async def test_names_of_hosts(port: Port, host: str, status: int) -> None:
    """A page's own name that was led here reads nothing with a browser; who bears a token may use any."""
    browser = await port.sign_in()
    fields = {"Host": host, "Origin": f"http://{host}"}
    assert (await browser.ask("GET", "/look", Host=host))[0] == status
    async with port.http.post("/session", json={"token": ADMIN}, headers=fields) as answer:
        assert answer.status in {status, 403}
    assert (await port.ask("GET", "/look", ADMIN, Host=host))[0] == 200


async def test_every_answer_is_kept_by_nobody(port: Port) -> None:
    """Also those that are refusals, and pages."""
    for path in ("/look", "/nothing", "/broken", "/session", "/session/links/x"):
        async with port.http.get(path, headers={"Authorization": f"Bearer {ADMIN}"}) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "aiohttp" not in answer.headers["Server"]


async def listening(port: Port, **bounds: Any) -> tuple[Runner, str, int]:
    """The same operations under the server that is used."""
    app = port.http.app
    fresh = web.Application(middlewares=list(app.middlewares), client_max_size=LARGEST)
    for route in app.router.routes():
        assert route.resource is not None
        fresh.router.add_route(route.method, route.resource.canonical, route.handler)
    runner = Runner(fresh, **bounds)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, "127.0.0.1", site.port


@pytest.mark.timing
async def test_a_slow_head_is_given_up(port: Port) -> None:
    """However steadily its bytes arrive."""
    runner, host, number = await listening(port, head_within=0.5)
    reader, writer = await asyncio.open_connection(host, number)
    sent = 0
    async with asyncio.timeout(5):
        while not reader.at_eof():
            try:
                writer.write(b"X")
                await writer.drain()
                sent += 1
                await asyncio.wait_for(reader.read(1), 0.05)
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert sent < 20
    writer.close()
    await runner.cleanup()


@pytest.mark.timing
async def test_slow_content_is_given_up(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """408 as JSON; nothing was done."""
    monkeypatch.setattr("gateway.control.access.content.read.__defaults__", (0.2,))
    reader, writer = await asyncio.open_connection(port.http.host, port.http.port)
    writer.write(
        f"POST /tune HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\n"
        "Content-Length: 100\r\n\r\n".encode()
    )
    async with asyncio.timeout(5):
        assert b" 408 " in await reader.readline()
    writer.close()
    assert port.done == []


@pytest.mark.timing
async def test_strangers_who_hold_every_connection_keep_nobody_out(port: Port) -> None:
    """A new one takes the place of the oldest by which nobody is known; that of an operator stays."""
    runner, host, number = await listening(port, most=16)
    bearer = {"Authorization": f"Bearer {ADMIN}"}
    async with aiohttp.ClientSession(headers=bearer, connector=aiohttp.TCPConnector(limit=1)) as known:
        async with known.get(f"http://{host}:{number}/look") as answer:
            mine = answer.connection
            assert answer.status == 200
        strangers = []
        for _ in range(100):
            one = socket.create_connection((host, number))
            one.sendall(b"GET /look HTTP/1.1\r\nHost: localhost\r\n")
            strangers.append(one)
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert len([one for one in runner.server._server.connections if one.transport is not None]) <= 24
        for _ in range(3):
            async with known.get(f"http://{host}:{number}/look") as answer:
                assert answer.status == 200
        async with aiohttp.ClientSession(headers=bearer) as new, new.get(f"http://{host}:{number}/look") as answer:
            assert answer.status == 200
        assert mine is None or not known.closed
    for one in strangers:
        one.close()
    await runner.cleanup()
