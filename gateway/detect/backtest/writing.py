"""What a backtest leaves: files that are whole or not there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Final, Self

import orjson

from gateway.campaigns.verdict import Level, Verdict
from gateway.detect.told import Cluster

VERDICTS: Final = "verdicts.jsonl"
DECISIONS: Final = "decisions.jsonl"
CLUSTERS: Final = "clusters.jsonl"
SUMMARY: Final = "summary.json"
"""Comes last: where it is, the others are whole and of the same run."""
ALL: Final = (VERDICTS, DECISIONS, CLUSTERS, SUMMARY)
PART: Final = ".part"


class Output:
    """Of one run, in files with other names until all is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, IO[bytes]] = {}
        self._clusters: dict[str, Cluster] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files = {name: (self._folder / f"{name}{PART}").open("wb", 1 << 20) for name in ALL}
        return self

    def __exit__(self, *_: object) -> None:
        """Where `finish` was not come to, nothing is left, and what was there before stays."""
        for name, file in self._files.items():
            file.close()
            with contextlib.suppress(FileNotFoundError):
                (self._folder / f"{name}{PART}").unlink()

    def decisions(self, lines: Iterator[bytes] | list[bytes]) -> None:
        self._files[DECISIONS].writelines(lines)

    def verdict(self, now: float, verdict: Verdict, level: Level) -> None:
        """As it was said at `now`; `level` is what the rules make of it."""
        self._files[VERDICTS].write(_line(verdict_row(now, verdict, level)))

    def cluster(self, cluster: Cluster) -> None:
        """The last of each counts."""
        self._clusters[cluster.id] = cluster

    @property
    def clusters(self) -> Mapping[str, Cluster]:
        return self._clusters

    def finish(self, summary: Mapping[str, Any], gone: frozenset[str]) -> None:
        """All under their names. `gone`: clusters that were none any more at the end."""
        for cluster in self._clusters.values():
            self._files[CLUSTERS].write(_line(cluster_row(cluster, gone=cluster.id in gone)))
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        self._files[SUMMARY].write(orjson.dumps(summary, option=options))
        for file in self._files.values():
            file.close()
        (self._folder / SUMMARY).unlink(missing_ok=True)
        for name in ALL:
            (self._folder / f"{name}{PART}").replace(self._folder / name)


def verdict_row(now: float, verdict: Verdict, level: Level) -> dict[str, Any]:
    return {
        "time": now,
        "account": verdict.account,
        "cluster": verdict.cluster,
        "level": level.word,
        "score": verdict.score,
        "kinds": verdict.kinds,
        "families": _families(verdict.families),
        "evidence": verdict.evidence,
        "size": verdict.size,
        "most": verdict.most.word,
        "since": verdict.since,
        "expires": verdict.expires,
        "version": verdict.version,
    }


def cluster_row(cluster: Cluster, *, gone: bool) -> dict[str, Any]:
    return {
        "id": cluster.id,
        "at": cluster.at,
        "began": cluster.began,
        "gone": gone,
        "accounts": cluster.accounts,
        "score": cluster.score,
        "families": _families(cluster.families),
        "evidence": cluster.evidence,
        "most": cluster.most.word,
        "exchanges": cluster.exchanges,
        "false_alarm": cluster.false_alarm,
        "marks": [mark._asdict() | {"family": str(mark.family)} for mark in cluster.marks],
        "members": [{"account": account, "nats": nats} for account, nats in cluster.members],
        "edges": [edge._asdict() | {"kind": str(edge.kind)} for edge in cluster.edges],
        "timeline": cluster.timeline,
        "models": cluster.models,
        "countries": cluster.countries,
        "merged": cluster.merged,
    }


def _families(families: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Their words: a member of an enumeration is no key of JSON."""
    return {str(family): float(nats) for family, nats in families}


def _line(row: Mapping[str, Any]) -> bytes:
    # Scores may be numpy's own numbers.
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
