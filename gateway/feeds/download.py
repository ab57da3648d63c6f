"""Bytes from an address into a file: bounded, checked against a checksum, and only if they changed.

Redirects lead from https to https, and a credential never goes along to another host: MaxMind sends its callers on to
presigned URLs of an object store (dev.maxmind.com/geoip/updating-databases), which refuses a second one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from gateway.feeds.signing_keys import unsafe_address
from gateway.feeds.sources import MaxMindSource, Unpack, UrlSource

MAX_BYTES = 2 * 1024**3
"""Of one file, packed or not."""
MAX_REDIRECTS = 5
_MAX_CHECKSUM = 64 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=1800.0, sock_connect=10.0, sock_read=30.0)
_DIGEST = re.compile(r"\b[0-9a-fA-F]{64}\b")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Progress = Callable[[int, int], None]
"""Called with bytes so far, and bytes in all: 0 where that is not known."""


class FetchFailed(Exception):
    """What could not be had, or must not be used. The text is for people and holds no secret."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What makes the next request a conditional one (RFC 9110, section 13)."""

    etag: str = ""
    last_modified: str = ""
    sha256: str = ""
    """Of the bytes as they came."""


NO_VALIDATORS = Validators()


def of_maxmind(source: MaxMindSource) -> UrlSource:
    """The permalink of an edition, and that of its checksum; HTTP Basic by account id and licence key."""
    address = f"{source.host}/geoip/databases/{source.edition}/download?suffix=tar.gz"
    return UrlSource(
        address,
        checksum_url=f"{address}.sha256",
        unpack=Unpack.TAR,
        member=".mmdb",
        username=source.account_id,
        password=source.licence_key,
        every=source.every,
    )


async def download(
    source: UrlSource, out: Path, known: Validators = NO_VALIDATORS, progress: Progress | None = None
) -> Validators | None:
    """Into the file `out`; None if what is there is what is `known`. Raises FetchFailed, aiohttp.ClientError, OSError
    and TimeoutError.
    """
    connector = aiohttp.TCPConnector(limit=4)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(
        auto_decompress=False, cookie_jar=jar, timeout=_TIMEOUT, connector=connector
    ) as session:
        expected = source.sha256
        if source.checksum_url:
            expected = await _checksum(session, source)
        if expected:
            if expected == known.sha256:
                return None
            # What is there is not what is promised, whatever its date.
            known = NO_VALIDATORS
        async with _get(session, source, source.url, known) as answer:
            if answer.status == 304 and known != NO_VALIDATORS:
                return None
            _expect_success(answer)
            actual = await _save(answer, out, progress)
            validators = Validators(answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""), actual)
    if expected and actual != expected:
        raise FetchFailed(f"the checksum is wrong: sha256 {actual}, and {expected} was promised")
    return validators


async def _checksum(session: aiohttp.ClientSession, source: UrlSource) -> str:
    async with _get(session, source, source.checksum_url, NO_VALIDATORS) as answer:
        _expect_success(answer)
        content = await answer.content.read(_MAX_CHECKSUM)
        while not answer.content.at_eof() and len(content) < _MAX_CHECKSUM:
            content += await answer.content.read(_MAX_CHECKSUM - len(content))
    lines = content.decode("ascii", "replace").splitlines()
    name = URL(source.url).name
    # One file may state the checksums of many.
    for line in [line for line in lines if line.split()[1:] and line.split()[-1].lstrip("*./") == name] or lines[:1]:
        if found := _DIGEST.search(line):
            return found[0].lower()
    raise FetchFailed(f"no checksum stands at {source.checksum_url.partition('?')[0]}")


@asynccontextmanager
async def _get(
    session: aiohttp.ClientSession, source: UrlSource, address: str, known: Validators
) -> AsyncIterator[aiohttp.ClientResponse]:
    url = URL(address)
    # Also for a checksum that stands elsewhere: the credential is for where the bytes are.
    origin = URL(source.url).origin()
    for _ in range(MAX_REDIRECTS + 1):
        fields = _fields(source, known) if url.origin() == origin else _conditions(known)
        async with session.get(url, headers=fields, allow_redirects=False) as answer:
            if answer.status not in _REDIRECTS:
                yield answer
                return
            target = url.join(URL(answer.headers.get("Location", "")))
            if unsafe_address(str(target)) or (url.scheme == "https" and target.scheme != "https"):
                raise FetchFailed(f"{url.origin()} sends us on to {target.scheme}://{target.host}, which is not safe")
            url = target
    raise FetchFailed(f"more than {MAX_REDIRECTS} redirects")


def _conditions(known: Validators) -> dict[str, str]:
    fields = {"Accept-Encoding": "identity", "User-Agent": "tidegate"}
    if known.etag:
        fields["If-None-Match"] = known.etag
    if known.last_modified:
        fields["If-Modified-Since"] = known.last_modified
    return fields


def _fields(source: UrlSource, known: Validators) -> dict[str, str]:
    fields = _conditions(known)
    if source.bearer:
        fields["Authorization"] = f"Bearer {source.bearer}"
    elif source.username:
        fields["Authorization"] = aiohttp.encode_basic_auth(source.username, source.password, "utf-8")
    return fields


def _expect_success(answer: aiohttp.ClientResponse) -> None:
    if answer.status in {401, 403}:
        raise FetchFailed(f"{answer.url.origin()} answers {answer.status}: it does not take our credentials")
    if answer.status != 200:
        raise FetchFailed(f"{answer.url.origin()} answers {answer.status}")


async def _save(answer: aiohttp.ClientResponse, out: Path, progress: Progress | None) -> str:
    """SHA-256 of what was written, in hex."""
    total = answer.content_length or 0
    if total > MAX_BYTES:
        raise FetchFailed(f"larger than {MAX_BYTES >> 20} MiB")
    state, size = hashlib.sha256(), 0
    with out.open("wb") as file:
        async for chunk in answer.content.iter_chunked(256 * 1024):
            size += len(chunk)
            if size > MAX_BYTES:
                raise FetchFailed(f"larger than {MAX_BYTES >> 20} MiB")
            state.update(chunk)
            file.write(chunk)
            if progress is not None:
                progress(size, total)
    return state.hexdigest()
