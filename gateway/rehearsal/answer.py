"""What the chain said of one exchange, entry by entry."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.chain.chain import Asked
from gateway.policy import Context, Decision, Finding, Match, Take
from gateway.rules.ruleset import Entry


class Stage(enum.StrEnum):
    """How far it came with an entry."""

    ASKED = "asked"
    SHADOW = "shadow"
    """Asked beside the exchange: what it said changed nothing."""
    SKIPPED = "skipped"
    """Its `when` does not hold."""
    NOT_REACHED = "not reached"
    """An entry before it refused."""


@dataclass(slots=True)
class Step:
    """One entry of the chain, and what became of it."""

    entry: Entry
    stage: Stage = Stage.NOT_REACHED
    read: Mapping[str, Any] = field(default_factory=dict)
    """What its `when` read: variable -> value."""
    findings: tuple[Finding, ...] = ()
    """What it looked at, where it can say so."""
    decision: Decision | None = None
    seconds: float = 0.0
    """For deciding alone, its `when` included."""
    error: str = ""
    """What it raised: then `decision` is what its `on_failure` came to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer. What is left of its limits is as it was when it was given."""

    asked: Asked
    """The chain's own record. `Rehearsal.settle` ends it."""
    trail: tuple[Step, ...]
    """One an entry, in order, also for those that were not reached."""
    short: Take | None = None
    """What there was no room for, where that is why it was refused."""

    @property
    def seconds(self) -> float:
        """For deciding: of all entries together."""
        return sum(step.seconds for step in self.trail)

    @property
    def context(self) -> Context:
        return self.asked.context

    @property
    def decision(self) -> Decision:
        """What holds: the plain yes, or the refusal."""
        return self.asked.decision

    @property
    def entry(self) -> str:
        """Who refused; empty where nobody did."""
        return self.asked.entry

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """One for each entry that was come by; NOT_ASKED for one that was skipped or is in shadow."""
        return tuple(self.asked.decisions)

    @property
    def matches(self) -> tuple[tuple[str, Match], ...]:
        """(entry, rule that applied), in order, with those in shadow."""
        return tuple((entry.name, match) for entry, match in self.asked.matches)

    @property
    def takes(self) -> tuple[Take, ...]:
        return self.asked.takes

    @property
    def remaining(self) -> tuple[float, ...]:
        """One number a take: what is left in its bucket; where it was refused, what is there."""
        return self.asked.remaining

    @property
    def rule(self) -> str:
        """The rule that refused: the last one enforced of the entry that did; empty where there is none."""
        for entry, match in reversed(self.matches):
            if entry == self.entry and match.enforced and match.rule:
                return match.rule
        return ""
