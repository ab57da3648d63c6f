"""Which cluster goes on as which: what is counted at once, counted again one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect.clusters import Places

ROWS = st.sets(st.integers(0, 12), max_size=8)


@given(st.lists(ROWS, max_size=6), ROWS)
def test_shares_are_what_one_would_count(sets: list[set[int]], asked: set[int]) -> None:
    """Of what is asked for, the part that is in each set; nothing of nothing."""
    places = Places([np.array(sorted(one), np.int32) for one in sets])
    shares = places.shares(np.array(sorted(asked), np.int32))
    assert shares.tolist() == [len(asked & one) / len(asked) if asked else 0.0 for one in sets]
