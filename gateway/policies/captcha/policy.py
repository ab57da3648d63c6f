"""The shell: what was judged is remembered as long as what is held of the account stays the same object."""

from __future__ import annotations

from collections.abc import Awaitable, Hashable
from typing import TYPE_CHECKING, Final

from gateway.challenges.ladder import NOTHING_HELD, Held, Step
from gateway.challenges.memory import MemoryEscalations
from gateway.challenges.scopes import Scopes
from gateway.challenges.steps import cleared, suspicion
from gateway.partitions import is_free
from gateway.policies.captcha.budgets import Budget, Budgets
from gateway.policies.captcha.config import FIRST_USE, CaptchaConfig, LadderConfig
from gateway.policies.captcha.escalating import Escalating, Terms, slowed
from gateway.policies.captcha.refusal import throttled
from gateway.policies.captcha.rule import Caller, Newcomers, Rule, subject_of
from gateway.policy import (
    ALLOW,
    Action,
    Context,
    Decision,
    Facts,
    Finding,
    Outcome,
    Principal,
    Take,
    Taken,
    challenged_by,
    has_passed,
)

if TYPE_CHECKING:
    from gateway.challenges.interface import Name
    from gateway.policies import Services

REMEMBERED_AT_MOST: Final = 65_536
"""Accounts whose judgement is remembered. All are forgotten at once when there are more."""
WAYS_AT_MOST: Final = 256
"""Addresses, or keys and networks, of one account."""
DEMANDS_AT_MOST: Final = 1024
"""Rules of other entries."""
AGAIN: Final = 5.0
"""Seconds after which an account that is held is judged again, although nothing was heard of it."""

Said = Decision | Awaitable[Decision]


class Way:
    """What one caller of an account is told, as often as its budget lasts."""

    __slots__ = ("budget", "decision", "until")

    def __init__(self, decision: Decision, budget: Budget | None, until: float) -> None:
        self.decision = decision
        self.budget = budget
        """None where nothing is counted."""
        self.until = until


class Judged:
    """What holds of an account for exchanges of at most so much suspicion."""

    __slots__ = ("held", "ways", "weight")

    def __init__(self, held: Held | None, weight: float) -> None:
        self.held = held
        self.weight = weight
        self.ways: dict[Hashable, Way] = {}
        """Where it is asked from (`Captcha._place`) -> what it is told."""


class Captcha:
    """Policy of kind `captcha`, where no ladder has a step `slow`."""

    def __init__(self, config: CaptchaConfig, services: Services, *, shadow: bool = False) -> None:
        """In shadow what it finds is its own: the fleet is not told, and nobody is put a challenge."""
        self._entry = entry = services.entry
        self._config = config
        self._rules = tuple(
            Rule.of(
                config,
                entry,
                challenged_by(entry, written.name),
                written,
                written.when.bind(services.lists) if written.when is not None else None,
            )
            for written in config.ladders
        )
        self._names = tuple(rule.by for rule in self._rules)
        self._lowest = min(rule.lowest for rule in self._rules)
        self._by_account = all(_is_of_account(written) for written in config.ladders)
        """Which ladder is for whom depends on nothing else: it is asked once."""
        self._chosen: dict[int, tuple[Principal, Rule | None]] = {}
        """By the id of the principal, which is held on to: so it is its own."""
        self._newcomers = Newcomers.of(config, entry, FIRST_USE)
        self._by_key = config.clearance.of == "key"
        self._scopes = Scopes(config.clearance.within)
        self._by_address = not self._by_key and config.clearance.within in {"address", "network", "any"}
        self._quick = self._by_account and self._by_address and self._newcomers is None
        """An account, its address and its suspicion say all."""
        self._only = self._rules[0] if len(self._rules) == 1 and self._rules[0].holds is None else None
        """The one ladder, where it is for everybody."""
        challenges = None if shadow else services.challenges
        self._puts = challenges is not None
        self._escalations = challenges.escalations if challenges is not None else MemoryEscalations(services.now)
        self._held = self._escalations.held
        """The same object as long as the process lives: its content changes under us."""
        self._budgets = Budgets(self._escalations)
        terms = Terms(config.expires, config.verify.evidence, services.owner_link)
        self._escalating = Escalating(terms, self._escalations, challenges, self._budgets, shadow=shadow)
        self._demands: dict[str, Rule] = {}
        self._judged: dict[Name, Judged] = {}

    def decide(self, context: Context) -> Said:
        principal = context.principal
        if principal is None or not self._quick:
            return self._decide(context)
        # As `_decide`, without its calls: most exchanges of whoever is not suspected, and of whoever has passed.
        rule = self._only
        if rule is None:
            known = self._chosen.get(id(principal))
            rule = known[1] if known is not None and known[0] is principal else self._rule_for(context)
            if rule is None:
                return ALLOW
        name = (rule.by, principal.account)
        held = self._held.get(name)
        if held is None:
            if context.weight < rule.lowest:
                return ALLOW
        else:
            judged = self._judged.get(name)
            if judged is not None and judged.held is held and context.weight <= judged.weight:
                way = judged.ways.get(context.client_address)
                if way is not None and context.now < way.until:
                    budget = way.budget
                    if budget is None:
                        return way.decision
                    if budget.left >= 1.0:
                        budget.left -= 1.0
                        return way.decision
        return self._decide(context)

    def challenge(self, context: Context, by: str, decision: Decision) -> Said:
        """What another entry demands."""
        if not self._puts or "challenge_url" in decision.members:
            # Nothing can be made of it here, or another entry of this kind has.
            return decision
        rule = self._demands.get(by)
        if rule is None:
            if len(self._demands) >= DEMANDS_AT_MOST:
                self._demands.clear()
            rule = self._demands[by] = Rule.of(self._config, self._entry, by)
        return self._judge(rule, context, subject_of(context), decision)

    def explain(self, context: Context) -> tuple[Finding, ...]:
        """One Finding a ladder, and one for `first_use`."""
        subject = subject_of(context)
        asked = self._rule_for(context)
        findings = []
        for rule in self._rules:
            held = self._held.get((rule.by, subject), NOTHING_HELD)
            caller = self._caller(context, subject)
            step, _ = rule.asks(held, context.weight, caller, context.now, self._budgets.spent)
            score = max(context.weight, suspicion(rule.ladder, held, context.now))
            notes = [f"step {step.name.lower()}, suspicion {score:.3g}"]
            if cleared(held, min(step, Step.CAPTCHA), caller.key, caller.network, context.now, self._budgets.spent):
                notes.append("a challenge was passed")
            if rule is not asked:
                notes = ["not asked: it is for others, or an earlier one holds"]
            findings.append(
                Finding(
                    rule.name, rule is asked and step is not Step.OBSERVE, self._read(rule, context), "; ".join(notes)
                )
            )
        if self._newcomers is not None:
            new = self._newcomers.has(context.principal, context.now)
            met = new and self._has_met(asked, context)
            created = context.principal.profile.created if context.principal is not None else 0.0
            read = {"account.created": round(created)}
            findings.append(Finding(FIRST_USE, new and not met, read, "has answered before" if met else ""))
        return tuple(findings)

    # -- the hot path --------------------------------------------------------------------------------------------------

    def _decide(self, context: Context) -> Said:
        subject = subject_of(context)
        rule = None if self._calm(context, subject) else self._rule_for(context)
        said: Said = ALLOW if rule is None else self._judge(rule, context, subject, None)
        newcomers = self._newcomers
        if newcomers is None or not newcomers.has(context.principal, context.now) or self._has_met(rule, context):
            return said
        return self._meet(newcomers.rule, context, said, rule)

    def _calm(self, context: Context, subject: str) -> bool:
        """No ladder asks it for anything, whichever it is for."""
        if context.weight >= self._lowest:
            return False
        held = self._held
        for by in self._names:  # noqa: SIM110 - a generator would cost more than all of this
            if (by, subject) in held:
                return False
        return True

    def _rule_for(self, context: Context) -> Rule | None:
        principal = context.principal
        if principal is None or not self._by_account:
            return self._find(context)
        known = self._chosen.get(id(principal))
        if known is None or known[0] is not principal:
            if len(self._chosen) >= REMEMBERED_AT_MOST:
                self._chosen.clear()
            known = self._chosen[id(principal)] = (principal, self._find(context))
        return known[1]

    def _find(self, context: Context) -> Rule | None:
        for rule in self._rules:
            if rule.holds is None or rule.holds(context):
                return rule
        return None

    def _judge(self, rule: Rule, context: Context, subject: str, said: Decision | None) -> Said:
        """By what is remembered, where that is still what is held."""
        name = (rule.by, subject)
        held = self._held.get(name)
        if held is None and context.weight < rule.lowest and not rule.ladder.fixed:
            return ALLOW
        judged = self._judged.get(name)
        if judged is not None and judged.held is held and context.weight <= judged.weight:
            way = judged.ways.get(self._place(context))
            if way is not None and context.now < way.until:
                budget = way.budget
                if budget is None:
                    return way.decision
                if budget.left >= 1.0:
                    budget.left -= 1.0
                    return way.decision
        return self._judge_anew(rule, context, self._caller(context, subject), held, said)

    def _judge_anew(
        self, rule: Rule, context: Context, caller: Caller, remembered: Held | None, said: Decision | None
    ) -> Said:
        held = NOTHING_HELD if remembered is None else remembered
        now = context.now
        step, changes = rule.asks(held, context.weight, caller, now, self._budgets.spent)
        if changes or step > Step.CAPTCHA:
            return self._escalating.decide(context, rule, caller, said)
        if has_passed(context, rule.by):
            return rule.let
        clearance = cleared(held, step, caller.key, caller.network, now, self._budgets.spent)
        if step is Step.OBSERVE:
            # Nothing is asked, so nothing is used up.
            way = Way(ALLOW if clearance is None else rule.let, None, now + AGAIN)
            return self._remember(rule, context, caller, remembered, way)
        if clearance is None:
            return slowed(context, rule) if step is Step.SLOW else self._escalating.decide(context, rule, caller, said)
        budget = self._budgets.of(rule.by, caller.subject, clearance)
        if budget.left < 1.0:
            return self._escalating.decide(context, rule, caller, said)
        budget.left -= 1.0
        return self._remember(
            rule, context, caller, remembered, Way(rule.let, budget, min(clearance.expires, now + AGAIN))
        )

    def _remember(self, rule: Rule, context: Context, caller: Caller, held: Held | None, way: Way) -> Decision:
        name = (rule.by, caller.subject)
        judged = self._judged.get(name)
        if judged is None or judged.held is not held or judged.weight < context.weight:
            if judged is None and len(self._judged) >= REMEMBERED_AT_MOST:
                self._judged.clear()
            judged = self._judged[name] = Judged(held, context.weight)
        elif len(judged.ways) >= WAYS_AT_MOST:
            judged.ways.clear()
        judged.ways[self._place(context)] = way
        return way.decision

    def _caller(self, context: Context, subject: str) -> Caller:
        return Caller(subject, self._key(context), self._scopes.of(context))

    def _key(self, context: Context) -> str:
        return context.principal.key if self._by_key and context.principal is not None else ""

    def _place(self, context: Context) -> Hashable:
        """By which ways are remembered: at least what a challenge binds to, and quickly had."""
        if self._by_address:
            return context.client_address
        return (self._key(context), self._scopes.of(context))

    def _read(self, rule: Rule, context: Context) -> dict[str, object]:
        written = next(one for one in self._config.ladders if one.name == rule.name)
        read = dict(written.when.read(context)) if written.when is not None else {}
        return {"risk.score": context.weight, "captcha.passed": context.captcha} | read

    # -- new accounts --------------------------------------------------------------------------------------------------

    def _has_met(self, rule: Rule | None, context: Context) -> bool:
        """Whether it has answered a challenge since it is new, by whichever rule of this entry."""
        newcomers = self._newcomers
        if newcomers is None:
            return True
        held, subject, now = self._held, subject_of(context), context.now
        if newcomers.met(held.get((newcomers.rule.by, subject)), now):
            return True
        return rule is not None and newcomers.met(held.get((rule.by, subject)), now)

    async def _meet(self, first: Rule, context: Context, said: Said, rule: Rule | None) -> Decision:
        """First what its suspicion asks for; that is enough, where it was passed."""
        decision = said if type(said) is Decision else await said  # type: ignore[misc]  # an awaitable
        if decision.action is not Action.ALLOW or self._has_met(rule, context):
            return decision
        # Another worker may have met it.
        await self._escalating.look(context, first, subject_of(context))
        if self._has_met(rule, context):
            return decision
        found = self._judge(first, context, subject_of(context), None)
        met = found if type(found) is Decision else await found  # type: ignore[misc]  # as above
        if met.action is not Action.ALLOW:
            return met
        if decision.facts is None or met.facts is None:
            return decision._replace(facts=decision.facts or met.facts)
        return decision._replace(facts=Facts(captcha=True, passed=decision.facts.passed | met.facts.passed))


def _is_of_account(written: LadderConfig) -> bool:
    condition = written.when
    if condition is None:
        return True
    return not condition.volatile and all(name.startswith("account.") for name in condition.reads)


class SlowingCaptcha(Captcha):
    """With buckets of its own."""

    def __init__(self, config: CaptchaConfig, services: Services, *, shadow: bool = False) -> None:
        super().__init__(config, services, shadow=shadow)
        self._slows = {rule.limit.name: rule for rule in self._rules if rule.limit is not None}

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:  # noqa: ARG002 - the contract
        return throttled(self._slows[take.bucket.limit.name], take, taken)

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:  # noqa: ARG002
        """An exchange counts if the upstream took it up."""
        return (0.0,) * len(takes) if takes and is_free(outcome) else ()
