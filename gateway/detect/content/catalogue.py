"""The templates that are known: born from groups, hit, merged, judged, gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from gateway.detect.content.arrays import F64, I32, I64, U32, U64, Flags, gather, mixed
from gateway.detect.content.grouping import group
from gateway.detect.content.heavy import PUBLIC, REJECTED, SUSPECT, Heavies
from gateway.detect.content.ledger import Ledger
from gateway.detect.content.numbers import Numbers
from gateway.detect.content.slots import ALL, EACH, signature_of
from gateway.detect.content.table import NOBODY
from gateway.detect.content.templates import Rulings, Template, Word, need_of, plan

_PERIOD: Final = 60.0
"""Seconds between two groupings where no record has become eligible."""


class Looked(NamedTuple):
    """What a look changed."""

    new: tuple[int, ...] = ()
    """Ids of templates that were born; `Template.founders` have shown it before."""
    merged: tuple[tuple[int, int], ...] = ()
    """(Id that is no more, id that has its parties now; -1 for none)."""
    changed: tuple[int, ...] = ()
    """Ids whose `suspect` is another than before."""


class Catalogue:
    def __init__(self, numbers: Numbers, heavies: Heavies) -> None:
        self.templates: dict[int, Template] = {}
        self.rulings = Rulings()
        self.ledger = Ledger(numbers.ledger_at_most)
        self.next = 0
        self.need: I32 = np.zeros(0, np.int32)
        """By id, as the three below."""
        self.suspect: Flags = np.zeros(0, np.bool_)
        self._below: U64 = np.zeros(0, np.uint64)
        self._among: U64 = np.zeros(0, np.uint64)
        self._numbers = numbers
        self._heavies = heavies
        self.grouped = float("-inf")
        self.eligible = 0

    def note(
        self,
        ids: I32,
        events: I64,
        parties: I32,
        trusted: Flags,
        times: F64,
        fillings: U64,
        apart: Callable[[int], U64],
    ) -> None:
        """Hits of a batch; `apart` gives the shingles of an event that are not heavy."""
        self.ledger.add(ids, parties[events], trusted[events])
        hit, at, counts = np.unique(ids, return_inverse=True, return_counts=True)
        first, last = np.full(len(hit), np.inf), np.full(len(hit), -np.inf)
        np.minimum.at(first, at, times[events])
        np.maximum.at(last, at, times[events])
        columns = (column.tolist() for column in (hit, counts, first, last))
        for id_, count, since, until in zip(*columns, strict=True):
            template = self.templates[id_]
            template.hits += count
            template.first = min(template.first or since, since)
            template.last = max(template.last, until)
        hashes = fillings[events]
        for row in np.flatnonzero(hashes <= self._below[ids]):
            id_ = int(ids[row])
            slots = self.templates[id_].slots
            slots.note(int(parties[events[row]]), int(hashes[row]))
            self._below[id_] = slots.below - 1
        places = mixed(parties[events].astype(np.uint64))
        for row in np.flatnonzero(places <= self._among[ids]):
            id_, place, filling = int(ids[row]), int(places[row]), int(hashes[row])
            slots = self.templates[id_].slots
            if len(slots.parties.get(place, ())) < EACH or filling % EACH == 0:
                slots.compare(place, filling, signature_of(apart(int(events[row]))))
                self._among[id_] = slots.among - 1

    def users(self, templates: I32) -> I64:
        """Untrusted parties of each template, 0 for -1."""
        counts = np.zeros(self.next + 1, np.int64)
        for template in self.templates.values():
            counts[template.id] = template.parties
        return counts[templates]

    def judge(self, records: I64, public: Flags) -> None:
        """What each record counts for from now on."""
        rejected = np.zeros(self.next + 1, np.bool_)
        for template in self.templates.values():
            rejected[template.id] = template.word is Word.REJECTED
        standing = np.where(public, PUBLIC, SUSPECT)
        self._heavies.standing[records] = np.where(rejected[self._heavies.template[records]], REJECTED, standing)

    def look(self, now: float, eligible: I64) -> Looked:
        new: tuple[int, ...] = ()
        merged: tuple[tuple[int, int], ...] = ()
        if len(eligible) != self.eligible or now - self.grouped >= _PERIOD:
            self.eligible, self.grouped = len(eligible), now
            new, merged = self._regroup(now, eligible)
        return Looked(new, merged, self._refresh())

    def rule(self, key: int, word: Word) -> None:
        named = next((one for one in self.templates.values() if one.key == key), None)
        self.rulings.rule(key, word, named.shingles if named else np.empty(0, np.uint64))
        for template in self.templates.values():
            template.word = self.rulings.word_of(template.key, template.shingles)

    def restore(self, templates: list[Template], following: int, grouped: float, eligible: int) -> None:
        """As it was when they were kept."""
        self.next, self.grouped, self.eligible = following, grouped, eligible
        self._room(following)
        self.templates = {template.id: template for template in templates}
        for template in templates:
            self.need[template.id], self.suspect[template.id] = template.need, template.suspect
            self._below[template.id] = template.slots.below - 1
            self._among[template.id] = template.slots.among - 1

    def _room(self, size: int) -> None:
        """For ids below `size`."""
        more = size - len(self.need)
        self.need = np.concatenate([self.need, np.zeros(more, np.int32)])
        self.suspect = np.concatenate([self.suspect, np.zeros(more, np.bool_)])
        self._below = np.concatenate([self._below, np.full(more, ALL - 1, np.uint64)])
        self._among = np.concatenate([self._among, np.full(more, ALL - 1, np.uint64)])

    def _regroup(self, now: float, eligible: I64) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
        heavies, numbers = self._heavies, self._numbers
        held = heavies.template[eligible]
        labels = group(heavies.events[eligible], held, numbers.alike, numbers.places)
        heavies.template[:] = -1
        goes: dict[int, int] = {}
        new = []
        planned = plan(labels, held, numbers.members)
        for rows, known, ended in planned[: numbers.templates_at_most]:
            records = eligible[rows]
            id_ = known if known >= 0 else self._born(now, records)
            if known < 0:
                new.append(id_)
            heavies.template[records] = id_
            template = self.templates[id_]
            # Records that were all of it, and as many as it has, are what they were.
            if len(template.shingles) != len(records) or (held[rows] != id_).any():
                template.shingles = np.sort(gather(heavies.tags[records]))
                template.need = self.need[id_] = need_of(len(records), numbers.hit)
                template.word = self.rulings.word_of(template.key, template.shingles)
                template.author = _author(heavies.authors[records])
            goes.update(dict.fromkeys(ended, id_))
        present = set(heavies.template[eligible].tolist())
        gone = [id_ for id_ in self.templates if id_ not in present]
        for id_ in gone:
            self.ledger.move(id_, goes.get(id_, -1))
            self.templates.pop(id_)
            self.suspect[id_] = False
        return tuple(new), tuple((id_, goes.get(id_, -1)) for id_ in gone)

    def _born(self, now: float, records: I64) -> int:
        """A template of these records. Parties whose last events wrote enough of their rings were there before it."""
        id_, self.next = self.next, self.next + 1
        if id_ >= len(self.need):
            self._room(max(64, 2 * id_))
        need = need_of(len(records), self._numbers.hit)
        written, counts = np.unique(self._heavies.parties[records], return_counts=True)
        shown = written[counts >= need]
        founders, trusted = shown[shown >= 0], -2 - shown[shown < -1]
        shingles = np.sort(gather(self._heavies.tags[records]))
        self.templates[id_] = Template(id_, int(shingles[0]), shingles, need, now, founders, first=now, last=now)
        self.templates[id_].author = _author(self._heavies.authors[records])
        for parties, flag in ((founders, False), (trusted, True)):
            self.ledger.add(np.full(len(parties), id_, np.int32), parties, np.full(len(parties), flag))
        return id_

    def _refresh(self) -> tuple[int, ...]:
        """Parties by the ledger, and who is suspect."""
        ids = np.fromiter(self.templates, np.int64, len(self.templates))
        untrusted, trusted = self.ledger.sizes(ids)
        changed = []
        for id_, parties, known in zip(ids.tolist(), untrusted.tolist(), trusted.tolist(), strict=True):
            template = self.templates[id_]
            template.parties, template.trusted = parties, known
            template.suspect = template.word is not Word.REJECTED
            if template.suspect != self.suspect[id_]:
                self.suspect[id_] = template.suspect
                changed.append(id_)
        return tuple(changed)


def _author(authors: U32) -> int:
    """Hash of whom more than half of some records are by, -1 for nobody."""
    values, counts = np.unique(authors[authors != NOBODY] & 0xFFFF, return_counts=True)
    return int(values[np.argmax(counts)]) if len(values) and 2 * counts.max() > len(authors) else -1
