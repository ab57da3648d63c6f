"""The shell: binds conditions to lists, and remembers what they said by the values that they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.partitions import is_free
from gateway.policies.rules.config import OTHERWISE
from gateway.policies.rules.explain import explain
from gateway.policies.rules.gauge import Gauge
from gateway.policies.rules.keys import Key, key_of
from gateway.policies.rules.memory import Memory
from gateway.policies.rules.refusal import refusal
from gateway.policies.rules.rule import Rule, Steps, follow, settled, survey
from gateway.policy import ALLOW, Action, Context, Decision, Finding, Match, Outcome, Take, Taken

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.rules.config import RulesConfig

NO_RULE: Final = Decision(
    Action.DENY,
    reason="no_rule_allows",
    detail="This request is not allowed here.",
    matches=(Match(OTHERWISE, "deny", "no_rule_allows"),),
)

WAYS_AT_MOST: Final = 1024
"""Different outcomes that are held once for all values that lead to them."""


class Rules:
    """Ordered rules. Where all that holds is steady, a decision is one look-up."""

    def __init__(self, config: RulesConfig, services: Services) -> None:
        self._rules = tuple(Rule.of(rule, rule.when.bind(services.lists), services.entry) for rule in config.rules)
        self._otherwise = NO_RULE if config.otherwise == "deny" else ALLOW
        self._key = key_of(self._rules, services.lists)
        self._memory: Memory[Decision | Steps] = Memory()
        self._ways: dict[Steps, Decision | Steps] = {}
        self._gauge = Gauge()

    def decide(self, context: Context) -> Decision:
        key = self._key(context)
        found = self._memory.young.get(key)
        if found is None:
            found = self._memory.get(key) or self._survey(key, context)
        if isinstance(found, Decision):
            return found
        return follow(found, context, self._otherwise, self._gauge.short)

    def explain(self, context: Context) -> tuple[Finding, ...]:
        return explain(self._rules, context)

    def _survey(self, key: Key, context: Context) -> Decision | Steps:
        steps = survey(self._rules, context)
        way = self._ways.get(steps)
        if way is None:
            way = follow(steps, context, self._otherwise, self._gauge.short) if settled(steps) else steps
            if len(self._ways) >= WAYS_AT_MOST:
                self._ways.clear()
            self._ways[steps] = way
        self._memory.remember(key, way)
        return way


class ThrottlingRules(Rules):
    """With buckets of their own."""

    def __init__(self, config: RulesConfig, services: Services) -> None:
        super().__init__(config, services)
        self._throttles = {rule.limit.name: rule for rule in self._rules if rule.limit is not None}

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:  # noqa: ARG002 - the contract
        return refusal(self._throttles[take.bucket.limit.name], take, taken)

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:  # noqa: ARG002
        """An exchange counts if the upstream took it up."""
        return (0.0,) * len(takes) if takes and is_free(outcome) else ()
