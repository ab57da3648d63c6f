"""Every rule of an entry, for a person who asks why. Off the hot path, and it changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.expressions.expression import ExpressionFailed
from gateway.policies.rules.config import TERMINAL
from gateway.policies.rules.rule import Rule, overlaid
from gateway.policy import NO_TAGS, Context, Finding, has_passed


def explain(rules: Sequence[Rule], context: Context) -> tuple[Finding, ...]:
    """One Finding a rule, in order. `applies` is whether its condition holds, also where it was not asked."""
    findings = []
    view, weight, tags = context, 0, NO_TAGS
    ended = ""
    for rule in rules:
        notes = [ended] if ended else []
        enforced = rule.enforced(context)
        if not enforced:
            part = f": outside of its rollout of {rule.share * 100:g}%" if rule.share > 0.0 else ""
            notes.append(f"in shadow{part}")
        passed = rule.action == "challenge" and has_passed(context, rule.order)
        if passed:
            notes.append("the challenge was passed before")
        failed = None
        try:
            applies = rule.holds(view)
        except ExpressionFailed as error:
            applies, failed = False, f"the condition gave no answer: {error}"
            notes.append(failed)
        findings.append(Finding(rule.name, applies, rule.expression.read(view), "; ".join(notes)))
        if ended or not enforced or passed:
            continue
        if failed is not None:
            ended = f"not asked: the entry has failed in `{rule.name}`"
        elif applies and rule.action in TERMINAL:
            ended = f"not asked: `{rule.name}` has ended it"
        elif applies and (rule.weight or rule.tags):
            weight, tags = weight + rule.weight, tags | rule.tags
            view = overlaid(context, weight, tags)
    return tuple(findings)
