"""Off the hot path: what is held of an account is changed, challenges are put and answered, nobody is refused by what
another worker knows better.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from gateway.challenges.addresses import ANSWER_FIELD
from gateway.challenges.answers import misfit
from gateway.challenges.interface import Escalations, Unavailable
from gateway.challenges.ladder import NOTHING_HELD, Asked, Held, Open, Passed, Shown, Step, Weighed, Wrong
from gateway.challenges.room import crowded
from gateway.challenges.steps import cleared, open_for, passed
from gateway.challenges.token import BadChallenge, Challenge
from gateway.challenges.work import BadWork
from gateway.partitions import partition
from gateway.policies import Challenges
from gateway.policies.captcha import refusal
from gateway.policies.captcha.budgets import Budgets
from gateway.policies.captcha.flights import Flights
from gateway.policies.captcha.rule import Caller, Rule, missing, subject_of
from gateway.policy import ALLOW, Action, Bucket, Context, Decision, Evidence, Take, has_passed

LOOK_EVERY: Final = 0.05
"""Seconds: the fleet is not looked at more often for one account, however many of its calls are refused."""
LOOKED_AT_MOST: Final = 65_536
ROUNDS: Final = 8
"""How often a state that changes under us is judged again. Each step up, each answer and each proof is one."""

NO_EVIDENCE: Final[tuple[Evidence, ...]] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the file says, beside what each rule has of it. Times in seconds."""

    expires: float
    evidence: tuple[str, ...]
    owner_link: Callable[[str], str]
    """As in Services: empty for an account whose owner has no pages, and then nobody can vouch there."""


class Case(NamedTuple):
    """How far a judgement has come."""

    held: Held
    step: Step
    away: Unavailable | None = None
    """Why the suspicion could not be written down: what is held is what this process remembers."""
    looked: bool = False
    note: str = ""
    """What was wrong with the answer that came along; empty where none came, or it was right."""
    answered: bool = False


class Escalating:
    """One for a policy. Raises Unavailable where the fleet would have to be asked and cannot be."""

    def __init__(
        self, terms: Terms, escalations: Escalations, challenges: Challenges | None, budgets: Budgets, *, shadow: bool
    ) -> None:
        """`challenges` is None where none can be made. In shadow none is put to anybody, and so none is ignored."""
        self._terms = terms
        self._escalations = escalations
        self._challenges = challenges
        self._budgets = budgets
        self._shadow = shadow
        self._changes: Flights[Held] = Flights()
        self._looked: dict[tuple[str, str], float] = {}

    async def decide(self, context: Context, rule: Rule, caller: Caller, said: Decision | None = None) -> Decision:
        """`said` is what another entry said, where it demands the challenge."""
        case = await self._weigh(context, rule, caller, Case(self.held(rule, caller), Step.OBSERVE))
        for _ in range(ROUNDS):
            step = case.step
            if (let := await self._let(context, rule, caller, case)) is not None:
                return let
            if case.away is not None and step < Step.VERIFY:
                raise case.away
            if step is Step.WORK and not case.answered and ANSWER_FIELD in context.fields and self._challenges:
                case = await self._answer(context, rule, caller, case._replace(answered=True), self._challenges)
            elif not case.looked:
                case = await self._look(context, rule, caller, case)
            elif step >= Step.VERIFY:
                lacking = self._lacking(context, case.held)
                if step is Step.REVIEW and (lacking or case.held.shown >= case.held.since or case.away is not None):
                    return refusal.reviewed(rule)
                if lacking:
                    return refusal.unverified(rule, lacking, self._terms.owner_link(caller.subject))
                if case.away is not None:
                    raise case.away
                _, held = await self._escalations.change(rule.by, caller.subject, rule.ladder, Shown())
                case = await self._weigh(context, rule, caller, case._replace(held=held))
            elif self._shadow:
                return refusal.challenged(rule, step, case.note, said)
            elif self._challenges is None:
                return refusal.unavailable(rule, step)
            else:
                found = open_for(case.held, step, caller.key, caller.network, context.now)
                if found is not None:
                    return self._challenge(self._challenges, rule, caller, found, case.note, said)
                if crowded(case.held, step, caller.key, caller.network, context.now):
                    return refusal.crowded(refusal.challenged(rule, step, case.note, said))
                held = await self._put(context, rule, caller, step)
                case = await self._weigh(context, rule, caller, case._replace(held=held))
        raise Unavailable(f"what is held of an account under {rule.by} changes faster than it can be judged")

    def held(self, rule: Rule, caller: Caller) -> Held:
        """As this process remembers it."""
        return self._escalations.held.get((rule.by, caller.subject), NOTHING_HELD)

    # -- who may go on -------------------------------------------------------------------------------------------------

    async def _let(self, context: Context, rule: Rule, caller: Caller, case: Case) -> Decision | None:
        """What whoever may go on is told; None where something is asked of them."""
        held, step = case.held, case.step
        if step > Step.CAPTCHA:
            return None
        if has_passed(context, rule.by):
            return rule.let
        spent = self._budgets.spent
        if step is Step.OBSERVE:
            # Nothing is asked, so nothing is used up.
            found = cleared(held, step, caller.key, caller.network, context.now, spent)
            return ALLOW if found is None else rule.let
        away = None
        while (clearance := cleared(held, step, caller.key, caller.network, context.now, spent)) is not None:
            try:
                if await self._budgets.draw(rule.by, caller.subject, clearance):
                    return rule.let
            except Unavailable as error:
                # As if it were used up: whoever has passed must not be worse off than who is only slowed.
                away = error
                held = replace(held, clearances=tuple(one for one in held.clearances if one is not clearance))
            # What is used up relieves nobody any more.
            step = self._asks(context, rule, caller, held)[0]
        if step is not Step.SLOW and away is not None:
            raise away
        return slowed(context, rule) if step is Step.SLOW else None

    # -- what the fleet knows ------------------------------------------------------------------------------------------

    async def _weigh(self, context: Context, rule: Rule, caller: Caller, case: Case) -> Case:
        """The suspicion of this exchange counts. While it cannot be written down, it counts for this exchange alone."""
        step, changes = self._asks(context, rule, caller, case.held)
        if not changes or case.away is not None:
            return case._replace(step=step)
        name = ("weigh", rule.by, caller.subject, context.weight)
        try:
            held = await self._change(name, rule, caller, Weighed(context.weight))
        except Unavailable as away:
            return case._replace(step=step, away=away)
        return case._replace(held=held, step=self._asks(context, rule, caller, held)[0])

    def _asks(self, context: Context, rule: Rule, caller: Caller, held: Held) -> tuple[Step, bool]:
        return rule.asks(held, context.weight, caller, context.now, self._budgets.spent)

    async def look(self, context: Context, rule: Rule, subject: str) -> Held:
        """As the fleet has it: now, or a moment ago. Raises Unavailable."""
        name, now = (rule.by, subject), context.now
        last = self._looked.get(name)
        if last is not None and 0.0 <= now - last < LOOK_EVERY:
            return self._escalations.held.get(name, NOTHING_HELD)
        if len(self._looked) >= LOOKED_AT_MOST:
            self._looked.clear()
        held = await self._changes.ask(("look", *name), lambda: self._escalations.look(*name))
        self._looked[name] = now
        return held

    async def _look(self, context: Context, rule: Rule, caller: Caller, case: Case) -> Case:
        """What another worker has seen passed counts here."""
        case = case._replace(looked=True)
        try:
            held = await self.look(context, rule, caller.subject)
        except Unavailable as away:
            # What is remembered stays in force: nobody leaves these steps because the fleet cannot be asked.
            if case.step >= Step.VERIFY:
                return case._replace(away=away)
            raise
        return await self._weigh(context, rule, caller, case._replace(held=held, away=None))

    async def _change(self, name: Hashable, rule: Rule, caller: Caller, event: Weighed | Asked) -> Held:
        async def change() -> Held:
            return (await self._escalations.change(rule.by, caller.subject, rule.ladder, event))[1]

        return await self._changes.ask(name, change)

    # -- challenges ----------------------------------------------------------------------------------------------------

    async def _put(self, context: Context, rule: Rule, caller: Caller, step: Step) -> Held:
        now = context.now
        challenge = Open(context.exchange, step, caller.key, caller.network, now, now + self._terms.expires)
        return await self._change(("put", rule.by, step, caller), rule, caller, Asked(challenge))

    def _challenge(
        self, challenges: Challenges, rule: Rule, caller: Caller, found: Open, note: str, said: Decision | None
    ) -> Decision:
        token = challenges.tokens.make(
            Challenge(found.id, rule.by, caller.subject, found.step, found.key, found.network, found.until)
        )
        sign_in = caller.known and bool(self._terms.owner_link(caller.subject))
        return refusal.put(refusal.challenged(rule, found.step, note, said), found, token, sign_in=sign_in)

    async def _answer(self, context: Context, rule: Rule, caller: Caller, case: Case, challenges: Challenges) -> Case:
        """The answer in the field, to the challenge that this caller has open: it is passed, or `note` says why not."""
        now = context.now
        try:
            token = challenges.work.check(context.fields[ANSWER_FIELD].decode("latin-1"), now)
            challenge = challenges.tokens.read(token, now)
        except BadWork as bad:
            if bad.reason == "wrong":
                case = await self._count(context, rule, caller, case, _whose(challenges, bad.token, now))
            return case._replace(note=f"answer: {bad.reason}")
        except BadChallenge as bad:
            return case._replace(note=f"answer: {bad.reason}")
        wrong = misfit(challenge, rule.by, caller.subject, caller.key, caller.network)
        if wrong == "other_network":
            case = await self._count(context, rule, caller, case, challenge)
        elif not wrong and challenge.step is not Step.WORK:
            wrong = "not_enough"
        if wrong:
            return case._replace(note=f"answer: {wrong}")
        if not _is_open(case.held, challenge):
            case = await self._look(context, rule, caller, case)
            if not _is_open(case.held, challenge):
                # Brought again: a flood of answers asks the fleet no more often than a flood of requests.
                return case._replace(note="answer: not open any more")
        worth = rule.terms.worth[Step.WORK]
        event = Passed(challenge.id, worth.lasts, worth.exchanges)
        before, held = await self._escalations.change(rule.by, caller.subject, rule.ladder, event)
        note = "" if passed(before, held, challenge.id) else "answer: not open any more"
        return await self._weigh(context, rule, caller, case._replace(held=held, looked=True, note=note))

    async def _count(
        self, context: Context, rule: Rule, caller: Caller, case: Case, challenge: Challenge | None
    ) -> Case:
        """A wrong answer counts where the challenge is this account's: nobody can raise what another one is suspected
        of.
        """
        if challenge is None or (challenge.rule, challenge.subject) != (rule.by, caller.subject):
            return case
        case = await self._look(context, rule, caller, case)
        if not _is_open(case.held, challenge):
            # Answered, or closed: a flood of answers writes nothing.
            return case
        _, held = await self._escalations.change(rule.by, caller.subject, rule.ladder, Wrong(challenge.id))
        return await self._weigh(context, rule, caller, case._replace(held=held))

    # -- evidence ------------------------------------------------------------------------------------------------------

    def _lacking(self, context: Context, held: Held) -> tuple[str, ...]:
        evidence = context.principal.profile.evidence if context.principal is not None else NO_EVIDENCE
        return missing(self._terms.evidence, evidence, held.since, context.now)


def _is_open(held: Held, challenge: Challenge) -> bool:
    return any(one.id == challenge.id for one in held.open)


def _whose(challenges: Challenges, token: str, now: float) -> Challenge | None:
    """None where that is over, or none of ours."""
    try:
        return challenges.tokens.read(token, now)
    except BadChallenge:
        return None


def slowed(context: Context, rule: Rule) -> Decision:
    """It goes on where the account's bucket has room."""
    if rule.limit is None:
        return ALLOW
    known = context.principal is not None and context.principal.account
    tag, name = partition(("account",), context) if known else (f"client_{subject_of(context)}",) * 2
    bucket = Bucket(tag, name, rule.limit)
    return Decision(Action.ALLOW, takes=(Take(bucket, min(float(context.ask.items), rule.limit.capacity)),))
