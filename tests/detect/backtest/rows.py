"""Rows of small worlds, and files of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BEGAN = 1_790_000_000.0
TEMPLATE = "You are a careful teacher who explains every step of the internal reasoning behind a completed response"


def exchanges(count: int = 60, members: int = 5, apart: float = 1.0) -> list[dict[str, Any]]:
    """One a second in turn: of members of one campaign by `account-N`, and of as many others by `other-N`."""
    rows = []
    for number in range(count):
        who, campaign = number // 2 % members, number % 2 == 0
        rows.append(
            {
                "exchange": f"x{number}",
                "time": BEGAN + number * apart,
                "account": f"{'account' if campaign else 'other'}-{who}",
                "tier": "free",
                "model": "m-large",
                "system_text": TEMPLATE if campaign else f"Somebody's own words, those of number {who} of them all",
                "prompt_text": f"the question that has the number {number} and no other one",
                "usage_output": 100,
                "status": 200,
            }
        )
    return rows


def lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSON lines; gzipped where the name says so."""
    written = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(written, mtime=0) if path.suffix == ".gz" else written)
    return path


def parquet(path: Path, rows: Iterable[Mapping[str, Any]], group: int = 7) -> Path:
    """In row groups that are smaller than a batch."""
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=group)
    return path


def folder(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Parts, of which each has a part of the time."""
    path.mkdir()
    third = len(rows) // 3
    lines(path / "1.jsonl", rows[:third])
    lines(path / "2.jsonl.gz", rows[third : 2 * third])
    parquet(path / "3.parquet", rows[2 * third :])
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


POLICIES = {
    "chain.yaml": "chain:\n  - {name: risk, kind: risk, on_failure: allow}\n",
    "risk.yaml": (
        "campaigns:\n"
        "  budget: {from: 5, requests: 2, every: 1d}\n"
        "  challenge: {from: 9.2, families: 2}\n"
        "  tiers: {trusted: budget}\n"
    ),
}


def policies(path: Path, **instead: str) -> Path:
    path.mkdir()
    for name, text in POLICIES.items():
        (path / name).write_text(instead.get(name.partition(".")[0], text))
    return path
