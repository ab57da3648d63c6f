"""What the rules in force offer to accounts, for pages: the ladder, what each tier gives, in words, and on what terms
challenges are passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from gateway.accounts.ladder import Ladder
from gateway.challenges.terms import Terms
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.kyc.config import KycConfig, Tier
from gateway.policies.quota.config import LimitConfig, QuotaConfig
from gateway.policies.risk.campaigns import Response
from gateway.rules.campaigns import answering
from gateway.rules.ruleset import Ruleset

MEASURES: Final[Mapping[str, str]] = {
    "requests": "requests",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
    "total_tokens": "tokens",
}
PERIODS: Final[Mapping[float, str]] = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}


def no_terms(_: str) -> None:
    """Where no entry of the chain challenges."""


class Offers(NamedTuple):
    """Of one ruleset."""

    ladder: Ladder | None = None
    gives: Mapping[str, tuple[str, ...]] = {}
    """Tier of the ladder -> lines such as `1,000 requests a minute`."""
    terms: Callable[[str], Terms | None] = no_terms
    """Rule (`gateway.policy.challenged_by`) -> on what terms its challenge is passed; None where nobody makes one."""
    response: Response | None = None
    """What follows for accounts that act as one; None where nothing does."""


def offers_of(ruleset: Ruleset) -> Offers:
    """Of its first ladder, and of all limits an account has to itself. What is in shadow is nobody's business yet."""
    configs = [entry.config for entry in ruleset.entries if entry.rollout > 0.0]
    terms = _terms(ruleset)
    kyc = next((config for config in configs if isinstance(config, KycConfig)), None)
    response = answering(ruleset)
    if kyc is None:
        return Offers(terms=terms, response=response)
    limits = [limit for config in configs if isinstance(config, QuotaConfig) for limit in config.limits]
    gives = {tier.name: (*_models(tier), *_quotas(tier, limits)) for tier in kyc.tiers}
    return Offers(kyc.ladder(), gives, terms, response)


def _terms(ruleset: Ruleset) -> Callable[[str], Terms | None]:
    """Each entry that challenges has ladders of its own; the first one of the chain makes challenges of all others."""
    made = {
        entry.name: entry.config
        for entry in ruleset.entries
        if entry.rollout > 0.0 and isinstance(entry.config, CaptchaConfig)
    }
    if not made:
        return no_terms
    first = next(iter(made))

    def terms(rule: str) -> Terms | None:
        entry, _, own = rule.partition("/")
        if entry not in made:
            return made[first].terms(first, rule)
        return made[entry].terms(entry, rule) if made[entry].has(own) else None

    return terms


def _models(tier: Tier) -> Iterator[str]:
    granted = tier.grants.models if tier.grants is not None else None
    withheld = tier.withholds.models if tier.withholds is not None else None
    if granted is not None:
        yield f"The models {', '.join(granted)}"
    elif withheld is not None:
        yield f"All models but {', '.join(withheld)}"
    else:
        yield "All models"


def _quotas(tier: Tier, limits: list[LimitConfig]) -> Iterator[str]:
    for limit in limits:
        if limit.tiers and tier.counted_as in limit.tiers and "account" in limit.per and not limit.models:
            yield _words(limit)
    if tier.concurrency is not None:
        yield f"{tier.concurrency:,} requests at once"


def _words(limit: LimitConfig) -> str:
    if limit.measure == "concurrency":
        return f"{limit.capacity:,.0f} requests at once"
    amount = limit.refill or limit.capacity
    every = PERIODS.get(limit.every)
    period = f"a {every}" if every is not None else f"in {limit.every:g} seconds"
    if limit.measure == "spend":
        return f"${amount:,.2f} {period}"
    return f"{amount:,.0f} {MEASURES[limit.measure]} {period}"
