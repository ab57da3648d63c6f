"""Exchanges of the past, asked again under other policies, on the clock of then.

Each is asked at the moment at which it came, and settled at the moment at which it ended, with what it used: so buckets
fill and empty as they would have. They are full at the beginning: what was used before is not known.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

import pyarrow as pa

from gateway.chain.chain import Asked
from gateway.policies.risk.config import RiskConfig
from gateway.policies.risk.levels import CAMPAIGNS
from gateway.policy import Outcome
from gateway.rehearsal.comparison import Comparison
from gateway.rehearsal.expected import Expected
from gateway.rehearsal.past import ALLOWED, UNKNOWN, Past, Reader, Verdict
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.short_way import Running


class Side:
    """One set of policies, and the exchanges that run under it."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self._running: list[tuple[float, int, Asked | Running, Outcome]] = []
        self._number = 0
        self._expected = Expected()
        self._verdicts: dict[tuple[str, str, str, str], Verdict] = {}
        self._answering = _answering(rehearsal)

    def ask(self, past: Past) -> Verdict | None:
        """None where that cannot be told: who asked is not in the log, or what a detector said of them then."""
        exchange, then = past.exchange, past.verdict
        if then.entry in self._answering and then.rule.startswith(f"{CAMPAIGNS}."):
            return None
        now = exchange.now
        self.settle(now)
        asked = self.rehearsal.begin_shortly(exchange)
        if isinstance(asked, Asked) and asked.entry:
            return self._refused(asked)
        account = exchange.principal.account if exchange.principal is not None else ""
        if then is ALLOWED:
            outcome, seconds = past.outcome, past.seconds
            if outcome.usage is not None:
                self._expected.learn(account, exchange.ask.model, outcome.usage, seconds)
        else:
            outcome, seconds = self._expected.of(account, exchange.ask)
        if asked is None:
            return ALLOWED
        self._number += 1
        heapq.heappush(self._running, (now + seconds, self._number, asked, outcome))
        return ALLOWED

    def settle(self, until: float) -> None:
        """All that had ended by then, in the order of their ends."""
        running = self._running
        while running and running[0][0] <= until:
            end, _, asked, outcome = heapq.heappop(running)
            self.rehearsal.settle_shortly(asked, outcome, end)

    def _refused(self, asked: Asked) -> Verdict | None:
        decision = asked.decision
        if decision.reason == UNKNOWN:
            return None
        rule = ""
        for entry, match in asked.matches:
            if match.enforced and entry.name == asked.entry:
                rule = match.rule
        key = (decision.action.value, asked.entry, rule, decision.reason)
        return self._verdicts.setdefault(key, Verdict(*key))


def replay(pasts: Iterable[Past], new: Side, old: Side | None = None, into: Comparison | None = None) -> Comparison:
    """Ask `new`, and compare with what `old` says of the same exchanges, or with what was decided then."""
    comparison = into or Comparison()
    ask, add = new.ask, comparison.add
    for past in pasts:
        before = past.verdict
        if not before.action:
            add(past, before, None)
            continue
        after = ask(past)
        if old is not None:
            said = old.ask(past)
            if said is None:
                after = None
            else:
                before = said
        add(past, before, after)
    return comparison


def pasts(tables: Iterable[pa.Table], reader: Reader) -> Iterator[Past]:
    """The exchanges of some tables of the log, in order."""
    for table in tables:
        yield from reader.read(table)


def _answering(rehearsal: Rehearsal) -> frozenset[str]:
    """The names of the entries whose answers follow from what a detector says."""
    return frozenset(
        entry.name
        for entry in rehearsal.ruleset.entries
        if isinstance(entry.config, RiskConfig) and entry.config.campaigns is not None
    )


def identifying(rehearsal: Rehearsal) -> frozenset[str]:
    """The names of the entries that find out who asks."""
    return frozenset(entry.name for entry in rehearsal.ruleset.entries if entry.kind.identifies)
