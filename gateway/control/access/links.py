"""Links that sign in once: for who has the command line at hand and wants the console, as with `tidegate console`.

A link is no right of its own: it signs in whoever had it made, with what their token may then. Kept in this process.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.control.access.tokens import Bearer

LASTS: Final = 300.0
"""Seconds."""
MOST: Final = 64
"""That wait to be opened."""


class Waiting(NamedTuple):
    bearer: Bearer
    expires: float


class Links:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._all: OrderedDict[bytes, Waiting] = OrderedDict()

    def make(self, bearer: Bearer, lasts: float) -> tuple[str, float]:
        """The link's token, and the Unix time of its end."""
        named, expires = secrets.token_urlsafe(32), self._now() + lasts
        self._all[_mark(named)] = Waiting(bearer, expires)
        while len(self._all) > MOST:
            self._all.popitem(last=False)
        return named, expires

    def spend(self, named: str) -> Bearer | None:
        """Whom it signs in: once."""
        found = self._all.pop(_mark(named), None)
        return found.bearer if found is not None and self._now() < found.expires else None


def _mark(named: str) -> bytes:
    return hashlib.sha256(named.encode("utf-8", "surrogateescape")).digest()
