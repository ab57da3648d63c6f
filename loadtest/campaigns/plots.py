"""Charts as SVG: on light and dark pages, with what they show in words for who does not see them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 58, 52
LIGHT: Final = ("#0b6e99", "#b3541e", "#2e7d4f", "#7b4ea3", "#a8324a", "#6b6b1f")
DARK: Final = ("#5cc3ef", "#f2a36b", "#6fd498", "#c7a0f0", "#f58ba0", "#d3d36a")
STROKES: Final = ("", "7 4", "2 3", "9 3 2 3", "4 2", "1 4")
"""Dashes, so that lines are told apart without colour."""
Points = Sequence[tuple[float, float]]
Place = Callable[[float, float], tuple[float, float]]


def lines(
    title: str,
    words: str,
    across: str,
    up: str,
    series: Mapping[str, Points],
    *,
    logarithmic: bool = False,
    least: float = 0.0,
    most: float = 0.0,
    end: float = 0.0,
) -> str:
    """A line for each name.

    The upper end is `most`, the right one `end`, or what there is; a logarithmic axis begins at `least`.
    """
    every = [point for points in series.values() for point in points if all(map(math.isfinite, point))]
    right = end or max((x for x, _ in every), default=1.0) or 1.0
    least = least or 1.0
    right = max(right, 10 * least) if logarithmic else right
    top = most or max((y for _, y in every), default=1.0) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        share = math.log(max(x, least) / least) / math.log(right / least) if logarithmic else x / right
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    out = [*head(title, words), *axes(across, up, marks(least, right, logarithmic=logarithmic), top, at)]
    for index, (name, points) in enumerate(series.items()):
        kind = index % len(LIGHT)
        shown = [at(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        if not shown:
            continue
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in shown)
        dashes = f' stroke-dasharray="{STROKES[kind]}"' if STROKES[kind] else ""
        out.append(f'<polyline class="line s{kind}" points="{path}"{dashes}/>')
        out += [
            f'<circle class="f{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in shown[:: max(1, len(shown) // 8)]
        ]
        y = TOP + 8 + index * 20
        out.append(f'<line class="line s{kind}" x1="{WIDTH - RIGHT + 14}" y1="{y}" x2="{WIDTH - RIGHT + 44}" y2="{y}"'
                   f"{dashes}/>")  # fmt: skip
        out.append(f'<text x="{WIDTH - RIGHT + 50}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def colours() -> str:
    """The page's scheme decides, where the picture is shown by itself or within a page."""

    def rules(ink: str, sheet: str, pale: str, grid: str, every: Sequence[str]) -> str:
        found = [f"text{{fill:{ink}}}.sheet{{fill:{sheet}}}.pale{{fill:{pale}}}.grid{{stroke:{grid}}}"]
        found += [f".s{kind}{{stroke:{colour}}}.f{kind}{{fill:{colour}}}" for kind, colour in enumerate(every)]
        return "".join(found)

    light = rules("#1f2328", "#ffffff", "#57606a", "#d0d7de", LIGHT)
    dark = rules("#e6edf3", "#0d1117", "#9da7b3", "#30363d", DARK)
    return (
        f"<style>{light}.line{{fill:none;stroke-width:2.2}}"
        f"@media (prefers-color-scheme:dark){{{dark}}}</style>"
    )  # fmt: skip


def head(title: str, words: str) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(words)}</desc>',
        colours(),
        f'<rect class="sheet" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text x="12" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
    ]


def marks(least: float, right: float, *, logarithmic: bool) -> list[float]:
    if not logarithmic:
        return [right * step / 4 for step in range(5)]
    first = math.ceil(math.log10(least) - 1e-9)
    return [10.0**power for power in range(first, math.floor(math.log10(right) + 1e-9) + 1)]


def axes(across: str, up: str, at_x: Sequence[float], top: float, at: Place) -> list[str]:
    out = []
    for step in range(5):
        value = top * step / 4
        _, y = at(0.0, value)
        out.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        out.append(f'<text class="pale" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for value in at_x:
        x, _ = at(value, 0.0)
        label = f"{value:,.0f}" if value >= 1 or not value else f"{value:g}"
        out.append(f'<text class="pale" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(f'<text x="{middle:g}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>')
    out.append(f'<text x="12" y="{TOP - 14}">{escape(up)}</text>')
    return out


def said(series: Mapping[str, Points], unit: str) -> str:
    """The ends of each line, as a sentence."""
    parts = [
        f"{name}: from {points[0][1]:.3g} at {points[0][0]:,.4g} to {points[-1][1]:.3g} at {points[-1][0]:,.4g}"
        for name, points in series.items()
        if points
    ]
    return f"In {unit}. " + "; ".join(parts) + "." if parts else "Nothing to show."
