"""The shell of `campaigns`: asks what is known of the account, and says what follows, before all that only weighs.

What this worker knows of an account is in memory, so nothing here waits, and an account of which nothing is known costs
one look-up. Nothing is asked of requests that make no tokens: there is nothing in them to carry away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING

from gateway.accounts.recent import Recent
from gateway.campaigns.verdict import Level, Verdict, Verdicts
from gateway.partitions import is_free
from gateway.policies.risk.campaigns import CHALLENGE, REMEMBERED_AT_MOST, Response, Step, missing, rule
from gateway.policies.risk.levels import CAMPAIGNS, CampaignsConfig, LevelConfig
from gateway.policies.risk.policy import Risk
from gateway.policies.risk.refusal import exhausted, note_of, refusal
from gateway.policies.risk.rule import both
from gateway.policy import (
    ALLOW,
    Action,
    Context,
    Decision,
    Finding,
    Outcome,
    Principal,
    Take,
    Taken,
    challenged_by,
    has_passed,
)

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.risk.config import RiskConfig


class RespondingRisk(Risk):
    """Policy of kind `risk`, where campaigns are answered."""

    def __init__(self, config: RiskConfig, campaigns: CampaignsConfig, services: Services) -> None:
        super().__init__(config, services)
        self._known: Verdicts | None = services.verdicts
        self._owner_link = services.owner_link
        self._response = Response(campaigns, services.entry)
        self._said: Recent[str, tuple[Step, Decision]] = Recent(REMEMBERED_AT_MOST)
        self._challenge = challenged_by(services.entry, CHALLENGE.rule)

    def decide(self, context: Context) -> Decision | Awaitable[Decision]:
        principal, known = context.principal, self._known
        if known is None or principal is None:
            return super().decide(context)
        verdict = known.of(principal.account, context.now)
        if verdict is None or not context.ask.generates:
            return super().decide(context)
        step = self._step(context, principal, verdict)
        if step.refused:
            return refusal(step, verdict, lambda: self._link(context, principal))
        weighed = super().decide(context)
        if step.match is None and step.take is None:
            return weighed
        own = self._goes_on(principal.account, verdict, step)
        if weighed is ALLOW:
            return own
        if type(weighed) is Decision:
            return both(own, weighed)
        return _after(own, weighed)  # type: ignore[arg-type]  # an awaitable

    def _goes_on(self, account: str, verdict: Verdict, step: Step) -> Decision:
        """One object as long as the step is one: most requests of an account."""
        known = self._said.young.get(account)
        if known is not None and known[0] is step:
            return known[1]
        own = Decision(
            Action.ALLOW,
            note=note_of(verdict),
            facts=step.facts,
            takes=(step.take,) if step.take is not None else (),
            matches=(step.match,) if step.match is not None else (),
        )
        self._said.put(account, (step, own))
        return own

    def refuse(self, context: Context, take: Take, taken: Taken) -> Decision:  # noqa: ARG002 - the contract
        return exhausted(take, taken)

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:
        """An exchange counts if the upstream took it up."""
        super().settle(context, takes, outcome)
        return (0.0,) * len(takes) if takes and is_free(outcome) else ()

    def _step(self, context: Context, principal: Principal, verdict: Verdict) -> Step:
        ask = context.ask
        return self._response.step(
            verdict,
            principal.tier,
            context.exchange,
            ask.features,
            ask.model,
            has_passed(context, self._challenge),
            now=context.now,
            items=ask.items,
            evidence=principal.profile.evidence,
            unread=ask.route == "other",
        )

    def _link(self, context: Context, principal: Principal) -> str:
        """In shadow nobody gets one."""
        return self._owner_link(principal.account) if self._enforced(context) else ""

    # -- why ------------------------------------------------------------------------------------------------------

    def explain(self, context: Context) -> tuple[Finding, ...]:
        """Those of the other parts, and one a level that the file states."""
        return (*super().explain(context), *self._levels(context))

    def _levels(self, context: Context) -> Iterator[Finding]:
        principal, config = context.principal, self._response.config
        verdict = None
        if self._known is None:
            why = "not known: this gateway hears of no detector"
        elif principal is None or not principal.account:
            why = "not asked: nobody knows who calls"
        else:
            verdict = self._known.of(principal.account, context.now)
            why = "" if verdict is not None else "nothing is known against this account"
        if verdict is None or principal is None:
            read = {"account.id": principal.account if principal is not None else ""}
            for one in config.levels:
                yield Finding(rule(one.LEVEL), applies=False, read=read, note=why)
            return
        level = self._response.level(verdict, principal.tier)
        capped = _capped(verdict, level, config, principal.tier)
        yield Finding(CAMPAIGNS, level > Level.OBSERVE, _read(verdict, principal, level), "; ".join(verdict.evidence))
        for one in config.levels:
            enough = verdict.score >= one.at_least and verdict.kinds >= one.families
            notes = [f"needs a score of {one.at_least:g} and {one.families} families of evidence"]
            if enough and level < one.LEVEL:
                notes.append(capped)
            if level >= one.LEVEL:
                notes.extend(self._spared(context, principal, verdict, one, level))
            yield Finding(rule(one.LEVEL), level >= one.LEVEL, {"score": verdict.score}, "; ".join(notes))

    def _spared(
        self, context: Context, principal: Principal, verdict: Verdict, one: LevelConfig, level: Level
    ) -> Iterator[str]:
        config = self._response.config
        if one is config.verify:
            shown = not missing(config.verify.evidence, principal.profile.evidence, verdict.since, context.now)
            yield "its owner has shown it" if shown else "its owner has not shown it"
        elif one is config.challenge and level < Level.VERIFY and has_passed(context, self._challenge):
            yield "a challenge was passed"


async def _after(own: Decision, waited: Awaitable[Decision]) -> Decision:
    weighed = await waited
    return own if weighed is ALLOW else both(own, weighed)


def _capped(verdict: Verdict, level: Level, config: CampaignsConfig, tier: str) -> str:
    """Why it comes to less than its evidence says."""
    most = config.most.get(tier, Level.VERIFY)
    if verdict.most <= most:
        return f"but the detector lets it come to no more than {verdict.most.word}, as for what sits in one place"
    return f"but an account of the tier {tier} comes to no more than {most.word}, so it stays at {level.word}"


def _read(verdict: Verdict, principal: Principal, level: Level) -> dict[str, object]:
    return {
        "account.id": principal.account,
        "account.tier": principal.tier,
        "level": level.word,
        "score": round(verdict.score, 2),
        "families": {str(family): round(nats, 2) for family, nats in verdict.families},
        "cluster": verdict.cluster,
        "accounts": verdict.size,
    }
