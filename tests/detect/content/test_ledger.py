"""Hits by template and party."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect.content.ledger import Ledger

hits = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.booleans()), max_size=40)


@given(st.lists(hits, max_size=5), st.integers(-1, 3))
def test_a_ledger_counts_as_a_counter_does(batches: list[list[tuple[int, int, bool]]], goes: int) -> None:
    """Over batches, and when a template goes into another, or ends."""
    ledger, model = Ledger(1 << 10), Counter[tuple[int, int, bool]]()
    for batch in batches:
        ledger.add(
            np.array([row[0] for row in batch], np.int32),
            np.array([row[1] for row in batch], np.int32),
            np.array([row[2] for row in batch], np.bool_),
        )
        ledger.fold()
        model.update(batch)
    if goes != 0:
        ledger.move(0, goes)
        for (template, party, trusted), count in list(model.items()):
            if template == 0:
                del model[template, party, trusted]
                if goes > 0:
                    model[goes, party, trusted] += count
    for template in range(4):
        parties, counts, known, theirs = ledger.of(template)
        found = {(template, int(p), False): int(c) for p, c in zip(parties, counts, strict=True)}
        found |= {(template, int(p), True): int(c) for p, c in zip(known, theirs, strict=True)}
        assert found == {key: count for key, count in model.items() if key[0] == template}
        sizes = ledger.sizes(np.array([template]))
        assert (sizes[0].tolist(), sizes[1].tolist()) == ([len(parties)], [len(known)])


def test_beyond_its_bound_a_ledger_halves_its_counts() -> None:
    """What was hit once goes first."""
    ledger = Ledger(10)
    for parties in ([1] * 8, list(range(100, 140))):
        ledger.add(np.zeros(len(parties), np.int32), np.array(parties, np.int32), np.zeros(len(parties), np.bool_))
        ledger.fold()
    assert ledger.of(0)[0].tolist() == [1]
    assert ledger.of(0)[1].tolist() == [4]
