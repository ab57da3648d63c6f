"""To a new model within a day, all at once: a two-proportion test against everybody else."""

from __future__ import annotations

import math

import numpy as np

from gateway.detect.evidence import Case, Sign


def weigh(case: Case) -> list[Sign]:
    """Of accounts that were active before the model came: how many have used it within a day of its first use."""
    best = Sign("pivot", 0.0, "")
    released = case.everybody.released
    for bit in released:
        mask = np.uint32(1 << bit)
        ours, ours_moved = _share(case.column("before"), case.column("moved"), mask)
        theirs, theirs_moved = _share(case.usual("before"), case.usual("moved"), mask)
        if ours < 10 or theirs < 20:
            continue
        share, usual = ours_moved / ours, (theirs_moved + 1) / (theirs + 2)
        pooled = (ours_moved + theirs_moved + 1) / (ours + theirs + 2)
        z = (share - usual) / math.sqrt(pooled * (1 - pooled) * (1 / ours + 1 / theirs) + 1e-12)
        # Bonferroni: as many models are looked at. Who moved less than the others is no campaign for it.
        if share <= usual or z * z / 2 < 9.2 + math.log(len(released)):
            continue
        nats = min(2.0, math.log(share / usual))
        if nats > best.nats:
            best = Sign("pivot", nats, f"{share:.0%} moved to a new model within a day, of the others {usual:.0%}")
    return [best] if best.nats > 0 else []


def _share(
    before: np.typing.NDArray[np.uint32], moved: np.typing.NDArray[np.uint32], mask: np.uint32
) -> tuple[int, int]:
    there = (before & mask) != 0
    return int(np.count_nonzero(there)), int(np.count_nonzero(there & ((moved & mask) != 0)))
