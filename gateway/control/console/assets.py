"""The console's files, read once at start: the page that every address under `/console/` gets, and what it loads.

All of them stand under one digest, `/console/static/DIGEST/…`: modules name each other by relative paths, so one change
gives every file another address, and browsers may keep each of them for ever.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).parent / "static"
ROOT: Final = "/console/static"
SHELL: Final = "index.html"
_PARTS: Final = ("alarms", "api", "dialog", "format", "keys", "router", "session", "signin", "ui")
FIRST: Final = ("app.js", "pages/index.js", *(f"parts/{name}.js" for name in _PARTS), "vendor/ui.js")
"""The modules of the frame. The page names them all, so no browser has to read one to learn of the next."""
KINDS: Final[Mapping[str, str]] = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""What is served; anything else that lies there is not."""
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SHELL_FIELDS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}
FILE_FIELDS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'",  # Of a file that is opened by itself.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
}


class Asset(NamedTuple):
    content: bytes
    packed: bytes
    """By gzip."""
    kind: str
    tag: str
    """An entity tag, without quotes."""


class Assets:
    """All of them in memory: some 1 MB, and a third of it packed."""

    def __init__(self, folder: Path = HERE) -> None:
        found = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in KINDS and path.is_file()
        }
        shell = (folder / SHELL).read_bytes()
        self.digest: Final = _digest(shell, *(name.encode() + b"\0" + content for name, content in found.items()))
        """Of everything that is served."""
        self.all: Final[Mapping[str, Asset]] = {
            f"{self.digest}/{name}": _asset(content, KINDS[Path(name).suffix]) for name, content in found.items()
        }
        """By what follows ROOT."""
        self.shell: Final = _asset(self._shell(shell.decode()), "text/html")

    def url(self, name: str) -> str:
        return f"{ROOT}/{self.digest}/{name}"

    def _shell(self, page: str) -> bytes:
        preloads = "\n".join(f'<link rel="modulepreload" href="{self.url(name)}">' for name in FIRST)
        return page.replace("{static}", f"{ROOT}/{self.digest}").replace("{preloads}", preloads).encode()


def _digest(*parts: bytes) -> str:
    made = hashlib.sha256()
    for part in parts:
        made.update(len(part).to_bytes(8) + part)
    return made.hexdigest()[:16]


def _asset(content: bytes, kind: str) -> Asset:
    return Asset(content, gzip.compress(content, 9, mtime=0), kind, hashlib.sha256(content).hexdigest()[:16])
