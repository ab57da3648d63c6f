"""Lists for people: aligned, without lines around them, so that they can be cut and searched."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

EMPTY: Final = "-"
GAP: Final = "  "


def aligned(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Headings in small letters, one line a row; `-` for what is empty."""
    lines = [list(headings), *([_cell(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(headings))]
    return "\n".join(
        GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def moment(time: str | None) -> str:
    """RFC 3339 in UTC, as people read it."""
    return "" if time is None else time[:16].replace("T", " ")


def _cell(value: object) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(str(one) for one in value) or EMPTY
    return str(value) or EMPTY


def second(time: float | None) -> str:
    """Unix time in UTC, as people read it."""
    return "" if time is None else dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")


def lasting(seconds: float | None) -> str:
    """As people say it: 45 s, 12 min, 3 h, 2 d."""
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def short(count: float) -> str:
    """A number that has to fit: 950, 12.3k, 4.56M."""
    for unit in ("", "k", "M"):
        if abs(count) < 999.5:
            return f"{count:.3g}{unit}" if unit or count % 1 else f"{count:.0f}"
        count /= 1000
    return f"{count:.3g}G"
