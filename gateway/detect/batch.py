"""A batch of events as columns: what the engine counts is counted for a thousand at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gateway.campaigns.event import Event, Minted, Sketch

FEATURES: Final = ("tools", "vision", "audio", "reasoning", "structured_output", "batch", "web_search")
KINDS: Final = ("hosting", "vpn", "tor", "residential_proxy", "relay")
"""Of networks, in the order of their bits."""
REMEMBERED: Final = 1 << 17
"""Strings whose hash is remembered; then it begins anew."""

Ints = npt.NDArray[Any]


class Hashing:
    """String -> 64 bits, 0 for the empty one; what recurs is hashed once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {"": 0}

    def __call__(self, text: str) -> int:
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known = {"": 0}
            known = (
                int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1
            )
            self._known[text] = known
        return known

    def column(self, texts: Sequence[str]) -> Ints:
        known = self._known
        return np.array([known[t] if t in known else self(t) for t in texts], np.uint64)


class Naming:
    """String -> a small number, 0 for the empty one and for what came when there was no room."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.names: list[str] = [""]
        self._known: dict[str, int] = {"": 0}

    def __call__(self, name: str) -> int:
        known = self._known.get(name)
        if known is None:
            if len(self.names) >= self._room:
                return 0
            known = self._known[name] = len(self.names)
            self.names.append(name)
        return known

    def fill(self, names: Sequence[str]) -> None:
        """With what was saved."""
        self.names = list(names)
        self._known = {name: number for number, name in enumerate(self.names)}


@dataclass(frozen=True, slots=True)
class Batch:
    """Columns of one length; `account` holds rows of `Accounts`."""

    account: Ints
    time: Ints
    verification: Ints
    created: Ints
    network: Ints
    asn: Ints
    country: Ints
    kinds: Ints
    ja4: Ints
    headers: Ints
    sdk: Ints
    model: Ints
    features: Ints
    """(events, FEATURES): 0 or 1."""
    output: Ints
    """Tokens used, or what was capped to where that is unknown."""
    words: Ints
    status: Ints
    refused: Ints
    prompt: Ints
    """Keyed hash."""
    organisations: Sequence[str]
    systems: Sequence[Sketch]
    prompts: Sequence[Sketch]
    turns: Sequence[tuple[int, ...]]
    minted: Sequence[tuple[Minted, ...]]

    def __len__(self) -> int:
        return len(self.account)


class Reading:
    """Events -> Batch."""

    def __init__(self) -> None:
        self.models = Naming(1 << 10)
        self.countries = Naming(1 << 10)
        self._hashing = Hashing()
        self._features: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._kinds: dict[tuple[str, ...], int] = {}

    def read(self, events: Sequence[Event], row: Callable[[str], int]) -> Batch:
        c = dict(zip(Event._fields, zip(*events, strict=True), strict=True))
        status = np.array(c["status"], np.int16)
        acted = np.array([a != "allow" for a in c["action"]], np.bool_)
        used = np.array(c["usage_output"], np.float64)
        return Batch(
            account=np.array([row(name) for name in c["account"]], np.int32),
            time=np.array(c["time"], np.float64),
            verification=np.array(c["verification"], np.int8),
            created=np.array(c["created"], np.float64),
            network=self._hashing.column(c["network"]),
            asn=np.array(c["asn"], np.int64),
            country=np.array([self.countries(v) for v in c["country"]], np.int16),
            kinds=np.array([self._kind(v) for v in c["network_kinds"]], np.uint8),
            ja4=self._hashing.column(c["ja4"]),
            headers=self._hashing.column(c["headers"]),
            sdk=self._hashing.column(c["sdk"]),
            model=np.array([self.models(v) for v in c["model"]], np.int16),
            features=np.array([self._feature(v) for v in c["features"]], np.uint32),
            output=np.where(used > 0, used, np.array(c["output_cap"], np.float64)),
            words=np.array(c["prompt_words"], np.float64),
            status=status,
            refused=acted | (status == 429) | (status == 403),
            prompt=np.array(c["prompt_hash"], np.uint64),
            organisations=c["organisation"],
            systems=c["system"],
            prompts=c["prompt"],
            turns=c["turns"],
            minted=c["minted"],
        )

    def _feature(self, features: tuple[str, ...]) -> tuple[int, ...]:
        known = self._features.get(features)
        if known is None:
            known = tuple(int(name in features) for name in FEATURES)
            if len(self._features) < 1 << 10:
                self._features[features] = known
        return known

    def _kind(self, kinds: tuple[str, ...]) -> int:
        known = self._kinds.get(kinds)
        if known is None:
            known = sum(1 << bit for bit, name in enumerate(KINDS) if name in kinds)
            if len(self._kinds) < 1 << 10:
                self._kinds[kinds] = known
        return known
