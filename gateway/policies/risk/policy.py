"""The shell: what is known of a key in a network is judged once, and remembered until there is news or time has passed.

An exchange is noted when it has ended, and only if it was let pass: who is refused was not there, else a thief who is
challenged would only have to wait until the network counts as the owner's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Container, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from gateway.accounts.recent import Recent
from gateway.feeds.networks import REFRESHED, Known, Networks, Subject, Use
from gateway.feeds.networks_memory import RecentNetworks
from gateway.feeds.refusals import Refusals
from gateway.feeds.refusals_memory import RecentRefusals
from gateway.policies.risk.places import place_of
from gateway.policies.risk.rule import (
    KEY_SHARED,
    NEW_NETWORK,
    REFUSED,
    Settling,
    Sharing,
    Sign,
    both,
    decision,
    shared,
    standing,
)
from gateway.policy import ALLOW, Action, Context, Decision, Finding, Outcome, Principal, Take
from gateway.rollout import share_of

if TYPE_CHECKING:
    from gateway.policies import Services
    from gateway.policies.risk.config import Refused, RiskConfig

REMEMBERED_AT_MOST: Final = 65_536
"""Verdicts, young ones; as many old ones are kept beside them."""
JUDGED_AGAIN: Final = 60.0
"""Seconds after which a verdict is made again, from memory."""
RENEWED: Final = 15.0
"""Seconds after which that is done where something is weighed, and the fleet is asked for news."""
COUNTED: Final = frozenset({Action.THROTTLE, Action.DENY})
"""Who is challenged and tries again climbs by nothing of that."""
NOT_COUNTED: Final = frozenset({
    # A fault of ours speaks against nobody.
    "policy_unavailable", "quota_store_unavailable", "challenge_unavailable",
    # What suspicion itself comes to: whoever was suspected once and goes on would never come down again.
    "suspicion_throttled", "verification_required", "account_under_review",
    "cluster_budget_exhausted", "cluster_paced", "temporarily_withheld",
})  # fmt: skip
"""Reasons of `gateway.chain.entry`, of the room captcha, and of this one."""


class Verdict:
    """Of one key in one network, from `since` until `until`."""

    __slots__ = ("decision", "known", "noted", "signs", "since", "until", "uses", "vouched")

    def __init__(self, known: Known, place: str, signs: tuple[Sign, ...], since: float, until: float) -> None:
        self.known = known
        self.uses: Mapping[str, Use] = known.uses
        """What it was made of: where another object stands there, there is news."""
        use = known.uses.get(place)
        self.vouched = use is not None and use.vouched
        self.signs = signs
        self.decision = decision(signs)
        self.since = since
        self.until = until
        self.noted = float("-inf")
        """Unix time of the last exchange that was noted by it."""


class Burst:
    """What is said of an account that was refused too often."""

    __slots__ = ("decision", "of")

    def __init__(self, of: Refused) -> None:
        self.of = of
        note = f"refused {of.at_least} times or more in {of.within:g} s"
        self.decision = decision((Sign(REFUSED, of.weight, note),))


class _Either:
    """Accounts of one or the other."""

    def __init__(self, one: Container[str], other: Container[str]) -> None:
        self._one = one
        self._other = other

    def __contains__(self, account: object) -> bool:
        return account in self._one or account in self._other


class Risk:
    """Policy of kind `risk`."""

    def __init__(self, config: RiskConfig, services: Services) -> None:
        new, many, refused = config.new_network, config.key_shared, config.refused
        self._settling = Settling(new.weight, new.settles, new.remember, new.moves) if new is not None else None
        self._sharing = Sharing(many.networks, many.within, many.weight) if many is not None else None
        self._burst = Burst(refused) if refused is not None else None
        self._breadth = config.breadth
        self._place_of = place_of(config.breadth) if new is not None or many is not None else None
        self._entry = services.entry
        self._rollout = services.rollout
        # Without a fleet to ask, what this policy saw itself is better than nothing.
        self._networks: Networks = services.networks or RecentNetworks(services.now)
        self._refusals: Refusals = services.refusals or RecentRefusals(services.now)
        # For accounts for whom this is in shadow.
        self._own_networks = self._networks.aside
        self._own_refusals = self._refusals.aside
        self._refused: Container[str] = _Either(self._refusals.accounts, self._own_refusals.accounts)
        if self._rollout >= 1.0 or self._rollout <= 0.0:
            self._refused = (self._refusals if self._rollout >= 1.0 else self._own_refusals).accounts
        self._verdicts: Recent[tuple[str, str, str], Verdict] = Recent(REMEMBERED_AT_MOST)

    def decide(self, context: Context) -> Decision | Awaitable[Decision]:
        principal = context.principal
        if principal is None:
            return ALLOW
        said = ALLOW
        place_of = self._place_of
        if place_of is not None:
            place = place_of(context)
            if place:
                verdict = self._verdicts.young.get((principal.account, principal.key, place))
                if (
                    verdict is None
                    or verdict.known.uses is not verdict.uses
                    or not verdict.since <= context.now < verdict.until
                ):
                    return self._judge(context, principal, place)
                said = verdict.decision
                if said is not ALLOW and context.captcha:
                    said = decision(_passed(verdict.signs))
        if self._burst is not None and principal.account in self._refused:
            return self._with_refusals(said, context, principal)
        return said

    # -- networks -------------------------------------------------------------------------------------------------

    def _judge(self, context: Context, principal: Principal, place: str) -> Decision | Awaitable[Decision]:
        if not principal.account:
            return ALLOW
        networks = self._networks_of(context)
        subject = Subject(self._breadth, principal.account, principal.key)
        known = networks.of(subject, place)
        if known is not None:
            return self._by(known, networks, subject, context, principal, place)
        if not networks.available:
            return self._with_refusals(ALLOW, context, principal)
        return self._look(networks, subject, context, principal, place)

    async def _look(
        self, networks: Networks, subject: Subject, context: Context, principal: Principal, place: str
    ) -> Decision:
        known = await networks.look(subject, place)
        if known is None:
            # Not known is neither good nor bad; how often that happens is counted where it does.
            return self._with_refusals(ALLOW, context, principal)
        return self._by(known, networks, subject, context, principal, place)

    def _by(
        self, known: Known, networks: Networks, subject: Subject, context: Context, principal: Principal, place: str
    ) -> Decision:
        now = context.now
        # Behind a token may be a whole company: many networks at once are a sign of a key alone.
        sharing = self._sharing if principal.key else None
        found = standing(known.uses, place, now, self._settling, sharing)
        until = min(found.until, now + (RENEWED if found.signs else JUDGED_AGAIN))
        verdict = Verdict(known, place, found.signs, now, until)
        key = (principal.account, principal.key, place)
        before = self._verdicts.get(key)
        if before is not None:
            verdict.noted = before.noted
        self._verdicts.put(key, verdict)
        if found.signs:
            networks.renew(subject)
        said = verdict.decision if not context.captcha else decision(_passed(verdict.signs))
        return self._with_refusals(said, context, principal)

    def settle(self, context: Context, takes: tuple[Take, ...], outcome: Outcome) -> tuple[float, ...]:  # noqa: ARG002 - it takes nothing
        principal = context.principal
        if principal is None or not principal.account:
            return ()
        refused = outcome.refused
        if refused is None:
            if self._place_of is not None and (place := self._place_of(context)):
                now = context.now
                verdict = self._verdicts.young.get((principal.account, principal.key, place))
                if verdict is None or now - verdict.noted >= REFRESHED or (context.captcha and not verdict.vouched):
                    subject = Subject(self._breadth, principal.account, principal.key)
                    self._networks_of(context).note(subject, place, now, vouched=context.captcha)
                    if verdict is not None:
                        verdict.noted = now
        elif (
            refused in COUNTED
            and self._burst is not None
            and outcome.reason not in NOT_COUNTED
            and principal.tier not in self._burst.of.except_tiers
        ):
            self._refusals_of(context).note(principal.account, context.exchange, context.now)
        return ()

    # -- refusals -------------------------------------------------------------------------------------------------

    def _with_refusals(self, said: Decision, context: Context, principal: Principal) -> Decision:
        if self._burst is None or not self._is_burst(context, principal, self._burst.of):
            return said
        return self._burst.decision if said is ALLOW else both(said, self._burst.decision)

    def _is_burst(self, context: Context, principal: Principal, refused: Refused) -> bool:
        if principal.tier in refused.except_tiers:
            return False
        return self._refusals_of(context).of(principal.account, refused.within, context.now) >= refused.at_least

    # -- whose memory ---------------------------------------------------------------------------------------------

    def _enforced(self, context: Context) -> bool:
        """As the chain finds it: in shadow nothing is changed that the fleet sees."""
        rollout = self._rollout
        return rollout >= 1.0 or (rollout > 0.0 and share_of(self._entry, context) < rollout)

    def _networks_of(self, context: Context) -> Networks:
        return self._networks if self._enforced(context) else self._own_networks

    def _refusals_of(self, context: Context) -> Refusals:
        return self._refusals if self._enforced(context) else self._own_refusals

    # -- why ------------------------------------------------------------------------------------------------------

    def explain(self, context: Context) -> tuple[Finding, ...]:
        """One Finding a part that the file states, in order. Changes nothing, and asks nobody."""
        return tuple(self._findings(context, context.principal))

    def _findings(self, context: Context, principal: Principal | None) -> Iterator[Finding]:
        known = None
        place = self._place_of(context) if self._place_of is not None else ""
        if principal is None or not principal.account:
            why = "not asked: nobody knows who calls"
        elif not place:
            why = "not asked: the network is not known, or not of the public internet"
        else:
            why = "not asked: what the fleet knows of this key was not looked up here yet"
            known = self._networks_of(context).of(Subject(self._breadth, principal.account, principal.key), place)
        read = {"key.id": principal.key if principal is not None else "", _VARIABLES[self._breadth]: place}
        uses = known.uses if known is not None else {}
        now = context.now
        for part in (self._settling, self._sharing):
            if part is None:
                continue
            if part is self._sharing and principal is not None and not principal.key:
                yield Finding(KEY_SHARED, applies=False, read={"key.id": ""}, note="not asked: it came without a key")
                continue
            name = NEW_NETWORK if part is self._settling else KEY_SHARED
            found = standing(uses, place, now, *_alone(part)).signs
            spared = bool(found) and name == NEW_NETWORK and context.captcha
            note = why if known is None else "; ".join(sign.note for sign in found)
            if spared:
                note = f"{note}; a challenge was passed"
            shown: dict[str, object] = {
                **read,
                "networks of the key (seconds ago)": {n: round(now - use.last) for n, use in uses.items()},
            }
            if part is self._sharing:
                shown["networks at once"] = shared(uses, place, now, part)
            yield Finding(name, bool(found) and not spared and known is not None, shown, note)
        if self._burst is not None and principal is not None:
            refused = self._burst.of
            count = self._refusals_of(context).of(principal.account, refused.within, now)
            applies = self._is_burst(context, principal, refused)
            excepted = f"not asked: {principal.tier} is excepted" if principal.tier in refused.except_tiers else ""
            said = self._burst.decision.note if applies else excepted
            yield Finding(REFUSED, applies, {"account.id": principal.account, "refusals": count}, said)


_VARIABLES: Final = {"asn": "client.asn", "country": "client.country", "network": "client.network"}


def _alone(part: Settling | Sharing) -> tuple[Settling | None, Sharing | None]:
    return (part, None) if isinstance(part, Settling) else (None, part)


def _passed(signs: tuple[Sign, ...]) -> tuple[Sign, ...]:
    """What is left of them where the caller has passed a challenge: it is the owner's network, too."""
    return tuple([sign for sign in signs if sign.rule != NEW_NETWORK])
