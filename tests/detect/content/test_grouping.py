"""Which shingles come together."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.detect.content.grouping import group

FULL = list(range(1, 33))


@pytest.mark.parametrize(
    ("rings", "together", "labels"),
    [
        pytest.param([FULL, FULL, FULL], [-1, -1, -1], [0, 0, 0], id="equal"),
        pytest.param([FULL, [n + 100 for n in FULL]], [-1, -1], [0, 1], id="never together"),
        pytest.param([FULL, FULL[:16] + [99] * 16], [-1, -1], [0, 0], id="half of both"),
        pytest.param([FULL, FULL[:15] + [99] * 17], [-1, -1], [0, 1], id="less than half"),
        pytest.param([FULL, FULL[:11] + [99] * 21], [5, 5], [0, 0], id="less than half, but of one template"),
        pytest.param([FULL, FULL[:9] + [99] * 23], [5, 5], [0, 1], id="of one template, no more"),
        pytest.param([[1, 2, 3] + [0] * 29] * 2, [-1, -1], [0, 1], id="too little is known"),
        pytest.param([[1, 2, 3, 4] + [0] * 28, FULL], [-1, -1], [0, 1], id="what one has and the other has not"),
    ],
)
def test_rings_that_are_equal_for_the_most_part_are_one_group(
    rings: list[list[int]], together: list[int], labels: list[int]
) -> None:
    """Of the places that either uses, half; what was together may drift further."""
    found = group(np.array(rings, np.uint32), np.array(together, np.int32), 0.5, 4)
    assert found.tolist() == labels


def test_a_chain_of_pairs_is_one_group_under_its_smallest_row() -> None:
    """However long."""
    halves = [
        [row // 2 * 1000 + n + 1 for n in range(16)] + [(row + 1) // 2 * 7777 + n for n in range(16)]
        for row in range(50)
    ]
    rings = np.array(halves, np.uint32)
    assert set(group(rings, np.full(50, -1, np.int32), 0.5, 4).tolist()) == {0}
