"""Verdicts in memory: the later version counts, until its time is over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.verdict import Verdict
from gateway.feeds.verdicts_memory import MemoryVerdicts

told = st.lists(
    st.builds(
        Verdict,
        account=st.sampled_from(["a", "b"]),
        cluster=st.just("c1"),
        score=st.sampled_from([0.0, 6.0, 12.0]),
        expires=st.floats(0.0, 100.0),
        version=st.integers(0, 5),
    ),
    max_size=8,
)


@given(told, st.floats(0.0, 100.0))
def test_what_holds_is_the_latest_word(verdicts: list[Verdict], now: float) -> None:
    """In whatever order they come; one with score 0 takes back what was said, and what is over is not said any more."""
    memory = MemoryVerdicts(verdicts)
    for account in ("a", "b"):
        latest = None
        for one in verdicts:
            if one.account == account and (latest is None or one.version >= latest.version):
                latest = one
        holds = latest is not None and latest.score > 0.0 and now < latest.expires
        assert memory.of(account, now) is (latest if holds else None)


def test_what_is_said_anew_stands_alone() -> None:
    """Whatever version it has: a rehearsal begins again."""
    memory = MemoryVerdicts([Verdict("a", "c1", 6.0, expires=9.0, version=9)])
    memory.say("a", Verdict("a", "c2", 7.0, expires=9.0))
    assert (memory.of("a", 1.0) or Verdict("", "", 0.0)).cluster == "c2"
    memory.say("a", None)
    assert memory.of("a", 1.0) is None
