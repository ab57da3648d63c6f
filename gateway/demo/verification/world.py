"""What the stand-in knows: sessions, payments, credentials, and how it was told to behave."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

GIVEN_NAME: Final = "Marieluise"
FAMILY_NAME: Final = "Probst-Muñoz"
"""Of everybody who comes: a name with letters beyond ASCII, for what is signed, and easy to look for in a log."""

STATES: Final = ("created", "submitted", "review", "retry", "approved", "declined", "expired", "reversed")


class Credentials(NamedTuple):
    """With which a gateway is known to one provider, and with which that signs its webhooks."""

    key: str
    secret: str
    webhook_secrets: tuple[str, ...]
    flow: str


def _made_up(kind: str, key: str, flow: str, secret: str = "") -> Credentials:
    webhook = secret if kind == "veriff" else f"{kind}-webhook-secret-of-the-stand-in"
    return Credentials(key, secret, (webhook,), flow)


CREDENTIALS: Final[Mapping[str, Credentials]] = {
    "stripe": _made_up("stripe", "rk_test_of-the-stand-in", ""),
    "persona": _made_up("persona", "persona_sandbox_of-the-stand-in", "itmpl_StandIn"),
    "onfido": _made_up("onfido", "api_sandbox.of-the-stand-in", str(uuid.UUID(int=1))),
    "sumsub": _made_up("sumsub", "sbx:token-of-the-stand-in", "basic-kyc-level", "secret-of-the-stand-in"),
    "didit": _made_up("didit", "didit-key-of-the-stand-in", str(uuid.UUID(int=2))),
    "veriff": _made_up("veriff", str(uuid.UUID(int=3)), "", "shared-secret-of-the-stand-in"),
}
"""Provider -> what it takes if nothing else is set. They guard nothing."""


@dataclass(frozen=True, slots=True)
class Document:
    """That a person shows."""

    number: str
    country: str = "DEU"
    alpha2: str = "DE"
    """The same in two letters, as some providers state it."""
    expires: str = "2034-05-31"


@dataclass(slots=True)
class Session:
    """One verification at one provider."""

    provider: str
    id: str
    ours: str
    """What the gateway calls it."""
    account: str
    back: str
    made_at: float
    state: str = "created"
    reason: str = ""
    changed_at: float = 0.0
    document: Document = Document("")
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    """The way in."""
    attempt: int = 0

    def __post_init__(self) -> None:
        # A number of its own for each, so that nobody is taken for another unless the person at the page says so.
        digits = int.from_bytes(hashlib.sha256(self.id.encode()).digest()[:4]) % 10**7
        self.document = Document(f"X{digits:07}")
        self.changed_at = self.made_at


@dataclass(slots=True)
class Charge:
    """A payment."""

    id: str
    customer: str
    fingerprint: str


@dataclass(slots=True)
class Behaviour:
    """Of deliveries; changed by POST /standin/behaviour."""

    corrupt: bool = False
    """Signatures are wrong."""
    duplicates: int = 0
    """Each delivery is made so many times more."""
    skew: float = 0.0
    """Seconds that its clock is ahead of the true one."""
    delay: float = 0.0
    """Seconds before each delivery."""
    hold: bool = False
    """Nothing is delivered until POST /standin/release."""
    silent: bool = False
    """Webhooks are lost."""
    down: bool = False
    """Its API answers 503."""


@dataclass(frozen=True, slots=True)
class Settings:
    hooks: str = ""
    """Where webhooks go: an address with `{provider}` in it. Nowhere if empty."""
    credentials: Mapping[str, Credentials] = field(default_factory=lambda: CREDENTIALS)
    retries: tuple[float, ...] = (0.2, 1.0, 5.0)
    """Seconds before each further attempt, where the answer was not 2xx."""
    now: Callable[[], float] = time.time


class World:
    """All of it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.credentials = dict(settings.credentials)
        self.behaviour = Behaviour()
        self.sessions: dict[tuple[str, str], Session] = {}
        self.charges: dict[str, Charge] = {}
        self.made: dict[str, Session] = {}
        """By idempotency key."""

    def now(self) -> float:
        return self.settings.now() + self.behaviour.skew

    def open(self, provider: str, reference: str, ours: str, account: str, back: str) -> Session:
        session = Session(provider, reference, ours, account, back, self.settings.now())
        self.sessions[provider, reference] = session
        return session

    def by_token(self, token: str) -> Session | None:
        return next((session for session in self.sessions.values() if session.token == token), None)


def iso(at: float) -> str:
    """2026-11-22T10:00:00.000Z"""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fresh(prefix: str) -> str:
    """An id that nothing else has."""
    return prefix + secrets.token_hex(12)
