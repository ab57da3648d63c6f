"""One test of a policy: its requests are asked in a row, and what was said is held against what is expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from gateway.chain.chain import Asked
from gateway.policy import Action, Outcome, Usage
from gateway.rehearsal.answer import Answer
from gateway.rehearsal.exchange import Exchange
from gateway.rehearsal.imagined import exchange_of, snapshot_of
from gateway.rehearsal.places import rollouts
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import Expect, Step, Suite, Test, Used
from gateway.rules.problems import Problems

STATUS: Final = {Action.DENY: 403, Action.CHALLENGE: 403, Action.THROTTLE: 429, Action.ALLOW: 0}
NEAR: Final = 1e-6
"""Buckets refill by fractions: what differs by less is the same."""


class Difference(NamedTuple):
    """One key of `expect` that does not hold."""

    key: str
    expected: str
    got: str


class Result(NamedTuple):
    """What became of one test."""

    suite: Suite
    test: Test
    number: int
    """Of the test in its file, from 0."""
    failed: int
    """The step whose expectation does not hold; -1 where all do."""
    differences: tuple[Difference, ...]
    answer: Answer
    """Of that step; where all is well, of the last."""
    asked: int
    """Requests."""

    @property
    def passed(self) -> bool:
        return self.failed < 0

    @property
    def line(self) -> int:
        loc: tuple[str | int, ...] = ("tests", self.number)
        if not self.passed and self.test.steps:
            loc = (*loc, "steps", self.failed)
        return self.suite.document.position(loc)[0]


class Trial:
    """Runs tests of one folder. `heard` has the answers that coverage is made of."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self.rehearsal = rehearsal
        self.rollouts = rollouts(rehearsal.ruleset)
        self.heard: list[Answer] = []
        self._number = 0

    def run(self, suite: Suite, index: int) -> Result:
        """One test, from a fresh start. Raises Problems where its exchange cannot be, by a body that is none."""
        test = suite.file.tests[index]
        shared = test.given.over(suite.file.given)
        sided = {name for step in test.steps for name in step.given.rollout}
        self.rehearsal.reset(snapshot_of(suite.file.accounts), shared.enforced - sided)
        self.rehearsal.store.leave(test.counters)
        self._number = 0
        now = shared.time.timestamp()
        for position, step in enumerate(test.sequence):
            given = step.given.over(shared)
            now = given.time.timestamp() if "time" in step.given.model_fields_set else now + step.after
            try:
                exchange = exchange_of(given, suite.file.accounts, self.rollouts)._replace(now=now)
            except ValueError as error:
                raise Problems([suite.document.problem(_place(test, index, position), str(error))]) from None
            differences: tuple[Difference, ...] = ()
            if step.solved and not self._solve(now):
                answer = self.heard[-1]
                differences = (Difference("solved", "an open challenge", answer.decision.action.value),)
                break
            self.rehearsal.store.away = given.store == "away"
            answer = self._step(exchange, step)
            differences = tuple(compare(step.expect, answer)) if step.expect is not None else ()
            if differences:
                break
        else:
            position = -1
        return Result(suite, test, index, position, differences, answer, self._number)

    def _solve(self, now: float) -> bool:
        """Pass what was asked for last, at that Unix time."""
        self.rehearsal.now = now
        return self.rehearsal.solve(self.heard[-1])

    def _step(self, exchange: Exchange, step: Step) -> Answer:
        """All requests of a step; the answer to the last."""
        answer = self._ask(exchange)
        for number in range(1, step.repeat):
            self._end(answer, step, exchange.now)
            if number < step.repeat - 1:
                # Nobody looks at those in the middle.
                self._number += 1
                self._end(self.rehearsal.begin(exchange._replace(id=f"rehearsed-{self._number}")), step, exchange.now)
            else:
                answer = self._ask(exchange)
        # What was expected is looked at before the last one ends: `Answer` holds what was left when it was given.
        self._end(answer, step, exchange.now)
        return answer

    def _ask(self, exchange: Exchange) -> Answer:
        self._number += 1
        answer = self.rehearsal.ask(exchange._replace(id=f"rehearsed-{self._number}"))
        self.heard.append(answer)
        return answer

    def _end(self, answer: Answer | Asked, step: Step, now: float) -> None:
        if not step.running:
            self.rehearsal.settle(answer, outcome_of(step.used), now + (step.used.after if step.used else 0.0))


def _place(test: Test, index: int, position: int) -> tuple[str | int, ...]:
    return ("tests", index, "steps", position, "given") if test.steps else ("tests", index, "given")


def outcome_of(used: Used | None) -> Outcome:
    """How an exchange ends."""
    if used is None:
        return Outcome(200)
    stated = used.input is not None or used.output is not None
    usage = Usage(used.input or 0, used.output or 0, used.cached, used.cache_creation) if stated else None
    return Outcome(used.status, usage)


def compare(expect: Expect, answer: Answer) -> Iterator[Difference]:
    """Every key that does not hold, with both sides in the words of the YAML."""
    got = seen(answer)
    for key in Expect.model_fields:
        wanted = getattr(expect, key)
        if key not in expect.model_fields_set or wanted is None:
            continue
        if key == "limits":
            yield from _limits(expect.limits, answer)
        elif key == "detail":
            if wanted not in got["detail"]:
                yield Difference(key, f"…{wanted}…", got[key] or "none")
        elif key == "retry_after":
            if not _waits(wanted, answer.decision.retry_after):
                yield Difference(key, _wait(wanted), _wait(answer.decision.retry_after))
        elif not _same(wanted, got[key]):
            yield Difference(key, _shown(wanted), _shown(got[key]))


def seen(answer: Answer) -> dict[str, Any]:
    """What an answer is by the keys of `expect`, but for its limits."""
    decision, context = answer.decision, answer.context
    refused = decision.action is not Action.ALLOW
    return {
        "decision": decision.action.value,
        "reason": decision.reason,
        "entry": answer.entry,
        "rule": answer.rule or _limit_of(answer),
        "detail": decision.detail,
        "status": (decision.status or STATUS[decision.action]) if refused else 0,
        "matches": tuple(match.rule or entry for entry, match in answer.matches if match.enforced),
        "shadow": tuple(match.rule or entry for entry, match in answer.matches if not match.enforced),
        "tags": context.tags,
        "weight": context.weight,
        "country": context.location.country,
        "asn": context.location.asn,
        "network_kinds": context.location.network_kinds,
    }


def left(answer: Answer) -> dict[str, float]:
    """Name of a limit -> what is left in it, the least where it has several buckets."""
    found: dict[str, float] = {}
    for take, remaining in zip(answer.takes, answer.remaining, strict=False):
        name = take.bucket.limit.name
        found[name] = min(remaining, found.get(name, remaining))
    return found


def _limit_of(answer: Answer) -> str:
    """The limit that refused, where that is a refusal for want of it."""
    return answer.short.bucket.limit.name if answer.short is not None else ""


def _limits(wanted: Mapping[str, float], answer: Answer) -> Iterator[Difference]:
    found = left(answer)
    for name, amount in wanted.items():
        if name not in found:
            yield Difference(f"limits.{name}", _number(amount), "not taken from")
        elif abs(found[name] - amount) > NEAR:
            yield Difference(f"limits.{name}", _number(amount), _number(found[name]))


def _same(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, frozenset):
        return {str(item) for item in wanted} == {str(item) for item in got}
    return bool(wanted == got)


def _waits(wanted: float | str, got: float | None) -> bool:
    if isinstance(wanted, str) or got is None:
        return wanted == "never" and got is None
    return abs(wanted - got) < 0.001


def _wait(value: float | str | None) -> str:
    return "never" if value is None or isinstance(value, str) else f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def _shown(value: Any) -> str:
    if isinstance(value, frozenset | tuple):
        items = [str(item) for item in value]
        return f"[{', '.join(items if isinstance(value, tuple) else sorted(items))}]"
    return str(value) if value not in ("", None) else "none"


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
