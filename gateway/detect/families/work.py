"""One list of work, shared: its accounts are interchangeable, and none repeats a text of its own."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gateway.detect.batch import Ints
from gateway.detect.evidence import ENOUGH, Case, Parties, Sign
from gateway.detect.measures import Correlation, correlation, interchangeable

OWN: Final = 0.6
"""How far an honest party keeps to its own templates, where several are in use."""
FASHION: Final = 0.4
"""How much it counts that accounts are alike whom one template has brought together."""
OWNED: Final = 2.0
"""Nats at the most that private repetition speaks for them."""
SHINGLES: Final = 30
"""From which on an account says something of what it repeats."""


def weigh(case: Case) -> list[Sign]:
    habits = [
        _habit(case, name, words) for name, words in (("words", "length of prompts"), ("output", "length of answers"))
    ]
    habits += [_hours(case), *_mix(case), *_fillings(case)]
    private = _private(case)
    # Each repeats what nobody else says: then these are applications of their own, however alike they are otherwise.
    alike = 1.0 - max((max(0.0, -sign.nats) / OWNED for sign in private), default=0.0)
    if len(case.templates) < 2:
        # Who has one text in common (a fashion, a framework) is alike in little else that was looked at.
        alike *= FASHION
    signs = [sign._replace(nats=sign.nats * alike) if sign.nats > 0 else sign for sign in habits] + private
    return [sign for sign in signs if abs(sign.nats) >= 0.01]


def _moments(rows: Ints, parties: Parties) -> Correlation:
    count, total, squares = (parties.sum(rows[:, at]) for at in range(3))
    return correlation(count, total, squares)


def _habit(case: Case, name: str, words: str) -> Sign:
    found = _moments(case.column(name), case.parties)
    usual = _moments(case.usual(name), case.everybody.parties).value
    # Accounts that handle different parts of one list differ in length as honest ones do: that speaks for nobody.
    nats = max(0.0, interchangeable(found, usual, 1.2))
    return Sign(
        name,
        nats,
        f"the {words} differs between them by {max(found.value, 0):.2f} of what it does, elsewhere by {usual:.2f}",
    )


def _hours(case: Case) -> Sign:
    found = _angles(case.column("hours"), case.column("heard"), case.parties)
    usual = _angles(case.usual("hours"), case.usual("heard"), case.everybody.parties).value
    return Sign("hours", max(0.0, interchangeable(found, usual, 0.8)), "they keep the same hours, each as all")


def _angles(hours: Ints, heard: Ints, parties: Parties) -> Correlation:
    count = parties.sum(heard.astype(np.float64))
    total = np.stack([parties.sum(hours[:, at]) for at in (0, 1)], axis=1)
    return correlation(count, total, count)


def _mix(case: Case) -> list[Sign]:
    """Every account draws from the same templates: two hits of one are no more alike than hits of two accounts."""
    if len(case.templates) < 2 or not len(case.hit_account):
        return []
    party = case.parties.number[case.hit_account]
    keys, at = np.unique((party.astype(np.int64) << 32) | case.hit_template, return_inverse=True)
    counts = np.minimum(np.bincount(at, case.hit_count), 20.0)
    of = np.bincount(keys >> 32, counts, case.size)
    pairs = float((of * (of - 1)).sum())
    shares = np.bincount(keys & 0xFFFFFFFF, counts) / counts.sum()
    across = float((shares**2).sum())
    if pairs < 40 or across > 0.7:
        return []
    within = float((counts * (counts - 1)).sum()) / pairs
    value = (within - across) / (1 - across)
    error = max(0.02, 1 / math.sqrt(max(1, int((of >= 2).sum()))))
    nats = interchangeable(Correlation(value, error), OWN, 1.5)
    return [Sign("mix", nats, f"each uses the same mix of {1 / across:.0f} templates: {value:.2f} where 1 is its own")]


def _private(case: Case) -> list[Sign]:
    """An honest application repeats its own text, day after day; a list of work is gone through once."""
    mine = _repeats(case.column("shingles"), case.column("private"), case.column("heard"))
    others = _repeats(case.usual("shingles"), case.usual("private"), case.usual("heard"))
    if len(mine) < 10 or len(others) < 20:
        return []
    found, usual = float(np.median(mine)), float(np.median(others))
    nats = max(-OWNED, min(0.8, math.log((usual + 0.03) / (found + 0.03))))
    return [Sign("private", nats, f"{found:.0%} of their text is their own and repeated, elsewhere {usual:.0%}")]


def _repeats(shingles: Ints, private: Ints, heard: Ints) -> Ints:
    enough = (heard >= ENOUGH) & (shingles >= SHINGLES)
    repeats: Ints = private[enough] / shingles[enough]
    return repeats


def _fillings(case: Case) -> list[Sign]:
    """What many fill in alike is an exercise, a benchmark, a fashion: of a list that is shared out each has its own."""
    found = [case.everybody.templates[id_].slots for id_ in case.templates if id_ in case.everybody.templates]
    weights = np.array([len(slots.fillings) for slots in found], np.float64)
    if weights.sum() < 20:
        return []
    elsewhere = float((weights * [slots.elsewhere for slots in found]).sum() / weights.sum())
    # A list in which a piece comes back now and then, against one that everybody goes through.
    nats = max(-2.0, min(0.5, 0.5 - 5.0 * max(0.0, elsewhere - 0.1)))
    return [Sign("fillings", nats, f"{1 - elsewhere:.0%} of what is filled in comes from one of them alone")]
