"""Where the nodes of a picture stand: springs along its edges, and everything pushes everything else away.

After Fruchterman and Reingold (Software: Practice and Experience 21(11), 1991). The same graph comes to the same
picture: nodes begin on a spiral in their order, and nothing is drawn by lot. What no edge touches would be pushed to
the rim and fill the picture with what says nothing: it stands in rows at the bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

STEPS: Final = 240
HOT: Final = 0.1
"""How far a node may go in the first step, of the picture's width."""
GOLDEN: Final = np.pi * (3.0 - np.sqrt(5.0))
MARGIN: Final = 0.03
ROW: Final = 30
"""Nodes of a row at the bottom."""
ROWS: Final = 0.24
"""The most of the picture's height that they take."""
MIDDLE: Final = 0.6
"""How strongly everything is held near the middle: parts that nothing connects stay in one picture."""

Places = npt.NDArray[np.float64]


def places(count: int, edges: Sequence[tuple[int, int, float]], steps: int = STEPS) -> Places:
    """`count` x 2, between 0 and 1. `edges` are (one, other, weight), weights above 0. Some 100 ms for 200 nodes."""
    held = sorted({end for edge in edges for end in edge[:2]})
    alone = sorted(set(range(count)) - set(held))
    rows = -(-len(alone) // ROW)
    floor = 1.0 - ROWS * min(1.0, rows / 4) if held else 0.0
    found = np.empty((count, 2))
    if held:
        index = {node: place for place, node in enumerate(held)}
        inner = [(index[one], index[other], weight) for one, other, weight in edges]
        found[held] = _springs(len(held), inner, steps) * (1.0, floor if alone else 1.0)
    for place, node in enumerate(alone):
        row, column = divmod(place, ROW)
        across = (column + 0.5) / min(ROW, len(alone))
        found[node] = across, floor + (row + 0.5) / rows * (1.0 - floor)
    return np.round(MARGIN + found * (1.0 - 2 * MARGIN), 4)


def _springs(count: int, edges: Sequence[tuple[int, int, float]], steps: int) -> Places:
    """Between 0 and 1, to the rims."""
    index = np.arange(count)
    radius = np.sqrt((index + 0.5) / count) / 2
    at = np.stack((radius * np.cos(index * GOLDEN), radius * np.sin(index * GOLDEN)), axis=1)
    one = np.array([edge[0] for edge in edges], np.intp)
    other = np.array([edge[1] for edge in edges], np.intp)
    weight = np.array([edge[2] for edge in edges], np.float64)[:, None]
    far = 1.0 / np.sqrt(count)
    for step in range(steps):
        force = _apart(at, far)
        along = at[other] - at[one]
        pull = along * np.sqrt((along * along).sum(axis=1))[:, None] * weight / far
        np.add.at(force, one, pull)
        np.add.at(force, other, -pull)
        force -= MIDDLE * at
        length = np.maximum(np.sqrt((force * force).sum(axis=1)), 1e-9)[:, None]
        at += force / length * np.minimum(length, HOT * (1.0 - step / steps))
    low, high = at.min(axis=0), at.max(axis=0)
    wide = np.maximum(high - low, 1e-9)
    placed: Places = (at - low) / wide
    return placed


def _apart(at: Places, far: float) -> Places:
    """The push of all on each: of `far` squared by their distance."""
    x, y = at[:, 0], at[:, 1]
    square = np.subtract.outer(x, x)
    square *= square
    down = np.subtract.outer(y, y)
    down *= down
    square += down
    push = np.divide(far * far, np.maximum(square, 1e-6, out=square), out=square)
    every = push.sum(axis=1)
    return np.stack((x * every - (push * x).sum(axis=1), y * every - (push * y).sum(axis=1)), axis=1)
