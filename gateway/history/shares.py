"""Parts of a whole, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WIDTH: Final = 24
ROOM_FOR_BARS: Final = 110
"""Columns of a terminal below which a bar would take the room that words and numbers need."""
_EIGHTHS: Final = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def percent(share: float) -> str:
    """With as many digits as it takes to see that it is not nothing."""
    if share == 0 or share >= 0.01:
        return f"{share:.1%}"
    return f"{share:.2%}" if share >= 0.0001 else f"{share:.0e}".replace("e-0", "e-")


def bar(share: float) -> str:
    """Up to WIDTH characters, in eighths of one; what is not nothing is seen."""
    eighths: int = max(round(share * WIDTH * 8), 1 if share > 0 else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8]


def tiers_in_words(tiers: Sequence[str]) -> str:
    """Such as `all tier free`."""
    return f"all tier {tiers[0] or 'unknown'}" if len(tiers) == 1 else f"tiers {', '.join(tiers)}"


def counted(count: int, what: str) -> str:
    """Such as `1 account`, `2,000 accounts`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
