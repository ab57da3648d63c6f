"""What comes from an address is whole, wanted, and from where it should be."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.feeds.download import FetchFailed, Validators, download
from gateway.feeds.sources import UrlSource
from tests.feeds.elsewhere import Vendor, serve

CONTENT = b"8.8.8.8\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with serve() as found:
        found.files["/l.txt"] = CONTENT
        yield found


async def test_bytes_and_validators(vendor: Vendor, tmp_path: Path) -> None:
    """What is asked next time, it is asked on a condition."""
    vendor.etags["/l.txt"] = '"one"'
    source = UrlSource(f"{vendor.address}/l.txt")
    known = await download(source, tmp_path / "out")
    assert known == Validators('"one"', "", SHA256)
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert await download(source, tmp_path / "out", known) is None
    assert vendor.asked[1][1]["If-None-Match"] == '"one"'
    vendor.etags["/l.txt"] = '"two"'
    assert await download(source, tmp_path / "out", known) == Validators('"two"', "", SHA256)


async def test_progress(vendor: Vendor, tmp_path: Path) -> None:
    """Bytes so far, and in all."""
    told: list[tuple[int, int]] = []
    await download(UrlSource(f"{vendor.address}/l.txt"), tmp_path / "out", progress=lambda *one: told.append(one))
    assert told == [(8, 8)]


@pytest.mark.parametrize(
    ("checksums", "right"),
    [
        pytest.param(f"{SHA256}  l.txt\n", True, id="sha256sum"),
        pytest.param(SHA256.upper(), True, id="alone, in upper case"),
        pytest.param(f"{'0' * 64}  other.txt\n{SHA256} *./l.txt\n", True, id="of many files"),
        pytest.param(f"{'0' * 64}  l.txt\n{SHA256}  other.txt\n", False, id="of many files, wrong"),
        pytest.param("<html>", False, id="no checksum"),
    ],
)
async def test_a_checksum_from_an_address(vendor: Vendor, tmp_path: Path, checksums: str, right: bool) -> None:
    """The line of the file counts."""
    vendor.files["/sums"] = checksums.encode()
    source = UrlSource(f"{vendor.address}/l.txt", checksum_url=f"{vendor.address}/sums")
    if right:
        assert await download(source, tmp_path / "out") is not None
        assert await download(source, tmp_path / "out", Validators(sha256=SHA256)) is None
        assert [path for path, _ in vendor.asked] == ["/sums", "/l.txt", "/sums"]
    else:
        with pytest.raises(FetchFailed, match="checksum"):
            await download(source, tmp_path / "out")


async def test_a_pinned_checksum(vendor: Vendor, tmp_path: Path) -> None:
    """Other bytes are refused; what is there by another checksum is fetched, whatever its ETag."""
    vendor.etags["/l.txt"] = '"one"'
    with pytest.raises(FetchFailed, match="the checksum is wrong"):
        await download(UrlSource(f"{vendor.address}/l.txt", sha256="0" * 64), tmp_path / "out")
    source = UrlSource(f"{vendor.address}/l.txt", sha256=SHA256)
    assert await download(source, tmp_path / "out", Validators('"one"', "", "f" * 64)) is not None


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({"bearer": "t"}, "Bearer t"),
        ({"username": "42", "password": "k:é"}, "Basic NDI6azrDqQ=="),
    ],
)
async def test_credentials(vendor: Vendor, tmp_path: Path, source: dict[str, Any], field: str) -> None:
    """As the source states them; without them, the vendor's answer is told and no secret."""
    vendor.wants = field
    await download(UrlSource(f"{vendor.address}/l.txt", **source), tmp_path / "out")
    with pytest.raises(FetchFailed, match="answers 401: it does not take our credentials"):
        await download(UrlSource(f"{vendor.address}/l.txt"), tmp_path / "out")


async def test_credentials_stay_with_their_host(vendor: Vendor, tmp_path: Path) -> None:
    """The store to which a vendor sends its callers is another's."""
    async with serve() as store:
        store.files["/x"] = CONTENT
        vendor.redirects["/l.txt"] = f"{store.address}/x"
        await download(UrlSource(f"{vendor.address}/l.txt", bearer="t"), tmp_path / "out")
        assert vendor.asked[0][1]["Authorization"] == "Bearer t"
        assert "Authorization" not in store.asked[0][1]


@pytest.mark.parametrize("target", ["http://192.0.2.1/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "//192.0.2.1/x"])
async def test_no_redirect_leads_astray(vendor: Vendor, tmp_path: Path, target: str) -> None:
    """Only https goes on, to https; on loopback, http."""
    vendor.redirects["/l.txt"] = target
    with pytest.raises(FetchFailed, match="not safe"):
        await download(UrlSource(f"{vendor.address}/l.txt"), tmp_path / "out")


async def test_redirects_end(vendor: Vendor, tmp_path: Path) -> None:
    """A circle is left."""
    vendor.redirects["/l.txt"] = "/l.txt"
    with pytest.raises(FetchFailed, match="more than 5 redirects"):
        await download(UrlSource(f"{vendor.address}/l.txt"), tmp_path / "out")


async def test_what_is_not_there(vendor: Vendor, tmp_path: Path) -> None:
    """Its status is told."""
    with pytest.raises(FetchFailed, match="answers 404"):
        await download(UrlSource(f"{vendor.address}/no"), tmp_path / "out")


async def test_half_an_answer(vendor: Vendor, tmp_path: Path) -> None:
    """It is none."""
    vendor.cut = True
    with pytest.raises(aiohttp.ClientError):
        await download(UrlSource(f"{vendor.address}/l.txt"), tmp_path / "out")


async def test_too_much(vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor cannot fill the disk."""
    monkeypatch.setattr("gateway.feeds.download.MAX_BYTES", 4)
    with pytest.raises(FetchFailed, match="larger than"):
        await download(UrlSource(f"{vendor.address}/l.txt"), tmp_path / "out")


async def test_a_checksum_elsewhere_gets_no_credential(vendor: Vendor, tmp_path: Path) -> None:
    """The operator trusts one host with it, and not whoever publishes the checksum."""
    async with serve() as other:
        other.files["/sums"] = SHA256.encode()
        source = UrlSource(f"{vendor.address}/l.txt", checksum_url=f"{other.address}/sums", bearer="word")
        await download(source, tmp_path / "out")
        assert "Authorization" not in other.asked[0][1]
        assert vendor.asked[0][1]["Authorization"] == "Bearer word"
