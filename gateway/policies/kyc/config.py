"""The YAML of a kyc entry: the ladder, and what each tier of it may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.accounts.ladder import IdentityLimit, Ladder, Proof, Rung
from gateway.accounts.model import Feature
from gateway.expressions.vocabulary import COUNTRY
from gateway.feeds.kinds import ListKind
from gateway.policy import Limit, Measure
from gateway.quantities import Amount, Count, Duration, Name, Percentage

Kind = Literal["email", "phone", "payment", "document", "liveness", "registry", "sanctions", "console"]
"""Of `gateway.accounts.evidence.KINDS`."""
Loc = tuple[str | int, ...]

UNKNOWN_COUNTRY: Final = "ZZ"
"""In a list of `grants`: who calls from nobody knows where (a code that ISO 3166-1 leaves to its users)."""
LONGEST_NAME: Final = 48


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True)


def _country(written: str) -> str:
    complaint = COUNTRY.complaint(written)
    if complaint or not written:
        raise ValueError(complaint or "is empty")
    return written


def _domains(written: str, info: ValidationInfo) -> str:
    """The name of a list. Raises ValueError where there is none, or it holds other things."""
    known = info.context.get("lists") if isinstance(info.context, Mapping) else None
    if known is not None:
        if written not in known:
            raise ValueError(f"names a list that is not in feeds.yaml: there are {', '.join(sorted(known)) or 'none'}")
        if known[written] != ListKind.DOMAINS:
            raise ValueError(f"must name a list of domains: `{written}` is one of {known[written].value}")
    return written


Country = Annotated[str, AfterValidator(_country)]
Pattern = Annotated[str, Field(min_length=1, max_length=256)]


class Gate(Strict):
    """Models, features and countries. What is not stated is not looked at."""

    models: tuple[Pattern, ...] | None = None
    """Patterns (`*` and `?`)."""
    features: tuple[Feature, ...] | None = None
    """Features of requests."""
    countries: tuple[Country, ...] | None = None
    """From where the call comes, as ISO 3166-1 alpha-2. In `grants`, `ZZ` lets in calls of which nobody knows that."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        for name in type(self).model_fields:
            if getattr(self, name) == ():
                raise ValueError(f"`{name}` is empty: leave it out")
        return self


class Volume(Strict):
    """How much an account may use before a higher tier is needed: a token bucket."""

    measure: Literal["requests", "input_tokens", "output_tokens", "total_tokens", "spend"]
    """What is counted, as in quota.yaml."""
    capacity: Annotated[Amount, Field(gt=0)]
    """What a full bucket holds; as much comes back every `every`."""
    every: Annotated[Duration, Field(gt=0)] = 86_400.0
    """The time in which it comes back, evenly."""
    per: Literal["account", "identity"] = "account"
    """`identity`: accounts that one person or company stands behind have one bucket."""
    name: Name | None = None
    """The bucket's name in the store; `<tier>-<measure>-volume` if not stated. A renamed one starts afresh."""


class Tier(Strict):
    """One rung. It states the whole of what it requires, withholds and grants: nothing is inherited."""

    name: Name
    """Unique, stable: callers, metrics and logs see it."""
    requires: tuple[Kind, ...] = ()
    """Kinds of evidence, all of them. The lowest tier requires nothing."""
    quota: Name | None = None
    """The tier whose limits in quota.yaml count; its own name if not stated."""
    withholds: Gate | None = None
    """What it may not have."""
    grants: Gate | None = None
    """All that it may have; of what is not stated, everything."""
    concurrency: Annotated[Count, Field(ge=1)] | None = None
    """Exchanges at once; not counted if not stated."""
    volume: tuple[Volume, ...] = ()
    """Beyond these a higher tier is needed."""

    @property
    def counted_as(self) -> str:
        """The tier whose limits count."""
        return self.quota or self.name

    def limits(self) -> tuple[Limit, ...]:
        """Its own buckets: volumes in order, then concurrency."""
        found = [
            Limit(
                volume_name(self.name, volume), Measure(volume.measure), volume.capacity, volume.capacity, volume.every
            )
            for volume in self.volume
        ]
        if self.concurrency is not None:
            found.append(Limit(f"{self.name}-at-once", Measure.CONCURRENCY, float(self.concurrency)))
        return tuple(found)


def volume_name(tier: str, volume: Volume) -> str:
    """The bucket's name in the store."""
    return volume.name or f"{tier}-{volume.measure.replace('_', '-')}-volume"


class Keeping(Strict):
    """How one kind of evidence is had and kept."""

    provider: Name | None = None
    """Who is asked for it, as `providers` of tidegate.yaml name it; the operator's own systems if not stated."""
    lasts: Annotated[Duration, Field(gt=0)] | None = None
    """For how long it counts; for ever if not stated. A passport that ends earlier ends it earlier."""
    renew: Duration = 0.0
    """So long before its end its owner is asked for it again."""
    grace: Duration = 0.0
    """So long after its end the tier stays."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        if self.lasts is not None and self.renew >= self.lasts:
            raise ValueError("`renew` is as long as `lasts`, or longer: its owner would be asked again at once")
        return self


class Falls(Strict):
    """Reason to fall → the highest tier that remains. The lowest where it is not stated."""

    chargeback: Name | None = None
    """A payment was taken back."""
    reversal: Name | None = None
    """A provider has taken its approval back."""
    detector: Name | None = None
    """The account acts as part of a campaign."""
    analyst: Name | None = None
    """An analyst has lowered it."""
    identity: Name | None = None
    """Its owner stands behind more accounts than one may."""


class Identity(Strict):
    """How many organisations one person may stand behind."""

    organisations: Annotated[int, Field(ge=1, le=1000)] = 1
    """So many, within `within`; the next one falls, for the reason `identity`."""
    within: Annotated[Duration, Field(gt=0)] = 90 * 86_400.0
    """How far back is looked."""


class Identities(Strict):
    """What identifies a person → a limit. What is not stated links accounts, and limits nothing."""

    document: Identity | None = None
    """The number of an identity document."""
    payment: Identity | None = None
    """A payment instrument."""
    device: Identity | None = None
    """A device."""
    phone: Identity | None = None
    """A phone number."""


class Ramp(Strict):
    """A new model's first days: some tiers have a part of their quotas for it."""

    models: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    """Patterns (`*` and `?`). Each model that matches has buckets of its own."""
    begins: AwareDatetime = Field(alias="from")
    """When the first day begins, such as 2026-11-20T00:00:00Z."""
    days: Annotated[int, Field(ge=1, le=365)]
    """How many days."""
    tiers: Annotated[tuple[Name, ...], Field(min_length=1)]
    """For accounts of these tiers."""
    share: Annotated[Percentage, Field(gt=0, lt=1)]
    """Of each of their quotas, for each such model."""


class SignupBurst(Strict):
    """Many accounts that signed up from one place, or with one e-mail domain, within a day."""

    at_least: int = Field(ge=2, alias="from")
    """So many others."""
    weight: Annotated[int, Field(ge=1, le=1000)]
    """The suspicion that it adds."""


class DisposableEmail(Strict):
    """An address of a domain that gives them away."""

    domains: Annotated[str, AfterValidator(_domains)] = Field(alias="list")
    """A list of feeds.yaml, of the kind `domains`."""
    weight: Annotated[int, Field(ge=1, le=1000)]
    """The suspicion that it adds."""


class Weigh(Strict):
    """Suspicion, for later entries, against accounts that stand on the lowest tier: others have shown more."""

    signup_burst: SignupBurst | None = None
    """Many accounts at once."""
    disposable_email: DisposableEmail | None = None
    """A throw-away address."""


class KycConfig(Strict):
    """Which tier has an account earned, and what may that have?"""

    tiers: tuple[Tier, ...]
    """The ladder, from the lowest, which requires nothing."""
    evidence: dict[Kind, Keeping] = Field(default_factory=dict)
    """Kind → how it is had and kept. What is not named comes from the operator's own systems, and lasts."""
    falls: Falls = Falls()
    """What becomes of an account for which there is a reason to fall."""
    identities: Identities = Identities()
    """One person, many accounts."""
    ramps: tuple[Ramp, ...] = ()
    """First days of new models."""
    others: Literal["lowest", "pass"] = "lowest"
    """Accounts whose assigned tier is no rung here, such as a plan: `lowest` gates them by their evidence, and they
    keep the quotas of their tier; `pass` does not gate them at all."""
    unread: Literal["withhold", "pass"] = "withhold"
    """Routes whose model, or features, nobody here can read, for tiers that may not have all of them."""
    weigh: Weigh = Weigh()
    """What speaks against an account that has shown little."""

    def ladder(self) -> Ladder:
        """The same, for all who ask where an account stands."""
        rungs = tuple(Rung(tier.name, frozenset(tier.requires), tier.quota or "") for tier in self.tiers)
        proofs: dict[str, Proof] = {
            kind: Proof(float("inf") if kept.lasts is None else kept.lasts, kept.renew, kept.grace, kept.provider or "")
            for kind, kept in self.evidence.items()
        }
        falls = {reason: tier for reason in Falls.model_fields if (tier := getattr(self.falls, reason)) is not None}
        return Ladder(rungs, proofs, falls)

    def identity_limits(self) -> Mapping[str, IdentityLimit]:
        """Kind of link -> how many organisations one person may stand behind."""
        stated = {kind: getattr(self.identities, kind) for kind in Identities.model_fields}
        return {
            kind: IdentityLimit(limit.organisations, limit.within)
            for kind, limit in stated.items()
            if limit is not None
        }

    def shared_names(self) -> dict[str, Loc]:
        """Names of buckets, which must be this entry's alone, with their places."""
        found: dict[str, Loc] = {}
        for index, tier in enumerate(self.tiers):
            found |= {volume_name(tier.name, one): ("tiers", index, "volume", n) for n, one in enumerate(tier.volume)}
            if tier.concurrency is not None:
                found[f"{tier.name}-at-once"] = ("tiers", index, "concurrency")
        return found

    def needs_prices(self) -> Loc | None:
        """Where a price is first asked for."""
        for index, tier in enumerate(self.tiers):
            for number, volume in enumerate(tier.volume):
                if volume.measure == "spend":
                    return ("tiers", index, "volume", number, "measure")
        return None

    @model_validator(mode="after")
    def _laws(self) -> Self:
        # Said here and not by the type: there pydantic would say it beside each tier that is wrong.
        if not self.tiers:
            raise ValueError("`tiers` is empty: state at least the lowest")
        errors = [*self._rungs(), *self._buckets(), *self._strangers()]
        if errors:
            raise ValidationError.from_exception_data("KycConfig", errors)
        return self

    def _rungs(self) -> Iterator[InitErrorDetails]:
        if self.tiers[0].requires:
            yield _error(("tiers", 0, "requires"), "is for higher tiers: the lowest is where everybody begins")
        names: set[str] = set()
        for index, tier in enumerate(self.tiers):
            if tier.name in names:
                yield _error(("tiers", index, "name"), f"names a second tier {tier.name}")
            names.add(tier.name)
            if index and not tier.requires:
                said = "needs `requires`: without it everybody stands here, and nobody on a lower tier"
                yield _error(("tiers", index), said)

    def _buckets(self) -> Iterator[InitErrorDetails]:
        names: set[str] = set()
        for index, tier in enumerate(self.tiers):
            for number, volume in enumerate(tier.volume):
                name = volume_name(tier.name, volume)
                if name in names:
                    yield _error(
                        ("tiers", index, "volume", number), f"needs a `name` of its own: two are called {name}"
                    )
                if len(name) > LONGEST_NAME:
                    yield _error(("tiers", index, "volume", number), f"needs a `name`: {name} is too long for one")
                if volume.measure != "spend" and not volume.capacity.is_integer():
                    yield _error(("tiers", index, "volume", number, "capacity"), "is a whole number, but for spend")
                names.add(name)
            if tier.concurrency is not None and len(tier.name) > LONGEST_NAME - len("-at-once"):
                yield _error(("tiers", index, "name"), "is too long for one with `concurrency`")

    def _strangers(self) -> Iterator[InitErrorDetails]:
        """Tiers that are named and are not there."""
        names = [tier.name for tier in self.tiers]
        there = f": there are {', '.join(names)}"
        for reason in Falls.model_fields:
            tier = getattr(self.falls, reason)
            if tier is not None and tier not in names:
                yield _error(("falls", reason), f"names no tier of this file{there}")
        for index, ramp in enumerate(self.ramps):
            for number, tier in enumerate(ramp.tiers):
                if tier not in names:
                    yield _error(("ramps", index, "tiers", number), f"names no tier of this file{there}")


def _error(loc: Loc, message: str) -> InitErrorDetails:
    # The message goes in as a value: pydantic reads braces in a template.
    return InitErrorDetails(type=PydanticCustomError("kyc", "{said}", {"said": message}), loc=loc, input=None)
