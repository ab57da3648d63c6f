"""The shell: what was found for a location is remembered, and where accounts were is asked and noted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.feeds.sightings_memory import RecentSightings
from gateway.partitions import NOBODY
from gateway.policies.geo.plans import Matching, Plans, counting
from gateway.policies.geo.rule import Said, Watch, decide, read
from gateway.policy import Action, Context, Decision, Finding, Location, Principal, challenged_by, has_passed

if TYPE_CHECKING:
    from gateway.feeds.sightings import Sighting, Sightings
    from gateway.policies import Services
    from gateway.policies.geo.config import GeoConfig

REMEMBERED_AT_MOST: Final = 65_536

Key = tuple[Matching, str, int, frozenset[str], bool, str, str, bool, frozenset[str]]


class Verdict(NamedTuple):
    """What holds for a kind of location, an account's profile and an ask, as long as the rules do."""

    decision: Decision
    applied: tuple[Said, ...]
    watches: tuple[Watch, ...]
    """What is to be asked of earlier sightings as well; none where the location says nothing of a person."""


class Clear(NamedTuple):
    """Nothing spoke against an account here, then, with what was seen of it. It does not later, either: the ways stay
    as long, and the time between grows.
    """

    seen: tuple[Sighting, ...]
    location: Location
    verdict: Verdict
    time: float


class Geo:
    """From where does the call come, and does that fit the account?"""

    def __init__(self, config: GeoConfig, services: Services) -> None:
        self._plans = Plans(config, services.lists)
        self._counts = counting(config)
        # Without a fleet to ask, what this policy saw itself is better than nothing.
        self._sightings: Sightings = (
            services.sightings if services.sightings is not None else RecentSightings(services.now)
        )
        self._entry = services.entry
        self._verdicts: dict[Key, Verdict] = {}
        self._clear: dict[tuple[str, int], Clear] = {}

    def decide(self, context: Context) -> Decision:
        principal = context.principal or NOBODY
        plans, profile, location = self._plans, principal.profile, context.location
        key = (
            plans.matching(principal.tier, context.ask),
            location.country,
            location.asn if plans.by_asn else 0,
            location.network_kinds,
            location.private,
            profile.signup_country,
            profile.billing_country,
            context.captcha,
            context.passed,
        )
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._judge(key, context, principal)
        if not verdict.watches or not principal.account:
            return verdict.decision
        return self._watch(verdict, context, principal)

    def _judge(self, key: Key, context: Context, principal: Principal) -> Verdict:
        location = context.location
        plan = self._plans.of(key[0])
        parts = plan.private if location.private else plan.public
        applied = tuple(
            part.said
            for part in parts
            if part.applies(location, principal.profile) and not self._passed(part.said, context)
        )
        verdict = Verdict(decide(applied, location), applied, plan.watches if self._counts(location) else ())
        if len(self._verdicts) >= REMEMBERED_AT_MOST:
            # All at once: to look for the first of a large dict costs more the more of them have gone.
            self._verdicts.clear()
        self._verdicts[key] = verdict
        return verdict

    def _watch(self, verdict: Verdict, context: Context, principal: Principal) -> Decision:
        account, location, now = principal.account, context.location, context.now
        decision = verdict.decision
        seen = self._sightings.of(account)
        if seen:
            clear = self._clear.get((account, id(location)))
            if (
                clear is None
                or clear.seen is not seen
                or clear.location is not location
                or clear.verdict is not verdict
                or now < clear.time
            ):
                decision = self._look(verdict, context, principal, seen)
        if decision.action is Action.ALLOW:
            # Whoever is refused was not there: else a thief would move the owner.
            self._sightings.note(account, location, now)
        return decision

    def _look(self, verdict: Verdict, context: Context, principal: Principal, seen: tuple[Sighting, ...]) -> Decision:
        location, now = context.location, context.now
        applied: list[Said] = []
        notes: list[str] = []
        for watch in verdict.watches:
            found = watch.finds(location, principal.profile, seen, now)
            if found and not self._passed(watch.said, context):
                applied.append(watch.said)
                notes.append(found)
        if applied:
            return decide((*verdict.applied, *applied), location, notes)
        # With a sighting that is ahead of our clock the time between shrinks at first.
        if seen[0].time <= now:
            if len(self._clear) >= REMEMBERED_AT_MOST:
                self._clear.clear()
            self._clear[principal.account, id(location)] = Clear(seen, location, verdict, now)
        return verdict.decision

    def explain(self, context: Context) -> tuple[Finding, ...]:
        """One Finding a part that is asked of such an exchange, in order."""
        principal = context.principal or NOBODY
        location, profile = context.location, principal.profile
        plan = self._plans.of(self._plans.matching(principal.tier, context.ask))
        values = read(location, profile)
        findings = []
        for part in (*plan.private[:1], *plan.public):
            asked = not location.private or part in plan.private
            applies = asked and part.applies(location, profile)
            note = self._note(part.said, context) if asked else "not asked: the address is private"
            findings.append(Finding(part.name, applies, {name: values[name] for name in part.reads}, note))
        seen = self._sightings.of(principal.account) if principal.account else ()
        where = {one.location.country: round(context.now - one.time) for one in seen}
        for watch in plan.watches:
            counts = self._counts(location) and bool(principal.account)
            found = watch.finds(location, profile, seen, context.now) if counts else ""
            note = self._note(watch.said, context, found) if counts else "not asked: it does not say where a person is"
            told = {"client.country": location.country, "seen (seconds ago)": where}
            findings.append(Finding(watch.name, bool(found), told, note))
        return tuple(findings)

    def _passed(self, said: Said, context: Context) -> bool:
        """Nobody is challenged again by what they have passed."""
        return said.action == "challenge" and has_passed(context, challenged_by(self._entry, said.match.rule))

    def _note(self, said: Said, context: Context, found: str = "") -> str:
        words = [f"{said.action} {said.weight}" if said.weight else said.action, found]
        if self._passed(said, context):
            words.append("the challenge was passed before")
        return "; ".join(filter(None, words))
