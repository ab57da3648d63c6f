"""Verdicts in this process: what tests, tests of policies and a rehearsal are told of accounts."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.campaigns.verdict import Verdict


class MemoryVerdicts:
    """As `Verdicts`, of what was told here. Of two about one account the later version counts."""

    def __init__(self, verdicts: Iterable[Verdict] = ()) -> None:
        self._of: dict[str, Verdict] = {}
        self.tell(verdicts)

    def tell(self, verdicts: Iterable[Verdict]) -> None:
        """They hold from now on. One with score 0 takes back what was said, as a detector's does."""
        for verdict in verdicts:
            before = self._of.get(verdict.account)
            if before is None or verdict.version >= before.version:
                self._of[verdict.account] = verdict

    def say(self, account: str, verdict: Verdict | None) -> None:
        """All that is known of one account from now on, whatever was told before."""
        if verdict is not None:
            self._of[account] = verdict
        else:
            self._of.pop(account, None)

    def of(self, account: str, now: float) -> Verdict | None:
        """The one in force at `now`, Unix time."""
        verdict = self._of.get(account)
        return verdict if verdict is not None and verdict.score > 0.0 and now < verdict.expires else None
