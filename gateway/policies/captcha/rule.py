"""What is asked of a caller, by what is held of its account: pure."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.challenges.ladder import Held, Ladder, Step
from gateway.challenges.steps import cleared, weigh
from gateway.challenges.terms import Terms
from gateway.pace import network
from gateway.policies.captcha.config import CaptchaConfig, LadderConfig
from gateway.policy import Action, Context, Decision, Evidence, Facts, Limit, Match, Principal, challenged_by

ADDRESS: Final = "address="
"""Before the client's address it is the subject of callers whom nobody knows: no account has a `=`. Of IPv6 it is the
/64: everybody has a billion addresses in it, and would be somebody else with each of them."""
ACTIONS: Final = {
    Step.SLOW: "throttle",
    Step.WORK: "challenge",
    Step.CAPTCHA: "challenge",
    Step.VERIFY: "deny",
    Step.REVIEW: "deny",
}


class Caller(NamedTuple):
    """Who is asked, as far as a challenge binds to it."""

    subject: str
    key: str
    """Empty where a challenge is for all keys of an account."""
    network: str
    """As `gateway.challenges.scopes` says."""

    @property
    def known(self) -> bool:
        """An account, and no address."""
        return not self.subject.startswith(ADDRESS)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule under which the fleet holds accounts: a ladder of the file, its `first_use`, or another entry's."""

    by: str
    """`ENTRY/NAME`."""
    name: str
    ladder: Ladder
    terms: Terms
    lowest: float
    """The suspicion below which nobody is asked for anything who is not held already."""
    limit: Limit | None
    """Of the step SLOW."""
    holds: Callable[[Context], bool] | None
    """For whom it is; None for everybody."""
    let: Decision
    """What whoever has passed is told."""

    @classmethod
    def of(
        cls,
        config: CaptchaConfig,
        entry: str,
        by: str,
        written: LadderConfig | None = None,
        holds: Callable[[Context], bool] | None = None,
    ) -> Rule:
        """`written` is the ladder of that name; None for what asks for one step, whatever the suspicion."""
        terms = config.terms(entry, by)
        slow = written is not None and written.steps.slow is not None
        return cls(
            by=by,
            name=by.rpartition("/")[2] if written is None else written.name,
            ladder=terms.ladder,
            terms=terms,
            lowest=terms.ladder.lowest,
            limit=written.bucket(config.slow) if written is not None and slow else None,
            holds=holds,
            let=Decision(Action.ALLOW, facts=Facts(captcha=True, passed=frozenset({by}))),
        )

    def asks(
        self, held: Held, weight: float, caller: Caller, now: float, spent: Container[str] = ()
    ) -> tuple[Step, bool]:
        """The step that is asked for, and whether what the exchange weighs is to be written down.

        Nobody of whom no account is known is asked for more than a challenge. `spent` are ids of clearances that are
        used up.
        """
        step, changes = weigh(self.ladder, held, weight, now)
        if held.strain < 0.0 and step < Step.CAPTCHA:
            step = self._unrelieved(held, weight, caller, now, spent, step)
        if step is Step.SLOW and self.limit is None:
            # Of a file of before: this one slows nobody.
            return Step.OBSERVE, changes
        if step > Step.CAPTCHA and not caller.known:
            step = max((one for one in self.ladder.at if one <= Step.CAPTCHA), default=Step.OBSERVE)
        return step, changes

    def _unrelieved(
        self, held: Held, weight: float, caller: Caller, now: float, spent: Container[str], step: Step
    ) -> Step:
        """What a passed challenge takes away is taken away for those who may use its clearance: elsewhere, and when it
        is used up, it is worth nothing. What the account's owner has shown is worth the same everywhere.
        """
        if held.shown > 0.0 and now - held.shown < self.ladder.shown_lasts:
            return step
        if cleared(held, Step.SLOW, caller.key, caller.network, now, spent) is not None:
            return step
        plain, _ = weigh(self.ladder, replace(held, strain=0.0), weight, now)
        return max(step, min(plain, Step.CAPTCHA))

    def match(self, step: Step, reason: str) -> Match:
        """In metrics and logs."""
        return Match(f"{self.name}.{step.name.lower()}", ACTIONS[step], reason)


def subject_of(context: Context) -> str:
    """Under which name the fleet holds a caller."""
    principal = context.principal
    if principal is not None and principal.account:
        return principal.account
    return f"{ADDRESS}{_line(context.client_address)}"


_line = lru_cache(65_536)(network)


def missing(wanted: tuple[str, ...], evidence: tuple[Evidence, ...], since: float, now: float) -> tuple[str, ...]:
    """The kinds that were not shown since then."""
    shown = {one.kind for one in evidence if one.obtained > since and one.expires > now}
    return tuple(kind for kind in wanted if kind not in shown)


class Newcomers:
    """Accounts at their first use."""

    __slots__ = ("rule", "tiers", "younger")

    def __init__(self, rule: Rule, younger: float, tiers: tuple[str, ...]) -> None:
        self.rule = rule
        self.younger = younger
        self.tiers = frozenset(tiers)

    @classmethod
    def of(cls, config: CaptchaConfig, entry: str, name: str) -> Newcomers | None:
        """None where nobody is challenged for being new."""
        first = config.first_use
        if first is None:
            return None
        return cls(Rule.of(config, entry, challenged_by(entry, name)), first.younger, first.tiers)

    def has(self, principal: Principal | None, now: float) -> bool:
        """An account of which nobody knows when it was created is not new."""
        if principal is None or not principal.account:
            return False
        created = principal.profile.created
        return created > 0.0 and now - created < self.younger and (not self.tiers or principal.tier in self.tiers)

    def met(self, held: Held | None, now: float) -> bool:
        """Has answered before: as long as an account may be called new it is not asked twice."""
        if held is None:
            return False
        if held.met > 0.0 and now - held.met < self.younger:
            return True
        # What suspicion asked for, and was passed, is not asked for again because the account is new.
        return any(one.step >= self.rule.ladder.fixed and now < one.expires for one in held.clearances)
