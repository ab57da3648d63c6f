"""What is known of each account: counts and last places, half a kilobyte each, in the row that it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from gateway.campaigns.facts import AccountFacts
from gateway.detect.batch import FEATURES, Batch, Hashing, Ints, Naming
from gateway.detect.settings import Settings
from gateway.detect.table import Column, Table

DAY: Final = 86_400.0
STEPS: Final = 2
"""Of verification, from which on an account is trusted."""
PAID: Final = 20.0
"""US dollars of paid invoices, and"""
OLD: Final = 45 * DAY
"""this age, which earn trust only together: aged accounts are for sale."""
MODELS: Final = 16
"""The first so many models are counted by account, the later ones together in the last column."""

COLUMNS: Final[Mapping[str, str | tuple[str, int]]] = {
    "party": "i4",
    "organisation": "i4",
    "created": "f8",
    "first": "f8",
    "last": "f8",
    "heard": "u4",
    "refused": "u4",
    "verification": "i1",
    "paid": "f4",
    "contract": "?",
    "cleared": "f8",
    "path": "i2",
    "domain": "u8",
    "signup_country": "i2",
    "network": "u8",
    "asn": "i8",
    "country": "i2",
    "kinds": "u1",
    "ja4": "u8",
    "headers": "u8",
    "sdk": "u8",
    "features": ("u4", len(FEATURES)),
    "models": ("u4", MODELS),
    "words": ("f4", 3),
    "output": ("f4", 3),
    "hours": ("f4", 2),
    "moved": "u4",
    "before": "u4",
    "showing": "u4",
    "shingles": "u4",
    "private": "u4",
    "tainted": "?",
    "trusted": "?",
    "score": "f4",
    "cluster": "i4",
    "most": "i1",
    "kinds_said": "i1",
    "since": "f8",
    "expires": "f8",
    "version": "i8",
}
"""`words` and `output`: exchanges of known length, sum and sum of squares of the logarithm. `hours`: sums of cosine and
sine of the time of day. `moved`, `before`: bits of new models (`pivots`). `score` … `version`: the last verdict."""


class Accounts:
    def __init__(self, settings: Settings) -> None:
        self._at_most = settings.accounts_at_most
        self._forget = 4 * settings.half_life
        self.rows = Table(COLUMNS)
        self.names: list[str] = []
        """By row; the empty one is a free row."""
        self.index: dict[str, int] = {}
        self._free: list[int] = []
        self._parties = 0
        self.organisations: dict[str, int] = {}
        """Name -> party."""
        self.paths = Naming(1 << 10)
        self.countries = Naming(1 << 10)
        self._hashing = Hashing()
        self.domains: dict[int, str] = {}
        """Hash -> name of the common ones, for words of evidence."""

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, column: str) -> Column:
        return self.rows[column]

    def row(self, name: str) -> int:
        """Of the account with this name; a new one where there is none."""
        known = self.index.get(name)
        if known is not None:
            return known
        if self._free:
            at = self._free.pop()
        else:
            at = int(self.rows.add(1)[0])
            self.names.append("")
        self.names[at] = name
        self.index[name] = at
        self._parties += 1
        self.rows["party"][at] = self._parties
        self.rows["cluster"][at] = -1
        return at

    def learn(self, facts: AccountFacts) -> int:
        """Its row; `learnt` follows."""
        at = self.row(facts.account)
        rows = self.rows
        if facts.organisation:
            self._join(at, facts.organisation)
        if facts.created:
            rows["created"][at] = facts.created
        rows["verification"][at] = max(min(facts.verification, 127), int(rows["verification"][at]))
        rows["paid"][at] = facts.paid
        rows["contract"][at] = facts.contract
        rows["cleared"][at] = max(facts.cleared, float(rows["cleared"][at]))
        rows["path"][at] = self.paths(facts.path)
        if facts.email_domain:
            rows["domain"][at] = self._hashing(facts.email_domain)
        rows["signup_country"][at] = self.countries(facts.signup_country)
        return at

    def learnt(self, at: Column, now: float) -> None:
        self.rows["last"][at] = np.maximum(self.rows["last"][at], now)
        self.trust(at, now)

    def _join(self, at: int, organisation: str) -> None:
        party = self.organisations.get(organisation)
        if party is None:
            party = self.organisations[organisation] = int(self.rows["party"][at])
        self.rows["party"][at] = party
        self.rows["organisation"][at] = 1

    def trust(self, at: Column, now: float) -> None:
        """Says anew who is trusted. Age alone is no ground, and links to other accounts take it away."""
        rows = self.rows
        old = (rows["created"][at] > 0) & (now - rows["created"][at] >= OLD)
        earned = (rows["verification"][at] >= STEPS) | ((rows["paid"][at] >= PAID) & old)
        stated = rows["contract"][at] | (rows["cleared"][at] > now)
        rows["trusted"][at] = stated | (earned & ~rows["tainted"][at])

    def hear(self, batch: Batch) -> None:
        rows, at = self.rows, batch.account
        for place, organisation in enumerate(batch.organisations):
            if organisation and not rows["organisation"][at[place]]:
                self._join(int(at[place]), organisation)
        unique = np.unique(at)
        fresh = unique[rows["first"][unique] == 0]
        rows["first"][fresh] = np.inf
        np.minimum.at(rows["first"], at, batch.time)
        np.maximum.at(rows["last"], at, batch.time)
        np.maximum.at(rows["verification"], at, batch.verification)
        np.add.at(rows["heard"], at, 1)
        np.add.at(rows["refused"], at, batch.refused.astype(np.uint32))
        np.add.at(rows["features"], at, batch.features)
        np.add.at(rows["models"], (at, np.clip(batch.model - 1, 0, MODELS - 1)), (batch.model > 0).astype(np.uint32))
        _moments(rows["words"], at, batch.words)
        _moments(rows["output"], at, batch.output)
        angle = batch.time * (2 * np.pi / DAY)
        np.add.at(rows["hours"], at, np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32))
        for name in ("created", "network", "asn", "country", "kinds", "ja4", "headers", "sdk"):
            values = getattr(batch, name)
            known = values != 0
            rows[name][at[known]] = values[known]
        self.trust(unique, float(batch.time[-1]))

    def full(self, room: int) -> bool:
        return len(self.index) + room > self._at_most

    def forget(self, now: float, room: int = 0) -> Ints:
        """Rows of who was not heard of for long, and of the idlest where there is no room; the caller frees them."""
        rows = self.rows
        used = np.array([bool(name) for name in self.names], np.bool_)
        told = rows["expires"] > now
        # Of whom only facts are known is counted from now on. Trust that was earned outlasts a holiday.
        rows["last"][used & (rows["last"] <= 0)] = now
        idle = used & ~told & ~rows["trusted"] & (rows["last"] < now - self._forget)
        over = len(self.index) - int(idle.sum()) + room - self._at_most
        if over > 0:
            # A tenth more than needed, so that this is rare; a verdict in force keeps its account.
            order = np.argsort(np.where(used & ~idle, rows["last"] + told * self._forget, np.inf), kind="stable")
            idle[order[: over + self._at_most // 10]] = True
            idle &= used
        return np.flatnonzero(idle)

    def free(self, freed: Ints) -> None:
        for at in freed.tolist():
            del self.index[self.names[at]]
            self.names[at] = ""
        self.rows.clear(freed)
        self._free.extend(freed[::-1].tolist())
        held = set(np.unique(self.rows["party"]).tolist())
        self.organisations = {name: party for name, party in self.organisations.items() if party in held}

    @property
    def bytes(self) -> int:
        """Of the table, and an estimate for names and their places: 200 each."""
        return self.rows.bytes + 200 * len(self.index) + 150 * len(self.organisations)

    def save(self) -> dict[str, object]:
        return {
            "names": self.names,
            "free": self._free,
            "parties": self._parties,
            "organisations": self.organisations,
            "paths": self.paths.names,
            "countries": self.countries.names,
        }

    def load(self, arrays: Mapping[str, Column], saved: Mapping[str, object]) -> None:
        self.rows.load("accounts.", arrays)
        self.names = list(_strings(saved["names"]))
        if len(self.names) != self.rows.size:
            raise ValueError("names and rows differ")
        self.index = {name: at for at, name in enumerate(self.names) if name}
        free, parties, organisations = saved["free"], saved["parties"], saved["organisations"]
        if not (isinstance(free, list) and isinstance(parties, int) and isinstance(organisations, dict)):
            raise ValueError("accounts of another shape")  # noqa: TRY004 - what is wrong is the file.
        self._free, self._parties, self.organisations = free, parties, organisations
        self.paths.fill(_strings(saved["paths"]))
        self.countries.fill(_strings(saved["countries"]))


def _strings(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004 - as above.
    return [str(item) for item in value]


def _moments(column: Column, at: Ints, values: Ints) -> None:
    known = values > 0
    log = np.log(values, where=known, out=np.zeros(len(values)))
    np.add.at(column, at, np.stack([known, log, log * log], axis=1).astype(np.float32))


def active(accounts: Accounts) -> Ints:
    """Rows that were heard of."""
    return np.flatnonzero(accounts["heard"] > 0)


def parties_of(accounts: Accounts, rows: Ints) -> tuple[Ints, int]:
    """(For each row the number of its party, 0 … n-1; n)."""
    unique, numbers = np.unique(accounts["party"][rows], return_inverse=True)
    return numbers, len(unique)


def chosen(names: Iterable[str], accounts: Accounts) -> Ints:
    """Rows of those that are known."""
    return np.array([accounts.index[name] for name in names if name in accounts.index], np.int32)
