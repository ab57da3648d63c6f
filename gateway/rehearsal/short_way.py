"""The short way through a chain, for replays: the same policies are asked in the same order, and nothing is kept of
what nobody reads there (the trail, takes as objects, what is left in each bucket).

It is for what is usual: entries that hold for everybody, say yes and take nothing, then at most one quota, in
`Buckets`. Whatever else an entry says is heard by the chain itself, which goes on from there: so there is one law of
refusals, and this is none. That both come to the same is held by tests/rehearsal/test_short_way.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Self

from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry
from gateway.partitions import Costs
from gateway.policies.quota.plans import Plan
from gateway.policies.quota.policy import Quota
from gateway.policy import ALLOW, Action, Context, Decision, Outcome, note_facts
from gateway.rehearsal.buckets import Buckets

Wait = Callable[[Awaitable[Decision]], Decision]


class Running(NamedTuple):
    """An exchange that was let through and holds something until it ends."""

    context: Context
    plan: Plan
    costs: Costs
    """What was asked for."""


class Resumed(Asked):
    """A chain's record of an exchange that came a part of the way without it."""

    __slots__ = ()

    def go_on(self, said: Sequence[Decision], entry: Entry, decision: Decision | Exception) -> None:
        """`said` is what the entries before `entry` answered: a plain yes each, whose facts are noted."""
        self.decisions.extend(said)
        if isinstance(decision, Exception):
            decision = self.chain.broken(entry, decision)
        self.resume(entry, decision)


class ShortWay:
    """Made once a rehearsal; `of` gives None where its chain is not of that kind."""

    def __init__(self, chain: Chain, askers: Sequence[Entry], quota: Quota | None, store: Buckets, wait: Wait) -> None:
        self._chain = chain
        self._decides = [(index, entry.decide) for index, entry in enumerate(askers)]
        self._quota = quota
        self._store = store
        self._wait = wait

    @classmethod
    def of(cls, entries: Sequence[Entry], chain: Chain, wait: Wait) -> Self | None:
        """`entries` are those of the chain, as they were built; `wait` is for answers that are not there at once."""
        if type(chain.store) is not Buckets or not all(entry.plain for entry in entries):
            return None
        last = entries[-1].policy if entries else None
        quota = last if type(last) is Quota else None
        askers = entries if quota is None else entries[:-1]
        if any(entry.settle is not None for entry in askers):
            return None
        return cls(chain, askers, quota, chain.store, wait)

    def begin(self, context: Context) -> Asked | Running | None:
        """None where it is allowed and nobody waits for its end. `context` is as the edge makes it, and placed."""
        said: list[Decision] = []
        for index, decide in self._decides:
            try:
                decision = decide(context)
                if type(decision) is not Decision:
                    decision = self._wait(decision)  # type: ignore[arg-type]  # an awaitable, or nothing that holds
            except Exception as error:  # noqa: BLE001 - as in Asked.run, which hears of it
                return self._resumed(context, said, index, error)
            if decision is not ALLOW:
                action, _, _, _, _, _, facts, takes, matches, _, _ = decision
                if action is not Action.ALLOW or takes or matches:
                    return self._resumed(context, said, index, decision)
                if facts is not None:
                    note_facts(context, facts)
            said.append(decision)
        quota = self._quota
        if quota is None:
            return None
        try:
            plan, costs = quota.wanted(context)
        except Exception as error:  # noqa: BLE001 - as above
            return self._resumed(context, said, len(said), error)
        buckets = plan.buckets
        if buckets:
            store = self._store
            if store.take_from(context.exchange, store.states_of(buckets), plan.pick(costs), context.now):
                return Running(context, plan, costs)
        # Refused, in the words of the chain: what was not taken just now is not there a moment later either.
        return self._resumed(context, said, len(said), quota.decide(context))

    def settle(self, running: Running, outcome: Outcome, at: float) -> None:
        """The exchange has ended so, at that Unix time."""
        context, plan, costs = running
        quota = self._quota
        if quota is None or not outcome.reached:
            finals: tuple[float, ...] = (0.0,) * len(plan.buckets)
        else:
            try:
                finals = quota.paid(context, plan, outcome)
            except Exception as error:  # noqa: BLE001 - as in Asked; what was reserved stays charged
                self._chain.note_failure(self._chain.entries[-1], "settle", error)
                finals = plan.pick(costs)
        self._store.pay(context.exchange, finals, at)

    def _resumed(self, context: Context, said: Sequence[Decision], index: int, decision: Decision | Exception) -> Asked:
        asked = Resumed(self._chain, context, _answered)
        asked.go_on(said, self._chain.entries[index], decision)
        return asked


def _answered(asked: Asked) -> None:
    """Whoever asked has the record already."""
