"""What the detector tells after a look: verdicts that changed, and clusters as an analyst wants to see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.campaigns.verdict import Level, Verdict


class Mark(NamedTuple):
    """One thing that a cluster is known by, and that a person may reject."""

    id: str
    """`t` and 16 hex digits for a template, `l` and 16 for a link attribute."""
    family: str
    words: str
    """In plain words: "a template of 31 shingles, in 240 accounts, none of them trusted"."""
    accounts: int
    """Of the cluster, that show it."""
    nats: float
    sample: tuple[str, ...] = ()
    """Of a template: a few of its shingles' hashes, in hex."""


class Edge(NamedTuple):
    """Two accounts of a cluster, or an account and a mark: for the picture."""

    one: str
    other: str
    kind: str
    """A family, or a kind of link."""
    weight: float


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, as of `at`."""

    id: str
    at: float
    """Unix time."""
    began: float
    """When its first account was seen to act as one of it."""
    accounts: int
    score: float
    families: tuple[tuple[str, float], ...]
    evidence: tuple[str, ...]
    most: Level
    exchanges: int
    """Of all its accounts since they were first seen."""
    marks: tuple[Mark, ...] = ()
    """At most 32, the strongest first."""
    members: tuple[tuple[str, float], ...] = ()
    """(Account, nats of belonging to it), the strongest first; all of them."""
    edges: tuple[Edge, ...] = ()
    """At most 400, for the picture: of the strongest members."""
    timeline: tuple[tuple[float, int, int], ...] = ()
    """(Unix time of an hour, exchanges, accounts active in it): at most the last 14 days."""
    models: tuple[tuple[str, int], ...] = ()
    """(Model, exchanges), the most used first; at most 16."""
    countries: tuple[tuple[str, int], ...] = ()
    merged: tuple[str, ...] = ()
    """Ids of clusters that went into this one."""
    false_alarm: float = 1.0
    """The share of benign replay's clusters that score as much: what was calibrated, not a promise."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one look came to."""

    verdicts: tuple[Verdict, ...] = ()
    """New and changed ones, renewals among them; one with score 0 takes back what was said."""
    clusters: tuple[Cluster, ...] = ()
    """Those that changed."""
    gone: tuple[str, ...] = field(default=())
    """Ids of clusters that are none any more."""
