"""Which of the fleet's detectors tells, and how it tells: verdicts into Redis, cases into the directory.

All of them follow the stream; one has the lease. Whoever gets it begins a term, and versions begin with the term: what
a leader that has lost its turn still writes is older than what the new one has said, and nobody goes back to it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.outage import Outage, said
from gateway.accounts.sql import cases
from gateway.accounts.sql.cases import CaseRecord
from gateway.accounts.sql.database import Database, Writing
from gateway.campaigns.verdict import Verdict
from gateway.detect.told import Cluster
from gateway.feeds.verdicts import (
    AHEAD,
    HELD,
    KEPT,
    LEADER,
    LONGEST,
    SILENT,
    STATE,
    TERM,
    TOLD,
    VERSIONS,
    batches,
    spelled,
)
from gateway.fleet_stream import AWAY, WRITE, Outages

LEASE: Final = 6.0
"""Seconds for which a leader that says nothing more is still the leader."""
RENEWED: Final = 1.5
"""Seconds between two looks at the lease."""
SWEPT: Final = 60.0
"""Seconds between two looks for verdicts that count no more."""
WHO: Final = "detector"
"""In the audit."""

log = logging.getLogger(__name__)

_RENEW: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
_RELEASE: Final = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
_TERM: Final = """
local before = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if not (before < tonumber(ARGV[2])) then before = 0 end
local term = math.max(before + 1, tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%d', term))
return term
"""
_HOLD: Final = """
local kept = 0
for at = 1, #ARGV, 3 do
  local there = redis.call('HGET', KEYS[1], ARGV[at])
  local read, known = pcall(cjson.decode, there or '')
  if not read or type(known) ~= 'table' or (tonumber(known[10]) or 0) < tonumber(ARGV[at + 1]) then
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 2])
    kept = kept + 1
  end
end
return kept
"""
_DROP: Final = """
local gone = 0
for at = 2, #ARGV do
  local read, known = pcall(cjson.decode, redis.call('HGET', KEYS[1], ARGV[at]) or '')
  if not read or type(known) ~= 'table' or (tonumber(known[9]) or 0) < tonumber(ARGV[1]) then
    gone = gone + redis.call('HDEL', KEYS[1], ARGV[at])
  end
end
return gone
"""


@dataclass(slots=True)
class Counts:
    told: int = 0
    """Verdicts that were written."""
    cases: int = 0
    """Clusters that were recorded."""
    failures: int = 0
    """Calls that Redis did not answer."""


class Lease:
    """`held` is for one process; `look` is called every RENEWED seconds. `clock` is monotonic, `wall` Unix time."""

    def __init__(self, redis: Any, name: str, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._redis = redis
        # A container may have the name and the number of a process of another one.
        self._name = f"{name} {secrets.token_hex(8)}"
        self._clock = clock
        self._wall = wall
        self._until = float("-inf")
        self.term = 0
        """Of ours; 0 where we have none."""

    @property
    def held(self) -> bool:
        """By our own clock: a leader that was stopped for a while finds that it is none."""
        return self.term > 0 and self._clock() < self._until

    async def look(self) -> None:
        """Take it, or keep it. Raises what Redis does."""
        asked = self._clock()
        milliseconds = int(LEASE * 1000)
        if self.term and await self._redis.eval(_RENEW, 1, LEADER, self._name, milliseconds):
            self._until = asked + LEASE
            return
        if self.term:
            log.warning("another detector tells now")
        self.term = 0
        if await self._redis.set(LEADER, self._name, nx=True, px=milliseconds):
            await self.anew()
            self._until = asked + LEASE
            log.info("this detector tells: term %d", self.term)

    async def anew(self) -> None:
        """Begin a term: also where one has no more versions. What stands in Redis and can be none counts for nothing.
        Raises what Redis does.
        """
        now = int(self._wall())
        self.term = int(await self._redis.eval(_TERM, 1, TERM, now, now + int(AHEAD)))

    async def release(self) -> None:
        """So that another one need not wait. Raises what Redis does."""
        if self.term:
            self.term = 0
            await self._redis.eval(_RELEASE, 1, LEADER, self._name)


class Telling:
    """What is to be told, until it is. Only the leader's `tell` is called."""

    def __init__(self, redis: Any, database: Database | None, wall: Callable[[], float]) -> None:
        self._redis = redis
        self._database = database
        self._wall = wall
        self.counts = Counts()
        self._outages = Outages(self.counts, log, "verdicts", "workers go by the last they have heard")
        self._directory = Outage(log, "cases cannot be written, they wait", "cases are written again")
        self._verdicts: dict[str, Verdict] = {}
        self._cases: dict[str, Cluster] = {}
        self._gone: set[str] = set()
        self._term = 0
        self._said = 0
        self._swept = float("-inf")

    def add(self, verdicts: Iterable[Verdict], clusters: Iterable[Cluster], gone: Iterable[str]) -> None:
        """The last of each counts."""
        for verdict in verdicts:
            self._verdicts[verdict.account] = verdict
        for cluster in clusters:
            self._cases[cluster.id] = cluster
            self._gone.discard(cluster.id)
        for cluster_id in gone:
            self._cases.pop(cluster_id, None)
            self._gone.add(cluster_id)

    def drop(self, accounts: Iterable[str], without: Callable[[Cluster], Cluster]) -> None:
        """Nothing is told of them any more, nor of clusters but as they are `without` them."""
        for account in accounts:
            self._verdicts.pop(account, None)
        self._cases = {name: without(cluster) for name, cluster in self._cases.items()}

    def forget(self) -> None:
        """Another one tells."""
        self._verdicts.clear()
        self._cases.clear()
        self._gone.clear()

    async def tell(self, lease: Lease) -> None:
        """What could not be told waits for the next time."""
        if lease.term != self._term:
            self._term, self._said = lease.term, 0
        try:
            if self._said and self._said + len(self._verdicts) >= VERSIONS:
                # Workers take none that is not later: all that stands is told again in a term of its own.
                await lease.look()
                if lease.held:
                    await lease.anew()
                return
            await self._tell_verdicts(lease)
            if self._wall() - self._swept >= SWEPT and lease.held:
                self._swept = self._wall()
                await self._sweep()
        except AWAY as error:
            self._outages.began("told", error)
        else:
            self._outages.ended("told")
        if lease.held:
            await self._record()

    async def _tell_verdicts(self, lease: Lease) -> None:
        for batch in batches(list(self._verdicts.values())):
            if not lease.held:
                return
            told = [self._numbered(verdict) for verdict in batch]
            spellings = [spelled(verdict) for verdict in told]
            arguments: list[Any] = []
            for verdict, spelling in zip(told, spellings, strict=True):
                arguments += (verdict.account, verdict.version, spelling)
            async with asyncio.timeout(WRITE):
                await self._redis.eval(_HOLD, 1, HELD, *arguments)
                entry = {"v": b"[" + b",".join(spellings) + b"]"}
                await self._redis.xadd(TOLD, entry, maxlen=LONGEST, approximate=True)
            self.counts.told += len(batch)
            for verdict in batch:
                if self._verdicts.get(verdict.account) is verdict:
                    del self._verdicts[verdict.account]

    def _numbered(self, verdict: Verdict) -> Verdict:
        """Detectors count for themselves; the fleet needs one order. What takes back is kept for who was away."""
        self._said += 1
        expires = verdict.expires if verdict.score > 0.0 else max(verdict.expires, self._wall() + KEPT)
        return verdict._replace(version=self._term * VERSIONS + self._said, expires=expires)

    async def _sweep(self) -> None:
        """Out of the hash goes what has expired, and what was said of detectors that are gone."""
        oldest = self._wall() - KEPT
        cursor = 0
        while True:
            cursor, found = await self._redis.hscan(HELD, cursor, count=500)
            over = [account for account, content in found.items() if _ends(content) < oldest]
            if over:
                await self._redis.eval(_DROP, 1, HELD, oldest, *over)
            if not cursor:
                break
        for name, content in (await self._redis.hgetall(STATE)).items():
            if not abs(_time(content) - self._wall()) < SILENT:
                await self._redis.hdel(STATE, name)

    async def _record(self) -> None:
        if self._database is None or not (self._cases or self._gone):
            return
        records, gone = dict(self._cases), set(self._gone)
        try:
            await self._database.writing(WHO, lambda writing: _write(writing, records, gone))
        except (SQLAlchemyError, OSError) as error:
            self._directory.begins(said(error))
            return
        self._directory.ends()
        self.counts.cases += len(records)
        self._cases = {key: one for key, one in self._cases.items() if records.get(key) is not one}
        self._gone -= gone


def _write(writing: Writing, records: Mapping[str, Cluster], gone: Iterable[str]) -> None:
    cases.record(writing, [record_of(cluster) for cluster in records.values()])
    cases.close(writing, gone)


def record_of(cluster: Cluster) -> CaseRecord:
    """The directory knows of no detector, so it has a shape of its own."""
    return CaseRecord(
        id=cluster.id,
        at=float(cluster.at),
        began=float(cluster.began),
        accounts=int(cluster.accounts),
        score=float(cluster.score),
        families=tuple((str(family), float(nats)) for family, nats in cluster.families),
        evidence=cluster.evidence,
        most=int(cluster.most),
        exchanges=int(cluster.exchanges),
        marks=tuple(
            (mark.id, str(mark.family), mark.words, int(mark.accounts), float(mark.nats), mark.sample)
            for mark in cluster.marks
        ),
        members=tuple((account, float(nats)) for account, nats in cluster.members),
        edges=tuple((edge.one, edge.other, str(edge.kind), float(edge.weight)) for edge in cluster.edges),
        timeline=tuple((float(at), int(exchanges), int(active)) for at, exchanges, active in cluster.timeline),
        models=tuple((model, int(count)) for model, count in cluster.models),
        countries=tuple((country, int(count)) for country, count in cluster.countries),
        merged=cluster.merged,
        false_alarm=float(cluster.false_alarm),
    )


def _ends(content: bytes) -> float:
    try:
        return float(orjson.loads(content)[8])
    except (ValueError, TypeError, IndexError, KeyError):
        return float("-inf")


def _time(content: bytes) -> float:
    try:
        return float(orjson.loads(content)["time"])
    except (ValueError, TypeError, KeyError):
        return float("-inf")
