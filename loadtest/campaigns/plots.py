"""Charts as SVG: readable on light and dark pages, with what they show in words for who does not see them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 52, 46
COLOURS: Final = ("#0b6e99", "#b3541e", "#2e7d4f", "#7b4ea3", "#a8324a", "#6b6b1f")
STROKES: Final = ("", "7 4", "2 3", "9 3 2 3", "4 2", "1 4")
"""Dashes, so that lines are told apart without colour."""
Points = Sequence[tuple[float, float]]


def lines(
    title: str, words: str, across: str, up: str, series: Mapping[str, Points], *, logarithmic: bool = False
) -> str:
    """A line for each name. `up` is in per cent; where `across` is logarithmic it begins at 1."""
    every = [point for points in series.values() for point in points if all(map(math.isfinite, point))]
    right = max((x for x, _ in every), default=1.0) or 1.0
    top = max((y for _, y in every), default=1.0) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        share = math.log10(max(x, 1.0)) / max(math.log10(max(right, 10.0)), 1e-9) if logarithmic else x / right
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    out = [*head(title, words), *axes(across, up, right, top, at, logarithmic=logarithmic)]
    for index, (name, points) in enumerate(series.items()):
        colour, stroke = COLOURS[index % len(COLOURS)], STROKES[index % len(STROKES)]
        shown = [at(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        if not shown:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in shown)
        dashes = f' stroke-dasharray="{stroke}"' if stroke else ""
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.2"{dashes}/>')
        out += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in shown[:: max(1, len(shown) // 12)]
        ]
        y = TOP + 8 + index * 20
        out.append(f'<line x1="{WIDTH - RIGHT + 14}" y1="{y}" x2="{WIDTH - RIGHT + 38}" y2="{y}" stroke="{colour}"'
                   f' stroke-width="2.2"{dashes}/>')  # fmt: skip
        out.append(f'<text x="{WIDTH - RIGHT + 44}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def head(title: str, words: str) -> list[str]:
    """A white sheet under everything: a page's own colour, light or dark, does not matter."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d"'
        ' font-family="system-ui, sans-serif" font-size="12" fill="#222">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(words)}</desc>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
    ]


def axes(across: str, up: str, right: float, top: float, at: object, *, logarithmic: bool) -> list[str]:
    assert callable(at)
    out = []
    for step in range(5):
        value = top * step / 4
        _, y = at(0.0, value)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{value:.3g}</text>')
    marks = [10.0**power for power in range(math.ceil(math.log10(max(right, 10.0))) + 1)] if logarithmic else [
        right * step / 4 for step in range(5)
    ]  # fmt: skip
    for value in marks:
        if value <= right or not logarithmic:
            x, _ = at(value, 0.0)
            out.append(
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#555">{value:,.3g}</text>'
            )
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>')
    out.append(f'<text x="12" y="{TOP - 10}">{escape(up)}</text>')
    return out


def said(series: Mapping[str, Points], unit: str) -> str:
    """The ends of each line, as a sentence."""
    parts = [
        f"{name}: from {points[0][1]:.3g} at {points[0][0]:.3g} to {points[-1][1]:.3g} at {points[-1][0]:.3g}"
        for name, points in series.items()
        if points
    ]
    return f"In {unit}. " + "; ".join(parts) + "." if parts else "Nothing to show."
