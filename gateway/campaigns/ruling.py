"""What a person has said of a cluster, for the detector to keep to."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Ruled(enum.StrEnum):
    APPROVED = "approved"
    """It is a campaign: what it is known by counts fully, whoever uses it."""
    REJECTED = "rejected"
    """It is none: what it was known by counts for nothing, while the ruling lasts."""
    SPLIT = "split"
    """These accounts are not of it."""
    MERGED = "merged"
    """These clusters are one."""
    CLEARED = "cleared"
    """An account, by appeal: nothing soft counts against it."""


class Ruling(NamedTuple):
    """One of them, from the table `rulings`."""

    id: int
    """Rising: a detector remembers up to which it has learnt."""
    at: float
    ruled: Ruled
    cluster: str = ""
    accounts: tuple[str, ...] = ()
    """For SPLIT those that go, for CLEARED the account."""
    marks: tuple[str, ...] = ()
    """What the cluster is known by (`detect.Cluster.marks`): ids of templates and of link attributes."""
    other: str = ""
    """For MERGED: the cluster that goes into `cluster`."""
    until: float = 0.0
    """Unix time; 0 means for good."""
