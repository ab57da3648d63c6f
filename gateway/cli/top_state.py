"""What `tidegate top` shows, worked out of what the operators' port said. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.cli.columns import lasting, short

BY: Final = ("tokens", "requests", "refusals", "spend")
"""What accounts are ranked by, in the order in which a key goes through them."""
SECONDS: Final = 120
REFUSALS: Final = 200

Said = Mapping[str, Any]


@dataclass(slots=True)
class State:
    """All that is on the screen."""

    now: Said = field(default_factory=dict)
    """The last second."""
    requests: deque[float] = field(default_factory=lambda: deque([0.0] * SECONDS, maxlen=SECONDS))
    refused: deque[float] = field(default_factory=lambda: deque([0.0] * SECONDS, maxlen=SECONDS))
    busy: Said = field(default_factory=dict)
    refusals: deque[Said] = field(default_factory=lambda: deque(maxlen=REFUSALS))
    """The newest first."""
    overrides: Sequence[Said] = ()
    by: str = BY[0]
    wanted: str = ""
    """Part of an account's name, a model, a reason."""
    live: bool = False
    """Whether the feed of seconds is there."""

    def take_second(self, second: Said) -> None:
        self.now = second
        self.live = True
        self.requests.append(second.get("requests") or 0.0)
        self.refused.append(second.get("refused") or 0.0)

    def take_decisions(self, rows: Sequence[Said]) -> None:
        """In the order of time."""
        self.refusals.extendleft(rows)

    def accounts(self) -> list[Said]:
        return [one for one in self.busy.get("accounts", ()) if self.wanted.casefold() in one["account"].casefold()]

    def decisions(self) -> list[Said]:
        wanted = self.wanted.casefold()
        texts = ("account", "model", "reason", "entry", "country")
        return [one for one in self.refusals if any(wanted in str(one.get(name, "")).casefold() for name in texts)]

    def sort(self) -> str:
        """By the next measure."""
        priced = bool(self.busy.get("priced"))
        there = [by for by in BY if by != "spend" or priced]
        self.by = there[(there.index(self.by) + 1) % len(there)] if self.by in there else there[0]
        return self.by


def header(state: State) -> str:
    """One line of figures."""
    now = state.now
    if not now:
        return "waiting for the first second"
    tokens = (now.get("tokens_input") or 0) + (now.get("tokens_output") or 0)
    parts = [
        f"{short(now['requests'])} req/s",
        f"{short(tokens)} tokens/s",
        f"{short(now['refused'])} refused/s",
        f"{short(now.get('active') or 0)} active",
        f"p50 {_time(now.get('p50'))}  p95 {_time(now.get('p95'))}  p99 {_time(now.get('p99'))}",
    ]
    return "   ".join(parts)


def health(state: State) -> str:
    """The next line: what it stands on."""
    now = state.now
    if not now:
        return ""
    workers, wanted = now.get("workers") or 0, now.get("wanted") or 0
    redis = now.get("store_available") or 0
    parts = [
        f"workers {workers}/{wanted}",
        f"Redis {'ok' if redis >= workers else f'{redis}/{workers}'}",
        f"generation {now.get('generation')}",
        f"revision {now.get('revision')}",
    ]
    return "   ".join(parts)


def alarms(state: State, now: float) -> str:
    """What nobody may forget: freezes and shadow that are on, what cannot be reached; empty where all is usual."""
    found = []
    if not state.live:
        found.append("no feed: what is shown is old")
    second = state.now
    if second and (second.get("workers") or 0) < (second.get("wanted") or 0):
        found.append(f"{second['wanted'] - second['workers']} worker(s) do not answer")
    if second and (second.get("store_available") or 0) < (second.get("workers") or 0):
        found.append("Redis is not reached")
    for one in state.overrides:
        kind = one["change"].get("kind")
        if kind in ("freeze", "shadow"):
            ends = one.get("expires")
            rest = f" for {lasting(ends - now)} more" if ends else ""
            found.append(f"{'FROZEN' if kind == 'freeze' else 'SHADOW'} {whom(one)}{rest}")
    return " · ".join(found)


def whom(override: Said) -> str:
    """Which limit, and for whom, in a few words."""
    scope = override.get("scope") or {}
    who = [f"{name.replace('_', ' ')} {_value(value)}" for name, value in scope.items() if value]
    limit = "" if override["limit"] == "*" else f"{override['limit']} of "
    return f"{limit}{', '.join(who) or 'everybody'}"


def does(override: Said) -> str:
    """What it does, in a few words."""
    change = override["change"]
    kind = str(change.get("kind", "unreadable"))
    if kind == "scale":
        return f"× {change['factor']:g}"
    if kind == "set":
        return f"at most {short(change['capacity'])}" if change.get("capacity") is not None else "other numbers"
    return {"freeze": "frozen"}.get(kind, kind)


def used(taken: float, capacity: float) -> str:
    """A bar of ten."""
    share = min(1.0, max(0.0, taken / capacity)) if capacity else 0.0
    full = round(share * 10)
    return f"{'█' * full}{'░' * (10 - full)} {short(taken)} of {short(capacity)}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _value(value: Any) -> str:
    return f"({len(value)})" if isinstance(value, list) else str(value)
