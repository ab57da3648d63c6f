"""An entry in shadow: asked, counted and settled like all, and what it says changes nothing.

Its takes are performed beside those that hold: in buckets of their own, which fill and empty as the real ones would,
and an empty one refuses nobody. The real ones may be in force for some: a rollout tries a limit on all the others, and
nobody may find a bucket short because of that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.chain.entry import POLICY_FAILED, Entry, applied
from gateway.policy import Bucket, Context, Decision, Match, Outcome, Take, Taken
from gateway.stores.interface import StoreUnavailable
from gateway.tasks import spawn

if TYPE_CHECKING:
    from gateway.chain.chain import Chain

Said = Callable[[Entry, tuple[Match, ...]], None]


class Shadow:
    """One entry in shadow, for one exchange."""

    __slots__ = ("entry", "outcome", "said", "taken", "takes", "waits")

    def __init__(self, entry: Entry, said: Said) -> None:
        self.entry = entry
        self.said = said
        self.takes: tuple[Take, ...] = ()
        self.taken = False
        self.waits = False
        self.outcome: Outcome | None = None

    def ask(self, context: Context, chain: Chain) -> bool:
        """Whether its condition holds. Never raises: a failure is counted, and what it would have come to is noted."""
        when = self.entry.when
        try:
            if when is not None and not when(context):
                return False
            decision = self.entry.decide(context)
        except Exception as error:  # noqa: BLE001 - as in Asked.run: the border at which a broken policy is a value
            decision = chain.broken(self.entry, error)
        if type(decision) is Decision:
            self._hear(decision)
        else:
            spawn(self._wait(chain, decision), name=f"policy {self.entry.name} in shadow")  # type: ignore[arg-type]
        return True

    async def _wait(self, chain: Chain, awaitable: Awaitable[Decision]) -> None:
        try:
            decision = await awaitable
            if type(decision) is not Decision:
                raise TypeError(f"{self.entry.name} decided {decision!r}, which is no Decision")
        except Exception as error:  # noqa: BLE001 - as above
            decision = chain.broken(self.entry, error)
        # Too late to take anything: what it would have said of the exchange is what counts.
        self._hear(decision._replace(takes=()))

    def _hear(self, decision: Decision) -> None:
        self.takes = tuple([Take(_aside(bucket), cost) for bucket, cost in decision.takes])
        self.said(self.entry, applied(decision))

    def take(self, context: Context, chain: Chain) -> None:
        """Take beside the exchange, if it takes at all."""
        if self.takes:
            self.waits = True
            chain.store.take(_beside(context), self.takes, lambda taken: self._took(context, chain, taken))

    def _took(self, context: Context, chain: Chain, taken: Taken | StoreUnavailable) -> None:
        self.waits = False
        if type(taken) is Taken:
            self.taken = taken.granted
            if not taken.granted:
                self._would_refuse(context, chain, taken)
        if self.outcome is not None:
            self._settle(context, chain, self.outcome)

    def _would_refuse(self, context: Context, chain: Chain, taken: Taken) -> None:
        if self.entry.refuse is None:
            return
        try:
            decision = self.entry.refuse(context, self.takes[taken.short], taken)
        except Exception as error:  # noqa: BLE001 - as above
            chain.note_failure(self.entry, "refuse", error)
            decision = POLICY_FAILED
        self.said(self.entry, applied(decision))

    def settle(self, context: Context, chain: Chain, outcome: Outcome) -> None:
        """As the chain settles what holds; once the store has said what was taken."""
        self.outcome = outcome
        if not self.waits:
            self._settle(context, chain, outcome)

    def _settle(self, context: Context, chain: Chain, outcome: Outcome) -> None:
        settle = self.entry.settle
        takes = self.takes if self.taken else ()
        finals = tuple(take.cost for take in takes) if outcome.reached else (0.0,) * len(takes)
        if settle is not None:
            try:
                finals = settle(context, takes, outcome) or finals
            except Exception as error:  # noqa: BLE001 - as above
                chain.note_failure(self.entry, "settle", error)
        if takes and len(finals) == len(takes):
            chain.store.settle(_beside(context), takes, finals)


@lru_cache(maxsize=65_536)
def _aside(bucket: Bucket) -> Bucket:
    return Bucket(bucket.tag, f"{bucket.partition},shadow", bucket.limit)


def _beside(context: Context) -> str:
    return f"{context.exchange}~"
