"""The chain of a folder of policies, asked without a gateway.

Two ways to ask. `ask` is for people: each entry is timed and says what it looked at. `begin` is for millions: the
chain's own record and nothing beside it.

    with Rehearsal(Path("policies")) as rehearsal:
        answer = rehearsal.ask(exchange)
        rehearsal.settle(answer, Outcome(200, Usage(input=10, output=20)))

All is in this process and at once: no Redis, no file but those of the folder, no waiting. Call it from plain functions:
a stranger's policy that waits is waited for, on a loop of the rehearsal's own.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from gateway.accounts.file_directory import EMPTY, Snapshot
from gateway.accounts.live_directory import LiveDirectory
from gateway.chain import entry as chain_entry
from gateway.chain.chain import Asked, Chain
from gateway.feeds.networks_memory import RecentNetworks
from gateway.feeds.refusals_memory import RecentRefusals
from gateway.feeds.verdicts_memory import MemoryVerdicts
from gateway.overrides.live import LiveOverrides
from gateway.policies import Services
from gateway.policy import NOWHERE, Context, Decision, Location, Outcome, Policy, PolicyKind, note_facts, place
from gateway.rehearsal.answer import Answer, Stage, Step
from gateway.rehearsal.challenging import Challenging
from gateway.rehearsal.counters import Counters
from gateway.rehearsal.exchange import Exchange
from gateway.rehearsal.identity import Identity
from gateway.rehearsal.knowledge import Knowledge, know
from gateway.rehearsal.places import enforcing
from gateway.rehearsal.short_way import Running, ShortWay
from gateway.rehearsal.sighted import Sighted
from gateway.rules.build import FREE, build, policy_kinds
from gateway.rules.ruleset import Entry, Ruleset, load
from gateway.stores.memory import MemoryStore

AnswerT = TypeVar("AnswerT")


class Rehearsal:
    """One ruleset, asked as often as wanted. State (buckets, sightings, what policies learnt) goes on until `reset`."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] = os.environ,
        kinds: Mapping[str, PolicyKind[Any]] | None = None,
        *,
        accounts: Snapshot | None = None,
        data: Path | None = None,
        compiled: Path | None = None,
        make_store: Callable[[Callable[[], float]], Counters] = Counters,
        stopwatch: Callable[[], float] = time.perf_counter,
        overrides: LiveOverrides | None = None,
        keep: Callable[[Entry], bool] | None = None,
    ) -> None:
        """Raises Problems with all that is wrong in the folder.

        `kinds` are all that are installed if not stated; `accounts` is for policies that look accounts up; `data` is
        where fetched lists and databases are, `data` beside the folder if not stated, and `compiled` those of a whole
        as it has them; `make_store` is given the rehearsal's clock. `overrides` are what operators have set beside the
        files; `keep` leaves entries out.
        """
        self.ruleset: Ruleset = load(folder, policy_kinds() if kinds is None else kinds, environment)
        if keep is not None:
            kept = tuple(entry for entry in self.ruleset.entries if keep(entry))
            self.ruleset = dataclasses.replace(self.ruleset, entries=kept)
        self._overrides = overrides
        self.now = 0.0
        """Unix time of the last exchange."""
        self.store: Counters
        self._make_store = make_store
        self._directory = LiveDirectory(accounts or EMPTY)
        self._knowledge: Knowledge = know(folder, data or folder.parent / "data", self.ruleset, compiled)
        self._stopwatch = stopwatch
        self._here: Location | None = None
        self._trail: list[Step] = []
        self._identities: list[Identity] = []
        self._policies: list[Policy] = []
        self._runner: asyncio.Runner | None = None
        self._challenging: Challenging
        self._verdicts = MemoryVerdicts()
        self._plain: _Chain
        self._short_way: ShortWay | None
        self._awaited = False
        self._traced: _Chain
        self.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- asking -----------------------------------------------------------------------------------------------------

    def ask(self, exchange: Exchange) -> Answer:
        """Ask every entry, and note what each looked at, said, and how long it took."""
        self._trail = [Step(entry) for entry in self.ruleset.entries]
        asked = self._begin(self._traced, exchange)
        short = self.store.short
        refused = asked.takes and asked.store is None and short is not None and short[0] == exchange.id
        return Answer(asked, tuple(self._trail), short[1] if refused and short is not None else None)

    def begin(self, exchange: Exchange) -> Asked:
        """Ask every entry, and nothing more. The answer is there when this returns."""
        return self._begin(self._plain, exchange)

    def begin_shortly(self, exchange: Exchange) -> Asked | Running | None:
        """As `begin`, with as little as can be. None where it is allowed and nobody waits for its end."""
        short_way = self._short_way
        if short_way is None:
            asked = self._begin(self._plain, exchange)
            return asked if asked.entry or asked.store is not None or self._awaited or asked.shadows else None
        context = self._told(exchange)
        place(context, exchange.location or self._locate(exchange.address))
        return short_way.begin(context)

    def settle_shortly(self, running: Asked | Running, outcome: Outcome, at: float) -> None:
        """As `settle`, of what `begin_shortly` gave."""
        if type(running) is Running and self._short_way is not None:
            self._short_way.settle(running, outcome, at)
        else:
            self.settle(running, outcome, at)  # type: ignore[arg-type]  # a Running is given by a short way alone

    def settle(self, answer: Answer | Asked, outcome: Outcome, at: float | None = None) -> None:
        """The exchange has ended so, at that Unix time (else in its own moment). Once counts."""
        if at is not None:
            self.now = at
        (answer.asked if isinstance(answer, Answer) else answer).settle(outcome)

    def solve(self, answer: Answer) -> bool:
        """The challenge of a refusal is passed now. False where it has none that is open."""
        return self._wait(self._challenging.solve(answer.decision))

    def _begin(self, chain: Chain, exchange: Exchange) -> Asked:
        return chain.begin(self._told(exchange), _answered)

    def _told(self, exchange: Exchange) -> Context:
        """Turn the clock to it, tell those who must know, and make its context."""
        self.now = exchange.now
        self._here = exchange.location
        for identity in self._identities:
            identity.tell(exchange.principal, exchange.refused)
        if exchange.principal is not None:
            self._verdicts.say(exchange.principal.account, exchange.verdict)
        context = exchange.context()
        if exchange.facts is not None:
            note_facts(context, exchange.facts)
        return context

    @property
    def notes(self) -> tuple[str, ...]:
        """What is missing here and would be there in production, for people."""
        return self._knowledge.notes

    @property
    def failures(self) -> Mapping[tuple[str, str], int]:
        """(entry, what failed) -> how often, since the last reset."""
        return self._plain.failures

    # -- making -----------------------------------------------------------------------------------------------------

    def reset(self, accounts: Snapshot | None = None, enforced: Collection[str] = ()) -> None:
        """Make all policies anew: full buckets, nobody seen, nothing learnt. Raises Problems where one cannot be.

        `enforced` are entries and rules that are enforced for everybody, whatever their `mode` and `rollout`.
        """
        if accounts is not None:
            self._directory = LiveDirectory(accounts)
        self._retire()
        self.store = self._make_store(self._clock)
        local = MemoryStore(self._clock)
        wanted = enforcing(self.ruleset, enforced)
        self._challenging = Challenging(wanted, self._clock, lambda: not self.store.available)
        services = Services(
            now=self._clock,
            directory=self._directory,
            prices=self.ruleset.prices or FREE,
            lists=self._knowledge.lists,
            challenges=self._challenging.offered,
            sightings=Sighted(),
            networks=RecentNetworks(self._clock),
            refusals=RecentRefusals(self._clock),
            verdicts=self._verdicts,
            overrides=self._overrides,
        )
        ruleset = dataclasses.replace(wanted, entries=tuple(self._known(entry) for entry in wanted.entries))
        entries = build(ruleset, services)
        self._policies = [entry.policy for entry in entries]
        failures: dict[tuple[str, str], int] = {}
        self._plain = _Chain(tuple(self._waiting(entry) for entry in entries), self.store, local, failures)
        self._short_way = ShortWay.of(entries, self._plain, self._wait)
        self._awaited = any(entry.settle for entry in entries)
        watched = tuple(self._watched(index, entry) for index, entry in enumerate(entries))
        self._traced = _Chain(watched, self.store, local, failures)
        self._plain.locate = self._traced.locate = self._locate

    def _known(self, entry: Entry) -> Entry:
        """The entry; where its kind finds out who asks, another one in its place, that is told."""
        if not entry.kind.identifies:
            return entry
        identity = Identity()
        self._identities.append(identity)
        kind = PolicyKind(entry.kind.name, entry.kind.config, lambda _config, _services: identity)
        return dataclasses.replace(entry, kind=kind)

    def _waiting(self, entry: chain_entry.Entry) -> chain_entry.Entry:
        """The entry with answers that are there at once."""
        decide, challenge = entry.decide, entry.challenge

        def asked(context: Context) -> Decision:
            said = decide(context)
            return said if type(said) is Decision else self._wait(said)  # type: ignore[arg-type]

        def challenged(context: Context, by: str, decision: Decision) -> Decision:
            said = challenge(context, by, decision)  # type: ignore[misc]  # asked for where there is one alone
            return said if type(said) is Decision else self._wait(said)  # type: ignore[arg-type]

        return _with(entry, decide=asked, challenge=challenged if challenge is not None else None)

    def _watched(self, index: int, entry: chain_entry.Entry) -> chain_entry.Entry:
        """The entry, telling the trail what it does."""
        plain = self._waiting(entry)
        explain = getattr(entry.policy, "explain", None)
        written = self.ruleset.entries[index].when
        condition = entry.when

        def holds(context: Context) -> bool:
            step = self._trail[index]
            step.stage = Stage.SKIPPED
            began = self._stopwatch()
            try:
                held = condition is None or condition(context)
            except Exception as error:
                step.stage = Stage.ASKED if entry.enforced(context) else Stage.SHADOW
                step.error = _words(error)
                raise
            finally:
                step.seconds += self._stopwatch() - began
                step.read = written.read(context) if written is not None else {}
            return held

        def decide(context: Context) -> Decision:
            step = self._trail[index]
            step.stage = Stage.ASKED if entry.enforced(context) else Stage.SHADOW
            if explain is not None:
                # Before deciding: so it looks at what the decision will look at.
                step.findings = explain(context)
            began = self._stopwatch()
            try:
                step.decision = plain.decide(context)  # type: ignore[assignment]  # `_waiting` has waited
            except Exception as error:
                step.error = _words(error)
                raise
            finally:
                step.seconds += self._stopwatch() - began
            return step.decision  # type: ignore[return-value]

        return _with(plain, decide=decide, when=holds if condition is not None else None)

    # -- what policies are given --------------------------------------------------------------------------------------

    def _clock(self) -> float:
        return self.now

    def _locate(self, address: str) -> Location:
        if self._here is not None:
            return self._here
        return self._knowledge.locate(address) if self._knowledge.locate is not None and address else NOWHERE

    def _wait(self, awaitable: Awaitable[AnswerT]) -> AnswerT:
        async def wait() -> AnswerT:
            return await awaitable

        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(wait())

    # -- ending -----------------------------------------------------------------------------------------------------

    def _retire(self) -> None:
        policies, self._policies, self._identities = self._policies, [], []
        for policy in policies:
            close = getattr(policy, "close", None)
            if close is not None:
                self._runner = self._runner or asyncio.Runner()
                self._runner.run(close())

    def close(self) -> None:
        """Retire all policies, and unmap lists and databases."""
        self._retire()
        self._knowledge.close()
        if self._runner is not None:
            self._runner.close()
            self._runner = None


class _Chain(Chain):
    """Failures are counted, and told in the trail: nothing is logged."""

    def note_failure(self, entry: chain_entry.Entry, what: str, error: BaseException) -> None:  # noqa: ARG002
        self.failures[entry.name, what] = self.failures.get((entry.name, what), 0) + 1


def _answered(asked: Asked) -> None:
    """Whoever asked has the record already."""


def _with(entry: chain_entry.Entry, **abilities: Any) -> chain_entry.Entry:
    """The entry, some of whose abilities are watched."""
    made: dict[str, Any] = {name: getattr(entry, name) for name in chain_entry.Entry.__dataclass_fields__}
    return chain_entry.Entry(**(made | abilities))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
