"""The page of `loadtest.million`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from loadtest.machine import where

PAGE: Final = """\
# A million accounts

What a large directory costs. Written by `python -m loadtest.million --write docs/million.md`, at commit
`{commit}`{dirty}, {date}.

- {cores} cores of {cpu}, {memory} GiB{virtual}; {system}; Python {python}; SQLite, one file.
- Load of the machine when it began: {load:.1f}. While the gateway was measured others used {others:.2f} cores, and the
  hypervisor took {stolen:.1%}. Figures of another machine, or another day, are not to be compared with these.

## Import

{accounts:,} accounts, each with a key, two of three with evidence, one of four with a link: {file_mib:,.0f} MiB of
JSONL, {rows:,} rows, {sql_mib:,.0f} MiB of SQLite.

| | |
|---|---|
| import | {import_s:.1f} s, {rate:,.0f} accounts a second ({import_cpu:.1f} s of CPU) |
| of that with the writer's place held | at most {moving:.1f} s |
| highest resident memory | {import_memory:.0f} MiB |
| largest write-ahead log | {wal:.0f} MiB |
| export | {export_s:.1f} s, {export_mib:,.0f} MiB, {export_memory:.0f} MiB resident |

The aim is 60 s.

## The schema back and forward

Back {back:.1f} s, forward {forward:.1f} s. All rows the same afterwards, by SHA-256: {same}.

## kill -9

| in the middle of | it was hit | whole afterwards |
|---|---|---|
{kills}

## What callers notice

A gateway with one worker, chain `auth, quota`, a stand-in upstream.

| ms, one request at a time | p50 | p99 |
|---|---|---|
| first request of an account | {cold[p50]:.2f} | {cold[p99]:.2f} |
| its second | {warm[p50]:.2f} | {warm[p99]:.2f} |
| the difference, account by account | {added[p50]:.2f} | {added[p99]:.2f} |

{pairs:,} accounts. With {seen:,} accounts seen the worker has {grown:.0f} MiB more than the {memory_mib:.0f} MiB
before: {each:.1f} KiB an account, with its bucket's and its connections' share.

CPU of a request of any of {seen:,} accounts that were seen, to one of a single account: **{ratio:.3f}x**
({low:.3f} to {high:.3f} in {rounds} rounds of {requests:,} requests each, in turn; one account: {one:.0f} µs). The aim
is 1.05x.
"""


def page(found: Mapping[str, Any]) -> str:
    imported, exported, served, way = found["import"], found["export"], found["served"], found["migration"]
    return PAGE.format(
        **where(),
        load=found["load"],
        others=served["others_cores"],
        stolen=served["stolen"],
        accounts=found["accounts"],
        rows=found["rows"],
        file_mib=found["file_mib"],
        sql_mib=found["sql_mib"],
        import_s=imported["seconds"],
        import_cpu=imported["cpu"],
        rate=imported["accounts"] / imported["seconds"],
        moving=imported["moving"],
        import_memory=imported["memory_mib"],
        wal=imported["wal_mib"],
        export_s=exported["seconds"],
        export_mib=exported["mib"],
        export_memory=exported["memory_mib"],
        back=way["back"]["seconds"],
        forward=way["forward"]["seconds"],
        same=_yes(way["same"]),
        kills="\n".join(f"| {one['what']} | {_yes(one['hit'])} | {_yes(one['whole'])} |" for one in found["kills"]),
        cold=served["cold_ms"],
        warm=served["warm_ms"],
        added=served["added_ms"],
        pairs=served["pairs"],
        seen=served["seen"],
        grown=served["grown_mib"],
        memory_mib=served["memory_mib"],
        each=served["grown_mib"] * 1024 / served["seen"],
        ratio=served["ratio"],
        low=served["ratios"][0],
        high=served["ratios"][1],
        one=served["one_us"],
        rounds=served["rounds"],
        requests=served["requests"],
    )


def _yes(it: bool) -> str:
    return "yes" if it else "no"
