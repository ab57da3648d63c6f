"""The console's doors: what is served, by which fields, and that nothing else is."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from gateway.control.console import Console
from gateway.control.console.assets import CSP, FIRST, HERE, ROOT, Assets

VENDOR: Final = HERE / "vendor"
OURS: Final = [path for path in sorted(HERE.rglob("*.js")) if VENDOR not in path.parents]


@pytest.fixture(scope="module")
def assets() -> Assets:
    """Packed once."""
    return Assets()


@pytest_asyncio.fixture
async def origin(assets: Assets) -> AsyncIterator[str]:
    """The console alone on a port."""
    app = web.Application()
    for one in Console(assets).operations():
        app.router.add_route(one.method, one.path, one.handler)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


async def get(url: str, **fields: str) -> tuple[int, Any, bytes]:
    """As it came: neither unpacked nor redirected, and with the path as it is written."""
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as http,
        http.get(URL(url, encoded=True), headers=fields, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


@pytest.mark.parametrize("path", ["", "decisions", "accounts/a.b", "accounts/%2e%2e%2f", "a/b/c?x=1", "index.js"])
async def test_every_page_gets_the_same_page(origin: str, path: str) -> None:
    """Which page of the console it is, the console finds by its address: a reload shows it again."""
    status, fields, content = await get(f"{origin}/console/{path}")
    assert status == 200
    assert content == Assets().shell.content
    assert fields["Content-Type"] == "text/html; charset=utf-8"
    assert fields["Content-Security-Policy"] == CSP
    assert fields["Cache-Control"] == "no-cache"
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Referrer-Policy"] == "no-referrer"
    assert fields["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/", "/console"])
async def test_the_way_in(origin: str, path: str) -> None:
    """Whoever opens the port comes to the console."""
    status, fields, _ = await get(f"{origin}{path}")
    assert (status, fields["Location"]) == (302, "/console/")


def test_the_page_holds_nothing_inline(assets: Assets) -> None:
    """The policy allows no script and no style in the page, so there is none."""
    page = assets.shell.content.decode()
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page) == []
    assert "{" not in page


async def test_all_that_the_page_names_is_there(origin: str, assets: Assets) -> None:
    """Each for ever, since another content has another address."""
    named = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', assets.shell.content.decode())
    assert len(named) >= len(FIRST) + 3
    for path in named:
        status, fields, content = await get(f"{origin}{path}")
        assert (status, bool(content)) == (200, True), path
        assert fields["Cache-Control"] == "public, max-age=31536000, immutable"
        assert fields["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("accept", "packed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("", False), ("gzip;q=0", False), ("gzip;q=0.0", False), ("br", False)],
)
async def test_packed_for_who_takes_it(origin: str, assets: Assets, accept: str, packed: bool) -> None:
    """By gzip where it is accepted; the two have two tags."""
    fields = {"Accept-Encoding": accept} if accept else {}
    status, answered, content = await get(f"{origin}{assets.url('app.js')}", **fields)
    whole = (HERE / "app.js").read_bytes()
    assert status == 200
    assert answered["Vary"] == "Accept-Encoding"
    assert ("Content-Encoding" in answered) is packed
    assert (gzip.decompress(content) if packed else content) == whole
    again, _, nothing = await get(f"{origin}{assets.url('app.js')}", **fields, **{"If-None-Match": answered["ETag"]})
    assert (again, nothing) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "", "app.js", "{d}", "{d}/", "{d}/../assets.py", "{d}/%2e%2e/assets.py", "{d}/..%2fassets.py",
        "{d}/....//assets.py", "{d}/%2fetc%2fpasswd", "{d}//etc/passwd", "{d}/..%5c..%5cassets.py",
        "{d}/app.js%00.css", "{d}/vendor/README.md", "{d}/vendor/sources/world.mjs", "{d}/index.html", "{d}/App.js",
        "{d}/app.js/", "0000000000000000/app.js", "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    ],
)  # fmt: skip
async def test_nothing_else_is_served(origin: str, assets: Assets, path: str) -> None:
    """A file has one name of one version; whatever leads elsewhere leads nowhere, or to the page itself."""
    status, _, content = await get(f"{origin}{ROOT}/{path.replace('{d}', assets.digest)}")
    assert status == 404 or content == assets.shell.content
    assert b"root:" not in content
    assert b"import annotations" not in content


def test_another_content_has_another_address(tmp_path: Path, assets: Assets) -> None:
    """One changed byte of one file moves them all: modules name each other by relative paths."""
    for path in HERE.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(HERE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    assert Assets(tmp_path).digest == assets.digest
    (tmp_path / "parts" / "format.js").write_bytes(b"// other")
    assert Assets(tmp_path).digest != assets.digest


def test_what_is_not_ours_is_as_it_was() -> None:
    """Each file is the one whose digest the README states, and its licence is beside it."""
    readme = (VENDOR / "README.md").read_text()
    stated = dict(re.findall(r"\| (\S+\.(?:js|css)) \| [\d,]+ \| `([0-9a-f]{64})` \|", readme))
    files = [path for path in VENDOR.iterdir() if path.suffix in (".js", ".css")]
    assert stated == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    licences = {path.stem for path in (VENDOR / "licences").iterdir()}
    assert {"preact", "htm", "uplot", "codemirror", "world-atlas"} <= licences


FORBIDDEN: Final = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|sessionStorage"
)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(HERE).as_posix())
def test_our_modules(path: Path, assets: Assets) -> None:
    """Small files that import what is there, put no HTML together, and keep nothing in the browser."""
    text = path.read_text()
    assert text.count("\n") <= 300
    assert text.startswith("//"), "a module says what it is"
    assert re.findall(FORBIDDEN, text) == []
    for named in re.findall(r'(?:^import |^\} |\bimport\().*?"(\.[^"]+)"', text, re.MULTILINE):
        assert (path.parent / named).resolve().is_file(), named
