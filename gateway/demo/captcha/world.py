"""What the stand-in knows: answers that it gave out, who used them up, and how it was told to behave."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

LASTS: Final = {
    "turnstile": 300.0,
    "hcaptcha": 120.0,
    "recaptcha": 120.0,
    "recaptcha_enterprise": 120.0,
    "friendly": 1200.0,
}
"""Kind -> seconds that an answer is good for."""
KINDS: Final = tuple(LASTS)


@dataclass
class Settings:
    """Who may ask."""

    site_key: str = "site-key-of-the-stand-in"
    secret: str = "secret-of-the-stand-in"
    project: str = "stand-in"
    now: Callable[[], float] = time.time


@dataclass
class Given:
    """An answer, as a browser was given it."""

    kind: str
    site_key: str
    host: str
    at: float
    bound: str = ""
    """The action, or the customer data."""
    score: float | None = 0.9
    """1 is a person."""
    used: bool = False
    key: str = ""
    """The idempotency key by which it was used."""


@dataclass
class Behaviour:
    """Of the whole stand-in, until it is told otherwise."""

    down: bool = False
    """503 for everything."""
    slow: float = 0.0
    """Seconds before each reply."""
    code: str = ""
    """The next validations fail with that code."""
    lose: int = 0
    """So many replies are lost: the answer is used up, and the connection cut."""
    answers: str = "json"
    """Or: html, redirect, large, nonsense, deep, list, empty."""


@dataclass
class World:
    settings: Settings = field(default_factory=Settings)
    behaviour: Behaviour = field(default_factory=Behaviour)
    given: dict[str, Given] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    """Each validation, as it was asked for, without the secret."""

    def give(self, kind: str, host: str, bound: str = "", *, score: float | None = 0.9, age: float = 0.0) -> str:
        """An answer, as if a person had just (`age` seconds ago) passed."""
        answer = f"{kind}.{secrets.token_urlsafe(24)}"
        at = self.settings.now() - age
        self.given[answer] = Given(kind, self.settings.site_key, host, at, bound, score)
        return answer

    def use(self, kind: str, answer: str, key: str = "") -> tuple[Given | None, str]:
        """(what was given, why not): empty, `unknown`, `expired`, `used`. Uses it up."""
        given = self.given.get(answer)
        if given is None or given.kind != kind:
            return None, "unknown"
        if given.used and not (key and key == given.key):
            return given, "used"
        if self.settings.now() - given.at > LASTS[kind]:
            return given, "expired"
        given.used, given.key = True, key
        return given, ""


def stamp(at: float) -> str:
    """RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
