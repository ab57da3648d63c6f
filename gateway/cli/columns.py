"""Lists for people: aligned, without lines around them, so that they can be cut and searched."""

from __future__ import annotations

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
