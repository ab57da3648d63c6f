"""By which values a survey is remembered: all that it depends on, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from gateway.expressions.variables import VARIABLES
from gateway.policies.rules.rule import Rule
from gateway.policy import Context

Key = tuple[Hashable, ...]


def key_of(rules: Sequence[Rule]) -> Callable[[Context], Key]:
    """What `survey` of these rules depends on, of an exchange. Never raises.

    Steady variables have values that can be hashed: texts, numbers, sets of text.
    """
    names = sorted({name for rule in rules if not rule.expression.volatile for name in rule.expression.reads})
    readers: list[Callable[[Context], Hashable]] = [VARIABLES[name].read for name in names]
    if "captcha.passed" not in names and any(rule.action == "challenge" for rule in rules):
        readers.append(VARIABLES["captcha.passed"].read)
    # Not the account: an answer is the same for all who are in, and for all who are out.
    readers.extend(rule.chosen for rule in rules if 0.0 < rule.share < 1.0)

    def key(context: Context) -> Key:
        return tuple([read(context) for read in readers])

    return key
