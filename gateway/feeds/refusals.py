"""How often accounts were refused lately, in the whole fleet: only those that were cost anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

SLOT: Final = 5.0
"""Seconds that are counted together: a span is this much shorter than stated, at most, and never longer."""
REMEMBERED: Final = 600.0
"""Seconds for which refusals are kept. Rules look back no further."""


class Refusals(Protocol):
    """Never waits: what other workers counted is known a moment later."""

    @property
    def accounts(self) -> Mapping[str, object]:
        """By account, those of which anything is kept; one object for good. The hot path asks of no others."""

    @property
    def aside(self) -> Refusals:
        """For entries in shadow: of this process, for as long as it lives, and told to nobody."""

    def of(self, account: str, within: float, now: float) -> int:
        """How many there were within so many seconds before `now` (Unix time)."""

    def note(self, account: str, exchange: str, now: float) -> None:
        """That exchange was refused. To say so twice in a row counts once: two entries may hear of it."""
