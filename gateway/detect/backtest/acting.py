"""What becomes of exchanges by the verdicts in force: the response's steps, with buckets on the events' own clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import orjson

from gateway.campaigns.event import Event
from gateway.campaigns.verdict import Level, Verdict
from gateway.policies.risk.campaigns import Response, Step
from gateway.rehearsal.buckets import Buckets

ALLOW: Final = "allow"
BUDGET: Final = "budget"
REFUSED_BEFORE: Final = "refused_before"
"""The log says so: it stays refused."""
EMPTIED: Final = "cluster_budget"
"""The reason by which the detector hears of an exchange for which the shared bucket had no room."""
_STATUS: Final = {"throttle": 429, "challenge": 403, "deny": 403}


class Acting:
    """Goes through events in the order of their time."""

    def __init__(self, response: Response | None, *, shadow: bool = False) -> None:
        """Without a response nothing follows from verdicts. In `shadow` it is said what would be done, and not done."""
        self._response = response
        self._shadow = shadow
        self._verdicts: dict[str, Verdict] = {}
        self._now = 0.0
        self._buckets = Buckets(lambda: self._now)
        self.decided: Counter[str] = Counter()
        """Decision -> exchanges."""
        self.levels: Counter[Level] = Counter()
        """Level -> exchanges that the log does not say were refused."""
        self.reached: dict[str, Level] = {}
        """Account -> the highest level at which an exchange of it was met; without those that stayed at OBSERVE."""
        self.stopped: set[str] = set()
        """Accounts of which an exchange did not pass, or would not have."""

    def told(self, verdicts: Iterable[Verdict]) -> None:
        """They hold from here on."""
        for verdict in verdicts:
            before = self._verdicts.get(verdict.account)
            if before is not None and before.version > verdict.version:
                continue
            if verdict.score > 0.0:
                self._verdicts[verdict.account] = verdict
            else:
                self._verdicts.pop(verdict.account, None)

    def level(self, verdict: Verdict, tier: str) -> Level:
        """What the rules make of it."""
        return self._response.level(verdict, tier) if self._response is not None else Level.OBSERVE

    def act(self, events: Sequence[Event]) -> tuple[list[Event], list[bytes]]:
        """As they are to be heard, and a line of decisions.jsonl for each."""
        heard: list[Event] = []
        lines: list[bytes] = []
        verdicts = self._verdicts
        untouched = 0
        for event in events:
            if event.action != ALLOW:
                self.decided[REFUSED_BEFORE] += 1
                heard.append(event)
                lines.append(_line(event, REFUSED_BEFORE, Level.OBSERVE, ""))
                continue
            verdict = verdicts.get(event.account)
            if verdict is None or event.time >= verdict.expires:
                untouched += 1
                heard.append(event)
                lines.append(_line(event, ALLOW, Level.OBSERVE, ""))
                continue
            decision, step = self._decide(event, verdict)
            lines.append(_line(event, decision, step.level, verdict.cluster))
            heard.append(event if decision == ALLOW or self._shadow else refused(event, step))
        self.decided[ALLOW] += untouched
        self.levels[Level.OBSERVE] += untouched
        return heard, lines

    def _decide(self, event: Event, verdict: Verdict) -> tuple[str, Step]:
        step = OBSERVED
        if self._response is not None:
            features = frozenset(event.features)
            # Who would pass a challenge, or show a document, is not in any log.
            step = self._response.step(
                verdict, event.tier, event.exchange, features, event.model, passed=False, now=event.time
            )
        decision = step.what
        if step.take is not None and self._fits(event.time, step):
            decision = ALLOW
        self.decided[decision] += 1
        self.levels[step.level] += 1
        if step.level > self.reached.get(event.account, Level.OBSERVE):
            self.reached[event.account] = step.level
        if decision != ALLOW:
            self.stopped.add(event.account)
        return decision, step

    def _fits(self, now: float, step: Step) -> bool:
        if step.take is None:
            return True
        self._now = now
        # Settled at once, at what was taken: so nothing has to be known of other exchanges in flight.
        if not self._buckets.take_now(BUDGET, (step.take,)).granted:
            return False
        self._buckets.settle(BUDGET, (step.take,), (step.take.cost,))
        return True


OBSERVED: Final = Step(ALLOW)


def refused(event: Event, step: Step) -> Event:
    """The same exchange, refused by us: it used nothing, and took no time."""
    match = step.match
    action, reason = (match.action, match.reason) if step.refused and match is not None else ("throttle", EMPTIED)
    return event._replace(
        action=action, reason=reason, status=_STATUS.get(action, 403), usage_input=0, usage_output=0, seconds=0.0
    )


def _line(event: Event, decision: str, level: Level, cluster: str) -> bytes:
    return orjson.dumps(
        {
            "exchange": event.exchange,
            "account": event.account,
            "time": event.time,
            "decision": decision,
            "level": _WORDS[level],
            "cluster": cluster,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


_WORDS: Final = {level: level.word for level in Level}
