"""What people have said, while it lasts."""

from __future__ import annotations

from gateway.campaigns.ruling import Ruled, Ruling
from gateway.detect.content.templates import Word
from gateway.detect.memory import Memory
from gateway.detect.rulings import Rulings
from gateway.detect.settings import Settings


def test_a_rejection_that_has_ended_counts_for_nothing() -> None:
    """A template that was rejected until some time is under no word any more after it, in the content core as well."""
    memory = Memory(Settings(shingles_at_most=1 << 12), None)
    rulings = Rulings(memory)
    rulings.rule([Ruling(1, 10.0, Ruled.REJECTED, marks=(f"t{77:016x}",), until=100.0)], {})
    words = memory.content.catalogue.rulings.words
    assert [word for word, _ in words.values()] == [Word.REJECTED]
    assert not rulings.expire(99.0)
    assert rulings.expire(100.0)
    assert [word for word, _ in words.values()] == [Word.NOTHING]
    assert rulings.templates(101.0) == set()


def test_who_is_cleared_before_being_heard_of_is_cleared() -> None:
    """A detector that begins anew reads all rulings before it has read what the stream holds."""
    memory = Memory(Settings(shingles_at_most=1 << 12), None)
    Rulings(memory).rule([Ruling(1, 10.0, Ruled.CLEARED, accounts=("later",), until=100.0)], {})
    assert memory.accounts["cleared"][memory.accounts.row("later")] == 100.0
    assert memory.accounts["trusted"][memory.accounts.row("later")]
