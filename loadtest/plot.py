"""A bar chart as SVG, with nothing but text: CPU a request at 64 connections."""

from __future__ import annotations

import math
from html import escape

from loadtest.report import number, title_of
from loadtest.results import Results
from loadtest.targets import TARGETS

SCENARIO = "json-64"
WIDTH, LEFT, BAR, GAP, TOP = 760, 210, 22, 12, 48
RIGHT = 90
"""Room for the figure behind the longest bar."""


def chart(results: Results) -> str:
    """Bars on a logarithmic scale: from nginx to LiteLLM are three orders of magnitude. A whisker spans the rounds."""
    bars = [
        (name, value)
        for name in TARGETS
        if (value := results.median(SCENARIO, name, "cpu_us")) is not None and value > 0
    ]
    height = TOP + len(bars) * (BAR + GAP) + 24
    most = max((results.most(SCENARIO, name, "cpu_us") or value for name, value in bars), default=10.0)
    decades = max(1, math.ceil(math.log10(most)))

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, math.log10(max(value, 1.0))) / decades

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="600">CPU a request, µs (64 connections, log scale, '
        f"commit {escape(results.commit)})</text>",
    ]
    for decade in range(decades + 1):
        at = x(10.0**decade)
        lines.append(f'<line x1="{at:.1f}" y1="{TOP - 8}" x2="{at:.1f}" y2="{height - 18}" stroke="#ddd"/>')
        lines.append(
            f'<text x="{at:.1f}" y="{height - 4}" fill="#666" font-size="11" text-anchor="middle">{10**decade}</text>'
        )
    for index, (name, value) in enumerate(bars):
        y = TOP + index * (BAR + GAP)
        middle = y + BAR / 2
        colour = "#0b6e99" if name.startswith("tidegate") else "#9aa5ad"
        least, worst = (read(SCENARIO, name, "cpu_us") or value for read in (results.least, results.most))
        lines.append(f'<text x="{LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end">{escape(title_of(name))}</text>')
        lines.append(f'<rect x="{LEFT}" y="{y}" width="{x(value) - LEFT:.1f}" height="{BAR}" fill="{colour}"/>')
        lines.append(
            f'<line x1="{x(least):.1f}" y1="{middle:.1f}" x2="{x(worst):.1f}" y2="{middle:.1f}" stroke="#222"/>'
        )
        lines.append(f'<text x="{x(worst) + 6:.1f}" y="{middle + 4:.1f}">{number(value)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
