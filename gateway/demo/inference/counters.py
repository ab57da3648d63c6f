"""What the stand-in remembers, for tests to look at: `GET /standin/stats`."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.demo.inference.words import Json

BODY_KEPT = 65_536
"""Bytes of a body that is shown back; of a longer one only its size and digest are kept."""


@dataclass(slots=True)
class Counters:
    """Counts since the start or the last reset. `open_streams` outlives a reset, since the streams do."""

    requests: Counter[str] = field(default_factory=Counter)
    """By route, such as `POST /v1/messages`."""
    statuses: Counter[int] = field(default_factory=Counter)
    credentials: Counter[str] = field(default_factory=Counter)
    """By `fingerprint`: what a caller's own credential would be found under if it leaked."""
    refused_credentials: int = 0
    open_requests: int = 0
    open_streams: int = 0
    aborted: int = 0
    """Answers, streams or not, whose reader left before the end."""
    broken: int = 0
    """Answers that the stand-in dropped because it was asked to."""
    output_tokens: int = 0
    """Made and written, over all answers: the truth to compare a settlement with."""
    input_tokens: int = 0
    last: Json | None = None
    ids: int = 0

    def note(self, method: str, target: str, fields: list[tuple[str, str]], body: bytes) -> None:
        """Remember the last request as it came, credentials as fingerprints."""
        shown = [[name, fingerprint(value) if name in CREDENTIALS else value] for name, value in fields]
        self.last = {
            "method": method,
            "target": target,
            "fields": shown,
            "size": len(body),
            "digest": hashlib.sha256(body).hexdigest(),
            "body": _shown(body),
        }

    def new_id(self, prefix: str) -> str:
        """An identifier that counts up, of the usual length."""
        self.ids += 1
        return f"{prefix}{self.ids:024d}"

    def reset(self) -> None:
        """Begin again, but for what is still open."""
        fresh = Counters(open_requests=self.open_requests, open_streams=self.open_streams, ids=self.ids)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def as_json(self) -> Json:
        """All of it, as an object."""
        return {
            "requests": dict(self.requests),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "credentials": dict(self.credentials),
            "refused_credentials": self.refused_credentials,
            "open_requests": self.open_requests,
            "open_streams": self.open_streams,
            "aborted": self.aborted,
            "broken": self.broken,
            "output_tokens": self.output_tokens,
            "input_tokens": self.input_tokens,
            "last": self.last,
        }


CREDENTIALS = frozenset({"authorization", "x-api-key", "proxy-authorization", "cookie"})


def fingerprint(credential: str) -> str:
    """How a credential is shown: the first half of its SHA-256, without a `Bearer ` before it."""
    return hashlib.sha256(credential.removeprefix("Bearer ").encode()).hexdigest()[:32]


def _shown(body: bytes) -> Any:
    if not body or len(body) > BODY_KEPT:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("latin-1")
