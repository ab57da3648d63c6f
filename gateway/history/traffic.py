"""What one account did in some hours, added up by Arrow, part by part. For a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gateway.history.columns import HistoryError
from gateway.history.looking import between, fitting, segments, times_in
from gateway.history.parquet import day_of, parts, table_of
from gateway.history.reading import MICRO, conform
from gateway.history.spool import Rows, read_segment

HOUR: Final = 3600
MOST: Final = 50
"""Of each kind of thing that is told; `other` is the rest."""
PLACES: Final = 500
BATCH: Final = 65_536
"""Rows that are added up at once: each time has its price."""
GRID: Final = 0.5
"""Degrees to which places are rounded: a town, not a house."""
TOKENS: Final = ("usage_input", "usage_output", "usage_cached", "usage_cache_creation")
COLUMNS: Final = (
    "time", "account", "exchange", "model", "country", "asn", "network_kinds", "latitude", "longitude", "key", "action",
    "reason", "entry", "status", "weight", *TOKENS,
)  # fmt: skip


class Hour(NamedTuple):
    """Of one account."""

    requests: int = 0
    refused: int = 0
    tokens: int = 0
    weight_sum: int = 0
    weight_max: int = 0


class Traffic:
    """Sums; `add` a table of COLUMNS."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.last: float | None = None
        self.hours: dict[int, Hour] = {}
        """By the Unix time of their beginning."""
        self.reasons: dict[tuple[int, str], int] = {}
        """(hour, reason) -> refusals."""
        self.models: dict[str, list[int]] = {}
        """Requests, refused, and tokens: input, output, cached, cache creation."""
        self.spend: dict[tuple[int, str], list[int]] = {}
        """(hour, model) -> tokens of the four sorts."""
        self.countries: dict[str, list[int]] = {}
        self.networks: dict[tuple[int, str], list[int]] = {}
        """(ASN, its kinds) -> requests, refused."""
        self.places: dict[tuple[float, float], int] = {}
        self.keys: dict[str, list[int]] = {}
        self._ids: set[str] = set()

    def add(self, table: pa.Table, *, waiting: bool = False) -> None:
        """`waiting` was in the spool: it may be recorded meanwhile, and is counted once."""
        if waiting:
            self._ids.update(table.column("exchange").to_pylist())
        elif self._ids:
            once = [one not in self._ids for one in table.column("exchange").to_pylist()]
            table = table.filter(pa.array(once, pa.bool_()))
        if not table.num_rows:
            return
        micro = table.column("time").cast(pa.int64())
        first, last = pc.min(micro).as_py() / MICRO, pc.max(micro).as_py() / MICRO
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)
        plain = _plain(table, micro)
        self._hours(plain)
        for row in _grouped(plain.filter(pc.equal(plain["refused"], 1)), ["hour", "reason"], []):
            key = (row["hour"], row["reason"])
            self.reasons[key] = self.reasons.get(key, 0) + row["count"]
        for row in _grouped(plain, ["hour", "model"], ["refused", *TOKENS]):
            tokens = [row[name] for name in TOKENS]
            _sum(self.models, row["model"], [row["count"], row["refused"], *tokens])
            _sum(self.spend, (row["hour"], row["model"]), tokens)
        for row in _grouped(plain, ["country"], ["refused"]):
            _sum(self.countries, row["country"], [row["count"], row["refused"]])
        for row in _grouped(plain, ["asn", "kinds"], ["refused"]):
            _sum(self.networks, (row["asn"], row["kinds"]), [row["count"], row["refused"]])
        for row in _grouped(plain, ["key"], ["refused"]):
            _sum(self.keys, row["key"], [row["count"], row["refused"]])
        placed = plain.filter(pc.and_(pc.is_valid(plain["latitude"]), pc.is_valid(plain["longitude"])))
        for row in _grouped(placed, ["latitude", "longitude"], []):
            place = (row["latitude"] + 0.0, row["longitude"] + 0.0)
            self.places[place] = self.places.get(place, 0) + row["count"]

    def _hours(self, plain: pa.Table) -> None:
        sums = ["refused", "tokens", "weight"]
        for row in _grouped(plain, ["hour"], sums, ["weight"]):
            was = self.hours.get(row["hour"], Hour())
            self.hours[row["hour"]] = Hour(
                was.requests + row["count"],
                was.refused + row["refused"],
                was.tokens + row["tokens"],
                was.weight_sum + row["weight"],
                max(was.weight_max, row["weight_max"]),
            )


def _plain(table: pa.Table, micro: pa.ChunkedArray) -> pa.Table:
    """Columns as they are added up: text is text, nothing is null but places."""
    hour = pc.multiply(pc.divide(micro, HOUR * MICRO), HOUR)
    tokens = {name: pc.fill_null(table.column(name), 0) for name in TOKENS}
    total = pc.add(pc.add(tokens["usage_input"], tokens["usage_output"]), tokens["usage_cached"])
    kinds = pc.binary_join(table.column("network_kinds"), " ")
    refused = pc.and_(
        pc.not_equal(table.column("action"), "allow"), pc.not_equal(table.column("reason"), "client_left")
    )
    return pa.table(
        {
            "hour": hour,
            "refused": refused.cast(pa.int64()),
            "tokens": pc.add(total, tokens["usage_cache_creation"]),
            "kinds": kinds,
            "asn": table.column("asn"),
            "weight": table.column("weight"),
            **{name: table.column(name).cast(pa.string()) for name in ("reason", "model", "country", "key")},
            **tokens,
            **{
                name: pc.multiply(pc.round(pc.divide(table.column(name), GRID)), GRID)
                for name in ("latitude", "longitude")
            },
        }
    )


def _grouped(table: pa.Table, keys: list[str], sums: Sequence[str], most: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row a group: `count`, each of `sums` by its name, and the largest of each of `most` as `…_max`."""
    wanted = [([], "count_all"), *((name, "sum") for name in sums), *((name, "max") for name in most)]
    made = table.group_by(keys, use_threads=False).aggregate(wanted)
    names = {"count_all": "count", **{f"{name}_sum": name for name in sums}}
    rows: list[dict[str, Any]] = made.rename_columns([names.get(name, name) for name in made.column_names]).to_pylist()
    return rows


def _sum(into: dict[Any, list[int]], key: Any, values: list[int]) -> None:
    held = into.get(key)
    if held is None:
        into[key] = values
    else:
        for index, value in enumerate(values):
            held[index] += value


class Found(NamedTuple):
    traffic: Traffic
    whole: bool
    """All of the time was looked through."""
    back_to: float
    """Unix time up to which was looked."""


def of_account(
    folder: Path, account: str, since: float, until: float, clock: Callable[[], float], within: float
) -> Found:
    """Newest first, for `within` seconds of `clock`. Raises HistoryError where a file cannot be read."""
    began = clock()
    found = Traffic()
    for table in _waiting(folder, account):
        found.add(between(table, since, until), waiting=True)
    back_to = until
    held: list[pa.Table] = []
    for path in reversed(parts(folder)):
        day = path.parent.name.removeprefix("date=")
        if not day_of(since) <= day <= day_of(until):
            continue
        if clock() - began > within:
            if held:
                found.add(pa.concat_tables(held))
            return Found(found, False, back_to)
        for earliest, table in _of_part(path, account, since, until):
            back_to = min(back_to, earliest)
            held.append(table)
        if sum(table.num_rows for table in held) >= BATCH:
            found.add(pa.concat_tables(held))
            held = []
    if held:
        found.add(pa.concat_tables(held))
    return Found(found, True, since)


def _waiting(folder: Path, account: str) -> Iterator[pa.Table]:
    for content, name in segments(folder):
        if account.encode() in content:
            rows = read_segment(content, name)
            at = rows.head.columns.index("account")
            kept = [event for event in rows.events if event[at] == account]
            yield conform(table_of(Rows(rows.head, kept, 0))[0], COLUMNS)


def _of_part(path: Path, account: str, since: float, until: float) -> Iterator[tuple[float, pa.Table]]:
    try:
        with pq.ParquetFile(path) as file:
            known = [name for name in COLUMNS if name in file.schema_arrow.names]
            for index in range(file.metadata.num_row_groups):
                earliest, latest = times_in(file, index)
                if latest >= since and earliest < until:
                    fit = fitting(file, index, {"account": account}, known)
                    yield earliest, between(conform(fit, COLUMNS), since, until)
    except FileNotFoundError:
        return  # Its day is not kept any more.
    except (pa.ArrowException, OSError) as error:
        raise HistoryError(f"{path} cannot be read, put it aside: {error}") from error
