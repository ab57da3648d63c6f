"""From where, and with which software: only what is rarer elsewhere says anything."""

from __future__ import annotations

import math

import numpy as np

from gateway.detect.batch import KINDS, Ints
from gateway.detect.evidence import Case, Sign
from gateway.detect.measures import binomial, coincidence, lift, sure


def weigh(case: Case) -> list[Sign]:
    signs = []
    nats, share, usual = lift(_bundle(case.column), _bundle(case.usual))
    if nats > 0:
        signs.append(
            Sign("bundle", min(nats, 1.5), f"{share:.0%} send the same bundle of software, elsewhere {usual:.2%}")
        )
    nats, share, usual = lift(case.column("asn"), case.usual("asn"))
    if nats > 0:
        signs.append(Sign("asn", min(nats, 1.0), f"{share:.0%} come from one autonomous system, elsewhere {usual:.2%}"))
    nats, share, usual = coincidence(case.column("network"), case.usual("network"))
    if nats > 0:
        signs.append(Sign("prefix", min(nats, 1.5), f"two of them share a prefix {share / usual:.0f} times as often"))
    signs.extend(_kinds(case))
    return signs


def _bundle(column: object) -> Ints:
    """What the client says of itself, as one value; unknown where neither fields nor software are known."""
    headers, sdk, ja4 = (column(name) for name in ("headers", "sdk", "ja4"))  # type: ignore[operator]
    mixed = (headers * np.uint64(3)) ^ (sdk * np.uint64(5)) ^ (ja4 * np.uint64(7))
    bundle: Ints = np.where((headers != 0) | (sdk != 0), mixed | np.uint64(1), np.uint64(0))
    return bundle


def _kinds(case: Case) -> list[Sign]:
    """Of networks: the kind whose share is highest above the usual one."""
    best: list[Sign] = []
    mine, usual = case.column("kinds"), case.usual("kinds")
    if not len(usual):
        return best
    for bit, name in enumerate(KINDS):
        hits = int(np.count_nonzero(mine & (1 << bit)))
        elsewhere = (np.count_nonzero(usual & (1 << bit)) + 1) / (len(usual) + 2)
        share = hits / len(mine)
        excess = binomial(hits, len(mine), elsewhere) - math.log(len(KINDS))
        nats = min(1.0, share * math.log(max(share / elsewhere, 1.0)) * sure(excess))
        if nats > (best[0].nats if best else 0.0):
            best = [
                Sign("network_kinds", nats, f"{share:.0%} come by {name.replace('_', ' ')}, elsewhere {elsewhere:.0%}")
            ]
    return best
