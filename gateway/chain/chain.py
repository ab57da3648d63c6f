"""Ask in order, stop at the first refusal, take all or nothing, settle in reverse.

The warm path is plain calls: no coroutine, no task, no future. An entry that answers with an awaitable moves the
rest of its exchange into a task; so does nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from gateway.chain.challenges import hand_on
from gateway.chain.entry import NOT_ASKED, POLICY_FAILED, STORE_UNAVAILABLE, Entry, OnFailure, Takes, applied
from gateway.chain.shadow import Shadow
from gateway.policy import ALLOW, Action, Context, Decision, Location, Match, Outcome, Take, Taken, note_facts, place
from gateway.stores.interface import Store, StoreUnavailable
from gateway.tasks import spawn

log = logging.getLogger(__name__)

NEAR = 32
"""Output tokens before the end of what is paid for at which more is taken, so that a stream need not wait for it."""
STRETCH = 64
"""The least output tokens taken at once for a running stream."""
ALLOWED = Action.ALLOW


def _told(asked: Asked) -> None:
    raise RuntimeError(f"{asked.context} was decided twice")


class Chain:
    """Ordered entries over a store. A reload makes a new one, and exchanges end on the one that they began with."""

    def __init__(
        self,
        entries: tuple[Entry, ...],
        store: Store,
        local: Takes,
        failures: dict[tuple[str, str], int],
        matched: dict[tuple[str, str, str, str, bool], int] | None = None,
        locate: Callable[[str], Location] | None = None,
        version: tuple[int, str] = (0, ""),
    ) -> None:
        self.entries = entries
        self.asks = [entry.decide if entry.plain else None for entry in entries]
        """Whom to ask without a thought; None where something is to be looked at first."""
        self.challenger = next((entry for entry in entries if entry.challenges), None)
        """Who makes challenges of all others something that can be passed."""
        self.store = store
        self.local = local
        self.failures = failures
        """(entry, what failed) -> how often; read by telemetry."""
        self.matched = matched if matched is not None else {}
        """(entry, rule, action, reason, enforced) -> how often it applied; read by telemetry."""
        self.locate = locate
        """Address -> where it is; None where there is no geo database."""
        self.version = version
        """Generation and digest of the ruleset that it was made of."""

    def begin(self, context: Context, then: Callable[[Asked], None]) -> Asked:
        """Ask every entry; `then` is called once, maybe before this returns."""
        if self.locate is not None:
            place(context, self.locate(context.client_address))
        asked = Asked(self, context, then)
        asked.run()
        return asked

    def note_match(self, entry: Entry, match: Match) -> None:
        key = (entry.name, match.rule, match.action, match.reason, match.enforced)
        self.matched[key] = self.matched.get(key, 0) + 1

    def broken(self, entry: Entry, error: Exception) -> Decision:
        """What an entry whose policy could not decide comes to: its `on_failure`."""
        self.note_failure(entry, "decide", error)
        return ALLOW if entry.on_failure is OnFailure.ALLOW else POLICY_FAILED

    def note_failure(self, entry: Entry, what: str, error: BaseException) -> None:
        """Count it, and say it aloud once in a while: a broken policy under load must not write a book."""
        count = self.failures.get((entry.name, what), 0) + 1
        self.failures[entry.name, what] = count
        if count & (count - 1) == 0:
            log.error("policy %s failed in %s (%d times by now)", entry.name, what, count, exc_info=error)


class Asked:
    """One exchange's way through the chain: who was asked, what they said, what was taken."""

    __slots__ = (
        "chain",
        "context",
        "decision",
        "decisions",
        "entry",
        "exhausted",
        "extends",
        "matches",
        "remaining",
        "settled",
        "shadows",
        "store",
        "takes",
        "then",
    )

    def __init__(self, chain: Chain, context: Context, then: Callable[[Asked], None]) -> None:
        self.chain = chain
        self.context = context
        self.then = then
        self.decisions: list[Decision] = []
        """One an entry, in order: the trail."""
        self.decision: Decision = ALLOW
        """What holds: ALLOW, or the refusal."""
        self.entry = ""
        """Who refused."""
        self.takes: tuple[Take, ...] = ()
        """All that was taken, in the order of the entries; a take's cost grows when a stream takes more."""
        self.remaining: tuple[float, ...] = ()
        """One number a take, after it."""
        self.store: Takes | None = None
        """Where it was taken; None where nothing was."""
        self.settled = False
        self.extends = False
        """Asked for more once: from then on each take's cost is what its bucket gave."""
        self.matches: Sequence[tuple[Entry, Match]] = ()
        """The rules that applied, in order, with those in shadow."""
        self.shadows: tuple[Shadow, ...] = ()
        """Entries in shadow that were asked."""
        self.exhausted = False
        """Nothing more can be taken for this stream: it ends when what it has is used up."""

    # -- asking ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        decisions = self.decisions
        context = self.context
        entries, asks = self.chain.entries, self.chain.asks
        for index in range(len(decisions), len(asks)):
            decide = asks[index]
            try:
                decision = self._ask(entries[index]) if decide is None else decide(context)
            except Exception as error:  # noqa: BLE001 - the one border at which a broken policy becomes its on_failure
                decision = self.chain.broken(entries[index], error)
            if decision is ALLOW:
                decisions.append(decision)
                continue
            if type(decision) is not Decision:
                entry = entries[index]
                spawn(self._wait(entry, decision), name=f"policy {entry.name}")  # type: ignore[arg-type]
                return
            if decision.action is not ALLOWED:
                self.resume(entries[index], decision)
                return
            # As `note`, without the call: two entries of three come by here.
            decisions.append(decision)
            facts = decision.facts
            if facts is not None:
                note_facts(context, facts)
            if decision.matches:
                self._match(entries[index], decision.matches)
        self._take()

    def _ask(self, entry: Entry) -> Decision | Awaitable[Decision]:
        # The shadow first: its condition may fail as its policy may, and changes as little.
        if not entry.enforced(self.context):
            self._shadow(entry)
            return NOT_ASKED
        if entry.when is not None and not entry.when(self.context):
            return NOT_ASKED
        return entry.decide(self.context)

    async def _wait(self, entry: Entry, awaitable: Awaitable[Decision]) -> None:
        try:
            decision = await awaitable
            if type(decision) is not Decision:
                raise TypeError(f"{entry.name} decided {decision!r}, which is no Decision")
        except Exception as error:  # noqa: BLE001 - as above
            decision = self.chain.broken(entry, error)
        self.resume(entry, decision)

    def resume(self, entry: Entry, decision: Decision) -> None:
        """An entry has answered: go on from there."""
        handed_on = decision.action is Action.CHALLENGE and hand_on(self, entry, decision)
        if not handed_on and self.note(entry, decision):
            self.run()

    def note(self, entry: Entry, decision: Decision) -> bool:
        """What an entry said holds: whether the next one is to be asked."""
        self.decisions.append(decision)
        if decision.facts is not None:
            note_facts(self.context, decision.facts)
        if decision.action is Action.ALLOW:
            self._match(entry, decision.matches)
            return True
        self._refuse(entry, decision)
        return False

    def _match(self, entry: Entry, matches: tuple[Match, ...]) -> None:
        self.matches = [*self.matches, *[(entry, match) for match in matches]]
        for match in matches:
            self.chain.note_match(entry, match)

    def _refuse(self, entry: Entry, decision: Decision) -> None:
        self.decision = decision
        self.entry = entry.name
        self._match(entry, applied(decision))
        outcome = Outcome(status=0, reached=False, refused=decision.action, reason=decision.reason)
        self._settle_policies(outcome)
        for shadow in self.shadows:
            shadow.settle(self.context, self.chain, outcome)
        self.settled = True
        self._answer()

    def _answer(self) -> None:
        # Whoever is told holds on to us, and we must not to them: without the cycle the memory is free at once, and the
        # collector has nothing to do.
        then, self.then = self.then, _told
        then(self)

    # -- in shadow ------------------------------------------------------------------------------------------------

    def _shadow(self, entry: Entry) -> None:
        """Ask an entry whose answer changes nothing."""
        shadow = Shadow(entry, self._shadow_said)
        if shadow.ask(self.context, self.chain):
            self.shadows = (*self.shadows, shadow)

    def _shadow_said(self, entry: Entry, matches: tuple[Match, ...]) -> None:
        self._match(entry, tuple([match._replace(enforced=False) for match in matches]))

    # -- taking ---------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        takes: tuple[Take, ...] = ()
        for decision in self.decisions:
            if decision.takes:
                takes = takes + decision.takes if takes else decision.takes
        for shadow in self.shadows:
            shadow.take(self.context, self.chain)
        if not takes:
            self._answer()
            return
        self.takes = takes
        self.store = self.chain.store
        self.chain.store.take(self.context.exchange, takes, self._taken)

    def _taken(self, taken: Taken | StoreUnavailable) -> None:
        if type(taken) is Taken:
            self.remaining = taken.remaining
            if taken.granted:
                self._answer()
            else:
                self.store = None
                self._short(taken)
            return
        self._without_store(taken)  # type: ignore[arg-type]

    def _short(self, taken: Taken) -> None:
        entry, _, _ = self._owner(taken.short)
        take = self.takes[taken.short]
        try:
            if entry.refuse is None:
                raise TypeError(f"{entry.name} takes and cannot refuse")
            decision = entry.refuse(self.context, take, taken)
        except Exception as error:  # noqa: BLE001 - as in run
            self.chain.note_failure(entry, "refuse", error)
            decision = POLICY_FAILED
        self._refuse(entry, decision)

    def _owner(self, index: int) -> tuple[Entry, int, int]:
        """The entry whose take stands at the index, and the range of its takes."""
        start = 0
        for entry, decision in zip(self.chain.entries, self.decisions, strict=False):
            end = start + len(decision.takes)
            if start <= index < end:
                return entry, start, end
            start = end
        raise IndexError(index)

    def _without_store(self, unavailable: StoreUnavailable) -> None:
        """The shared store gave no answer: each entry that takes says what then."""
        taking = [
            (position, entry, decision.takes)
            for position, (entry, decision) in enumerate(zip(self.chain.entries, self.decisions, strict=False))
            if decision.takes
        ]
        # Before anything is dropped: whoever is told of a refusal is told of the takes that were its own.
        for _, entry, _ in taking:
            if entry.on_failure is OnFailure.DENY:
                self.store = None
                self._refuse(entry, STORE_UNAVAILABLE._replace(note=str(unavailable)))
                return
        kept: list[Take] = []
        for position, entry, takes in taking:
            if entry.on_failure is OnFailure.DEGRADE:
                kept.extend(takes)
            else:
                self.decisions[position] = ALLOW
        self.takes = tuple(kept)
        if not kept:
            self.store = None
            self._answer()
            return
        self.store = self.chain.local
        self.chain.local.take(self.context.exchange, self.takes, self._taken)

    # -- taking more ----------------------------------------------------------------------------------------------

    def extend(self, delivered: int, then: Callable[[bool], None]) -> None:
        """A stream has passed on `delivered` output tokens: see that it stays paid for. `then(False)` means cut it."""
        if not self.extends:
            # A bucket gives what it can hold, also where a caller's cap is more.
            self.extends = True
            self.takes = tuple([take._replace(cost=min(take.cost, take.bucket.limit.capacity)) for take in self.takes])
        if self.store is not self.chain.store:
            # Taken in this worker while the shared store was away: what runs is not cut for that.
            then(True)
        elif self.exhausted:
            then(not self._lacking(delivered))
        elif not self._lacking(delivered + NEAR):
            then(True)
        else:
            self._take_more(self._lacking(delivered + NEAR + max(STRETCH, delivered // 4)), then)

    def _lacking(self, delivered: int) -> list[tuple[int, Take]]:
        """(index of the take, what it lacks) for so many output tokens to be paid for."""
        found: list[tuple[int, Take]] = []
        start = 0
        for entry, decision in zip(self.chain.entries, self.decisions, strict=False):
            end = start + len(decision.takes)
            if entry.extend is not None and end > start:
                own = self.takes[start:end]
                index = {take.bucket: start + i for i, take in enumerate(own)}
                found.extend((index[take.bucket], take) for take in entry.extend(self.context, own, delivered))
            start = end
        return found

    def _take_more(self, more: list[tuple[int, Take]], then: Callable[[bool], None]) -> None:
        def answered(taken: Taken | StoreUnavailable) -> None:
            if type(taken) is not Taken:
                then(True)
            elif taken.granted:
                takes = list(self.takes)
                for index, take in more:
                    takes[index] = takes[index]._replace(cost=takes[index].cost + take.cost)
                self.takes = tuple(takes)
                then(True)
            elif self.exhausted:
                then(False)
            else:
                # Less than a whole stretch is left: take that, in proportion, and cut when it is used up.
                self.exhausted = True
                share = min(left / take.cost for left, (_, take) in zip(taken.remaining, more, strict=True))
                if share > 0:
                    self._take_more([(index, take._replace(cost=take.cost * share)) for index, take in more], then)
                else:
                    then(True)

        self.chain.store.more(self.context.exchange, [take for _, take in more], answered)

    # -- settling -------------------------------------------------------------------------------------------------

    def settle(self, outcome: Outcome) -> None:
        """The exchange has ended. Safe to call twice: the first counts."""
        if self.settled:
            return
        self.settled = True
        finals = self._settle_policies(outcome)
        if self.store is not None:
            self.store.settle(self.context.exchange, self.takes, finals)
        for shadow in self.shadows:
            shadow.settle(self.context, self.chain, outcome)

    def _settle_policies(self, outcome: Outcome) -> list[float]:
        """Tell everyone who was asked, last first; returns one final a take."""
        finals = [take.cost for take in self.takes] if outcome.reached else [0.0] * len(self.takes)
        end = len(self.takes)
        entries, decisions = self.chain.entries, self.decisions
        for position in range(len(decisions) - 1, -1, -1):
            own = decisions[position].takes
            start = end - len(own) if own and end else end
            entry = entries[position]
            if entry.settle is not None and decisions[position] is not NOT_ASKED:
                takes = self.takes[start:end]
                try:
                    settled = entry.settle(self.context, takes, outcome)
                    if settled:
                        finals[start:end] = _as_many(settled, takes)
                except Exception as error:  # noqa: BLE001 - as in run; what was reserved stays charged
                    self.chain.note_failure(entry, "settle", error)
            end = start
        return finals


def _as_many(finals: tuple[float, ...], takes: tuple[Take, ...]) -> tuple[float, ...]:
    if len(finals) != len(takes):
        raise ValueError(f"settled {len(finals)} of {len(takes)} takes")
    return finals
