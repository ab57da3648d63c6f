"""How sure it is that an account is of a cluster: which of its templates the account has shown, in how much traffic.

Two explanations are weighed. Of the cluster: each exchange shows each template at the cluster's rate, perhaps diluted
by cover. Of everybody else: at the rate at which others show it, since what many ask is asked by honest people too, and
some paste what is popular all the time. An account that asks much meets much, so it has to show much; a text that one
account repeats counts once. The rates follow from the hits alone, by expectation and maximisation (Dempster, Laird,
Rubin 1977), a few rounds of it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from gateway.detect.accounts import Accounts
from gateway.detect.batch import Ints
from gateway.detect.hits import Hits

ROUNDS: Final = 2
COVER: Final = ((1.0, 0.5), (0.4, 0.3), (0.15, 0.2))
"""(Part of the cluster's rate at which an account of it shows templates, how many do)."""
PASTING: Final = ((1.0, 0.8), (4.0, 0.17), (16.0, 0.03))
"""(Times everybody's rate at which an honest account does, how many do)."""
UNSEEN: Final = 0.5
"""Hits of one template that everybody else is given in advance: who was hardly heard of may still show it. Of each of
n it is so much by their root: they are as likely to be shown together as apart."""
ALONE: Final = 2.0
"""Odds that one hit comes to at the most: a text can be met by chance, or be pasted."""
RARE: Final = -3.5
"""The prior of being one of a small cluster goes no lower."""
EARNED: Final = 2.0
"""Nats that trust takes from the prior."""


class Weights(NamedTuple):
    """Of one cluster. Rates are of distinct hits in an exchange."""

    templates: Ints
    """Ids, ascending."""
    rates: Ints
    """Of the cluster's accounts."""
    bases: Ints
    """Of everybody else."""
    prior: float
    """Logarithm of the odds of being of it, before anything was seen of an account."""
    since: float
    """Unix time at which half of what it is known by was known: exchanges before that show nothing."""

    @property
    def nats(self) -> Ints:
        """By how much each speaks for it."""
        found: Ints = np.log(np.maximum(self.rates, self.bases) / self.bases)
        return found


class Belonging(NamedTuple):
    accounts: Ints
    """Rows, ascending."""
    nats: Ints
    """Logarithm of the odds of being of the cluster."""


class _Shown(NamedTuple):
    """Hits of a cluster's templates, by account."""

    who: Ints
    at: Ints
    """Of each pair of account and template its place in `who`,"""
    column: Ints
    """and the template's place."""
    hits: Ints
    """Of each of `who`."""
    exchanges: Ints
    trusted: Ints


def weigh(hits: Hits, rows: Ints, accounts: Accounts, born: Ints, everybody: int) -> Weights:
    """Of a cluster known by the templates that stand in `rows` of `hits`.

    `born`: Unix time by id of template; `everybody`: parties that were heard of.
    """
    ids, uses = np.unique(hits["template"][rows], return_counts=True)
    order = np.argsort(born[ids], kind="stable")
    since = float(born[ids[order[np.searchsorted(np.cumsum(uses[order]), uses.sum() / 2)]]])
    shown = _shown(hits, rows, accounts, ids, since)
    # Who had shown it before it was a template is known: its shingles were followed.
    heard = float(accounts["heard"].sum())
    # An account counts as its part of a party: who asks through ten accounts is one.
    _, party, size = np.unique(accounts["party"][shown.who], return_inverse=True, return_counts=True)
    part = 1.0 / size[party]
    weight = np.where(shown.trusted, 0.0, 1.0)
    unseen = UNSEEN / float(np.sqrt(len(ids)))
    found = Weights(ids, np.empty(0), np.empty(0), RARE, since)
    for _ in range(ROUNDS):
        inside = weight * part
        members, mine = float(inside.sum()), float((inside * shown.exchanges).sum())
        rates = np.bincount(shown.column, inside[shown.at], len(ids)) / max(mine, 1.0)
        outside = np.bincount(shown.column, ((1 - weight) * part)[shown.at], len(ids))
        bases = np.minimum((outside + unseen) / max(heard - mine, 1.0), 1.0)
        prior = max(RARE, float(np.log(max(members, 1.0) / max(everybody - members, members, 1.0))))
        found = Weights(ids, rates, bases, prior, since)
        weight = 1 / (1 + np.exp(-np.clip(_odds(found, shown), -30.0, 30.0)))
    return found


def belong(hits: Hits, rows: Ints, accounts: Accounts, weights: Weights) -> Belonging:
    """Of the accounts that stand in `rows`."""
    rows = rows[np.isin(hits["template"][rows], weights.templates)]
    shown = _shown(hits, rows, accounts, weights.templates, weights.since)
    odds = _odds(weights, shown)
    return Belonging(shown.who, np.where(shown.hits >= 2, odds, np.minimum(odds, ALONE)))


def _shown(hits: Hits, rows: Ints, accounts: Accounts, ids: Ints, since: float) -> _Shown:
    who, at = np.unique(hits["account"][rows], return_inverse=True)
    count = np.bincount(at, hits["count"][rows].astype(np.float64), len(who))
    exchanges = np.maximum(_exposure(accounts, who, since), count)
    column = np.searchsorted(ids, hits["template"][rows])
    return _Shown(who, at, column, count, exchanges, accounts["trusted"][who])


def _exposure(accounts: Accounts, rows: Ints, since: float) -> Ints:
    """About how many exchanges of each came after `since`: as if it had always been as active."""
    first, last, heard = (accounts[name][rows].astype(np.float64) for name in ("first", "last", "heard"))
    lived = last - np.minimum(first, last)
    after = np.clip(last - np.maximum(first, since), 0.0, None)
    found: Ints = heard * np.where(lived > 0, after / np.maximum(lived, 1e-9), last >= since)
    return found


def _odds(weights: Weights, shown: _Shown) -> Ints:
    odds: Ints = _explained(shown, weights.rates, COVER) - _explained(shown, weights.bases, PASTING) + weights.prior
    return odds - np.where(shown.trusted, EARNED, 0.0)


def _explained(shown: _Shown, rates: Ints, mixture: tuple[tuple[float, float], ...]) -> Ints:
    """Logarithm of the chance to show just these templates; `mixture`: (times the rates, how many do so)."""
    rest = rates.sum() - np.bincount(shown.at, rates[shown.column], len(shown.who))
    parts = []
    for times, share in mixture:
        seen = np.log(-np.expm1(-np.maximum(times * shown.exchanges[shown.at] * rates[shown.column], 1e-12)))
        whole = np.bincount(shown.at, seen, len(shown.who)) - times * shown.exchanges * rest
        parts.append(whole + np.log(share))
    found: Ints = np.logaddexp.reduce(parts, axis=0)
    return found
