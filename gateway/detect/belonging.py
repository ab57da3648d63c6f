"""How sure it is that an account is of a cluster: each template counts once, by how much rarer it is among others."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from gateway.detect.accounts import Accounts
from gateway.detect.batch import Ints
from gateway.detect.hits import Hits

MOST: Final = 7.0
"""Nats of one template at the most: one text, however rare, is one coincidence."""
DILUTED: Final = 0.8
"""An account that shows the templates in less than this part of the usual share of its exchanges is doubted:"""
STEEP: Final = 2.0
"""so many nats for each e-fold. Who asks much meets many popular questions, and none of them often."""
DOUBT: Final = -12.0
ASIDE: Final = 0.2
"""A template that has less than so much of a typical one's hits is not what a cluster is known by."""
AGAIN: Final = 1.0
"""Nats at the most for one template that is shown again and again, beside those of its first hit: what follows a text
once may follow it twice."""
ALONE: Final = 3.5
"""Odds that one template shown once or twice comes to at the most: a text can be met by chance, or be pasted."""
MOSTLY: Final = 0.1
"""The same holds of who shows them in a smaller part of what was heard of it: who asks much meets much."""
RARE: Final = -4.0
"""The prior of being one of a small cluster goes no lower: the base rates are upper bounds already."""


class Weights(NamedTuple):
    """Of one cluster."""

    templates: Ints
    """Ids, ascending."""
    nats: Ints
    """Of the first hit of each."""
    share: float
    """Median, over its accounts, of the part of exchanges that show one."""
    prior: float
    """Logarithm of the odds of being of it, before anything was seen of an account."""


class Belonging(NamedTuple):
    accounts: Ints
    """Rows, ascending."""
    nats: Ints
    """Logarithm of the odds of being of the cluster."""


def weigh(hits: Hits, rows: Ints, accounts: Accounts, bases: Ints, everybody: int) -> Weights:
    """Of a cluster known by the templates that stand in `rows` of `hits`.

    `bases`: by id of template, an upper bound of the share of honest parties that show it.
    """
    account, template = hits["account"][rows], hits["template"][rows]
    party = accounts["party"][account].astype(np.int64)
    ids, column = np.unique(template, return_inverse=True)
    members = len(np.unique(party))
    shown = np.bincount(np.unique((column.astype(np.int64) << 32) | party) >> 32, minlength=len(ids))
    share = shown / max(members, 1)
    nats = np.clip(np.log(np.maximum(share, 1e-9) / np.minimum(bases[ids], 1.0)), 0.0, MOST)
    # What is shown now and then beside what the cluster is known by (a benchmark's question that is put into its
    # templates) is shown by others as well.
    use = np.bincount(column, hits["count"][rows], len(ids)) / max(float(hits["count"][rows].sum()), 1.0)
    typical = float(np.exp((use * np.log(np.maximum(use, 1e-12))).sum()))
    nats[use < ASIDE * typical] = 0.0
    _, at = np.unique(account, return_inverse=True)
    counts = np.bincount(at, hits["count"][rows])
    heard = np.maximum(accounts["heard"][np.unique(account)], 1)
    part = float(np.median(np.minimum(counts / heard, 1.0))) if len(heard) else 0.0
    prior = max(RARE, float(np.log(max(members, 1) / max(everybody - members, members, 1))))
    return Weights(ids, nats, part, prior)


def belong(hits: Hits, rows: Ints, accounts: Accounts, weights: Weights) -> Belonging:
    """Of the accounts that stand in `rows`."""
    rows = rows[np.isin(hits["template"][rows], weights.templates)]
    account = hits["account"][rows]
    who, at = np.unique(account, return_inverse=True)
    each = weights.nats[np.searchsorted(weights.templates, hits["template"][rows])]
    again = np.minimum(AGAIN, 0.5 * np.log2(np.maximum(hits["count"][rows], 1)))
    nats = np.bincount(at, each + np.minimum(again, each / 3), len(who))
    shown = np.bincount(at, hits["count"][rows], len(who))
    part = shown / np.maximum(accounts["heard"][who], 1)
    doubt = np.clip(STEEP * np.log(np.maximum(part, 1e-9) / max(DILUTED * weights.share, 1e-9)), DOUBT, 0.0)
    odds = nats + doubt + weights.prior
    sure = ((np.bincount(at) >= 2) | (shown >= 3)) & (part >= MOSTLY)
    return Belonging(who, np.where(sure, odds, np.minimum(odds, ALONE)))
