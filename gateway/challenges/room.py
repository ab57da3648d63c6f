"""Room for one more challenge of an account: how many may be open, and which one makes way. Pure.

A challenge has a while in which no other ends it, however many networks an account is called from: else nobody could
pass any, and each refused call would put another one in the whole fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.challenges.ladder import OPEN_AT_MOST, Held, Open, Step

KEPT: Final = 300.0
"""Seconds: a person has read the page, and answered it."""


def beside(opened: Sequence[Open], step: Step, key: str, network: str, now: float) -> list[Open] | None:
    """Those of `opened` that stay when one more is put; None where none can be, for all have to be kept."""
    # A lower one of that scope is asked for no more: it is not ignored.
    kept = [one for one in opened if (one.key, one.network) != (key, network) or one.step >= step]
    while len(kept) >= OPEN_AT_MOST:
        keys = [one.key for one in kept]
        most = max(map(keys.count, keys))
        # One key cannot end the challenges of the others; those of the key with the most make way for others at once.
        others = keys.count(key) < most
        gone = [
            one
            for one, count in zip(kept, map(keys.count, keys), strict=True)
            if (count == most and (others or now - one.asked >= KEPT)) or (one.key, one.network) == (key, network)
        ]
        if not gone:
            return None
        kept.remove(min(gone, key=lambda one: one.asked))
    return kept


def crowded(held: Held, step: Step, key: str, network: str, now: float) -> bool:
    """Whether no challenge can be put to that scope for a while."""
    return beside([one for one in held.open if one.until > now], step, key, network, now) is None
