"""The loop: events in the order of their time, a look every so often, verdicts in force a moment after they are told.

When is looked, what is heard in one go and what is said of it depends on events alone, and not on how files are cut.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from gateway.campaigns.event import Event
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.verdict import Verdict
from gateway.detect.backtest.acting import Acting
from gateway.detect.backtest.writing import Output
from gateway.detect.interface import Detecting

DELAY: Final = 1.0
"""Seconds for a verdict to reach every worker."""
HEARD_AT_ONCE: Final = 8192
"""Events, at the most: a look that is seldom must not hold all of them."""

_time = attrgetter("time")
_account = attrgetter("account")


@dataclass(frozen=True, slots=True)
class Alarm:
    """The first verdict that spoke against somebody."""

    at: float
    exchanges: int
    """Heard before it."""
    cluster: str
    accounts: int
    """Of which it spoke at once."""


@dataclass(slots=True)
class Course:
    """What happened, for the summary. Times are Unix time in seconds."""

    events: int = 0
    first: float = 0.0
    last: float = 0.0
    looks: int = 0
    verdicts: int = 0
    alarm: Alarm | None = None
    tiers: dict[str, str] = field(default_factory=dict)
    """Of each account that was heard of, by its last exchange."""
    told: set[str] = field(default_factory=set)
    """Accounts against which a verdict spoke."""
    gone: set[str] = field(default_factory=set)
    """Clusters that are none any more."""


class Backtest:
    """One run."""

    def __init__(
        self,
        detector: Detecting,
        acting: Acting,
        output: Output,
        look: float,
        delay: float = DELAY,
        facts: Iterable[AccountFacts] = (),
    ) -> None:
        """`look` and `delay` are in seconds of the events' clock.

        What is known of an account is told when it was created, or is first heard of: nobody knows the future.
        """
        self.course = Course()
        self._detector = detector
        self._acting = acting
        self._output = output
        self._look = look
        self._delay = delay
        self._due = math.inf
        """Of the next look."""
        self._waiting: deque[tuple[float, tuple[Verdict, ...]]] = deque()
        """Verdicts, and from when on they hold."""
        self._heard: list[Event] = []
        ordered = sorted(facts, key=lambda one: (one.created, one.account))
        self._unborn = deque(ordered)
        self._unlearned = {one.account: one for one in ordered}

    def run(self, batches: Iterable[Sequence[Event]], progress: Callable[[int], None] = lambda _: None) -> Course:
        """All of them; `progress` is told how many were gone through."""
        for batch in batches:
            self._go_through(batch)
            progress(self.course.events)
        if self.course.events:
            self._look_at(self._due)
        return self.course

    def _go_through(self, batch: Sequence[Event]) -> None:
        times = list(map(_time, batch))
        at, count = 0, len(batch)
        while at < count:
            now = times[at]
            if now >= self._due:
                self._look_at(self._due)
            if now >= self._due or self._due == math.inf:
                # Where nobody asked for a while there is nothing to look at in between.
                self._due = self._look * (math.floor(now / self._look) + 1)
            while self._waiting and self._waiting[0][0] <= now:
                self._acting.told(self._waiting.popleft()[1])
            until = min(self._due, self._waiting[0][0] if self._waiting else math.inf)
            cut = bisect_left(times, until, at)
            self._take(batch[at:cut])
            at = cut

    def _take(self, events: Sequence[Event]) -> None:
        """Between two changes of what holds."""
        course = self.course
        course.first = course.first or events[0].time
        course.last = events[-1].time
        course.events += len(events)
        tiers = {event.account: event.tier for event in events}
        course.tiers |= tiers
        self._learn(tiers, course.last)
        heard, lines = self._acting.act(events)
        self._output.decisions(lines)
        self._heard += heard
        while len(self._heard) >= HEARD_AT_ONCE:
            self._detector.hear(self._heard[:HEARD_AT_ONCE])
            del self._heard[:HEARD_AT_ONCE]

    def _learn(self, accounts: Iterable[str], now: float) -> None:
        unlearned, unborn = self._unlearned, self._unborn
        if not unlearned:
            return
        new = []
        while unborn and unborn[0].created <= now:
            born = unborn.popleft()
            if unlearned.pop(born.account, None) is not None:
                new.append(born)
        new += [unlearned.pop(account) for account in accounts if account in unlearned]
        if new:
            self._detector.learn(new)

    def _look_at(self, now: float) -> None:
        if self._heard:
            self._detector.hear(self._heard)
            self._heard = []
        told = self._detector.look(now)
        course = self.course
        course.looks += 1
        course.verdicts += len(told.verdicts)
        for verdict in told.verdicts:
            self._output.verdict(now, verdict, self._acting.level(verdict, course.tiers.get(verdict.account, "")))
        against = [verdict for verdict in told.verdicts if verdict.score > 0.0]
        course.told.update(map(_account, against))
        if against and course.alarm is None:
            course.alarm = Alarm(now, course.events, against[0].cluster, len(against))
        for cluster in told.clusters:
            self._output.cluster(cluster)
        course.gone.difference_update(cluster.id for cluster in told.clusters)
        course.gone.update(told.gone)
        if told.verdicts:
            self._waiting.append((now + self._delay, told.verdicts))
