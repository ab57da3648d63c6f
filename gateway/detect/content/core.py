"""The content core: batches of sketches in, hits of templates out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from gateway.detect.content import keeping
from gateway.detect.content.arrays import F64, I32, I64, U32, U64, Distinct, Flags, counted, filled
from gateway.detect.content.batch import Batch, batch_of, filling_bits, fillings_of
from gateway.detect.content.catalogue import Catalogue, Looked
from gateway.detect.content.door import TRUSTED, Door, codes_of
from gateway.detect.content.heavy import PLACES, SUSPECT, Heavies
from gateway.detect.content.numbers import Numbers
from gateway.detect.content.table import Table
from gateway.detect.content.templates import Template, Word
from gateway.detect.settings import Settings

_ONE: Final = np.uint64(1)
_NONE: Final = np.uint64(0)
_LOW: Final = 0xFFFFFFFF


class Hits(NamedTuple):
    """Of a batch, event by event."""

    templates: I32
    """Ids of the suspect templates that event i shows: `templates[offsets[i]:offsets[i + 1]]`, ascending."""
    offsets: I64
    shingles: I32
    """How many it has, of system prompt and last turn."""
    private: I32
    """Of them: shown before, by its own party and by no other."""
    shared: I32
    """Of them: two parties or more have shown it, now or before. The rest are new."""
    public: I32
    """Of the shared ones: in use by many, and among trusted parties about as much as among others; or rejected."""


class Content:
    def __init__(self, settings: Settings, numbers: Numbers | None = None) -> None:
        self.numbers = numbers or Numbers()
        slots = settings.shingles_at_most
        self.door = Door(4 * slots)
        self.table = Table(slots // 2)
        self.heavies = Heavies(min(self.numbers.heavies_at_most, slots // 4))
        self.untrusted = Distinct()
        """Untrusted parties that were heard at all."""
        self.trusted = Distinct()
        self.catalogue = Catalogue(self.numbers, self.heavies)
        self.events = 0
        self.forgotten = -1
        """Up to which turn positions of the table were cleared; -1 before the first look."""
        self._turn = 2 * settings.half_life / 64

    @property
    def templates(self) -> dict[int, Template]:
        """By id."""
        return self.catalogue.templates

    def hear(
        self,
        parties: I32,
        trusted: Flags,
        times: F64,
        prompt_hashes: U64,
        systems: Sequence[U64],
        prompts: Sequence[U64],
    ) -> Hits:
        """A batch of events: `parties` are 0 or above, `prompt_hashes` are 0 where unknown, sketches may be empty."""
        size = len(parties)
        first = self.events + 1
        self.events += size
        self.untrusted.add(parties[~trusted])
        self.trusted.add(parties[trusted])
        batch = batch_of(systems, prompts)
        if not len(batch.spread):
            blank = np.zeros(size, np.int32)
            return Hits(np.empty(0, np.int32), np.zeros(size + 1, np.int64), blank, blank, blank, blank)
        now = max(int(times.max()), 0)
        codes = codes_of(parties.astype(np.uint64), trusted)
        fillings = fillings_of(batch, prompt_hashes)
        slots, private, fresh = self._place(batch, codes, now)
        apart = ((slots < 0) | (self.table.heavy[slots] < 0))[batch.inverse]
        self._count(batch, slots, codes, filling_bits(batch, fillings, fresh, apart, codes))
        heavy = self._records(batch, slots)
        seen = heavy[batch.inverse]
        chosen = np.flatnonzero(seen >= 0)
        events = batch.events[chosen]
        self.heavies.write(
            seen[chosen],
            ((codes[events] >> np.uint32(6)) & np.uint32(PLACES - 1)).astype(np.uint8),
            ((first + events) & _LOW).astype(np.uint32),
            np.where(trusted[events], -2 - parties[events], parties[events]).astype(np.int32),
        )
        ids, where = self._hits(events, seen[chosen])
        if len(ids):
            self.catalogue.note(
                ids, where, parties, trusted, times, fillings.events, lambda event: batch.of(event, seen < 0)
            )
        told = self.catalogue.suspect[ids]
        offsets = np.zeros(size + 1, np.int64)
        np.cumsum(np.bincount(where[told], minlength=size), out=offsets[1:])
        public = np.zeros(len(heavy), np.bool_)
        public[heavy >= 0] = self.heavies.standing[heavy[heavy >= 0]] != SUSPECT
        return Hits(
            ids[told],
            offsets,
            batch.tally(),
            batch.tally(private),
            batch.tally((slots >= 0)[batch.inverse]),
            batch.tally(public[batch.inverse]),
        )

    def _place(self, batch: Batch, codes: U32, now: int) -> tuple[I64, Flags, Flags]:
        """The slot of each distinct shingle, -1 where it is not in the table; and of each occurrence whether it was its
        party's own before, and whether nobody had shown it.
        """
        slots = self.table.find(batch.shingles)
        self.table.seen[slots[slots >= 0]] = now
        absent = np.flatnonzero(slots < 0)
        shingles = batch.shingles[absent]
        ordered = codes[batch.events[batch.order]]
        low = np.minimum.reduceat(ordered, batch.starts)[absent]
        high = np.maximum.reduceat(ordered, batch.starts)[absent]
        known = self.door.ask(shingles)
        alone = (low == high) & (~known.there | (known.codes == low))
        again = known.there[alone]
        self.door.keep(shingles[alone], low[alone], again)
        common = absent[~alone]
        slots[common] = self.table.insert(shingles[~alone], now)
        # What came in may have displaced what was found.
        held = slots >= 0
        held[held] = self.table.tags.reshape(-1)[slots[held]] == batch.shingles[held]
        slots[~held] = -1
        before = known.there[~alone] & held[common]
        self._mark(slots[common[before]], known.codes[~alone][before])
        self.table.author[slots[common[before]]] = known.codes[~alone][before]
        own = np.zeros(len(slots), np.bool_)
        own[absent[alone]] = again
        new = np.zeros(len(slots), np.bool_)
        new[absent[alone]] = ~again
        return slots, own[batch.inverse], new[batch.inverse]

    def _mark(self, slots: I64, codes: U32) -> None:
        """The bit of one party each; the slots are distinct."""
        bits = _ONE << (codes & np.uint32(63)).astype(np.uint64)
        trusted = codes >= TRUSTED
        self.table.trusted[slots[trusted]] |= bits[trusted]
        self.table.untrusted[slots[~trusted]] |= bits[~trusted]

    def _count(self, batch: Batch, slots: I64, codes: U32, fillings: U64) -> None:
        bits = _ONE << (codes & np.uint32(63)).astype(np.uint64)
        known = codes >= TRUSTED
        there = slots >= 0
        for column, values in (
            (self.table.fillings, fillings),
            (self.table.trusted, np.where(known, bits, _NONE)[batch.events]),
            (self.table.untrusted, np.where(known, _NONE, bits)[batch.events]),
        ):
            column[slots[there]] |= np.bitwise_or.reduceat(values[batch.order], batch.starts)[there]

    def _records(self, batch: Batch, slots: I64) -> I32:
        """The record of each distinct shingle, -1 for none; what has become a candidate gets one."""
        heavy = np.where(slots >= 0, self.table.heavy[slots], np.int32(-1)).astype(np.int32)
        rising = np.flatnonzero((slots >= 0) & (heavy < 0))
        at = slots[rising]
        various = np.bitwise_count(self.table.fillings[at]) >= self.numbers.filled
        rising = rising[various & (counted(self.table.untrusted[at]) >= self.numbers.candidate)]
        if len(rising):
            numbers = self.heavies.promote(batch.shingles[rising], slots[rising], self.table.author[slots[rising]])
            heavy[rising] = numbers
            self.table.heavy[slots[rising]] = numbers
        return heavy

    def _hits(self, events: I64, seen: I32) -> tuple[I32, I64]:
        """Templates, and the events that show enough of them."""
        held = self.heavies.template[seen] >= 0
        # A shingle that stands in the system prompt and in the last turn counts once.
        pairs = np.unique((events[held] << 32) | seen[held])
        templates = self.heavies.template[pairs & _LOW].astype(np.int64)
        keys, counts = np.unique((pairs >> 32 << 32) | templates, return_counts=True)
        ids = (keys & _LOW).astype(np.int32)
        hit = counts >= self.catalogue.need[ids]
        return ids[hit], (keys >> 32)[hit]

    def look(self, now: float) -> Looked:
        """At Unix time `now`: what is heavy comes into templates, what is stale goes."""
        turn = int(now // self._turn)
        if self.forgotten < 0:
            self.forgotten = turn
        for position in range(max(self.forgotten + 1, turn - 63), turn + 1):
            self.table.forget(position % 64)
        self.forgotten = max(self.forgotten, turn)
        self._review(now)
        return self.catalogue.look(now, self._eligible())

    def _review(self, now: float) -> None:
        """Records of what has become light, or was not seen for long, go."""
        live = self.heavies.live
        slots = self.heavies.slots[live]
        light = counted(self.table.untrusted[slots]) < self.numbers.candidate / 2
        stale = now - self.table.seen[slots] > 64 * self._turn
        lost = light | stale
        self.table.heavy[slots[lost]] = -1
        if lost.any():
            self.heavies.drop(live[lost])

    def _eligible(self) -> I64:
        """Records of what may be part of a template; notes which are public."""
        live = self.heavies.live
        slots = self.heavies.slots[live]
        untrusted = counted(self.table.untrusted[slots])
        users = np.maximum(untrusted, self.catalogue.users(self.heavies.template[live]))
        trusted = counted(self.table.trusted[slots])
        public = self.numbers.public(users, trusted, self.untrusted.count(), self.trusted.count())
        self.catalogue.judge(live, public)
        # What is part of a template stays so while half as many parties use it: no template flickers.
        held = (self.heavies.template[live] >= 0) & (untrusted >= self.numbers.heavy / 2)
        able = (held | (untrusted >= self.numbers.heavy)) & ~public
        asked = np.flatnonzero(able & ~held)
        able[asked] = filled(self.table.fillings[slots[asked]]) >= self.numbers.fillings
        return live[able]

    def approve(self, key: int) -> None:
        """A person said that the template with this key is a campaign's: suspect, whoever else uses it."""
        self.catalogue.rule(key, Word.APPROVED)

    def reject(self, key: int) -> None:
        """It is none: what is mostly of its shingles is never suspect again."""
        self.catalogue.rule(key, Word.REJECTED)

    def save(self) -> keeping.Kept:
        """All of it, as arrays by name: views, to be written before the next batch."""
        return keeping.save(self)

    def load(self, kept: Mapping[str, npt.NDArray[Any]]) -> bool:
        """What `save` gave, into one that was just made; False, and nothing has changed, where that does not fit."""
        return keeping.load(self, kept)

    @property
    def bytes(self) -> int:
        """Of memory: fixed at the start but for records, templates and ledger, which are bounded."""
        return keeping.size(self)
