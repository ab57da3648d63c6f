"""The YAML of a geo entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.feeds.sightings import REMEMBERED
from gateway.policies.geo.values import Asn, Country, Distance, Some, Speed, https
from gateway.policy import NetworkKind
from gateway.quantities import Duration, Name

Action = Literal["allow", "weigh", "challenge", "deny"]
Loc = tuple[str | int, ...]


def _error(loc: Loc, message: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("geo", "{said}", {"said": message}), loc=loc, input=None)


def _raise(model: str, errors: list[InitErrorDetails]) -> None:
    """All of them at once, each with its place."""
    if errors:
        raise ValidationError.from_exception_data(model, errors)


Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*([_.-][a-z0-9]+)*$", max_length=64)]
Message = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Link = Annotated[str, StringConstraints(max_length=1000), AfterValidator(https)]
Status = Annotated[int, Field(ge=400, le=499)]
Feature = Literal["tools", "vision", "audio", "reasoning", "structured_output", "batch", "web_search"]


class Words(BaseModel):
    """What a refusal says, where that is not the usual."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    reason: Code | None = None
    """The code that callers and logs see."""
    message: Message | None = None
    """What callers are told. `{country}` in it becomes the country that they call from."""
    link: Link | None = None
    """Where callers can read more."""
    status: Status | None = None
    """Of a denial; 403 if not stated. 451 is for what a law forbids (RFC 7725)."""


class Answer(Words):
    """What happens where a part applies. A word alone (`deny`) is short for `{action: deny}`."""

    action: Action = "weigh"
    """`weigh` adds suspicion, and lets pass; the others say what they do."""
    weight: Annotated[int, Field(ge=1, le=1000)] | None = None
    """The suspicion that it adds. Weights of several parts add up."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        errors = []
        if (self.action == "weigh") != (self.weight is not None):
            said = "is for `weigh`" if self.weight is not None else "needs `weight`: how much suspicion it adds"
            errors.append(_error(("weight" if self.weight is not None else "action",), said))
        if self.status is not None and self.action != "deny":
            errors.append(_error(("status",), "is for `deny`"))
        if self.action in {"allow", "weigh"}:
            unheard = [key for key in ("message", "link") if getattr(self, key) is not None]
            errors.extend(_error((key,), "is for `deny` and `challenge`") for key in unheard)
        _raise("Answer", errors)
        return self


def _word(written: object) -> object:
    return {"action": written} if isinstance(written, str) else written


Then = Annotated[Answer, BeforeValidator(_word, json_schema_input_type=Action | Answer)]
ALLOW: Final = Answer(action="allow")


class _Lists(Words):
    """Who is let in, and who is not."""

    lists: ClassVar[tuple[str, ...]] = ("allow", "deny", "challenge")

    @model_validator(mode="after")
    def _laws(self) -> Self:
        stated = {key: set(getattr(self, key)) for key in self.lists if getattr(self, key) is not None}
        errors = []
        if not stated:
            errors.append(_error((), "needs one of `allow`, `deny` and `challenge`"))
        keys = list(stated)
        for first, second in ((a, b) for n, a in enumerate(keys) for b in keys[n + 1 :]):
            if both := stated[first] & stated[second]:
                errors.append(_error((second,), f"names {min(both, key=str)}, as does `{first}`"))
        _raise(type(self).__name__, errors)
        return self


class Countries(_Lists):
    """By country. An item is a country, `EEA`, or `lists.<name>`."""

    allow: Some[Country] | None = None
    """All others are denied."""
    deny: Some[Country] | None = None
    """These are denied."""
    challenge: Some[Country] | None = None
    """These are challenged."""


class Asns(_Lists):
    """By the autonomous system that announces the address. An item is a number or `lists.<name>`."""

    allow: Some[Asn] | None = None
    """All others are denied."""
    deny: Some[Asn] | None = None
    """These are denied."""
    challenge: Some[Asn] | None = None
    """These are challenged."""


class _Answers(BaseModel):
    """Answers by name; what is not stated has none."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def stated(self) -> dict[str, Answer]:
        """Name -> answer."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: answer for name, answer in found.items() if answer is not None}

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.stated():
            raise ValueError(f"needs one of {', '.join(f'`{name}`' for name in type(self).model_fields)}")
        return self


class Networks(_Answers):
    """By what the address belongs to. One may be several."""

    hosting: Then | None = None
    """A hosting provider or cloud: where servers stand. Not asked of an address that another kind allows by name."""
    vpn: Then | None = None
    """A public VPN service."""
    tor: Then | None = None
    """A Tor exit."""
    residential_proxy: Then | None = None
    """Somebody's home line that is let to strangers."""
    relay: Then | None = None
    """A privacy relay that keeps the region, such as iCloud Private Relay."""


class Unknown(_Answers):
    """What is not known is neither good nor bad: it has an answer of its own."""

    country: Then | None = None
    """The country is not known."""
    asn: Then | None = None
    """The autonomous system is not known."""


class Mismatch(_Answers):
    """Two countries that are both known, and neither the same nor `alike`."""

    signup: Then | None = None
    """Where the call comes from, and where the account signed up."""
    billing: Then | None = None
    """Where the call comes from, and where the account pays."""
    profile: Then | None = None
    """Where the account signed up, and where it pays."""


class Travel(BaseModel):
    """Two places of one account that nobody can reach in the time between."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    faster_than: Speed = 1000.0
    """Kilometres an hour: above what an airliner does."""
    at_least: Distance = 500.0
    """Kilometres: nearer places are never too far, as databases err by so much."""
    then: Then
    """What happens."""
    within_country: bool = False
    """Compare places in one country, too. A mobile carrier's gateways may be a continent from its phones."""
    spare_home: bool = False
    """Do not compare with places in the country of sign-up or billing: a phone that roams, and an office's VPN, come
    out at home while their owner is abroad. It also spares a thief abroad whose victim is at home."""


class CountriesSeen(BaseModel):
    """Many countries in a short time."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    more_than: Annotated[int, Field(ge=1, le=12)]
    """Countries, this one among them; those that are `alike` are one."""
    within: Annotated[Duration, Field(gt=0, le=REMEMBERED)] = 86_400.0
    """How far back is looked; 7d at most."""
    then: Then
    """What happens."""


class Rule(BaseModel):
    """What is different for some. Its lists hold beside all others; its answers stand in for those above."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name
    """Unique in the file, stable: its parts are `<name>.countries` and so on in metrics and logs."""
    tiers: Some[str] | None = None
    """Only for accounts of these tiers."""
    models: Some[str] | None = None
    """Only for models that match one of these patterns (`*` and `?`)."""
    features: Some[Feature] | None = None
    """Only for requests with one of these features."""
    countries: Countries | None = None
    """Asked beside the file's and other rules' `countries`: a rule cannot lift an embargo."""
    asns: Asns | None = None
    """As `countries`."""
    networks: Networks | None = None
    """Stands in for the file's answer, kind by kind."""
    unknown: Unknown | None = None
    """Stands in for the file's answers, one by one."""
    private: Then | None = None
    """Stands in for the file's answer."""
    mismatch: Mismatch | None = None
    """Stands in for the file's answers, one by one."""
    travel: Then | None = None
    """Stands in for the `then` of the file's `travel`."""
    countries_seen: Then | None = None
    """Stands in for the `then` of the file's `countries_seen`."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        errors = []
        if self.tiers is None and self.models is None and self.features is None:
            errors.append(_error((), "needs one of `tiers`, `models` and `features`: what holds for all stands above"))
        if not self.model_fields_set & _PARTS:
            errors.append(_error((), f"changes nothing: state one of {', '.join(sorted(_PARTS))}"))
        _raise("Rule", errors)
        return self


_PARTS: Final = frozenset(Rule.model_fields) - {"name", "tiers", "models", "features"}


class GeoConfig(BaseModel):
    """From where? Everything that applies is reported, and the strongest holds: deny, challenge, weigh."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    countries: Countries | None = None
    """By country."""
    asns: Asns | None = None
    """By autonomous system."""
    networks: Networks | None = None
    """By kind of network."""
    unknown: Unknown | None = None
    """What happens where the country, or the autonomous system, is not known. `country` is required beside any
    `countries`, and `asn` beside any `asns` with `allow`."""
    private: Then = ALLOW
    """For addresses that are not of the public internet. Of these nothing else is asked."""
    mismatch: Mismatch | None = None
    """Where the account signed up, pays and calls from."""
    travel: Travel | None = None
    """Impossible travel."""
    countries_seen: CountriesSeen | None = None
    """Many countries in a short time."""
    alike: tuple[Some[Country], ...] = ()
    """Groups of countries that are one for `mismatch` and `countries_seen`, such as `[EEA]` and `[US, PR]`."""
    even_from: tuple[NetworkKind, ...] = ()
    """Kinds of network whose country and place count all the same for `mismatch`, `travel` and `countries_seen`. A
    server, VPN, relay or proxy says nothing about where a person is, so by default none of them does."""
    rules: tuple[Rule, ...] = ()
    """What is different for some tiers, models and features. The first that matches and states an answer counts."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        errors: list[InitErrorDetails] = []
        if not self.model_fields_set & (_PARTS | {"rules"}):
            errors.append(_error((), f"judges nothing: state one of {', '.join(sorted(_PARTS))}"))
        errors.extend(self._unanswered())
        errors.extend(self._misplaced())
        _raise("GeoConfig", errors)
        return self

    def _blocks(self) -> Iterator[tuple[Loc, Any]]:
        yield (), self
        for index, rule in enumerate(self.rules):
            yield ("rules", index), rule

    def _unanswered(self) -> Iterator[InitErrorDetails]:
        """Lists of what may be unknown, where nothing is said of that."""
        answers = self.unknown.stated() if self.unknown is not None else {}
        for loc, block in self._blocks():
            if block.countries is not None and "country" not in answers:
                said = "needs `unknown: {country: ...}` at the top: what happens where the country is not known"
                yield _error((*loc, "countries"), said)
            if block.asns is not None and block.asns.allow is not None and "asn" not in answers:
                said = "needs `unknown: {asn: ...}` at the top: what happens where the number is not known"
                yield _error((*loc, "asns", "allow"), said)

    def _misplaced(self) -> Iterator[InitErrorDetails]:
        names: set[str] = set()
        for index, rule in enumerate(self.rules):
            if rule.name in names:
                yield _error(("rules", index, "name"), f"names a second rule {rule.name}")
            names.add(rule.name)
            for key in ("travel", "countries_seen"):
                if getattr(rule, key) is not None and getattr(self, key) is None:
                    yield _error(("rules", index, key), f"needs `{key}` at the top, which says what is looked for")
