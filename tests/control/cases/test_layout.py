"""Where nodes stand: in the picture, the same each time, and near what they belong to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.control.cases.layout import MARGIN, places

nodes = st.integers(0, 30)


@given(nodes, st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_the_graph(count: int, data: st.DataObject) -> None:
    """Every node has a place within the margins, and the same graph has the same places."""
    ends = st.integers(0, max(0, count - 1))
    edges = data.draw(st.lists(st.tuples(ends, ends, st.floats(0.05, 10.0)), max_size=60)) if count else []
    found = places(count, edges, 30)
    assert found.shape == (count, 2)
    assert np.isfinite(found).all()
    assert ((found >= MARGIN - 1e-3) & (found <= 1 - MARGIN + 1e-3)).all()
    assert (found == places(count, edges, 30)).all()


@pytest.mark.parametrize("size", [6, 20])
def test_two_groups_stand_apart(size: int) -> None:
    """Who holds together is nearer to each other than to the others."""
    edges = [(one + off, other + off, 1.0) for off in (0, size) for one in range(size) for other in range(one)]
    found = places(2 * size, edges)
    middles = found[:size].mean(axis=0), found[size:].mean(axis=0)
    within = np.linalg.norm(found[:size] - middles[0], axis=1).mean()
    assert np.linalg.norm(middles[0] - middles[1]) > 1.5 * within
