"""Which parts are asked of a tier, a model and features: put together once for each kind of exchange."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.feeds.sightings import Sighting
from gateway.policies.geo.config import Answer
from gateway.policies.geo.countries import EEA
from gateway.policies.geo.rule import Alike, Part, Said, Watch, differs, impossible, recent
from gateway.policies.geo.values import LIST
from gateway.policy import Ask, Location, Match, NetworkKind, Profile

if TYPE_CHECKING:
    from gateway.policies.geo.config import Asns, Countries, GeoConfig, Rule, Words

PLANS_AT_MOST: Final = 4096

Matching = tuple[int, ...]
"""Indices of the rules that match."""
_NO_FEATURES: Final = frozenset[str]()

REASONS: Final = {
    "countries": "country_not_allowed",
    "asns": "network_not_allowed",
    "networks": "network_not_allowed",
    "private": "network_not_allowed",
    "unknown": "location_unknown",
    "mismatch": "location_mismatch",
    "travel": "impossible_travel",
    "countries_seen": "too_many_countries",
}
DETAILS: Final = {
    "countries": "This API is not offered in the country that the request came from ({country}).",
    "asns": "Requests from this network are not accepted here.",
    "networks": "Requests from this kind of network are not accepted here.",
    "networks.hosting": "Requests from hosting providers are not accepted here.",
    "networks.vpn": "Requests through a VPN service are not accepted here.",
    "networks.tor": "Requests through Tor are not accepted here.",
    "networks.residential_proxy": "Requests through a residential proxy are not accepted here.",
    "networks.relay": "Requests through a privacy relay are not accepted here.",
    "private": "Requests from private addresses are not accepted here.",
    "unknown": "It is not known from where the request came.",
    "mismatch": "The country that the request came from ({country}) does not fit what is known of the account.",
    "mismatch.profile": "The country in which the account signed up does not fit the one in which it pays.",
    "travel": "The account is used in two places that are too far apart for the time between.",
    "countries_seen": "The account is used in too many countries within a short time.",
}
PROFILE: Final = {"signup": "signup_country", "billing": "billing_country"}


class Plan(NamedTuple):
    """What is asked of one kind of exchange."""

    public: tuple[Part, ...]
    private: tuple[Part, ...]
    """Of an address that is not of the public internet."""
    watches: tuple[Watch, ...]


class Plans:
    """Plans by the rules that match. Bounded: all are forgotten when there are too many, and made again when needed."""

    def __init__(self, config: GeoConfig, lists: Mapping[str, Container[object]]) -> None:
        self._config = config
        self._lists = lists
        self._alike = Alike([_holder(group, lists) for group in config.alike])
        self._rules = [(rule, _matcher(rule.models or ())) for rule in config.rules]
        self._matching: dict[tuple[str, str, frozenset[str]], Matching] = {}
        self._plans: dict[Matching, Plan] = {}
        # What no rule asks for makes no difference.
        self._by_tier = any(rule.tiers for rule in config.rules)
        self._by_model = any(rule.models for rule in config.rules)
        self._by_features = any(rule.features for rule in config.rules)
        self.by_asn = any(
            owner.asns is not None or (owner.unknown is not None and owner.unknown.asn is not None)
            for owner in self._owners()
        )
        # Here, and not with the first caller: a list that is not there is a mistake in the files.
        self._judges = {id(block): _judge(block, lists) for block in self._blocks()}

    def matching(self, tier: str, ask: Ask) -> Matching:
        """The rules for such an exchange. A flood of models that no rule names is one case."""
        if not self._rules:
            return ()
        key = (
            tier if self._by_tier else "",
            ask.model if self._by_model else "",
            ask.features if self._by_features else _NO_FEATURES,
        )
        found = self._matching.get(key)
        if found is None:
            if len(self._matching) >= PLANS_AT_MOST:
                self._matching.clear()
            found = self._matching[key] = tuple(self._match(*key))
        return found

    def of(self, matching: Matching) -> Plan:
        plan = self._plans.get(matching)
        if plan is None:
            if len(self._plans) >= PLANS_AT_MOST:
                self._plans.clear()
            plan = self._plans[matching] = self._make([self._rules[index][0] for index in matching])
        return plan

    def _match(self, tier: str, model: str, features: frozenset[str]) -> Iterator[int]:
        for index, (rule, matches) in enumerate(self._rules):
            if (
                (rule.tiers is None or tier in rule.tiers)
                and (rule.models is None or matches(model))
                and (rule.features is None or not features.isdisjoint(rule.features))
            ):
                yield index

    def _owners(self) -> list[GeoConfig | Rule]:
        return [self._config, *self._config.rules]

    def _blocks(self) -> Iterator[Countries | Asns]:
        for owner in self._owners():
            if owner.countries is not None:
                yield owner.countries
            if owner.asns is not None:
                yield owner.asns

    def _make(self, rules: Sequence[Rule]) -> Plan:
        answers = _answers(self._config, rules)
        mismatches = list(self._mismatches(answers))
        public = [*self._unknown(answers), *self._listed(rules), *_networks(answers), *mismatches]
        name, answer = answers["private"]
        private = Part(name, said(name, "private", answer), lambda location, _: location.private, ("client.private",))
        of_account = [part for part in mismatches if "client.country" not in part.reads]
        return Plan(tuple(public), (private, *of_account), tuple(self._watches(answers)))

    def _unknown(self, answers: Mapping[str, tuple[str, Answer]]) -> Iterator[Part]:
        if "unknown.country" in answers:
            name, answer = answers["unknown.country"]
            yield Part(name, said(name, "unknown", answer), lambda location, _: not location.country, _COUNTRY)
        if "unknown.asn" in answers:
            name, answer = answers["unknown.asn"]
            yield Part(name, said(name, "unknown", answer), lambda location, _: not location.asn, _ASN)

    def _listed(self, rules: Sequence[Rule]) -> Iterator[Part]:
        """Lists add up: those of the file, and of each rule that matches."""
        owners: list[tuple[str, GeoConfig | Rule]] = [("", self._config)]
        owners.extend((f"{rule.name}.", rule) for rule in rules)
        for prefix, owner in owners:
            if owner.countries is not None:
                yield from _listed(f"{prefix}countries", "countries", owner.countries, self._judges)
            if owner.asns is not None:
                yield from _listed(f"{prefix}asns", "asns", owner.asns, self._judges)

    def _mismatches(self, answers: Mapping[str, tuple[str, Answer]]) -> Iterator[Part]:
        counts = counting(self._config)
        alike = self._alike
        for key, field in PROFILE.items():
            if f"mismatch.{key}" in answers:
                name, answer = answers[f"mismatch.{key}"]

                def applies(location: Location, profile: Profile, field: str = field) -> bool:
                    return counts(location) and differs(alike, getattr(profile, field), location.country)

                reads = ("client.country", "client.network_kinds", f"account.{field}")
                yield Part(name, said(name, "mismatch", answer), applies, reads)
        if "mismatch.profile" in answers:
            name, answer = answers["mismatch.profile"]
            yield Part(
                name,
                said(name, "mismatch", answer, "mismatch.profile"),
                lambda _, profile: differs(alike, profile.signup_country, profile.billing_country),
                ("account.signup_country", "account.billing_country"),
            )

    def _watches(self, answers: Mapping[str, tuple[str, Answer]]) -> Iterator[Watch]:
        alike = self._alike
        travel, many = self._config.travel, self._config.countries_seen
        if travel is not None:
            name, answer = answers["travel"]
            faster_than, at_least = travel.faster_than, travel.at_least
            within_country, spare_home = travel.within_country, travel.spare_home

            def travels(location: Location, profile: Profile, seen: Sequence[Sighting], now: float) -> str:
                if spare_home:
                    if _at_home(alike, profile, location.country):
                        return ""
                    seen = [one for one in seen if not _at_home(alike, profile, one.location.country)]
                found = impossible(location, seen, now, faster_than, at_least, within=within_country)
                return f"in {found.location.country} {abs(now - found.time):.0f} s ago" if found is not None else ""

            yield Watch(name, said(name, "travel", answer), travels)
        if many is not None:
            name, answer = answers["countries_seen"]
            more_than, within = many.more_than, many.within

            def wanders(location: Location, _: Profile, seen: Sequence[Sighting], now: float) -> str:
                if len(seen) < more_than:
                    return ""
                countries = {location.country, *recent(seen, now, within)}
                found = alike.count(countries) > more_than
                return f"seen in {', '.join(sorted(countries))}" if found else ""

            yield Watch(name, said(name, "countries_seen", answer), wanders)


_COUNTRY: Final = ("client.country",)
_ASN: Final = ("client.asn",)


def counting(config: GeoConfig) -> Callable[[Location], bool]:
    """Whether a location says where a person is: it does not where it is a server's, or anybody's."""
    spared = frozenset(kind.value for kind in NetworkKind) - {kind.value for kind in config.even_from}

    def counts(location: Location) -> bool:
        return bool(location.country) and not location.private and spared.isdisjoint(location.network_kinds)

    return counts


def _at_home(alike: Alike, profile: Profile, country: str) -> bool:
    return alike.same(profile.signup_country, country) or alike.same(profile.billing_country, country)


def said(name: str, group: str, words: Words, which: str = "", action: str = "") -> Said:
    """A part's answer with the words of the YAML, else with the usual ones."""
    chosen: str = action or getattr(words, "action", "deny")
    return Said(
        chosen,
        Match(name, chosen, words.reason or REASONS[group]),
        getattr(words, "weight", None) or 0,
        words.message or DETAILS.get(which) or DETAILS[group],
        words.link or "",
        (words.status or 0) if chosen == "deny" else 0,
    )


def _answers(config: GeoConfig, rules: Sequence[Rule]) -> dict[str, tuple[str, Answer]]:
    """Part -> the name under which it stands, and its answer: the first rule's that states it, else the file's."""
    found: dict[str, tuple[str, Answer]] = {}
    for rule in rules:
        for part, answer in _stated(rule):
            found.setdefault(part, (f"{rule.name}.{part}", answer))
    for part, answer in _stated(config):
        found.setdefault(part, (part, answer))
    return found


def _stated(owner: GeoConfig | Rule) -> Iterator[tuple[str, Answer]]:
    for group, block in (("unknown", owner.unknown), ("networks", owner.networks), ("mismatch", owner.mismatch)):
        for name, answer in block.stated().items() if block is not None else ():
            yield f"{group}.{name}", answer
    if owner.private is not None:
        yield "private", owner.private
    for name, watched in (("travel", owner.travel), ("countries_seen", owner.countries_seen)):
        if watched is not None:
            yield name, watched if isinstance(watched, Answer) else watched.then


def _networks(answers: Mapping[str, tuple[str, Answer]]) -> Iterator[Part]:
    stated = {kind: answers[f"networks.{kind}"] for kind in NetworkKind if f"networks.{kind}" in answers}
    # A relay or a VPN stands at a hosting provider: who allows it by name does not want its users refused for that.
    welcome = frozenset(
        kind.value for kind, (_, answer) in stated.items() if answer.action == "allow" and kind != NetworkKind.HOSTING
    )
    for kind, (name, answer) in stated.items():
        spared = welcome if kind == NetworkKind.HOSTING else frozenset[str]()

        def applies(location: Location, _: Profile, kind: str = kind.value, spared: frozenset[str] = spared) -> bool:
            return kind in location.network_kinds and spared.isdisjoint(location.network_kinds)

        yield Part(name, said(name, "networks", answer, f"networks.{kind}"), applies, ("client.network_kinds",))


Judge = Callable[[object], str]
"""A country or number -> deny, challenge, or empty where nothing is said against it."""


def _listed(name: str, group: str, block: Countries | Asns, judges: Mapping[int, Judge]) -> Iterator[Part]:
    """A part for each thing that may happen, under one name: at most one of them applies."""
    judge = judges[id(block)]
    reads = _COUNTRY if group == "countries" else _ASN
    for action in ("deny", "challenge"):
        if group == "countries":

            def applies(location: Location, _: Profile, action: str = action) -> bool:
                return bool(location.country) and judge(location.country) == action
        else:

            def applies(location: Location, _: Profile, action: str = action) -> bool:
                return bool(location.asn) and judge(location.asn) == action

        if action == "deny" or block.challenge is not None:
            yield Part(name, said(name, group, block, action=action), applies, reads)


def _judge(block: Countries | Asns, lists: Mapping[str, Container[object]]) -> Judge:
    allows = _holder(block.allow, lists) if block.allow is not None else None
    denies, challenges = _holder(block.deny or (), lists), _holder(block.challenge or (), lists)

    def judge(value: object) -> str:
        if denies(value):
            return "deny"
        if challenges(value):
            return "challenge"
        return "" if allows is None or allows(value) else "deny"

    return judge


def _holder(items: Sequence[object], lists: Mapping[str, Container[object]]) -> Callable[[object], bool]:
    """Whether something is in the items, or in a list that they name. Raises KeyError for a list that is not there."""
    plain: set[object] = set()
    named: list[Container[object]] = []
    for item in items:
        found = LIST.fullmatch(item) if isinstance(item, str) else None
        if found is not None:
            if found[1] not in lists:
                raise KeyError(f"lists.{found[1]} is not in feeds.yaml")
            named.append(lists[found[1]])
        elif item == "EEA":
            plain |= EEA
        else:
            plain.add(item)
    return lambda value: value in plain or any(value in one for one in named)


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object]:
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match
