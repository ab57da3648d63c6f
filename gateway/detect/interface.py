"""The detector as its process and the backtest see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from gateway.campaigns.event import Event
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.ruling import Ruling
from gateway.detect.told import Told


class Detecting(Protocol):
    """Deterministic: the same calls in the same order come to the same. Never reads a clock.

    In each look: `learn` what is new of accounts, `hear` events in the order of their time (a little disorder is
    borne), then `look`.
    """

    def learn(self, facts: Iterable[AccountFacts]) -> None:
        """What is known of accounts; again where something has changed. Also of accounts that were never heard of."""

    def hear(self, events: Sequence[Event]) -> None:
        """A batch, of any size; cheap for each, whatever was heard before."""

    def rule(self, rulings: Iterable[Ruling]) -> None:
        """What people have said. It holds from the next look on."""

    def forget(self, accounts: Iterable[str]) -> None:
        """They were erased: their names, and all that was known of them, are in no later snapshot and are told no more.
        Who comes again under such a name is new.
        """

    def look(self, now: float) -> Told:
        """At Unix time `now`: what has changed since the last look."""

    def save(self, path: Path) -> None:
        """All that it knows, into a file that is whole or not there."""

    def load(self, path: Path) -> bool:
        """What `save` wrote; False (and nothing changed) where that cannot be used: another version, a torn file."""

    @property
    def size(self) -> tuple[int, int]:
        """(Accounts, bytes) that are held."""
