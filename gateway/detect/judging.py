"""What a cluster comes to: families under their caps, size, and whether it sits in one place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from gateway.campaigns.verdict import Family, Level
from gateway.detect.evidence import Case, Sign
from gateway.detect.families import balance, content, linked, network, pivot, registration, trust, work
from gateway.detect.settings import Settings

FAMILIES: Final[Mapping[Family, Callable[[Case], list[Sign]]]] = {
    Family.LINKS: linked.weigh,
    Family.CONTENT: content.weigh,
    Family.WORK: work.weigh,
    Family.BALANCE: balance.weigh,
    Family.NETWORK: network.weigh,
    Family.REGISTRATION: registration.weigh,
    Family.PIVOT: pivot.weigh,
    Family.TRUST: trust.weigh,
}
SIZE: Final = 2.0
"""Nats of size at the most; it is no family."""
TOGETHER: Final = 0.6
"""The part of a cluster that shares one network, or one rare domain, for it to be in one place."""
ONE_PLACE: Final = 1_000
"""Parties above which nothing is one place: no class and no office is as large, and a hydra could settle in one."""


CROWD: Final = 10
"""Accounts of one network in a cluster that spreads otherwise, for them to be a crowd of their own,"""
DENSER: Final = 8.0
"""so many times as many as in any other network: over what a relay buys its accounts are spread evenly."""


class Judged(NamedTuple):
    score: float
    families: tuple[tuple[str, float], ...]
    """The strongest first."""
    evidence: tuple[str, ...]
    signs: Mapping[str, float]
    """Signal -> nats, before caps."""
    most: Level


def judge(case: Case, settings: Settings) -> Judged:
    families: dict[str, float] = {}
    evidence: dict[str, str] = {}
    signs: dict[str, float] = {}
    for family, weigh in FAMILIES.items():
        if family in settings.without:
            continue
        found = [sign for sign in weigh(case) if sign.signal not in settings.without]
        # Plain numbers: they are written to a snapshot.
        signs |= {sign.signal: float(sign.nats) for sign in found}
        cap = settings.caps[family]
        nats = float(sum(sign.nats for sign in found))
        families[family] = max(-cap, min(0.0 if family is Family.TRUST else cap, nats))
        if found:
            evidence[family] = max(found, key=lambda sign: abs(sign.nats)).words
    size = 0.0 if "size" in settings.without else max(0.0, min(SIZE, math.log2(max(case.size, 1) / 10)))
    ordered = sorted(families.items(), key=lambda item: (-item[1], item[0]))
    told = tuple((name, round(nats, 3)) for name, nats in ordered if abs(nats) >= 0.05)
    words = tuple(evidence[name] for name, nats in told if name in evidence and abs(nats) >= 0.3)
    most = Level.BUDGET if in_one_place(case) else Level.SUSPEND
    return Judged(sum(families.values()) + size, told, words, signs, most)


def in_one_place(case: Case) -> bool:
    """One network, or one e-mail domain that hardly anybody else has: a class, an office."""
    if case.size > ONE_PLACE:
        return False
    networks = case.column("network")
    if _largest(networks) >= TOGETHER * len(networks):
        return True
    domains = case.column("domain")
    if _largest(domains) < TOGETHER * len(domains):
        return False
    values, counts = np.unique(domains, return_counts=True)
    usual = case.usual("domain")
    return bool(np.count_nonzero(usual == values[np.argmax(counts)]) < 0.01 * max(len(usual), 1))


def crowds(networks: np.typing.NDArray[np.uint64]) -> np.typing.NDArray[np.uint64]:
    """Of the networks of all who may be of a cluster, 0 where unknown: that which has a class, or an office, of it
    beside accounts from everywhere. These sit in one place.
    """
    values, counts = np.unique(networks[networks != 0], return_counts=True)
    if not len(values):
        return values
    next_one = np.sort(counts)[-2:][0] if len(counts) > 1 else counts[0]
    found: np.typing.NDArray[np.uint64] = values[counts >= max(CROWD, DENSER * int(next_one))]
    return found


def _largest(values: np.typing.NDArray[np.uint64]) -> int:
    known = values[values != 0]
    return int(np.unique(known, return_counts=True)[1].max()) if len(known) else 0


def own_trust(trusted: bool, stated: bool) -> float:
    """Nats that speak for one account, by itself: what was stated of it by a person weighs most."""
    return 8.0 if stated else 4.0 if trusted else 0.0


def joined(families: Sequence[tuple[str, float]], trusted: float) -> tuple[tuple[str, float], ...]:
    """Families of a cluster, as they stand for an account that is trusted by itself."""
    if not trusted:
        return tuple(families)
    rest = [(name, nats) for name, nats in families if name != Family.TRUST]
    already = sum(nats for name, nats in families if name == Family.TRUST)
    return (*rest, (str(Family.TRUST), max(-8.0, already - trusted)))
