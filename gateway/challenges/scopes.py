"""From where a clearance may be used: the network of a caller, in a word that can be compared."""

from __future__ import annotations

from typing import Literal

from gateway.policy import Context

Breadth = Literal["address", "network", "asn", "country", "any"]
"""How much of the caller's place a challenge is bound to: its address; its /24 or /56; its autonomous system (its
network where no database knows it); its country; nothing."""


class Scopes:
    """Remembers what it has told, in bounded memory: the word for an address is looked up once."""

    def __init__(self, breadth: Breadth) -> None:
        self._breadth = breadth

    def of(self, context: Context) -> str:
        """Such as `asn=64496`, `network=192.0.2.0/24`; empty for `any`."""
        raise NotImplementedError
