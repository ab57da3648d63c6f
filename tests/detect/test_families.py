"""Each family, on counts of any kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect.accounts import Accounts
from gateway.detect.evidence import Case, Everybody
from gateway.detect.families import content, pivot, work
from gateway.detect.judging import FAMILIES, judge
from gateway.detect.links import NAMES, Shared
from gateway.detect.settings import Settings

COUNTS = ("heard", "refused", "moved", "before", "shingles", "private")


def made(seed: int, members: int, others: int, most: int, templates: int, silent: bool) -> Case:
    """A cluster and everybody else, every column drawn from 0 … `most`; `silent`: of most columns nothing is known."""
    draw = np.random.default_rng(seed)
    accounts = Accounts(Settings())
    count = members + others
    for at in range(count):
        accounts.row(f"a{at}")
    rows = accounts.rows
    for name in COUNTS:
        rows[name][:count] = draw.integers(0, most + 1, count)
    for name in ("first", "last", "created"):
        rows[name][:count] = draw.integers(0, 10**9, count)
    if not silent:
        for name in ("network", "asn", "kinds", "sdk", "headers", "domain", "path", "signup_country"):
            rows[name][:count] = draw.integers(0, 4, count)
        for name in ("features", "models", "words", "output", "hours"):
            rows[name][:count] = draw.integers(0, most + 1, rows[name][:count].shape)
        rows["trusted"][:count] = draw.integers(0, 2, count)
    everyone, core = np.arange(count, dtype=np.int32), np.arange(members, dtype=np.int32)
    kinds = draw.integers(0, len(NAMES), 6)
    number = draw.integers(0, 3, 6)
    shared = Shared(kinds, number.astype(np.uint64), number, draw.integers(0, count, 6), np.full(6, 2))
    trusted = int(rows["trusted"][:count].sum())
    everybody = Everybody(
        accounts, everyone, everyone[members:], 1e9, {}, shared, trusted, count - trusted, {0: 1.0, 3: 2.0}
    )
    hits = int(draw.integers(0, 30)) if templates else 0
    place = draw.integers(0, members, hits)
    of = draw.integers(0, max(templates, 1), hits)
    return Case(
        everybody, core, list(range(templates)), place, of, draw.integers(1, most + 2, hits), 0.0, not templates
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(0, 80),
    st.sampled_from([0, 1, 5, 1000, 2**31]),
    st.integers(0, 5),
    st.booleans(),
)
def test_any_counts_come_to_something_finite(
    seed: int, members: int, others: int, most: int, templates: int, silent: bool
) -> None:
    """Whatever was counted, and whatever is not known: each family is finite and within its cap, and can be written."""
    case, caps = made(seed, members, others, most, templates, silent), Settings()
    for family, weigh in FAMILIES.items():
        assert all(math.isfinite(sign.nats) for sign in weigh(case)), family
    found = judge(case, caps)
    assert math.isfinite(found.score)
    assert all(abs(nats) <= caps.caps[name] + 1e-3 for name, nats in found.families)
    assert all(type(nats) is float for nats in found.signs.values())


def test_who_did_not_move_is_no_campaign() -> None:
    """A cluster that keeps to its model while everybody else moves has nothing said against it by that."""
    case = made(1, 60, 80, 1, 0, silent=True)
    rows = case.accounts.rows
    rows["before"][:140] = 1
    rows["moved"][:60], rows["moved"][60:140] = 0, 1
    assert pivot.weigh(case) == []


@pytest.mark.parametrize("private", [pytest.param(0, id="a-list-of-work"), pytest.param(60, id="own-applications")])
def test_what_each_repeats_of_its_own_speaks_for_it(private: int) -> None:
    """Accounts that repeat a text of their own are no list of work, however alike they are in their hours."""
    case = made(2, 40, 80, 3, 3, silent=True)
    rows = case.accounts.rows
    rows["heard"][:120], rows["shingles"][:120], rows["private"][:120] = 10, 100, 5
    rows["private"][:40] = private
    rows["hours"][:40] = (0.1, 0.1)
    nats = sum(sign.nats for sign in work.weigh(case))
    assert nats < -1.0 if private else nats > 0.0


def test_nobody_trusted_is_said_and_counts_for_nothing() -> None:
    """Where nobody is trusted there is nobody to compare with: the absence of trusted parties is no evidence."""
    assert content.absence(made(3, 60, 80, 5, 2, silent=True)) == 0.0
