"""What a tier may not have, and what that comes to in words. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.accounts.evidence import KINDS
from gateway.accounts.ladder import Ladder, bound, missing, remains
from gateway.policies.kyc.config import UNKNOWN_COUNTRY, Gate, Ramp, Tier
from gateway.policy import Action, Ask, Decision, Location, Match, Principal

REMEMBERED_AT_MOST: Final = 4096
"""Models, of which callers may name any."""

WITHHELD: Final = {key: f"withholds.{key}" for key in ("models", "features", "countries")}
NOT_GRANTED: Final = {key: f"grants.{key}" for key in WITHHELD}
"""What stands in the way, as the file calls it: with the tier before it that is the name of a rule."""
VOLUME: Final = "volume"

FELL: Final = {
    "chargeback": ("payment_reversed", "A payment of this account was taken back"),
    "reversal": ("verification_reversed", "A verification of this account was taken back"),
}
"""Reason to fall -> the code, and what may be said of it. Of all others nobody learns more than that somebody looks."""
NOTHING: Final = Gate()
REVIEWED: Final = ("account_under_review", "This account is under review")


def matcher(patterns: Sequence[str]) -> Callable[[str], object]:
    """Whether a model is of these patterns."""
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match


class Gating:
    """What one tier may not have. `refuses(ask, location)` says what of it; empty for nothing."""

    __slots__ = (
        "_by_country",
        "_by_features",
        "_by_model",
        "_denied_countries",
        "_denied_features",
        "_denies",
        "_granted_countries",
        "_granted_features",
        "_grants",
        "_models",
        "_unread",
        "open",
        "refuses",
    )

    def __init__(self, tier: Tier, *, unread: bool) -> None:
        """`unread`: routes that nobody can read are withheld from whoever may not have all."""
        denied, granted = tier.withholds or NOTHING, tier.grants or NOTHING
        self._denies = matcher(denied.models) if denied.models is not None else None
        self._grants = matcher(granted.models) if granted.models is not None else None
        self._denied_features = frozenset[str](denied.features or ())
        self._granted_features = frozenset[str](granted.features) if granted.features is not None else None
        self._denied_countries = frozenset(denied.countries or ())
        self._granted_countries = frozenset(granted.countries) if granted.countries is not None else None
        self._by_model = (denied.models, granted.models) != (None, None)
        self._by_features = (denied.features, granted.features) != (None, None)
        self._by_country = (denied.countries, granted.countries) != (None, None)
        self._unread = unread
        self._models: dict[str, str] = {}
        self.open = not (self._by_model or self._by_features or self._by_country)
        """It may have everything."""
        only_models = self._by_model and not self._by_features and not self._by_country
        self.refuses: Callable[[Ask, Location], str] = self._by_models if only_models else self._by_all

    def _by_models(self, ask: Ask, _: Location) -> str:
        """The usual case, in few words."""
        found = self._models.get(ask.model)
        return self._of_model(ask) if found is None else found

    def _by_all(self, ask: Ask, location: Location) -> str:
        if self._by_model:
            found = self._models.get(ask.model)
            if found is None:
                found = self._of_model(ask)
            if found:
                return found
        if self._by_features:
            found = self._of_features(ask)
            if found:
                return found
        return self._of_place(location) if self._by_country else ""

    def _of_model(self, ask: Ask) -> str:
        model = ask.model
        if not model:
            if not ask.generates or not self._unread:
                return ""
            return WITHHELD["models"] if self._denies is not None else NOT_GRANTED["models"]
        found = ""
        if self._denies is not None and self._denies(model):
            found = WITHHELD["models"]
        elif self._grants is not None and not self._grants(model):
            found = NOT_GRANTED["models"]
        if len(self._models) >= REMEMBERED_AT_MOST:
            self._models.clear()
        self._models[model] = found
        return found

    def _of_features(self, ask: Ask) -> str:
        features, granted = ask.features, self._granted_features
        if features:
            if not self._denied_features.isdisjoint(features):
                return WITHHELD["features"]
            if granted is not None and not features <= granted:
                return NOT_GRANTED["features"]
        if ask.route == "other" and ask.generates and self._unread:
            return WITHHELD["features"] if self._denied_features else NOT_GRANTED["features"]
        return ""

    def _of_place(self, location: Location) -> str:
        # As geo: nothing is asked of an address that is not of the public internet.
        if location.private:
            return ""
        country = location.country
        if country in self._denied_countries:
            return WITHHELD["countries"]
        if self._granted_countries is not None and (country or UNKNOWN_COUNTRY) not in self._granted_countries:
            return NOT_GRANTED["countries"]
        return ""

    def subject(self, ask: Ask, location: Location, refused: str) -> str:
        """What is refused, as the beginning of a sentence that goes on in the singular."""
        if refused.endswith("countries"):
            return f"A call from {location.country or 'an unknown country'}"
        if refused.endswith("models"):
            return "This model" if ask.model else "A route whose model cannot be read"
        denied = ask.features & self._denied_features
        if self._granted_features is not None:
            denied |= ask.features - self._granted_features
        return f"A request with {', '.join(sorted(denied))}" if denied else "A route whose features cannot be read"


class Ramps:
    """First days of new models, for one tier."""

    __slots__ = ("_models", "_ramps")

    def __init__(self, ramps: Sequence[Ramp], tier: str) -> None:
        self._ramps = [(matcher(one.models), _days(one)) for one in ramps if tier in one.tiers]
        self._models: dict[str, tuple[Days, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._ramps)

    def share(self, model: str, now: float) -> float:
        """The smallest that holds for the model at that Unix time; 1 for none."""
        found = self._models.get(model)
        if found is None:
            if len(self._models) >= REMEMBERED_AT_MOST:
                self._models.clear()
            found = self._models[model] = tuple(days for matches, days in self._ramps if matches(model))
        share = 1.0
        for begins, ends, part in found:
            if begins <= now < ends and part < share:
                share = part
        return share


class Days(NamedTuple):
    """Unix times, and what there is between them."""

    begins: float
    ends: float
    share: float


def _days(ramp: Ramp) -> Days:
    begins = ramp.begins.timestamp()
    return Days(begins, begins + ramp.days * 86_400.0, ramp.share)


class Refused(NamedTuple):
    """What was withheld from whom."""

    principal: Principal
    rung: int
    what: str
    """The key of the tier that stands in the way."""
    needed: int | None
    """The lowest higher rung that has it; None for none."""
    subject: str
    """As `Gating.subject`."""
    now: float


def refusal(ladder: Ladder, refused: Refused, link: Callable[[str], str]) -> Decision:
    """Which tier is needed, what is missing, and where to show it. `link` makes the owner's."""
    principal, subject, profile = refused.principal, refused.subject, refused.principal.profile
    current = ladder.rungs[refused.rung].name
    rule = f"{current}.{refused.what}"
    if refused.needed is None:
        detail = f"{subject} is not open to the tier {current}, and no verification changes that."
        return _denial("tier_insufficient", detail, rule, "", {"current_tier": current})
    needed = ladder.rungs[refused.needed].name
    url = link(principal.account) if principal.account else ""
    members: dict[str, str | Sequence[str]] = {"required_tier": needed, "current_tier": current}
    fall = bound(ladder, profile, refused.now)
    if fall is not None and remains(ladder, fall) < refused.needed:
        # Whatever is shown, the account stays below: to ask for evidence would be to send its owner in a circle.
        reason, said = FELL.get(fall.reason, REVIEWED)
        detail = f"{said}, so its tier is {current}; {_inside(subject)} needs the tier {needed}."
    else:
        reason = "verification_required"
        kinds = missing(ladder, refused.needed, profile, refused.now)
        members["missing"] = kinds
        detail = f"{subject} needs the tier {needed}; still to be shown: {'; '.join(KINDS[kind] for kind in kinds)}."
    if url:
        members["verification_url"] = url
    return _denial(reason, detail, rule, url, members)


def _denial(reason: str, detail: str, rule: str, link: str, members: dict[str, str | Sequence[str]]) -> Decision:
    return Decision(
        Action.DENY,
        reason,
        detail,
        status=403,
        matches=(Match(rule, "deny", reason),),
        link=link,
        members=members,
    )


def _inside(subject: str) -> str:
    """The same words, further on in a sentence."""
    return subject[:1].lower() + subject[1:]
