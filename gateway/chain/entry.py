"""One entry of the chain: a policy under a name, and what happens when it is broken."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.policy import Action, Context, Decision, Match, Outcome, Policy, Take, Taken
from gateway.rollout import share_of
from gateway.stores.interface import TakeAnswer

Settle = Callable[[Context, tuple[Take, ...], Outcome], tuple[float, ...]]
Refuse = Callable[[Context, Take, Taken], Decision]
Extend = Callable[[Context, tuple[Take, ...], int], tuple[Take, ...]]
Challenge = Callable[[Context, str, Decision], Decision | Awaitable[Decision]]


class OnFailure(enum.Enum):
    """What an entry's author wants when the policy, or the store that it takes from, is broken."""

    DENY = "deny"
    ALLOW = "allow"
    DEGRADE = "degrade"
    """Only for takes: this worker's share of each limit, in memory. A policy that is itself broken is denied."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The abilities of a policy are found once, here, and not looked up on the hot path."""

    name: str
    kind: str
    policy: Policy
    on_failure: OnFailure
    decide: Callable[[Context], Decision | Awaitable[Decision]]
    settle: Settle | None
    refuse: Refuse | None
    extend: Extend | None
    challenge: Challenge | None
    when: Callable[[Context], bool] | None = None
    """Whether it is asked at all; always if None. What it raises is a failure of the entry."""
    rollout: float = 1.0
    """The share of accounts for whom it is enforced; for the rest it is in shadow, as it is for all at 0."""

    @property
    def challenges(self) -> bool:
        """It makes challenges of others passable, for some accounts at least."""
        return self.challenge is not None and self.rollout > 0.0

    @property
    def plain(self) -> bool:
        """Asked always, and enforced for everybody."""
        return self.when is None and self.rollout >= 1.0

    def enforced(self, context: Context) -> bool:
        """Whether what it says holds for this exchange, or only is noted."""
        rollout = self.rollout
        return rollout >= 1.0 or (rollout > 0.0 and share_of(self.name, context) < rollout)

    @classmethod
    def of(
        cls,
        name: str,
        kind: str,
        policy: Policy,
        on_failure: OnFailure,
        *,
        when: Callable[[Context], bool] | None = None,
        rollout: float = 1.0,
    ) -> Entry:
        """Wrap a policy. Raises TypeError where it is none."""
        decide = getattr(policy, "decide", None)
        if not callable(decide):
            raise TypeError(f"policy {name} of kind {kind} has no decide(context)")
        settle, refuse, extend = (_ability(policy, ability) for ability in ("settle", "refuse", "extend"))
        challenge = getattr(policy, "challenge", None)
        return cls(name, kind, policy, on_failure, decide, settle, refuse, extend, challenge, when, rollout)


class Takes(Protocol):
    """What the chain needs of a store: the shared one, and the one in this worker for when that is away."""

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None: ...

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None: ...


def _ability(policy: object, name: str) -> Any:
    found = getattr(policy, name, None)
    if found is not None and inspect.iscoroutinefunction(found):
        raise TypeError(f"{type(policy).__name__}.{name} must be a plain function: only decide may wait")
    return found


def applied(decision: Decision) -> tuple[Match, ...]:
    """The rules that applied. A refusal without any is one rule, which has no name."""
    if decision.matches or decision.action is Action.ALLOW:
        return decision.matches
    return (Match("", decision.action.value, decision.reason),)


NOT_ASKED = Decision(Action.ALLOW, note="not asked")
"""Stands in the trail for an entry whose `when` did not hold, and for one in shadow."""

POLICY_FAILED = Decision(
    Action.DENY,
    reason="policy_unavailable",
    detail="A check that this request needs is not available at the moment.",
    status=503,
    retry_after=1.0,
)

STORE_UNAVAILABLE = Decision(
    Action.DENY,
    reason="quota_store_unavailable",
    detail="Quotas cannot be counted at the moment.",
    status=503,
    retry_after=1.0,
)
