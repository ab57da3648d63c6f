"""Small exchange logs, written as a gateway writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from gateway.history.columns import EVENT, Event
from gateway.history.recorder import Recorder
from gateway.history.spool import OpenSegment, serialise, spool_of

NOON: Final = 1_700_049_600.0
USUAL: Final[dict[str, Any]] = {
    "exchange": "x", "time": NOON, "generation": 1, "digest": "d1", "method": "POST", "path": "/v1/chat/completions",
    "route": "chat.completions", "dialect": "openai", "model": "m-large", "streaming": False, "features": [],
    "input_tokens": 10, "output_cap": None, "items": 1, "generates": True, "client_address": "192.0.2.1",
    "country": "NO", "asn": 64_500, "network_kinds": [], "latitude": None, "longitude": None, "radius": 0.0,
    "private": False, "ja4": "", "account": "acme", "organisation": "", "key": "k1", "tier": "free", "created": None,
    "email_domain": "", "signup_country": "", "billing_country": "", "verification": 0, "action": "allow",
    "reason": "", "entry": "", "rules": [], "weight": 0, "tags": [], "captcha": False, "status": 200, "seconds": 0.5,
    "decision_seconds": 0.0001, "usage_input": 10, "usage_output": 20, "usage_cached": 0, "usage_cache_creation": 0,
    "usage_reasoning": 0, "delivered": 0, "aborted": False, "reached": True,
    "assigned": "", "evidence": [], "falls": [], "identity": "", "signup_burst": 0,
    "request_id": "",
}  # fmt: skip
NO_USAGE: Final[dict[str, Any]] = dict.fromkeys(
    ("usage_input", "usage_output", "usage_cached", "usage_cache_creation", "usage_reasoning")
)


def event(**values: Any) -> Event:
    """A granted exchange of acme at noon, but for what is said."""
    unknown = set(values) - set(USUAL)
    assert not unknown, unknown
    return tuple({**USUAL, **values}[name] for name in EVENT)


def refused(entry: str, reason: str, action: str = "deny", **values: Any) -> Event:
    """One that an entry refused."""
    rules = [[entry, "", action, reason, True]]
    said = {"action": action, "entry": entry, "reason": reason, "rules": rules, "status": 403, "reached": False}
    return event(**{**NO_USAGE, **said, "seconds": 0.001, **values})


def segment(folder: Path, events: Iterable[Event], worker: str = "w1", now: float = NOON) -> Path:
    """A closed one."""
    spool = spool_of(folder)
    spool.mkdir(parents=True, exist_ok=True)
    written = OpenSegment(spool, worker, now)
    written.write(serialise(list(events))[0])
    written.close()
    return next(path for path in spool.iterdir() if path.stem.startswith(f"{int(now * 1_000_000):016d}-{worker}"))


def log(folder: Path, events: Iterable[Event]) -> Path:
    """A recorded log of these events."""
    segment(folder, events)
    Recorder(folder, lambda: NOON, keep=30 * 86_400.0).convert(everything=True)
    return folder
