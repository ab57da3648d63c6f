"""All that was heard and learnt: what the clusters are made from. It judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from gateway.campaigns.event import Event
from gateway.campaigns.facts import AccountFacts
from gateway.detect.accounts import Accounts
from gateway.detect.batch import Batch, Ints, Reading
from gateway.detect.content import Content, hashed
from gateway.detect.content.templates import Template, Word
from gateway.detect.hits import Hits
from gateway.detect.hours import Hours
from gateway.detect.links import Links
from gateway.detect.pivots import Pivots
from gateway.detect.settings import Settings

WORTH: Final = 512
"""Events that are taken in at once: a batch costs as much as some hundreds of its events."""
WAIT: Final = 60.0
"""Seconds for which one waits at the most, where there are few."""
LOOK: Final = 120.0
"""Seconds between two looks for templates, at the least;"""
NEWS: Final = 512
"""events that it takes,"""
PATIENCE: Final = 300.0
"""or so many seconds."""
FASHION: Final = 8.0
"""A template is a fashion where the share of trusted parties among those who show it, times this, is as among all: a
campaign's cover traffic shows what many honest people show, too, and hides how many of these are trusted.
"""
SEVERAL: Final = 2
"""Trusted parties that it takes: one bought account makes no fashion."""


class Memory:
    def __init__(self, settings: Settings, tag: Callable[[str], str] | None) -> None:
        """`tag`: account -> the tag of its minted ids (`minted.Mint.tag`); None where events name the account."""
        self._settings = settings
        self._tag = tag
        self.tags: dict[str, int] = {}
        """Tag -> row."""
        self.reading = Reading()
        self.accounts = Accounts(settings)
        self.content = Content(settings)
        self.hits = Hits()
        self.links = Links(settings.without)
        self.pivots = Pivots()
        self.hours = Hours()
        self.now = 0.0
        self.news: set[int] = set()
        """Rows of accounts that have shown a template for the first time, since they were looked at."""
        self._waiting: list[Event] = []
        self._looked = 0.0
        self._unlooked = 0

    def known(self, names: Iterable[str]) -> Ints:
        """Rows of these; new ones where there are none."""
        rows = []
        for name in names:
            if name not in self.accounts.index and self.accounts.full(1):
                self.forget(self.now, 1)
            row = self.accounts.row(name)
            self._tagged(name, row)
            rows.append(row)
        return np.array(rows, np.int32)

    def learn(self, facts: Iterable[AccountFacts]) -> None:
        rows = []
        for fact in facts:
            if self.accounts.full(1):
                self.forget(self.now, 1)
            row = self.accounts.learn(fact)
            rows.append(row)
            self._tagged(fact.account, row)
            self.links.learn(row, fact.links, self.now)
        self.accounts.learnt(np.array(rows, np.int32), self.now)

    def hear(self, events: Sequence[Event]) -> None:
        """Takes them in where there are enough to be worth it; else they wait for more, or for `settle`."""
        self._waiting.extend(events)
        if len(self._waiting) >= WORTH:
            self._take_in()

    def settle(self, now: float) -> None:
        """Takes in what has waited long enough."""
        if self._waiting and now - self._waiting[0].time >= WAIT:
            self._take_in()

    def _take_in(self) -> None:
        events, self._waiting = self._waiting, []
        if not events:
            return
        if self.accounts.full(len(events)):
            self.forget(self.now, len(events))
        before = self.accounts.rows.size
        batch = self.reading.read(events, self.accounts.row)
        if self._tag is not None:
            for row in range(before, self.accounts.rows.size):
                self._tagged(self.accounts.names[row], row)
        self.now = max(self.now, float(batch.time.max()))
        self._unlooked += len(batch)
        self.accounts.hear(batch)
        self.links.hear(batch, self.accounts, self.tags)
        self.pivots.hear(batch, self.accounts)
        self.hours.hear(batch.account, batch.time)
        self._hear_content(batch)

    def _tagged(self, name: str, row: int) -> None:
        if self._tag is not None:
            self.tags[self._tag(name)] = row

    def _hear_content(self, batch: Batch) -> None:
        rows = self.accounts
        found = self.content.hear(
            rows["party"][batch.account],
            rows["trusted"][batch.account],
            batch.time,
            batch.prompt,
            batch.systems,
            batch.prompts,
        )
        np.add.at(rows["shingles"], batch.account, found.shingles.astype(np.uint32))
        np.add.at(rows["private"], batch.account, found.private.astype(np.uint32))
        counts = np.diff(found.offsets)
        if counts.any():
            np.add.at(rows["showing"], batch.account, (counts > 0).astype(np.uint32))
            owner = np.repeat(np.arange(len(batch)), counts)
            self.news.update(self.hits.add(batch.account[owner], found.templates, batch.time[owner]).tolist())

    def look(self, now: float) -> int:
        """Lets templates be born, merge and go; how many of the suspect ones are others than before."""
        since = now - self._looked
        if since < LOOK or (self._unlooked < NEWS and since < PATIENCE) or not self._unlooked:
            return 0
        self._looked, self._unlooked = now, 0
        told = self.content.look(now)
        for gone, into in told.merged:
            self.hits.rename(gone, into)
        if told.new:
            self._founded(told.new)
        return len(told.new) + len(told.merged) + len(told.changed)

    def _founded(self, new: Sequence[int]) -> None:
        """Who had shown a template before it was known has shown it."""
        rows = self.accounts
        for id_ in new:
            template = self.content.templates.get(id_)
            if template is None:
                continue
            founders = np.flatnonzero(np.isin(rows["party"], template.founders) & (rows["heard"] > 0))
            times = np.full(len(founders), template.born)
            self.news.update(self.hits.add(founders, np.full(len(founders), id_), times).tolist())

    def suspects(self) -> Ints:
        """Ids of templates that count, ascending: none that trusted parties show as they do a fashion."""
        if "templates" in self._settings.without:
            return np.empty(0, np.int64)
        trusted, untrusted = self.content.trusted.count(), self.content.untrusted.count()
        least = trusted / max(FASHION * (trusted + untrusted), 1.0)
        return np.array(
            sorted(
                id_
                for id_, template in self.content.templates.items()
                if template.suspect and not (template.word is Word.NOTHING and is_fashion(template, least))
            ),
            np.int64,
        )

    def copied(self, rows: Ints) -> Ints:
        """Of `rows` of hits those of who did not write the template: that others show one's text is their doing."""
        if not len(rows):
            return rows
        templates = self.content.templates
        held, at = np.unique(self.hits["template"][rows], return_inverse=True)
        authors = [templates[id_].author if id_ in templates else -1 for id_ in held.tolist()]
        author = np.array(authors, np.int64)[at]
        kept: Ints = rows[author != hashed(self.accounts["party"][self.hits["account"][rows]])]
        return kept

    def forget(self, now: float, room: int = 0) -> Ints:
        """Who was not heard of for long; the rows that are free now."""
        return self._free(self.accounts.forget(now, room), now - 4 * self._settings.half_life)

    def erase(self, names: Collection[str]) -> Ints:
        """The rows of these, which are free now."""
        if names:
            # What waits is taken in first: an event of theirs would make them known again.
            self._take_in()
        rows = sorted(row for name in names if (row := self.accounts.index.get(name)) is not None)
        return self._free(np.array(rows, np.int32), 0.0) if rows else np.array(rows, np.int32)

    def _free(self, freed: Ints, since: float) -> Ints:
        """Drops what these rows hold, and what was last seen before `since`."""
        self.hits.sweep(since, freed, np.array(sorted(self.content.templates), np.int64))
        self.links.sweep(since, freed)
        if len(freed):
            self.hours.free(freed)
            lost = set(freed.tolist())
            self.tags = {tag: row for tag, row in self.tags.items() if row not in lost}
            self.news -= lost
            self.links.news -= lost
            self.accounts.free(freed)
        return freed

    @property
    def bytes(self) -> int:
        parts = (self.accounts, self.content, self.hits, self.links, self.hours)
        return sum(part.bytes for part in parts) + 150 * len(self.tags)

    def save(self) -> tuple[dict[str, Ints], dict[str, object]]:
        self._take_in()
        arrays, links = self.links.save()
        arrays |= self.accounts.rows.save("accounts.") | self.hits.rows.save("hits.") | self.hours.save()
        arrays |= {f"content.{name}": column for name, column in self.content.save().items()}
        return arrays, {
            "links": links,
            "accounts": self.accounts.save(),
            "pivots": self.pivots.save(),
            "models": self.reading.models.names,
            "countries": self.reading.countries.names,
            "now": self.now,
            "looked": [self._looked, self._unlooked],
            "news": sorted(self.news),
        }

    def load(self, arrays: Mapping[str, Ints], saved: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError or ValueError where that is of another shape; then this one is of no use."""
        content = {
            name.removeprefix("content."): column for name, column in arrays.items() if name.startswith("content.")
        }
        if not self.content.load(content):
            raise ValueError("content of another shape")
        self.accounts.load(arrays, saved["accounts"])
        self.hits.load(arrays)
        self.hours.load(dict(arrays))
        self.links.load(arrays, saved["links"])
        self.pivots.load(saved["pivots"])
        self.reading.models.fill([str(name) for name in saved["models"]])
        self.reading.countries.fill([str(name) for name in saved["countries"]])
        self.now = float(str(saved["now"]))
        looked, unlooked = saved["looked"]
        self._looked, self._unlooked = float(looked), int(unlooked)
        self.news = {int(str(row)) for row in saved["news"]}
        for name, row in self.accounts.index.items():
            self._tagged(name, row)


def is_fashion(template: Template, least: float) -> bool:
    """`least` is the share of trusted parties from which on."""
    trusted = template.trusted
    return trusted >= SEVERAL and trusted >= least * (trusted + template.parties)
