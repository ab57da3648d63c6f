"""Verdicts as Redis holds them, for the detector that tells them and the workers that go by them.

`tg:verdicts`        hash: account -> JSON of its verdict. One with score 0 takes back what was said, and stays until
                     nobody can have missed it
`tg:verdicts:told`   stream: one entry a batch that changed, of which `v` is a JSON array of verdicts
`tg:detect:leader`   who tells: the name of one of the detectors and a word of its own, for some seconds
`tg:detect:term`     its term: Unix time at which it began, and more than that of the one before. Versions begin with it
`tg:detect:state`    hash: name of a detector -> JSON of how it is, for `tidegate detect status` and for metrics
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from gateway.campaigns.verdict import Level, Verdict

EVENTS: Final = "tg:events"
"""The stream of what workers observe: read by detectors."""
HELD: Final = "tg:verdicts"
TOLD: Final = "tg:verdicts:told"
LEADER: Final = "tg:detect:leader"
TERM: Final = "tg:detect:term"
STATE: Final = "tg:detect:state"
BATCH: Final = 250
"""Verdicts in one entry: some milliseconds of a worker's loop."""
LONGEST: Final = 2_000
"""Entries that the stream keeps, about: who missed more reads the hash."""
KEPT: Final = 3600.0
"""Seconds for which a verdict that counts no more stays in the hash: workers that were away hear that it does not."""

SILENT: Final = 60.0
"""Seconds after which a detector that says nothing of itself is gone."""

_STATED: Final = frozenset(
    {
        "name", "leader", "time", "lag", "events", "rate", "unreadable", "missed_seconds", "accounts", "bytes",
        "verdicts", "told", "clusters", "levels", "look_seconds",
    }
)  # fmt: skip
VERSIONS: Final = 1 << 20
"""In one term."""
LASTS: Final = 400 * 86_400.0
"""Seconds from now on for which no verdict is meant to count: who writes one into Redis says nothing for good."""
AHEAD: Final = 86_400.0
"""Seconds by which a term may be ahead of a worker's clock."""
MOST_NATS: Final = 1_000.0
MOST_FAMILIES: Final = 28
_LONGEST_NAME: Final = 256
_LONGEST_LINES: Final = 4096


def batches(verdicts: Iterable[Verdict]) -> Iterator[list[Verdict]]:
    """So many as go into one entry."""
    waiting = iter(verdicts)
    while batch := list(itertools.islice(waiting, BATCH)):
        yield batch


def spelled(verdict: Verdict) -> bytes:
    """As JSON: an array of its members in their order."""
    # The detector computes with numpy, and some of its numbers are numpy's.
    return orjson.dumps(
        [
            verdict.account, verdict.cluster, float(verdict.score),
            [[str(family), float(nats)] for family, nats in verdict.families],
            list(verdict.evidence), int(verdict.size), int(verdict.most), float(verdict.since), float(verdict.expires),
            int(verdict.version),
        ]
    )  # fmt: skip


def verdict_of(said: Any) -> Verdict:
    """Of the array. Raises ValueError for what is none: anybody may write into a Redis."""
    try:
        account, cluster, score, families, evidence, size, most, since, expires, version, *_ = said
        verdict = Verdict(
            _word(account),
            _word(cluster),
            _number(score, MOST_NATS),
            tuple([(_word(family), _number(nats, MOST_NATS)) for family, nats in families[:MOST_FAMILIES]]),
            tuple(evidence),
            _count(size),
            Level(most),
            _number(since),
            _number(expires),
            _count(version),
        )
    except (TypeError, OverflowError, KeyError) as error:
        raise ValueError("no verdict") from error
    if not account or not all(isinstance(line, str) for line in evidence):
        raise ValueError("no verdict")
    if sum(map(len, evidence)) > _LONGEST_LINES or len(evidence) > MOST_FAMILIES or len(families) > MOST_FAMILIES:
        raise ValueError("a verdict that is too long")
    return verdict


def read(content: bytes | str) -> Verdict:
    """What `spelled` wrote. Raises ValueError."""
    return verdict_of(orjson.loads(content))


def states_of(found: Mapping[Any, Any], leader: bytes | str | None, now: float) -> list[dict[str, Any]]:
    """Of the hash STATE: how each detector is that has said so lately, who tells first. What makes no sense is left
    out. `leader` is what LEADER holds: who tells is known by that alone, as one that was killed says for a while yet
    that it does.
    """
    text = leader if isinstance(leader, str) else (leader or b"").decode(errors="replace")
    holder, _, _ = text.rpartition(" ")
    states = []
    for content in found.values():
        try:
            state = orjson.loads(content)
            if state.keys() >= _STATED and abs(now - state["time"]) < SILENT:
                states.append(state | {"leader": bool(holder) and holder == state["name"]})
        except (ValueError, TypeError, AttributeError):
            continue
    return sorted(states, key=lambda state: (not state["leader"], str(state["name"])))


def is_of_now(verdict: Verdict, now: float) -> bool:
    """Whether it can be a detector's of these days. One that ends in the year 3000, or whose version nobody comes
    after, is somebody else's.
    """
    return verdict.expires <= now + LASTS and verdict.version <= (now + AHEAD) * VERSIONS


def _number(stated: Any, most: float = 1e11) -> float:
    if type(stated) not in {int, float} or not -most <= stated <= most:  # NaN is neither.
        raise ValueError("no number")
    return float(stated)


def _count(stated: Any) -> int:
    if type(stated) is not int or stated < 0:
        raise ValueError("no number")
    return stated


def _word(text: Any) -> str:
    if not isinstance(text, str) or len(text) > _LONGEST_NAME:
        raise ValueError("no name")
    return text
