"""What workers note -> events: texts to sketches, names to keyed hashes. Behind it there is no text any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import orjson

from gateway.campaigns.event import Event, Minted, Sketch
from gateway.campaigns.minted import Mint
from gateway.campaigns.observer import Note
from gateway.campaigns.sketch import Sketcher, count_of
from gateway.campaigns.words import TURN_WORDS, WHOLE
from gateway.history.exchange_log import network_of

SYSTEMS: Final = 2048
"""System prompts whose sketches are remembered: an application says the same one again and again."""
REMEMBERED: Final = 65_536
"""Addresses, and names, whose hashes are remembered;"""
SHORT: Final = 512
"""characters of one, at the most."""


class BadFrame(ValueError):
    """What came is not what a worker sends."""


class Sketching:
    """For one process; deterministic for its keys, which all gateways of a fleet share."""

    def __init__(self, sketches: bytes, names: bytes, mint: Mint | None = None) -> None:
        """`sketches` is the key of texts, `names` that of addresses, fields and ids; at least 16 bytes each."""
        self._sketcher = Sketcher(sketches)
        self._key = names[:64]
        self._mint = mint
        self._systems: dict[str, tuple[Sketch, int]] = {}
        self._remembered = lru_cache(REMEMBERED)(self._named)

    def named(self, kind: str, value: str) -> str:
        """16 hexadecimal digits; empty for nothing."""
        # Callers choose some of them: what is remembered has to be short.
        return self._remembered(kind, value) if len(value) <= SHORT else self._named(kind, value)

    def events(self, frame: bytes) -> list[Event]:
        """Of a frame's content. Raises BadFrame."""
        try:
            arrays = orjson.loads(frame)
            if type(arrays) is not list:
                raise BadFrame("no array")
            return self._events([Note(*array) for array in arrays])
        except (orjson.JSONDecodeError, TypeError, ValueError, AttributeError) as error:
            raise BadFrame(type(error).__name__) from None

    def _events(self, notes: Sequence[Note]) -> list[Event]:
        fresh = list(dict.fromkeys(note.system for note in notes if note.system not in self._systems))
        texts = [note.prompt for note in notes] + fresh
        sketches, counts = self._sketcher.read(texts)
        if len(self._systems) + len(fresh) > SYSTEMS:
            self._systems.clear()
            fresh = list(dict.fromkeys(note.system for note in notes))
            again = self._sketcher.read(fresh)
            self._systems.update(zip(fresh, zip(*again, strict=True), strict=True))
        else:
            self._systems.update(
                zip(fresh, zip(sketches[len(notes) :], counts[len(notes) :], strict=True), strict=True)
            )
        return [self._event(note, sketches[place], counts[place]) for place, note in enumerate(notes)]

    def _event(self, note: Note, prompt: Sketch, words: int) -> Event:
        before, size = note.sizes
        named = self.named
        headers, _, sdk = note.head.partition("\n")
        return Event(
            note.exchange, float(note.time), note.account, note.organisation, note.key, note.tier, note.verification,
            float(note.created),
            named("address", note.address), named("network", network_of(note.address)), note.asn, note.country,
            tuple(note.network_kinds), note.ja4, named("headers", headers), named("sdk", sdk),
            note.dialect, note.route, note.model, note.streaming, tuple(note.features),
            note.input_tokens, note.output_cap, note.usage_input, note.usage_output,
            note.status, note.action, note.reason, float(note.seconds),
            self._systems[note.system][0], prompt,
            words if size <= WHOLE else round(words * size / max(len(note.prompt), 1)),
            self._sketcher.hash(note.system, note.prompt, size=before + size),
            tuple([self._sketcher.hash(turn) for turn in note.turns if count_of(turn) >= TURN_WORDS]),
            tuple(self._wandered(note)) if note.ids else (),
        )  # fmt: skip

    def _wandered(self, note: Note) -> list[Minted]:
        """Ids that were made for others."""
        mint = self._mint
        if mint is None:
            return []
        tags = {given: mint.wandered(given, note.account, note.time) for given in note.ids}
        return [Minted(tag, int(self._named("id", given), 16) >> 1) for given, tag in tags.items() if tag]

    def _named(self, kind: str, value: str) -> str:
        if not value:
            return ""
        content = value.encode("utf-8", "surrogatepass")
        return blake2b(content, key=self._key, person=kind.encode(), digest_size=8).hexdigest()


def keys_of(secrets: Any) -> Mapping[str, bytes]:
    """Of the fleet's `Secrets`: one for each purpose, so that a hash of one kind says nothing of another."""
    return {purpose: secrets.key(purpose) for purpose in ("sketches", "observed", "minted")}
