"""The numbers of the content core. loadtest/campaigns/content_measured.py shows what they come to."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.detect.content.arrays import F64, Flags


@dataclass(frozen=True, slots=True)
class Numbers:
    """Counts of distinct parties are estimates of linear counting over 64 bits: 8 bits are 8 or 9 parties."""

    candidate: int = 4
    """Untrusted parties from which on a shingle has a record of its own, so that its company is known in time."""
    filled: int = 2
    """Fillings that it must have been seen with by then."""
    heavy: int = 6
    """Untrusted parties from which on it may be part of a template."""
    fillings: float = 4.0
    """Distinct fillings that it must have been seen with: three columns of the grid are 3.8, four are 5.5."""
    alike: float = 0.5
    """Two shingles are of one template where so much of their rings is equal."""
    places: int = 4
    """Places of a ring that must be in use before its company is judged."""
    members: int = 2
    """Shingles of the smallest template."""
    hit: int = 3
    """Shingles of a template that an event shows, to hit it; of a small one all but a third, and two at least."""
    discount: float = 4.0
    """A shingle or template is public where the share of its users among the trusted, times this, reaches the share
    among the others."""
    trusted: int = 2
    """Trusted parties that it takes at least to make something public: one bought account does not."""
    heavies_at_most: int = 1 << 16
    templates_at_most: int = 4096
    ledger_at_most: int = 1 << 21
    """Pairs of template and party."""

    def public(self, untrusted: F64, trusted: F64, all_untrusted: float, all_trusted: float) -> Flags:
        """By how many of all untrusted and trusted parties use it: is it about as common among the trusted?"""
        among: F64 = (trusted / max(all_trusted, 1.0)) * self.discount
        return (trusted >= self.trusted) & (among >= untrusted / max(all_untrusted, 1.0))
