"""Stands in for a policy that finds out who asks: says what is known already."""

from __future__ import annotations

from typing import Final

from gateway.policies.auth import rule
from gateway.policy import ALLOW, Action, Context, Decision, Facts, Principal
from gateway.wire.reasons import REASONS

ANONYMOUS: Final = "missing_credentials"
"""Why a stranger is refused who sends no credential."""


KNOWN_AT_MOST: Final = 1_000_000


class Identity:
    """A policy in the place of one whose kind `identifies`. Told before each exchange what it will say."""

    def __init__(self) -> None:
        self._decision: Decision = ALLOW
        self._known: dict[int, Decision] = {}
        """By the id of a principal, which its decision holds on to."""

    def tell(self, principal: Principal | None, refused: str) -> None:
        """`refused` is the reason for which the credential is refused; a stranger has none to show."""
        if refused or principal is None:
            self._decision = refusal(refused or ANONYMOUS)
        else:
            self._decision = self._known.get(id(principal)) or self._proven(principal)

    def _proven(self, principal: Principal) -> Decision:
        if len(self._known) >= KNOWN_AT_MOST:
            self._known.clear()
        made = self._known[id(principal)] = Decision(Action.ALLOW, facts=Facts(principal))
        return made

    def decide(self, context: Context) -> Decision:
        facts = self._decision.facts
        if facts is not None and facts.principal is not None:
            return rule.out_of_scope(facts.principal, context.ask) or self._decision
        return self._decision


def refusal(reason: str) -> Decision:
    """As auth would word it, as far as that can be known without the credential."""
    known = REASONS.get(reason)
    if known is None:
        return Decision(Action.DENY, reason, "The credential is refused.", status=401)
    return Decision(Action.DENY, reason, known.meaning, status=int(known.status[:3]))
