"""Everybody else, drawn anew for each judgement: a bounded sample, so it costs the same with a million accounts."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.detect.accounts import Accounts, active
from gateway.detect.batch import Ints
from gateway.detect.content import Template
from gateway.detect.evidence import Everybody
from gateway.detect.links import NAMES, Shared

SAMPLE: Final = 20_000
"""Accounts that stand for everybody else."""


def everybody(
    accounts: Accounts,
    clustered: Ints,
    now: float,
    templates: dict[int, Template],
    shared: Shared,
    released: dict[int, float],
    seed: int,
) -> Everybody:
    """`clustered`: accounts of clusters that were told of, which do not count as usual."""
    rows = active(accounts)
    free = rows[~np.isin(rows, clustered)]
    if len(free) > SAMPLE:
        free = np.sort(np.random.default_rng(seed).choice(free, SAMPLE, replace=False))
    parties, trusted = accounts["party"][rows], accounts["trusted"][rows]
    known = np.unique(parties[trusted])
    count = len(np.unique(parties))
    return Everybody(
        accounts,
        rows,
        free,
        now,
        templates,
        shared,
        len(known),
        count - len(known),
        released,
        _linked(accounts, shared, known),
    )


def _linked(accounts: Accounts, shared: Shared, trusted: Ints) -> dict[str, tuple[int, int]]:
    party = accounts["party"][shared.account]
    own = np.isin(party, trusted)
    return {name: (len(np.unique(party[own & (shared.kind == code)])), len(trusted)) for code, name in enumerate(NAMES)}
