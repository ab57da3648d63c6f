"""A comparison over time, as SVG: all exchanges above, what would change below, on a scale of its own."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from html import escape
from typing import Final

from gateway.rehearsal.comparison import MINUTE, Change, Comparison

WIDTH: Final = 960
LEFT, RIGHT = 64, 16
TOP, HEIGHT, GAP = 76, 170, 46
BARS: Final = 120
"""At most; a bar is a round number of minutes."""
STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)
"""Minutes."""
COLOURS: Final = {
    Change.NEWLY_REFUSED: "#c0392b",
    Change.NEWLY_ALLOWED: "#0b6e99",
    Change.OTHER_REASON: "#d9a441",
    Change.STILL_REFUSED: "#8d99a0",
    Change.STILL_ALLOWED: "#cfd8dc",
    Change.NOT_JUDGED: "#eceff1",
}
ALL: Final = (
    Change.STILL_ALLOWED, Change.STILL_REFUSED, Change.OTHER_REASON, Change.NEWLY_ALLOWED, Change.NEWLY_REFUSED,
)  # fmt: skip
"""From the ground up."""
CHANGES: Final = (Change.NEWLY_REFUSED, Change.NEWLY_ALLOWED, Change.OTHER_REASON)


def timeline(comparison: Comparison, title: str) -> str:
    """Stacked bars, one for so many minutes that there are at most BARS of them."""
    first = min(comparison.minutes, default=0)
    last = max(comparison.minutes, default=0)
    step = next((step for step in STEPS if (last - first) // step < BARS), math.ceil((last - first + 1) / BARS))
    first -= first % step
    bars = [[0] * len(Change) for _ in range((last - first) // step + 1)]
    for minute, counts in comparison.minutes.items():
        bar = bars[(minute - first) // step]
        for index, count in enumerate(counts):
            bar[index] += count
    height = TOP + 2 * HEIGHT + GAP + 34
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        *_legend(comparison),
        *_panel(bars, ALL, TOP, f"exchanges, each bar {_span(step)}"),
        *_panel(bars, CHANGES, TOP + HEIGHT + GAP, "of these changed"),
        *_times(first, step, len(bars), height - 12),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _legend(comparison: Comparison) -> list[str]:
    lines = []
    x = float(LEFT)
    for change in reversed(ALL):
        words = f"{change.value}: {comparison.changes[change]:,}"
        lines.append(f'<rect x="{x:.0f}" y="36" width="11" height="11" fill="{COLOURS[change]}"/>')
        lines.append(f'<text x="{x + 16:.0f}" y="46">{escape(words)}</text>')
        x += 30 + 6.3 * len(words)
    return lines


def _panel(bars: Sequence[Sequence[int]], shown: Sequence[Change], top: int, words: str) -> list[str]:
    order = list(Change)
    places = [order.index(change) for change in shown]
    most = _round_up(max((sum(bar[place] for place in places) for bar in bars), default=0))
    wide = (WIDTH - LEFT - RIGHT) / len(bars)
    ground = top + HEIGHT
    lines = [f'<text x="{LEFT}" y="{top - 8}" fill="#444">{escape(words)}</text>']
    for part in (0.0, 0.5, 1.0):
        y = ground - HEIGHT * part
        lines.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" fill="#666" text-anchor="end">{most * part:,.0f}</text>')
    for number, bar in enumerate(bars):
        y = float(ground)
        for place, change in zip(places, shown, strict=True):
            tall = HEIGHT * bar[place] / most
            if tall <= 0:
                continue
            y -= tall
            lines.append(
                f'<rect x="{LEFT + number * wide:.2f}" y="{y:.2f}" width="{max(wide - 0.6, 0.4):.2f}"'
                f' height="{tall:.2f}" fill="{COLOURS[change]}"/>'
            )
    return lines


def _times(first: int, step: int, bars: int, y: int) -> list[str]:
    lines = []
    every = max(1, math.ceil(bars / 8))
    wide = (WIDTH - LEFT - RIGHT) / bars
    pattern = "%d %b %H:%M" if bars * step > 1440 else "%H:%M"
    for number in range(0, bars, every):
        moment = dt.datetime.fromtimestamp((first + number * step) * MINUTE, dt.UTC)
        x = LEFT + number * wide
        lines.append(f'<text x="{x:.1f}" y="{y}" fill="#666">{moment.strftime(pattern)}</text>')
    lines.append(f'<text x="{WIDTH - RIGHT}" y="{y}" fill="#666" text-anchor="end">UTC</text>')
    return lines


def _round_up(most: int) -> int:
    """1, 2 or 5 times a power of ten, and at least 2: so that the middle is a whole number."""
    power = 1
    while True:
        for factor in (2, 4, 10):
            if most <= factor * power:
                return factor * power
        power *= 10


def _span(minutes: int) -> str:
    return f"{minutes // 60} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes} min"
