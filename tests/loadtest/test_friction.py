"""The page of what challenges cost."""

from __future__ import annotations

from loadtest.friction import page


def test_every_figure_stands_on_the_page() -> None:
    """Also when it is bad."""
    text = page({"one ladder": (1.0, 0.25, 2.5)}, {"check": "47 µs"}, {"look": [1.0, 2.0, 9.0]}, 1.25)
    for row in ("| one ladder | 1.00 | +0.25 | +2.50 |", "| check | 47 µs |", "| look | 2.00 | 9.00 |"):
        assert row in text
    assert "{" not in text
