"""The shell: where an account stands is computed once, and remembered until it may change by time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gateway.accounts.ladder import Ladder, Standing, missing, standing
from gateway.policies.kyc.config import KycConfig, Tier
from gateway.policies.kyc.rule import (
    NOT_GRANTED,
    WITHHELD,
    Gating,
    Ramps,
    Refused,
    refusal,
)
from gateway.policy import ALLOW, Action, Bucket, Context, Decision, Facts, Finding, Match, Principal

if TYPE_CHECKING:
    from gateway.policies import Services

REMEMBERED_AT_MOST: Final = 65_536
"""Principals, young ones; as many old ones are kept beside them."""
UNASSIGNED: Final = frozenset({"", "default"})
"""Tiers of accounts to which nobody has assigned one."""

NOBODY_KNOWN: Final = Decision(
    Action.DENY,
    "verification_required",
    "This needs an account, and the request does not say whose it is.",
    "no entry before this one has found out who asks",
    matches=(Match("nobody", "deny", "verification_required"),),
)


class Rung:
    """One tier, made ready."""

    __slots__ = ("gate", "index", "ramps", "tier")

    def __init__(self, index: int, tier: Tier, config: KycConfig) -> None:
        self.index = index
        self.tier = tier
        self.gate = Gating(tier, unread=config.unread == "withhold")
        self.ramps = Ramps(config.ramps, tier.name)


class Known:
    """What holds for one principal from `since` until `until`. It holds on to it: so its id is its own."""

    __slots__ = (
        "buckets",
        "decision",
        "gate",
        "principal",
        "ramps",
        "replaced",
        "rung",
        "shares",
        "since",
        "standing",
        "until",
    )

    def __init__(
        self,
        principal: Principal,
        rung: Rung | None,
        found: Standing | None,
        replaced: Principal | None,
        decision: Decision,
        since: float,
    ) -> None:
        self.principal = principal
        self.rung = rung
        """None where it is not gated at all."""
        self.standing = found
        self.gate = None if rung is None or rung.gate.open else rung.gate
        self.ramps = rung.ramps if rung is not None and rung.ramps else None
        self.replaced = replaced
        """What later entries see in its place; None where it stays."""
        self.decision = decision
        self.shares: dict[float, Decision] = {}
        """The same decision, with a share of the quotas."""
        self.buckets: tuple[Bucket, ...] | None = None
        """What it takes from, where tiers have buckets; None before that was asked."""
        self.since = since
        self.until = math.inf if found is None else found.until


class Kyc:
    """Policy of kind `kyc`, where no tier has buckets of its own."""

    def __init__(self, config: KycConfig, services: Services) -> None:
        self.ladder: Ladder = config.ladder()
        self.config = config
        self.rungs = [Rung(index, tier, config) for index, tier in enumerate(config.tiers)]
        self._passes = config.others == "pass"
        self._link = services.owner_link
        burst, disposable = config.weigh.signup_burst, config.weigh.disposable_email
        self._burst = burst
        self._disposable = disposable
        # Here, and not with the first caller: a list that is not there is a mistake in the files.
        self._domains = services.lists[disposable.domains] if disposable is not None else ()
        self._young: dict[int, Known] = {}
        self._old: dict[int, Known] = {}

    def decide(self, context: Context) -> Decision:
        principal = context.principal
        known = self._young.get(id(principal))
        if known is None or not known.since <= context.now < known.until:
            if principal is None:
                return NOBODY_KNOWN
            known = self.know(principal, context.now)
        gate = known.gate
        if gate is not None:
            what = gate.refuses(context.ask, context.location)
            if what:
                return self._refuse(context, known, what)
        ramps = known.ramps
        if ramps is not None:
            share = ramps.share(context.ask.model, context.now)
            if share < 1.0:
                return known.shares.get(share) or self._shared(known, share)
        return known.decision

    # -- where it stands ----------------------------------------------------------------------------------------------

    def know(self, principal: Principal, now: float) -> Known:
        """Where it stands, as remembered or anew."""
        mark = id(principal)
        known = self._young.get(mark) or self._old.pop(mark, None)
        if known is None or not known.since <= now < known.until:
            known = self._stand(principal, now, known.replaced if known is not None else None)
        if len(self._young) >= REMEMBERED_AT_MOST:
            # Two generations, as auth keeps credentials: who comes often is never forgotten.
            self._old, self._young = self._young, {}
        self._young[mark] = known
        return known

    def _stand(self, principal: Principal, now: float, before: Principal | None) -> Known:
        """`before` is what stood in its place so far: the same object again, where it is the same."""
        # An entry of this kind that was asked before has put its tier in the place of what was assigned.
        assigned = principal.profile.assigned or principal.tier
        of_ladder = assigned in UNASSIGNED or self.ladder.index(assigned) is not None
        if self._passes and not of_ladder:
            return Known(principal, None, None, None, ALLOW, now)
        found = standing(self.ladder, principal.profile, assigned, now)
        rung = self.rungs[found.rung]
        tier = rung.tier.counted_as if of_ladder else assigned
        # A file of accounts may state how far an owner was verified; only a fall takes that back. A number that comes
        # with what was assigned is a ladder's own.
        stated = 0 if found.fell or principal.profile.assigned else principal.profile.verification
        verification = max(found.rung, stated)
        replaced = None
        if (tier, verification) != (principal.tier, principal.profile.verification):
            profile = replace(principal.profile, verification=verification, assigned=assigned)
            replaced = replace(principal, tier=tier, profile=profile)
            replaced = before if before == replaced else replaced
        return Known(principal, rung, found, replaced, self._decision(principal, found, replaced), now)

    def _decision(self, principal: Principal, found: Standing, replaced: Principal | None) -> Decision:
        weights = self._weights(principal) if found.rung == 0 else {}
        if replaced is None and not weights:
            return ALLOW
        matches = tuple([Match(f"weigh.{name}", "weigh") for name in weights])
        note = f"stands on {found.tier}" + (f": {found.fell}" if found.fell else "")
        return Decision(Action.ALLOW, note=note, facts=Facts(replaced, sum(weights.values())), matches=matches)

    def _weights(self, principal: Principal) -> Mapping[str, int]:
        """What speaks against an account on the lowest tier, and how much."""
        found = {}
        profile = principal.profile
        if self._burst is not None and profile.signup_burst >= self._burst.at_least:
            found["signup_burst"] = self._burst.weight
        if self._disposable is not None and profile.email_domain and profile.email_domain in self._domains:
            found["disposable_email"] = self._disposable.weight
        return found

    # -- what it may have ---------------------------------------------------------------------------------------------

    def _shared(self, known: Known, share: float) -> Decision:
        plain = known.decision
        made = known.shares[share] = plain._replace(facts=(plain.facts or Facts())._replace(share=share))
        return made

    def _refuse(self, context: Context, known: Known, what: str) -> Decision:
        rung = known.rung
        if rung is None:
            raise TypeError("who is not gated is refused nothing")
        ask, location = context.ask, context.location
        higher = self.rungs[rung.index + 1 :]
        needed = next((one.index for one in higher if not one.gate.refuses(ask, location)), None)
        subject = rung.gate.subject(ask, location, what)
        return refusal(
            self.ladder, Refused(known.principal, rung.index, what, needed, subject, context.now), self._link
        )

    def explain(self, context: Context) -> tuple[Finding, ...]:
        """Where the account stands, then each gate of its tier. Changes nothing that is remembered."""
        principal = context.principal
        if principal is None:
            return (Finding("nobody", True, {}, NOBODY_KNOWN.note),)
        known = self._stand(principal, context.now, None)
        rung, found = known.rung, known.standing
        if rung is None or found is None:
            return (Finding("others", False, {"account.tier": principal.tier}, "no tier of this ladder: not gated"),)
        profile = principal.profile
        shown: Mapping[str, Any] = {
            "account.tier": principal.tier,
            "account.evidence": sorted(one.kind for one in profile.evidence),
            "account.falls": sorted(fall.reason for fall in profile.falls),
        }
        notes = [f"stands on {found.tier} ({found.rung}), counted as {(known.replaced or principal).tier}"]
        if found.fell:
            notes.append(f"fell from {self.ladder.rungs[found.earned].name}: {found.fell}")
        if found.rung + 1 < len(self.rungs):
            above = self.ladder.rungs[found.rung + 1].name
            lacking = missing(self.ladder, found.rung + 1, profile, context.now)
            notes.append(f"for {above} there is missing: {', '.join(lacking) or 'nothing'}")
        if not math.isinf(found.until):
            notes.append(f"may change by itself in {found.until - context.now:.0f} s")
        findings = [
            Finding(one.tier.name, one is rung, shown if one is rung else {}, "; ".join(notes) if one is rung else "")
            for one in self.rungs
        ]
        return (*findings, *self._looked_at(context, rung), *self._weighed(principal, found))

    def _looked_at(self, context: Context, rung: Rung) -> Iterator[Finding]:
        """What its tier may not have, and whether that is asked for."""
        ask, location = context.ask, context.location
        refused = rung.gate.refuses(ask, location)
        shown = {
            "models": ("request.model", ask.model),
            "features": ("request.features", sorted(ask.features)),
            "countries": ("client.country", location.country),
        }
        for key, (name, value) in shown.items():
            for path, gate in ((WITHHELD[key], rung.tier.withholds), (NOT_GRANTED[key], rung.tier.grants)):
                if gate is not None and getattr(gate, key) is not None:
                    yield Finding(f"{rung.tier.name}.{path}", path == refused, {name: value})
        if rung.ramps:
            share = rung.ramps.share(ask.model, context.now)
            yield Finding("ramps", share < 1.0, {"request.model": ask.model}, f"share of the quotas: {share:g}")

    def _weighed(self, principal: Principal, found: Standing) -> Iterator[Finding]:
        against = self._weights(principal) if found.rung == 0 else {}
        shown = {
            "signup_burst": ("account.signup_burst", principal.profile.signup_burst),
            "disposable_email": ("account.email_domain", principal.profile.email_domain),
        }
        for name, (variable, value) in shown.items():
            if getattr(self.config.weigh, name) is not None:
                weight = against.get(name, 0)
                yield Finding(f"weigh.{name}", bool(weight), {variable: value}, f"weigh {weight}" if weight else "")
