"""The operators' port: how the parts are, and what to do where one is not well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sql
from aiohttp import web
from redis.exceptions import RedisClusterException, RedisError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.overrides_told import AWAY
from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database
from gateway.control.access.answers import said
from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Shape
from gateway.control.detectors import Detectors, DetectorsApi
from gateway.control.exchanges import DAY, WEEK, Kept
from gateway.control.limits.applied import Holds, Look
from gateway.control.live.lines import Told
from gateway.control.operations import Operation
from gateway.control.veil import veiled

WITHIN: Final = 2.0
"""Seconds for Redis, and for the directory."""
LATE: Final = 0.25
"""Seconds that a worker's loop may be late: above, callers feel it."""
SHOWN: Final = (
    "pid", "uptime", "memory", "lag", "connections", "active", "body_bytes", "store_available", "directory_available",
    "generation", "digest", "draining", "events_dropped",
)  # fmt: skip
DETECTOR: Final = (
    "name", "leader", "time", "lag", "rate", "events", "missed_seconds", "accounts", "bytes", "verdicts", "clusters",
    "look_seconds",
)  # fmt: skip
BEHIND: Final = 60.0
"""Seconds that a detector may be behind: above, campaigns are told of late."""


class Process(NamedTuple):
    """Some processes of one kind that a supervisor keeps: workers, recorder, clerk."""

    name: str
    wanted: int
    pids: Sequence[int]
    restarts: int


Ages = Sequence[tuple[str, float, bool]]
"""Name, age in seconds, stale: of lists."""


async def alone() -> Sequence[Holds]:
    """Where there is no other gateway."""
    return ()


class Sources(NamedTuple):
    """Where it is asked. What a deployment does not have is None."""

    pulses: Callable[[], Sequence[Told]]
    """The last of each worker that answered."""
    snapshots: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
    """As gateway.control.fleet.Fleet.snapshots: for the ages of databases."""
    processes: Callable[[], Sequence[Process]]
    status: Callable[[], Mapping[str, Any]]
    """As gateway.control.rulesets.Rulesets.status."""
    redis: Any
    """A redis.asyncio client."""
    database: Database | None
    kept: Kept
    clock: Callable[[], float]
    """Seconds."""
    wall: Callable[[], float]
    gateway: str = ""
    """What this one is called in the fleet."""
    others: Look = alone
    """What the workers of all other gateways hold."""
    detectors: Detectors | None = None
    """None where nothing is observed."""


class Warned(NamedTuple):
    """`grave`: callers are refused, or could be soon."""

    what: str
    do: str
    grave: bool = False


class HealthApi:
    """All of one machine."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/health",
                self.show,
                Permission.LOOK,
                "How the parts are: workers, Redis, directory, feeds; with what to do where one is not well",
            ),
            *DetectorsApi(self._sources.detectors, self._sources.wall).operations(),
        ]

    async def show(self, request: web.Request) -> web.Response:
        query(request, Shape)
        sources = self._sources
        redis, directory, snapshots, gateways, detectors = await asyncio.gather(
            redis_state(sources.redis, sources.clock),
            directory_state(sources.database, sources.clock),
            sources.snapshots(),
            gateways_of(sources.others),
            sources.detectors() if sources.detectors is not None else _nobody(),
        )
        status = sources.status()
        told = {
            "time": sources.wall(),
            "gateway": sources.gateway,
            "gateways": gateways,
            "workers": [worker_of(one) for one in sources.pulses()],
            "processes": [one._asdict() for one in sources.processes()],
            "redis": redis,
            "directory": directory,
            "rules": {name: status[name] for name in ("generation", "digest", "since", "who")}
            | {"problems": veiled(status["problems"], request)},
            "feeds": feeds_of(status["lists"], snapshots),
            "detection": detection_of(detectors, snapshots),
            "exchange_log": {"on": sources.kept.folder is not None, "keep": sources.kept.keep},
        }
        warned = [*warnings(told)]
        return said(told | {"well": not warned, "warnings": [one._asdict() for one in warned]})


async def _nobody() -> None:
    return None


def detection_of(
    detectors: Sequence[Mapping[str, Any]] | None, snapshots: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """None where nothing is observed. `dropped`: exchanges of this gateway that no detector will hear of."""
    if detectors is None:
        return None
    dropped = sum(int(one.get("observations_dropped", 0)) for one in snapshots)
    return {"dropped": dropped, "detectors": [{name: one[name] for name in DETECTOR} for one in detectors]}


def worker_of(told: Told) -> dict[str, Any]:
    pulse = told.content
    shown = {name: pulse.get(name) for name in SHOWN}
    return {"name": told.worker, "process": pulse["worker"], "revision": pulse.get("revision", 0), **shown}


async def gateways_of(others: Look) -> list[dict[str, Any]] | None:
    """The other gateways of the fleet and the overrides that their workers hold; None where nobody can say."""
    try:
        async with asyncio.timeout(WITHIN):
            held = await others()
    except AWAY:
        return None
    found: dict[str, list[dict[str, Any]]] = {}
    for one in held:
        found.setdefault(one.gateway, []).append({"name": one.worker, "revision": one.revision, "at": one.at})
    return [{"name": name, "workers": workers} for name, workers in sorted(found.items())]


def feeds_of(lists: Ages, snapshots: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lists as the supervisor has them, databases as the worker that has the oldest."""
    ages: dict[str, tuple[float, bool]] = {}
    for name, age, stale in [*lists, *(one for snapshot in snapshots for one in snapshot.get("feeds", ()))]:
        known = ages.get(name)
        if known is None or age > known[0]:
            ages[name] = (age, bool(stale))
    return [{"name": name, "age": age, "stale": stale} for name, (age, stale) in sorted(ages.items())]


# -- Redis and the directory ------------------------------------------------------------------------------------------


async def redis_state(redis: Any, clock: Callable[[], float], pings: int = 9) -> dict[str, Any]:
    """`latency` is the median of some pings, in seconds. In a Cluster the rest is of one node."""
    try:
        async with asyncio.timeout(WITHIN):
            took = []
            for _ in range(pings):
                began = clock()
                await redis.ping()
                took.append(clock() - began)
            info = _one_node(await redis.info())
    except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
        return {"available": False, "error": f"{type(error).__name__}: {error}"[:300]}
    return {
        "available": True,
        "latency": sorted(took)[pings // 2],
        "version": info.get("valkey_version") or info.get("redis_version", ""),
        "role": info.get("role", ""),
        "memory": info.get("used_memory", 0),
        "memory_limit": info.get("maxmemory", 0),
        "policy": info.get("maxmemory_policy", ""),
        "evicted": info.get("evicted_keys", 0),
        "clients": info.get("connected_clients", 0),
        "uptime": info.get("uptime_in_seconds", 0),
    }


def _one_node(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """A Cluster's client may answer by node."""
    first = next(iter(info.values()), None)
    return first if isinstance(first, Mapping) and "role" in first else info


async def directory_state(database: Database | None, clock: Callable[[], float]) -> dict[str, Any]:
    if database is None:
        return {"kind": "file", "available": True}
    kind = database.engine.dialect.name
    began = clock()
    try:
        async with asyncio.timeout(WITHIN):
            found = await database.reading(_read_directory)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return {"kind": kind, "available": False, "error": f"{type(error).__name__}: {error}"[:300]}
    return {"kind": kind, "available": True, "latency": clock() - began, **found}


def _read_directory(connection: Connection) -> dict[str, Any]:
    if connection.dialect.name == "sqlite":
        pages = connection.execute(sql.text("PRAGMA page_count")).scalar_one()
        size = pages * connection.execute(sql.text("PRAGMA page_size")).scalar_one()
    else:
        size = connection.execute(sql.text("SELECT pg_database_size(current_database())")).scalar_one()
    return {
        "version": connection.execute(sql.select(tables.version.c.version)).scalar_one(),
        "schema": connection.execute(sql.text("SELECT version_num FROM alembic_version")).scalar(),
        "size": size,
    }


# -- in words ---------------------------------------------------------------------------------------------------------


def warnings(told: Mapping[str, Any]) -> Iterator[Warned]:
    """What is not well, the gravest first."""
    found = [
        *_of_processes(told), *_of_workers(told), *_of_stores(told), *_of_rules(told), *_of_log(told),
        *_of_detection(told),
    ]  # fmt: skip
    yield from sorted(found, key=lambda one: not one.grave)


def _of_processes(told: Mapping[str, Any]) -> Iterator[Warned]:
    for one in told["processes"]:
        name, lacking = one["name"], one["wanted"] - len(one["pids"])
        if lacking > 0:
            yield Warned(
                f"{lacking} of {one['wanted']} {name} processes do not run",
                "they are started again by themselves; the gateway's log says why they ended",
                grave=name == "worker",
            )
        elif one["restarts"]:
            yield Warned(
                f"{name} processes were started again {one['restarts']} times", "look into the gateway's log for why"
            )


def _of_workers(told: Mapping[str, Any]) -> Iterator[Warned]:
    workers = told["workers"]
    wanted = next((one["wanted"] for one in told["processes"] if one["name"] == "worker"), len(workers))
    if len(workers) < wanted:
        yield Warned(
            f"{wanted - len(workers)} of {wanted} workers do not answer",
            "they start, are overloaded, or hang: see their lag, and the gateway's log",
            grave=True,
        )
    late = [one for one in workers if one["lag"] > LATE]
    if late:
        worst = max(one["lag"] for one in late)
        yield Warned(
            f"{len(late)} workers are late by up to {worst:.2f} s", "the machine is too busy: add workers, or machines"
        )
    for name, what in (("store_available", "Redis"), ("directory_available", "the directory")):
        away = sum(1 for one in workers if not one[name])
        if away:
            yield Warned(
                f"{away} workers do not reach {what}",
                "each entry does what its on_failure says meanwhile; see whether it runs, and the network to it",
                grave=True,
            )
    if len({one["digest"] for one in workers}) > 1:
        yield Warned("workers go by different rules", "a change is under way; if it lasts, reload the rules")
    if dropped := sum(one["events_dropped"] or 0 for one in workers):
        yield Warned(
            f"{dropped} events are not in the exchange log", "see whether its disk is full and its recorder runs"
        )


def _of_stores(told: Mapping[str, Any]) -> Iterator[Warned]:
    redis, directory = told["redis"], told["directory"]
    if not redis["available"]:
        yield Warned(
            f"Redis does not answer: {redis['error']}", "see whether it runs, and the network to it", grave=True
        )
    elif redis["evicted"]:
        yield Warned(
            f"Redis has evicted {redis['evicted']} keys: usage is forgotten, and callers get more than their limits",
            "set maxmemory-policy noeviction, and give it more memory",
            grave=True,
        )
    elif redis["memory_limit"] and redis["memory"] > 0.9 * redis["memory_limit"]:
        yield Warned("Redis has used 90% of its memory", "give it more", grave=True)
    if redis["available"] and redis["role"] not in ("master", ""):
        yield Warned("Redis is a replica, which takes no writes", "state the address of its master", grave=True)
    if not directory["available"]:
        yield Warned(
            f"the directory does not answer: {directory['error']}",
            "accounts that are not remembered get 503; see whether its database runs",
            grave=True,
        )


def _of_rules(told: Mapping[str, Any]) -> Iterator[Warned]:
    if told["rules"]["problems"]:
        yield Warned(
            f"the files on disk have {len(told['rules']['problems'])} problems and are not in force",
            "correct them, or go back; the rules from before are in force",
        )
    for feed in told["feeds"]:
        if feed["stale"]:
            yield Warned(f"{feed['name']} is {feed['age'] / DAY:.1f} days old", "see why it is not fetched any more")


def _of_log(told: Mapping[str, Any]) -> Iterator[Warned]:
    kept = told["exchange_log"]
    if not kept["on"]:
        yield Warned(
            "there is no exchange log: who asks why they were refused can be told for a few minutes only",
            "set `exchange_log` in tidegate.yaml",
        )
    elif kept["keep"] < WEEK:
        yield Warned(
            f"the exchange log keeps {kept['keep'] / DAY:g} days: refusals can be explained no longer than that",
            "set `exchange_log.keep` to 7d or more",
        )


def _of_detection(told: Mapping[str, Any]) -> Iterator[Warned]:
    found = told["detection"]
    if found is None:
        return
    detectors = found["detectors"]
    # Where Redis is away nobody can say, and that is said already.
    if told["redis"]["available"] and not any(one["leader"] for one in detectors):
        yield Warned(
            "no detector tells of campaigns: workers go by the last that they have heard",
            "one that starts takes some seconds; see the gateway's log, and `tidegate detect status`",
        )
    behind = [one for one in detectors if one["lag"] > BEHIND]
    if behind:
        worst = max(one["lag"] for one in behind)
        yield Warned(
            f"{len(behind)} of {len(detectors)} detectors are behind by up to {worst:.0f} s",
            "campaigns are told of late: it lacks a processor of its own, or has been away",
        )
    if missed := max((one["missed_seconds"] for one in detectors), default=0.0):
        yield Warned(
            f"{missed:.0f} s of observations were gone when a detector came to them",
            "raise `detector.retention` and `detector.events_at_most`, or see why it was away for so long",
        )
    if found["dropped"]:
        yield Warned(
            f"{found['dropped']} exchanges were not observed",
            "see whether the sketcher runs, or lacks a processor: no detector hears of these",
        )
