"""Who is signed in with a browser. Kept in this process alone: a restart signs everybody out.

A session is no right of its own: with each request its token is asked again, so what takes the token's rights takes
the session's.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.control.operations import Operator

IDLE: Final = 30 * 60.0
"""Seconds without a request after which one ends."""
LONGEST: Final = 12 * 3600.0
"""Seconds after which it ends all the same."""
MOST: Final = 256
"""At once; then the one that was used least lately ends."""


@dataclass(slots=True)
class Session:
    """Somebody in a browser."""

    operator: Operator
    """As its token said last. `csrf` is the session's own."""
    token: str | None
    """Id of the token that it came by, empty for the file's; None where somebody else's word (OIDC) was taken."""
    created: float
    seen: float
    expires: float
    """At the latest."""

    @property
    def ends(self) -> float:
        return min(self.seen + IDLE, self.expires)


class Sessions:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._all: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def open(self, operator: Operator, token: str | None, expires: float | None = None) -> tuple[str, Session]:
        """The cookie's value, new each time, and the session."""
        now, named = self._now(), secrets.token_urlsafe(32)
        latest = now + LONGEST if expires is None else min(now + LONGEST, expires)
        mine = Operator(operator.name, operator.role, secrets.token_urlsafe(32))
        made = self._all[_mark(named)] = Session(mine, token, now, now, latest)
        self._sweep()
        return named, made

    def find(self, named: str) -> Session | None:
        found, now = self._all.get(_mark(named)), self._now()
        if found is None:
            return None
        if now >= found.ends or now < found.created - IDLE:
            self.end(named)
            return None
        found.seen = max(found.seen, now)
        self._all.move_to_end(_mark(named))
        return found

    def end(self, named: str) -> None:
        self._all.pop(_mark(named), None)

    def _sweep(self) -> None:
        now = self._now()
        for mark in [mark for mark, one in self._all.items() if now >= one.ends]:
            del self._all[mark]
        while len(self._all) > MOST:
            self._all.popitem(last=False)


def is_same(stated: str, csrf: str) -> bool:
    """Without telling by its time how much of it is right."""
    return bool(csrf) and hmac.compare_digest(stated.encode("utf-8", "surrogateescape"), csrf.encode())


def _mark(named: str) -> bytes:
    return hashlib.sha256(named.encode("utf-8", "surrogateescape")).digest()
