"""Scripts and styles: small, kept by browsers, and what their README says that they are."""

from __future__ import annotations

import gzip
import hashlib
import re

import pytest

from gateway.control.challenge.assets import HERE
from tests.control.challenge.world import ROOT, Place

WIDGET = f"{ROOT}/static/altcha/altcha.min.js"


def test_the_widget_is_what_was_published() -> None:
    """Nobody has changed a byte, and its licence lies beside it."""
    sums = re.findall(r"`(\S+\.(?:js|css))` .*`([0-9a-f]{64})`", (HERE / "altcha/README.md").read_text())
    found = {path.name for path in (HERE / "altcha").iterdir()} - {"README.md", "LICENSE.txt"}
    assert {name for name, _ in sums} == found
    for name, expected in sums:
        assert hashlib.sha256((HERE / "altcha" / name).read_bytes()).hexdigest() == expected
    assert "MIT License" in (HERE / "altcha/LICENSE.txt").read_text()


async def _addresses(place: Place) -> list[str]:
    """Of all that the page of a challenge names."""
    page = await place.get(place.desk.put())
    found = re.findall(r'(?:src|href|data-worker)="([^"]*/static/[^"]+)"', page.text)
    assert len(found) >= 7
    return found


async def test_what_a_page_names_is_kept_for_good(place: Place) -> None:
    """By a hash of its content: another content has another address."""
    for path in await _addresses(place):
        answer = await place.get(path)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'"
        assert (await place.get(path.partition("?")[0])).headers["Cache-Control"] == "no-cache"


async def test_the_page_is_small(place: Place) -> None:
    """All that the page of our own check loads is less than 60 KiB, compressed."""
    total = 0
    for path in [place.desk.put(), *dict.fromkeys(await _addresses(place))]:
        async with place.owner.visitor().client.get(
            f"{place.origin}{path}", headers={"Accept-Encoding": "gzip"}, auto_decompress=False
        ) as answer:
            total += len(await answer.read())
    assert total < 60 * 1024


async def test_compressed_where_it_may_be(place: Place) -> None:
    """The same content, under a tag of its own."""
    client = place.owner.visitor().client
    url = f"{place.origin}{WIDGET}"
    async with client.get(url, headers={"Accept-Encoding": "br, gzip"}, auto_decompress=False) as answer:
        packed, tag = await answer.read(), answer.headers["ETag"]
        assert answer.headers["Content-Encoding"] == "gzip"
    async with client.get(url, headers={"Accept-Encoding": "identity"}, auto_decompress=False) as answer:
        assert await answer.read() == gzip.decompress(packed)
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["ETag"] != tag
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert 'rel="license"' in answer.headers["Link"]


async def test_what_is_there_is_not_sent_again(place: Place) -> None:
    """304 for the tag that we gave, alone or in a list, strong or weak."""
    tag = (await place.get(WIDGET)).headers["ETag"]
    for stated in (tag, f'"other", W/{tag}'):
        answer = await place.get(WIDGET, headers={"If-None-Match": stated})
        assert (answer.status, answer.text) == (304, "")
    assert (await place.get(WIDGET, headers={"If-None-Match": '"other"'})).status == 200


@pytest.mark.parametrize(
    "name",
    [
        "nothing.js",
        "altcha/README.md",
        "../pages.py",
        "..%2fpages.py",
        "altcha/../../pages.py",
        "%2e%2e/words.py",
        "altcha",
    ],
)
async def test_nothing_else_is_served(place: Place, name: str) -> None:
    """Names are looked up, never opened."""
    assert (await place.get(f"{ROOT}/static/{name}")).status == 404
