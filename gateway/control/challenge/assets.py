"""What pages load from us: found by name, kept by browsers for as long as its content is the same."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

from gateway.challenges.addresses import ROOT
from gateway.control import look

HERE: Final = Path(__file__).parent / "static"
LICENSE: Final = "altcha/LICENSE.txt"
_KINDS: Final[Mapping[str, str]] = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""What is served; anything else that lies there is not."""


class Asset(NamedTuple):
    content: bytes
    packed: bytes
    """By gzip."""
    kind: str
    digest: str


class Assets:
    """Read, hashed and compressed once: together some 110 KB."""

    def __init__(self, prefix: str) -> None:
        """`prefix` is what stands before each of our paths."""
        self._root = f"{prefix}{ROOT}/static"
        found = {
            path.relative_to(HERE).as_posix(): path.read_bytes() for path in HERE.rglob("*") if path.suffix in _KINDS
        }
        found["style.css"] = look.STYLE
        found["icon.svg"] = look.ICON
        self.all: Mapping[str, Asset] = {name: _asset(name, content) for name, content in found.items()}

    def url(self, name: str) -> str:
        """With its hash: another content has another address. Raises KeyError."""
        return f"{self._root}/{name}?{self.all[name].digest}"

    async def serve(self, request: web.Request) -> web.Response:
        """One of them. Raises HTTPNotFound."""
        name = request.match_info["name"]
        asset = self.all.get(name)
        if asset is None:
            raise web.HTTPNotFound
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        tag = f'"{asset.digest}{"-gz" if packed else ""}"'
        headers = {
            # Whoever asks without the hash, or with an old one, has to ask again next time.
            "Cache-Control": "public, max-age=31536000, immutable"
            if request.query_string == asset.digest
            else "no-cache",
            "Content-Security-Policy": "default-src 'none'",  # A worker lives by the policy of its own file.
            "Cross-Origin-Resource-Policy": "same-origin",
            "ETag": tag,
            "Vary": "Accept-Encoding",
        }
        if name.startswith("altcha/"):
            headers["Link"] = f'<{self._root}/{LICENSE}>; rel="license"'
        if tag in {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}:
            return web.Response(status=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        body = asset.packed if packed else asset.content
        return web.Response(body=body, content_type=asset.kind, charset="utf-8", headers=headers)


def _asset(name: str, content: bytes) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(content, gzip.compress(content, 9, mtime=0), _KINDS[Path(name).suffix], digest)
