"""The shell of geo: what it remembers, what it notes, what it explains, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.feeds.kinds import ListKind
from gateway.feeds.sightings import Sighting
from gateway.feeds.sightings_memory import RecentSightings, coarse
from gateway.policies.geo import plans
from gateway.policies.geo import policy as shell
from gateway.policies.geo.config import GeoConfig
from gateway.policies.geo.policy import Geo
from gateway.policy import ALLOW, NOWHERE, Action, Context, Facts, Location, Principal, Profile, note_facts
from gateway.rules.check import check
from gateway.rules.read import parse
from gateway.testing import NOON, Clock, context, services

BERLIN = Location("DE", 3320, frozenset(), 52.5, 13.4, 20)
TOKYO = Location("JP", 2516, frozenset(), 35.7, 139.7, 20)
TEHRAN = Location("IR", 58224, frozenset(), 35.7, 51.4, 50)

EMBARGO = "unknown: {country: allow}\ncountries: {deny: [IR, lists.embargo]}\n"
TRAVEL = "travel: {then: challenge}\n"


class Counted(RecentSightings):
    """Sightings that count how often they are asked and told."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.asked = 0
        self.noted: list[tuple[str, str]] = []

    def __len__(self) -> int:
        """Empty is not absent."""
        return 0

    def of(self, account: str) -> tuple[Sighting, ...]:
        self.asked += 1
        return super().of(account)

    def note(self, account: str, location: Location, now: float) -> None:
        self.noted.append((account, location.country))
        super().note(account, location, now)


KINDS = {"embargo": ListKind.COUNTRIES, "abuse": ListKind.ASNS}


def geo(
    text: str, sightings: RecentSightings | None = None, lists: Mapping[str, Container[object]] | None = None
) -> Geo:
    config = check(parse(Path("geo.yaml"), text.encode()), GeoConfig, {}, KINDS)
    return Geo(config, replace(services(), sightings=sightings, lists=lists or {"embargo": frozenset({"CU"})}))


def of(location: Location, profile: Profile | None = None, *, captcha: bool = False, **more: Any) -> Context:
    made = context(location=location, account=None, now=more.pop("now", NOON), **more)
    principal = Principal("acme", profile=profile or Profile())
    note_facts(made, Facts(principal=principal, captcha=captcha))
    return made


def test_a_list_is_asked() -> None:
    """A country of a list of feeds.yaml is as good as one that is written here."""
    policy = geo(EMBARGO)
    assert policy.decide(of(Location("CU"))).action is Action.DENY
    assert policy.decide(of(Location("IR"))).reason == "country_not_allowed"
    assert policy.decide(of(BERLIN)) is ALLOW


def test_a_list_of_numbers_is_asked_for_the_number() -> None:
    """Not for its text."""
    policy = geo("asns: {deny: [lists.abuse, 64500]}\n", lists={"abuse": frozenset({3320})})
    assert policy.decide(of(BERLIN)).reason == "network_not_allowed"
    assert policy.decide(of(Location("DE", 64500))).reason == "network_not_allowed"
    assert policy.decide(of(TOKYO)) is ALLOW
    assert policy.decide(of(NOWHERE)) is ALLOW


def test_a_list_that_is_not_there_is_found_when_it_is_built() -> None:
    """And not by the first caller: LookupError is what the composition root turns into a problem."""
    with pytest.raises(LookupError, match="embargo"):
        geo(EMBARGO, lists={"other": frozenset()})
    with pytest.raises(LookupError, match="embargo"):
        geo("private: deny\nalike: [[lists.embargo]]\n", lists={"other": frozenset()})


def test_only_these() -> None:
    """Who is not in `allow` is denied, `deny` is stronger, and what is not known is neither."""
    policy = geo("unknown: {country: {weight: 1}, asn: deny}\ncountries: {allow: [EEA, GB], deny: [HU]}\n")
    assert policy.decide(of(BERLIN)) is ALLOW
    assert policy.decide(of(TOKYO)).action is Action.DENY
    assert policy.decide(of(Location("HU", 1))).action is Action.DENY
    decision = policy.decide(of(Location(asn=1)))
    assert (decision.action, decision.facts) == (Action.ALLOW, Facts(weight=1))
    assert policy.decide(of(Location("DE"))).reason == "location_unknown"

    policy = geo("unknown: {asn: {weight: 1}}\nasns: {allow: [3320]}\n")
    assert policy.decide(of(BERLIN)) is ALLOW
    assert policy.decide(of(TOKYO)).reason == "network_not_allowed"
    decision = policy.decide(of(Location("DE")))
    assert (decision.action, decision.facts) == (Action.ALLOW, Facts(weight=1))


def test_the_words_are_the_authors() -> None:
    """Reason, message, link and status of a part are what callers get."""
    policy = geo(
        "unknown: {country: allow}\n"
        "countries:\n"
        "  {deny: [IR], reason: embargo, message: 'Not in {country}.', link: https://x.example/e, status: 451}\n"
    )
    decision = policy.decide(of(TEHRAN))
    assert (decision.reason, decision.detail, decision.link) == ("embargo", "Not in IR.", "https://x.example/e")
    assert (decision.status, decision.retry_after) == (451, None)
    assert decision.matches[0].reason == "embargo"


def test_what_callers_are_told_gives_nothing_away() -> None:
    """Not where the account signed up or pays, nor where else it was seen."""
    policy = geo("mismatch: {signup: deny}\n" + TRAVEL)
    policy.decide(of(TOKYO, Profile(signup_country="JP")))
    for profile in (Profile(signup_country="FR"), Profile(signup_country="DE")):
        decision = policy.decide(of(BERLIN, profile, now=NOON + 60))
        assert decision.action is not Action.ALLOW
        assert "JP" not in decision.detail
        assert "FR" not in decision.detail
    assert "JP" in decision.note, "the log knows"


def test_a_location_is_judged_once() -> None:
    """The same facts get the same decision without a look at lists, wherever within the country."""

    class Asked(frozenset[str]):
        times = 0

        def __contains__(self, item: object) -> bool:
            type(self).times += 1
            return super().__contains__(item)

    policy = geo(EMBARGO + "networks: {vpn: {weight: 1}}\n", lists={"embargo": Asked({"CU"})})
    first = policy.decide(of(replace(BERLIN, network_kinds=frozenset({"vpn"}))))
    judged = Asked.times
    assert policy.decide(of(Location("DE", 1, frozenset({"vpn"}), 48.0, 11.0))) is first
    assert Asked.times == judged
    policy.decide(of(TOKYO))
    assert Asked.times > judged


@pytest.mark.parametrize(
    ("rules", "one", "other"),
    [
        ("- {name: r, models: [m-x*], countries: {deny: [DE]}}", {"model": "m-y"}, {"model": "m-x1"}),
        ("- {name: r, tiers: [pro], countries: {deny: [DE]}}", {"tier": "free"}, {"tier": "pro"}),
        ("- {name: r, features: [vision], countries: {deny: [DE]}}", {}, {"features": {"vision", "tools"}}),
        ("- {name: r, features: [audio, vision], countries: {deny: [DE]}}", {}, {"features": {"vision"}}),
    ],
    ids=["model", "tier", "feature", "one of two features"],
)
def test_what_is_remembered_knows_what_rules_ask(rules: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    """An answer for one model, tier or feature is none for another, in whatever order they come."""
    for order in ((one, other), (other, one)):
        policy = geo(f"unknown: {{country: allow}}\nrules:\n{rules}\n")
        for _ in range(2):
            for case in order:
                decision = policy.decide(context(location=BERLIN, **case))
                assert decision.action is (Action.DENY if case is other else Action.ALLOW)


def test_what_is_remembered_knows_the_profile_and_the_challenge() -> None:
    """Two accounts at one address are two."""
    policy = geo("mismatch: {signup: challenge}\n")
    for _ in range(2):
        assert policy.decide(of(BERLIN, Profile(signup_country="DE"))) is ALLOW
        assert policy.decide(of(BERLIN, Profile(signup_country="US"))).action is Action.CHALLENGE
        assert policy.decide(of(BERLIN, Profile(signup_country="US"), captcha=True)) is ALLOW
        assert policy.decide(of(BERLIN, Profile(billing_country="US"))) is ALLOW
    policy = geo("mismatch: {billing: challenge}\n")
    for _ in range(2):
        assert policy.decide(of(BERLIN, Profile())) is ALLOW
        assert policy.decide(of(BERLIN, Profile(billing_country="US"))).action is Action.CHALLENGE


def test_a_private_address_is_not_an_unknown_one() -> None:
    """Each has its own answer, and neither is remembered for the other."""
    policy = geo("unknown: {country: deny}\nprivate: {weight: 2}\n")
    for _ in range(2):
        assert policy.decide(of(NOWHERE)).reason == "location_unknown"
        assert policy.decide(of(Location(private=True))).facts == Facts(weight=2)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are callers' words: they fill no memory."""
    monkeypatch.setattr(shell, "REMEMBERED_AT_MOST", 10)
    monkeypatch.setattr(plans, "PLANS_AT_MOST", 10)
    policy = geo(
        f"unknown: {{country: allow}}\n{TRAVEL}rules:\n- {{name: r, models: [m-*], countries: {{deny: [DE]}}}}\n"
    )
    for turn in range(1000):
        model = f"{'m' if turn % 3 == 0 else 'x'}-{turn}"
        profile = Profile(signup_country=f"X{turn}")
        refused = policy.decide(of(replace(BERLIN), profile, model=model, now=NOON + turn)).action is Action.DENY
        assert refused is model.startswith("m")
        assert max(len(policy._verdicts), len(policy._clear), len(policy._plans._matching)) <= 10
    assert len(policy._plans._plans) == 2


def test_models_that_no_rule_tells_apart_are_one() -> None:
    """A flood of made-up names is judged once for those that match, and once for those that do not."""
    policy = geo("unknown: {country: allow}\nrules:\n- {name: r, models: [m-*], countries: {deny: [DE]}}\n")
    decisions = {id(policy.decide(of(BERLIN, model=f"{kind}-{turn}"))) for turn in range(100) for kind in "mx"}
    assert (len(decisions), len(policy._verdicts), len(policy._plans._plans)) == (2, 2, 2)


def test_who_was_cleared_is_looked_at_again_when_something_is_new() -> None:
    """Another sighting, another place, another profile, a clock that goes back: each is looked at."""
    sightings = Counted()
    policy = geo("travel: {then: challenge, spare_home: true}\n", sightings)
    tokyo, berlin = of(TOKYO, now=NOON + 90_000), of(BERLIN, now=NOON + 90_000)
    sightings.learn("acme", Sighting(NOON, BERLIN))
    assert policy.decide(tokyo) is ALLOW
    assert policy.decide(tokyo) is ALLOW, "from memory"
    assert policy.decide(berlin).reason == "impossible_travel", "another place"

    sightings = Counted()
    policy = geo("travel: {then: challenge, spare_home: true}\n", sightings)
    sightings.learn("acme", Sighting(NOON, coarse(TOKYO)))
    assert policy.decide(of(BERLIN, Profile(signup_country="JP"), now=NOON + 60)) is ALLOW
    assert policy.decide(of(BERLIN, Profile(signup_country="JP"), now=NOON + 61)) is ALLOW
    assert policy.decide(of(BERLIN, now=NOON + 61)).reason == "impossible_travel", "another profile"

    sightings = Counted()
    policy = geo(TRAVEL, sightings)
    sightings.learn("acme", Sighting(NOON, BERLIN))
    assert policy.decide(of(BERLIN)) is ALLOW
    sightings.learn("acme", Sighting(NOON, TOKYO))
    assert policy.decide(of(BERLIN)).reason == "impossible_travel", "another sighting"

    sightings = Counted()
    policy = geo(TRAVEL, sightings)
    sightings.learn("acme", Sighting(NOON, TOKYO))
    sightings.note = lambda *_: None  # type: ignore[method-assign]  # else there would be another sighting
    assert policy.decide(of(BERLIN, now=NOON + 40_000)) is ALLOW
    assert policy.decide(of(BERLIN, now=NOON + 3600)).reason == "impossible_travel", "an earlier call that came late"
    assert policy.decide(of(BERLIN, now=NOON - 40_000)) is ALLOW
    assert policy.decide(of(BERLIN, now=NOON - 3600)).reason == "impossible_travel", "noted by a clock ahead"


def test_memory_that_is_used_again_clears_nobody() -> None:
    """A location that lies where one lay that is gone is another one."""
    sightings = Counted()
    policy = geo("travel: {then: challenge, within_country: true}\n", sightings)
    new_york = Location("US", 1, frozenset(), 40.7, -74.0, 20)
    sightings.learn("acme", Sighting(NOON, new_york))
    assert policy.decide(of(new_york)) is ALLOW
    [clear] = policy._clear.values()
    los_angeles = of(Location("US", 1, frozenset(), 34.1, -118.2, 20))
    policy._clear["acme", id(los_angeles.location)] = clear
    assert policy.decide(los_angeles).reason == "impossible_travel"


def test_accounts_are_not_watched_where_nobody_asks() -> None:
    """Without `travel` and `countries_seen` nothing is noted."""
    sightings = Counted()
    geo(EMBARGO, sightings).decide(of(BERLIN))
    assert (sightings.asked, sightings.noted) == (0, [])


def test_only_what_is_allowed_is_noted() -> None:
    """Neither a denied call, nor a challenged one, nor one from a place that says nothing, nor a stranger's."""
    sightings = Counted()
    policy = geo(EMBARGO + TRAVEL, sightings)
    for location in (
        TEHRAN,
        NOWHERE,
        Location(private=True),
        Location("US", private=True),
        Location("US", 1, frozenset({"hosting"})),
        Location("US", 1, frozenset({"vpn", "hosting"})),
        BERLIN,
        TOKYO,
    ):
        policy.decide(of(location))
    policy.decide(context(location=BERLIN, account=None))
    assert sightings.noted == [("acme", "DE")]


def test_networks_that_count_all_the_same() -> None:
    """`even_from` names what its author takes for people."""
    sightings = Counted()
    policy = geo(f"{TRAVEL}even_from: [hosting]\n", sightings)
    policy.decide(of(replace(BERLIN, network_kinds=frozenset({"hosting"}))))
    policy.decide(of(replace(BERLIN, network_kinds=frozenset({"hosting", "vpn"}))))
    assert sightings.noted == [("acme", "DE")]
    assert policy.decide(of(replace(TOKYO, network_kinds=frozenset({"hosting"})))).reason == "impossible_travel"


def test_without_a_fleet_it_goes_by_what_it_saw() -> None:
    """A gateway that shares no sightings still finds what this worker alone can find."""
    policy = geo(TRAVEL)
    assert policy.decide(of(BERLIN)) is ALLOW
    assert policy.decide(of(TOKYO, now=NOON + 60)).reason == "impossible_travel"


def test_the_first_rule_that_states_an_answer_counts() -> None:
    """Part by part: a rule that matches and says nothing of a part leaves it to the next."""
    policy = geo(
        "networks: {vpn: deny, hosting: {weight: 1}}\n"
        "rules:\n"
        "- {name: a, tiers: [pro], networks: {hosting: {weight: 2}}}\n"
        "- {name: b, models: [m-*], networks: {vpn: {weight: 4}, hosting: {weight: 8}}}\n"
    )
    both = Location("US", 1, frozenset({"vpn", "hosting"}))
    cases = {("pro", "m-x"): 6, ("free", "m-x"): 12, ("pro", "x"): None}
    for (tier, model), weight in cases.items():
        decision = policy.decide(context(location=both, tier=tier, model=model))
        assert (decision.action is Action.ALLOW) is (weight is not None)
        assert decision.facts is not None
        assert weight is None or decision.facts.weight == weight
    assert [match.rule for match in decision.matches] == ["a.networks.hosting", "networks.vpn"]


def test_it_explains_every_part_and_changes_nothing() -> None:
    """What it read, what it found, and what it did not ask: nothing is noted by that."""
    sightings = Counted()
    policy = geo(
        EMBARGO + TRAVEL + "networks: {tor: deny}\nmismatch: {signup: {weight: 3}}\n"
        "countries_seen: {more_than: 1, then: deny}\n",
        sightings,
    )
    sightings.learn("acme", Sighting(NOON - 60, TOKYO))
    findings = {finding.rule: finding for finding in policy.explain(of(BERLIN, Profile(signup_country="FR")))}
    assert list(findings) == [
        *("private", "unknown.country", "countries", "networks.tor", "mismatch.signup", "travel", "countries_seen"),
    ]
    assert {rule for rule, finding in findings.items() if finding.applies} == {
        *("mismatch.signup", "travel", "countries_seen"),
    }
    assert findings["mismatch.signup"].read["account.signup_country"] == "FR"
    assert findings["mismatch.signup"].note == "weigh 3"
    assert findings["travel"].note == "challenge; in JP 60 s ago"
    assert findings["countries_seen"].note == "deny; seen in DE, JP"
    assert sightings.noted == []

    passed = {finding.rule: finding.note for finding in policy.explain(of(BERLIN, captcha=True))}
    assert passed["travel"].endswith("the challenge was passed before")
    private = {finding.rule: finding for finding in policy.explain(of(Location(private=True)))}
    assert private["private"].applies
    assert private["unknown.country"].note == "not asked: the address is private"
    assert private["travel"].note == "not asked: it does not say where a person is"


@pytest.mark.timing
def test_it_costs_next_to_nothing() -> None:
    """Warm: about a microsecond without sightings, a few with them. The bounds are for a busy machine."""
    bounds = {EMBARGO: 4e-6, EMBARGO + TRAVEL + "countries_seen: {more_than: 4, then: deny}\n": 20e-6}
    for text, bound in bounds.items():
        policy = geo(text)
        asked = of(BERLIN)
        policy.decide(asked)
        took = []
        for _ in range(20):
            began = time.perf_counter()
            for _ in range(1000):
                policy.decide(asked)
            took.append((time.perf_counter() - began) / 1000)
        assert min(took) < bound
