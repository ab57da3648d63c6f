"""What rules say of an exchange: pure, in two halves.

`survey` asks the conditions that read only what is steady, and says what is left: the rules that hold, and those
whose answer may differ from exchange to exchange. What it says depends on nothing but what those conditions read, so
it is remembered. `follow` goes through what is left, and makes the Decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.expressions.expression import Condition, Expression, ExpressionFailed
from gateway.partitions import Dimension, partition
from gateway.policies.rules.config import TERMINAL, RuleAction, RuleConfig
from gateway.policy import (
    ALLOW,
    NO_TAGS,
    Action,
    Bucket,
    Context,
    Decision,
    Facts,
    Limit,
    Match,
    Take,
    challenged_by,
    has_passed,
    note_facts,
    place,
)
from gateway.rollout import share_of

SUMS: Final = frozenset({"risk.score", "tags"})
"""Variables that rules themselves change, for those after them."""

BROKEN: Final = "broken"
"""The action of the Match of a rule in shadow whose condition gave no answer: it is counted, and hurts nobody."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A rule as it is asked. Its sameness is its identity."""

    name: str
    order: str
    """By which callers are chosen: no entry and no other rule is called so."""
    action: RuleAction
    expression: Expression
    holds: Condition
    share: float
    """Of the accounts for whom it is enforced."""
    reads_sums: bool
    """Earlier rules of the same file may change its answer."""
    match: Match
    """Says that it applied."""
    in_shadow: Match
    """Says that it would have applied."""
    broken: Match
    answer: Decision
    """What it says where it ends the entry, or where its bucket is short; ALLOW where it can do neither."""
    weight: int
    tags: frozenset[str]
    per: tuple[Dimension, ...]
    limit: Limit | None

    @classmethod
    def of(cls, config: RuleConfig, holds: Condition, entry: str = "") -> Rule:
        """`holds` is `config.when`, bound; `entry` the name of the chain's entry that it is a rule of."""
        answer = _answer(config)
        match = Match(config.name, config.action, config.reason or answer.reason)
        return cls(
            name=config.name,
            order=challenged_by(entry, config.name),
            action=config.action,
            expression=config.when,
            holds=holds,
            share=config.share,
            reads_sums=not SUMS.isdisjoint(config.when.reads),
            match=match,
            in_shadow=match._replace(enforced=False),
            broken=Match(config.name, BROKEN, "condition_failed", enforced=False),
            answer=answer,
            weight=config.weight or 0,
            tags=frozenset(config.tags or ()),
            per=config.limit.per if config.limit else (),
            limit=config.bucket_limit(),
        )

    def enforced(self, context: Context) -> bool:
        """Whether what it says holds for this exchange, or only is noted."""
        share = self.share
        return share >= 1.0 or (share > 0.0 and self.chosen(context))

    def chosen(self, context: Context) -> bool:
        """Whether the caller is in the part of the accounts for whom it is enforced."""
        return share_of(self.order, context) < self.share


class Step(NamedTuple):
    """A rule that is left after a survey."""

    rule: Rule
    enforced: bool
    known: bool
    """It holds. Otherwise it has to be asked for each exchange."""


Steps = tuple[Step, ...]
Short = Callable[[Bucket, float, float], bool]
"""Of a bucket, a cost and the Unix time: whether the bucket would have no room, if it were there."""


def survey(rules: Sequence[Rule], context: Context) -> Steps:
    """Ask what is steady; ends with the first rule that is sure to end the entry.

    Depends on what the steady conditions read, on what was passed where a rule challenges, and on who is chosen where a
    rule is rolled out to a part: on nothing else.
    """
    steps = []
    view, weight, tags = context, 0, NO_TAGS
    sums_open = False
    for rule in rules:
        if rule.action == "challenge" and has_passed(context, rule.order):
            # Whoever has passed goes on: there is nothing left to ask of them.
            continue
        enforced = rule.enforced(context)
        known = False
        if not (rule.expression.volatile or (sums_open and rule.reads_sums)):
            try:
                if not rule.holds(view):
                    continue
                known = True
            except ExpressionFailed:
                # Not an answer, so not remembered as one: it is asked again where its turn comes, and fails there.
                known = False
        steps.append(Step(rule, enforced, known))
        if not enforced:
            continue
        if not known:
            sums_open = sums_open or rule.action in {"weigh", "tag"}
        elif rule.action in TERMINAL:
            break
        elif rule.weight or rule.tags:
            weight, tags = weight + rule.weight, tags | rule.tags
            view = overlaid(context, weight, tags)
    return tuple(steps)


def settled(steps: Steps) -> bool:
    """Nothing is left to ask, and nothing to take: one Decision is right for every exchange with these steps."""
    return all(step.known and step.rule.limit is None for step in steps)


def follow(steps: Steps, context: Context, otherwise: Decision, short: Short) -> Decision:
    """The Decision of these steps. Raises ExpressionFailed where the condition of an enforced rule gives no answer:
    then the whole entry has failed, and none of its rules had an effect.
    """
    weight, tags = 0, NO_TAGS
    matches: list[Match] = []
    takes: list[Take] = []
    answer = otherwise
    for rule, enforced, known in steps:
        if not known:
            view = overlaid(context, weight, tags) if rule.reads_sums and (weight or tags) else context
            if enforced:
                if not rule.holds(view):
                    continue
            else:
                try:
                    if not rule.holds(view):
                        continue
                except ExpressionFailed:
                    matches.append(rule.broken)
                    continue
        if rule.limit is not None:
            take = Take(Bucket(*partition(rule.per, context), rule.limit), float(context.ask.items))
            if enforced:
                # Not a match yet: it is one where its bucket refuses.
                takes.append(take)
            elif short(take.bucket, take.cost, context.now):
                matches.append(rule.in_shadow)
            continue
        if not enforced:
            matches.append(rule.in_shadow)
            continue
        matches.append(rule.match)
        if rule.action in TERMINAL:
            answer = rule.answer
            break
        weight, tags = weight + rule.weight, tags | rule.tags
    else:
        if otherwise.matches:
            matches.extend(otherwise.matches)
    if not matches and not takes:
        return answer
    facts = Facts(weight=weight, tags=tags) if weight or tags else None
    # Who is refused takes nothing.
    taken = tuple(takes) if answer.action is Action.ALLOW else ()
    return answer._replace(matches=tuple(matches), takes=taken, facts=facts)


def overlaid(context: Context, weight: int, tags: frozenset[str]) -> Context:
    """A copy of the exchange as it will be seen after this entry: later rules of a file see what earlier ones added."""
    view = Context(
        context.exchange,
        context.now,
        context.method,
        context.path,
        context.fields,
        context.client_address,
        context.ask,
        context.ja4,
    )
    place(view, context.location)
    # The copy is ours: nobody else sees it.
    said = Facts(context.principal, context.weight + weight, context.tags | tags, context.captcha, 1.0, context.passed)
    note_facts(view, said)
    return view


def _answer(config: RuleConfig) -> Decision:
    """As `Rule.answer`."""
    match config.action:
        case "deny":
            return Decision(
                Action.DENY,
                reason=config.reason or "rule_denied",
                detail=config.message or "This request is not allowed here.",
                status=config.status or 0,
                retry_after=config.retry_after,
                link=config.link or "",
            )
        case "challenge":
            return Decision(
                Action.CHALLENGE,
                reason=config.reason or "challenge_required",
                detail=config.message or "This request needs a challenge to be passed first.",
                link=config.link or "",
            )
        case "throttle":
            return Decision(
                Action.THROTTLE,
                reason=config.reason or "rule_throttled",
                detail=config.message or "",
                link=config.link or "",
            )
        case _:
            return ALLOW
