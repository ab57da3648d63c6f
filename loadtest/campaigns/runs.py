"""What a backtest left, as numbers: decisions.jsonl, verdicts.jsonl, clusters.jsonl of `tidegate detect backtest`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import orjson

from gateway.campaigns.verdict import Level

LEVELS: Final = {level.word: int(level) for level in Level}
ALLOW: Final = "allow"
REFUSED_BEFORE: Final = "refused_before"
DELAYING: Final = frozenset({"budget", "trace", "throttle"})
"""Come again later. Everything else that is not allowed is refused."""


class Word(NamedTuple):
    """One verdict."""

    time: float
    account: str
    cluster: str
    level: int
    score: float
    most: int = int(Level.SUSPEND)
    """The highest level it may come to: a group that sits in one place is never challenged."""


@dataclass(frozen=True, slots=True)
class Run:
    """Of one world."""

    decisions: npt.NDArray[np.object_]
    """Of each exchange by its number; `allow` where the run says nothing of it."""
    verdicts: tuple[Word, ...]
    """In the order in which they were said."""
    members: dict[str, tuple[str, ...]]
    """Cluster that still is -> accounts."""

    @classmethod
    def read(cls, folder: Path, exchanges: int) -> Self:
        decisions = np.full(exchanges, ALLOW, dtype=object)
        for row in rows(folder / "decisions.jsonl"):
            decisions[int(row["exchange"][1:])] = row["decision"]
        verdicts = tuple(
            Word(row["time"], row["account"], row["cluster"], LEVELS[row["level"]], row["score"], LEVELS[row["most"]])
            for row in rows(folder / "verdicts.jsonl")
        )
        members = {
            row["id"]: tuple(member["account"] for member in row["members"])
            for row in rows(folder / "clusters.jsonl")
            if not row["gone"]
        }
        return cls(decisions, verdicts, members)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)
