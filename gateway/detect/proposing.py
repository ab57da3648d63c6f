"""Candidates: templates that the same parties show, and accounts that hard links join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from gateway.detect.accounts import Accounts
from gateway.detect.batch import Ints
from gateway.detect.clusters import NOBODY, Candidate, Places
from gateway.detect.components import components
from gateway.detect.grouping import group
from gateway.detect.hits import Hits
from gateway.detect.links import KINDS, NAMES, WANDERING, Shared

LEAST: Final = 5
"""Parties of a cluster."""
TIED: Final = 0.2
"""Of two groups of templates, the part of each one's accounts that is linked to the other, for them to be one."""
AGAIN: Final = 1.3
"""Hits of a template by account that shows it, from which on it is used again."""
YOUNG: Final = 8.0
"""Exchanges of an account (geometric mean) that was hardly heard of."""
SAME: Final = 0.3
"""Two candidates of which one has so much of the other's sure accounts are one."""
ALIKE: Final = 0.5
"""A component of links of which so much is in a group of templates is of that group."""


def used_again(hits: Hits, accounts: Accounts, rows: Ints) -> Ints:
    """Of these rows of `hits` those with templates that their accounts use again, or have hardly had the time to.

    What each of many shows once, among much else, is a question that is put to many: a benchmark's, an exercise's. Such
    questions tie together who has nothing else in common; a campaign under cover that they hide is found later.
    """
    templates, column = np.unique(hits["template"][rows], return_inverse=True)
    shown = np.maximum(np.bincount(column, minlength=len(templates)), 1)
    again = np.bincount(column, hits["count"][rows], len(templates)) / shown
    heard = np.bincount(column, np.log1p(accounts["heard"][hits["account"][rows]]), len(templates)) / shown
    found: Ints = ((again >= AGAIN) | (heard <= np.log1p(YOUNG)))[column]
    return found


def propose(
    hits: Hits, live: Ints, accounts: Accounts, shared: Shared, everybody: int, seed: int, must: Sequence[Ints]
) -> list[Candidate]:
    """`live`: rows of `hits` with suspect templates, of accounts that count. `must`: accounts merged by people."""
    soft = _soft(hits, live[used_again(hits, accounts, live)], accounts, everybody, seed)
    labels = component_of(accounts, shared)
    candidates = _joined(soft, labels, must)
    inside = np.unique(np.concatenate([NOBODY, *(candidate.accounts for candidate in candidates)]))
    for rows in _groups(labels):
        if len(np.unique(accounts["party"][rows])) < LEAST or np.isin(rows, inside).mean() >= ALIKE:
            continue
        heard = rows[accounts["heard"][rows] > 0]
        if len(heard) >= LEAST:
            candidates.append(Candidate(np.empty(0, np.int32), heard, heard))
    return candidates


def _soft(hits: Hits, live: Ints, accounts: Accounts, everybody: int, seed: int) -> list[Candidate]:
    account, template = hits["account"][live], hits["template"][live]
    party = accounts["party"][account].astype(np.int64)
    pairs = np.unique((party << 32) | template)
    grouped = group(pairs >> 32, pairs & 0xFFFFFFFF, everybody, seed)
    if not len(grouped.templates):
        return []
    label = grouped.community[np.searchsorted(grouped.templates, template)]
    candidates = []
    for community in np.unique(grouped.community).tolist():
        mine = label == community
        if len(np.unique(party[mine])) >= LEAST:
            templates = grouped.templates[grouped.community == community]
            candidates.append(Candidate(templates, NOBODY, np.unique(account[mine])))
    return candidates


def component_of(accounts: Accounts, shared: Shared) -> Ints:
    """For each row of accounts the smallest row that hard links join it with, -1 for who has none.

    What wanders and what identifies is joined; a card that a crowd has was left out before (`Links.shared`).
    """
    count = accounts.rows.size
    strong = np.array([name in WANDERING or KINDS[name].nats >= 3.0 for name in NAMES])[shared.kind]
    account, number = shared.account[strong], shared.number[strong]
    labels = components(count + (int(number.max()) + 1 if len(number) else 0), account, count + number)[:count]
    single = np.bincount(labels, minlength=count)[labels] == 1
    return np.where(single, -1, labels)


def _groups(labels: Ints) -> list[Ints]:
    rows = np.flatnonzero(labels >= 0)
    order = rows[np.argsort(labels[rows], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []


def _joined(soft: list[Candidate], labels: Ints, must: Sequence[Ints]) -> list[Candidate]:
    """Groups of templates between which there are many links, or that people have merged, are one."""
    one, other = [], []
    linked = [set(labels[candidate.accounts].tolist()) - {-1} for candidate in soft]
    for place, candidate in enumerate(soft):
        for later in range(place + 1, len(soft)):
            common = np.array(sorted(linked[place] & linked[later]))
            ties = (
                min(int(np.isin(labels[c.accounts], common).sum()) for c in (candidate, soft[later]))
                if len(common)
                else 0
            )
            smaller = min(len(candidate.accounts), len(soft[later].accounts))
            merged = any(_both(candidate, soft[later], rows) for rows in must)
            if merged or (ties >= 3 and ties >= TIED * smaller):
                one.append(place)
                other.append(later)
    found = components(len(soft), np.array(one, np.int64), np.array(other, np.int64))
    return [_union([soft[place] for place in np.flatnonzero(found == label)]) for label in np.unique(found).tolist()]


def joined(candidates: list[Candidate], sure: list[Ints]) -> list[Candidate]:
    """Those of which the same accounts are sure are one: what they show was only cut in two. `sure`: of each these."""
    one, other = [], []
    places = Places(sure)
    sizes = np.array([len(mine) for mine in sure])
    for place, mine in enumerate(sure):
        both = places.shares(mine) * len(mine)
        alike = (both >= LEAST) & (both >= SAME * np.minimum(len(mine), sizes))
        later = np.flatnonzero(alike[place + 1 :]) + place + 1
        one += [place] * len(later)
        other += later.tolist()
    found = components(len(candidates), np.array(one, np.int64), np.array(other, np.int64))
    return [_union([candidates[place] for place in np.flatnonzero(found == label)]) for label in np.unique(found)]


def _both(one: Candidate, other: Candidate, rows: Ints) -> bool:
    return all(np.isin(candidate.accounts, rows).mean() >= ALIKE for candidate in (one, other))


def _union(candidates: Sequence[Candidate]) -> Candidate:
    return Candidate(*(np.unique(np.concatenate(parts)) for parts in zip(*candidates, strict=True)))
