"""Honest and dishonest journeys, and what one file of rules says of each step. Read the table first."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from gateway.feeds.kinds import ListKind
from gateway.feeds.sightings_memory import RecentSightings
from gateway.policies.geo import KIND
from gateway.policies.geo.config import GeoConfig
from gateway.policy import Action, Context, Decision, Facts, Location, Principal, Profile, note_facts
from gateway.rules.check import check
from gateway.rules.read import parse
from gateway.testing import NOON, Clock, context, services

RULES: Final = """
countries: {deny: [KP, lists.embargo], status: 451}
asns: {deny: [AS64666]}
networks: {tor: deny, residential_proxy: challenge, hosting: {weight: 5}, vpn: {weight: 10}, relay: allow}
unknown: {country: challenge}
mismatch: {signup: {weight: 3}, billing: {weight: 4}}
travel: {faster_than: 1000 km/h, at_least: 500 km, then: challenge, EXTRA}
countries_seen: {more_than: 4, within: 24h, then: {weight: 20}}
alike: [[EEA], [US, PR]]
rules:
  - {name: enterprise, tiers: [enterprise], networks: {hosting: allow}, travel: allow, countries_seen: allow}
  - {name: frontier, models: [m-frontier*], countries: {allow: [EEA, GB, US]}}
  - {name: pictures, features: [vision], networks: {vpn: deny}}
"""

PLACES: Final = {
    "Berlin": Location("DE", 3320, frozenset(), 52.52, 13.40, 20),
    "Munich": Location("DE", 3320, frozenset(), 48.14, 11.58, 20),
    "Strasbourg": Location("FR", 3215, frozenset(), 48.58, 7.75, 20),
    "Kehl": Location("DE", 3320, frozenset(), 48.57, 7.82, 20),
    "Paris": Location("FR", 3215, frozenset(), 48.86, 2.35, 20),
    "Madrid": Location("ES", 3352, frozenset(), 40.42, -3.70, 20),
    "Lisbon": Location("PT", 2860, frozenset(), 38.72, -9.14, 20),
    "Oslo": Location("NO", 2119, frozenset(), 59.91, 10.75, 20),
    "Zurich": Location("CH", 3303, frozenset(), 47.38, 8.54, 20),
    "London": Location("GB", 2856, frozenset(), 51.51, -0.13, 20),
    "NewYork": Location("US", 7922, frozenset(), 40.71, -74.01, 20),
    "LosAngeles": Location("US", 7922, frozenset(), 34.05, -118.24, 20),
    "SanJuan": Location("PR", 14638, frozenset(), 18.47, -66.11, 50),
    "SaoPaulo": Location("BR", 28573, frozenset(), -23.55, -46.63, 50),
    "Delhi": Location("IN", 9829, frozenset(), 28.61, 77.21, 50),
    "Lagos": Location("NG", 29465, frozenset(), 6.52, 3.38, 100),
    "Hanoi": Location("VN", 7552, frozenset(), 21.03, 105.85, 50),
    "Moscow": Location("RU", 12389, frozenset(), 55.76, 37.62, 50),
    "Singapore": Location("SG", 9506, frozenset(), 1.35, 103.82, 10),
    "Tokyo": Location("JP", 2516, frozenset(), 35.68, 139.69, 20),
    "Suva": Location("FJ", 9241, frozenset(), -18.14, 178.44, 100),
    "Apia": Location("WS", 38800, frozenset(), -13.83, -171.76, 100),
    "Tehran": Location("IR", 58224, frozenset(), 35.69, 51.39, 50),
    "Pyongyang": Location("KP", 131279, frozenset(), 39.02, 125.75, 50),
    "Germany": Location("DE", 3320),  # A database of countries knows no place.
    "USA": Location("US", 7922),
    "SomewhereUS": Location("US", 7922, frozenset(), 37.75, -97.82, 1000),  # The middle of the country: no idea where.
    "BadNetwork": Location("DE", 64666, frozenset(), 52.52, 13.40, 20),
    "Nowhere": Location(),
    "Office": Location(private=True),
}

# Account: country of sign-up / of billing (- is not known), and a switch of `travel` that is on. Then one step a line:
# hours, place, what else is so ("via" kinds of network, a tier, a model, a feature, a challenge that was passed), and
# after the arrow what is said, and by which parts.
JOURNEYS: Final[dict[str, str]] = {
    # -- honest ---------------------------------------------------------------------------------------------------
    "at home all day": """DE/DE
        0     Berlin       -> ok
        0.01  Berlin       -> ok
        9     Berlin       -> ok""",
    "no profile at all": """-/-
        0     Tokyo        -> ok
        15    Paris        -> ok""",
    "a family on holiday": """DE/DE
        0     Munich       -> ok
        4     Madrid       -> ok
        30    Lisbon       -> ok
        200   Munich       -> ok""",
    "a holiday far away": """DE/DE
        0     Berlin       -> ok
        14    Tokyo        -> weigh 7 mismatch.signup mismatch.billing
        300   Berlin       -> ok""",
    "Wi-Fi on a plane, which comes out where the satellite's network does": """DE/DE
        0     Berlin       -> ok
        2     London       -> weigh 7 mismatch.signup mismatch.billing
        9     NewYork      -> weigh 7 mismatch.signup mismatch.billing""",
    "a phone between its carrier's gateways": """DE/DE
        0     Berlin       -> ok
        0.02  Munich       -> ok
        0.05  Berlin       -> ok""",
    "a phone whose carrier's other gateway is on the other coast": """US/US
        0     NewYork      -> ok
        0.02  LosAngeles   -> ok""",
    "life at a border": """DE/DE
        0     Kehl         -> ok
        0.1   Strasbourg   -> ok
        0.2   Kehl         -> ok""",
    "databases that disagree within a large country": """US/US within_country
        0     NewYork      -> ok
        0.1   SomewhereUS  -> ok""",
    "roaming in Europe": """DE/FR
        0     Paris        -> ok
        3     Oslo         -> ok""",
    "a territory with a code of its own": """US/US
        0     SanJuan      -> ok""",
    "across the date line": """-/-
        0     Suva         -> ok
        2     Apia         -> ok""",
    "a home office and a VPN of the company": """DE/DE
        0     Berlin                     -> ok
        0.1   NewYork via vpn+hosting    -> weigh 15 networks.hosting networks.vpn
        0.2   Berlin                     -> ok""",
    "servers in three regions under one key": """DE/DE
        0     Berlin via hosting         -> weigh 5 networks.hosting
        0     NewYork via hosting        -> weigh 5 networks.hosting
        0     Singapore via hosting      -> weigh 5 networks.hosting""",
    "the same as an enterprise": """DE/DE
        0     Berlin via hosting tier=enterprise      -> ok
        0     Singapore via hosting tier=enterprise   -> ok
        0     Tokyo tier=enterprise                   -> weigh 7 mismatch.signup mismatch.billing
        0     Madrid tier=enterprise                  -> ok""",
    "a dual-homed office": """DE/DE
        0     Berlin       -> ok
        0     Munich       -> ok""",
    "iCloud Private Relay, which stands at hosting providers": """US/US
        0     NewYork via relay+hosting  -> ok
        0.1   LosAngeles via relay       -> ok""",
    "in the office's own network": """DE/DE
        0     Office       -> ok
        0     Tokyo        -> weigh 7 mismatch.signup mismatch.billing
        0     Office       -> ok""",
    "a database of countries alone: no places, no travel": """-/-
        0     Germany      -> ok
        0     USA          -> ok""",
    "a traveller who passes the challenge": """-/-
        0     NewYork      -> ok
        1     Tokyo        -> challenge travel
        1.1   Tokyo captcha  -> ok""",
    "a traveller whose phone roams through home": """DE/DE
        0     Tokyo        -> weigh 7 mismatch.signup mismatch.billing
        0.1   Berlin       -> challenge travel""",
    "the same where home is spared": """DE/DE spare_home
        0     Tokyo        -> weigh 7 mismatch.signup mismatch.billing
        0.1   Berlin       -> ok
        0.2   Tokyo        -> weigh 7 mismatch.signup mismatch.billing""",
    "a tour of Europe": """DE/DE
        0     Berlin       -> ok
        3     Paris        -> ok
        6     Madrid       -> ok
        9     Lisbon       -> ok
        14    Oslo         -> ok
        18    Zurich       -> weigh 7 mismatch.signup mismatch.billing""",
    "four countries in a day, as two of them are alike": """-/-
        0     London       -> ok
        2     Berlin       -> ok
        4     Paris        -> ok
        8     Moscow       -> ok
        14    Delhi        -> ok""",
    "somebody who moved, and pays from the new home": """DE/US
        0     NewYork      -> weigh 3 mismatch.signup""",
    "an address that no database knows": """DE/DE
        0     Nowhere          -> challenge unknown.country
        0.1   Nowhere captcha  -> ok
        0.2   Berlin           -> ok""",
    # -- dishonest, or not to be served -----------------------------------------------------------------------------
    "an embargo": """-/-
        0     Tehran       -> deny countries 451
        0     Pyongyang    -> deny countries 451""",
    "an embargo, for an enterprise as well": """-/-
        0     Tehran tier=enterprise                    -> deny countries 451
        0     Tehran tier=enterprise model=m-frontier-1 -> deny countries frontier.countries 451""",
    "an embargo, through a VPN": """-/-
        0     Tehran via vpn         -> deny countries networks.vpn 451""",
    "a model for some countries": """-/-
        0     Delhi                       -> ok
        0     Delhi model=m-frontier-1    -> deny frontier.countries
        9     Oslo model=m-frontier-1     -> ok
        9     Nowhere model=m-frontier-1  -> challenge unknown.country""",
    "an enterprise asks for that model from elsewhere": """-/-
        0     Delhi tier=enterprise model=m-frontier-1 -> deny frontier.countries""",
    "pictures through a VPN": """-/-
        0     Berlin via vpn              -> weigh 10 networks.vpn
        0     Berlin via vpn vision       -> deny pictures.networks.vpn""",
    "Tor, at a hosting provider": """-/-
        0     Berlin via tor+hosting      -> deny networks.hosting networks.tor
        0     Berlin via tor+hosting tier=enterprise -> deny networks.tor""",
    "a residential proxy": """DE/DE
        0     Hanoi via residential_proxy -> challenge networks.residential_proxy""",
    "a network known for abuse": """-/-
        0     BadNetwork   -> deny asns""",
    "a key shared between two continents": """-/-
        0     NewYork      -> ok
        0.5   Hanoi        -> challenge travel
        0.6   NewYork      -> ok
        0.7   Hanoi        -> challenge travel""",
    "a thief never moves the owner": """US/US
        0     NewYork      -> ok
        1     Moscow       -> challenge mismatch.signup mismatch.billing travel
        1.1   NewYork      -> ok""",
    "a thief while home is spared: the price of it": """US/US spare_home
        0     NewYork      -> ok
        1     Moscow       -> weigh 7 mismatch.signup mismatch.billing""",
    "two coasts of one country at once, where that is asked for": """US/US within_country
        0     NewYork      -> ok
        0.5   LosAngeles   -> challenge travel""",
    "a reseller whose customers take turns": """US/US
        0     SaoPaulo     -> weigh 7 mismatch.signup mismatch.billing
        12    Delhi        -> challenge mismatch.signup mismatch.billing travel
        16    Delhi        -> weigh 7 mismatch.signup mismatch.billing
        17    Lagos        -> challenge mismatch.signup mismatch.billing travel""",
    "a relay fleet that is slow enough": """-/-
        0     London       -> ok
        3     Moscow       -> ok
        8     Delhi        -> ok
        12    Hanoi        -> ok
        17    Tokyo        -> weigh 20 countries_seen
        17.1  Hanoi        -> challenge travel countries_seen
        60    Hanoi        -> ok""",
    "a reseller behind VPNs shows nothing of where it is": """US/US
        0     NewYork via vpn   -> weigh 10 networks.vpn
        0     Hanoi via vpn     -> weigh 10 networks.vpn
        0     Lagos via vpn     -> weigh 10 networks.vpn""",
}

_STEP = re.compile(r"(?P<hours>[\d.]+)\s+(?P<place>\w+)(?: via (?P<kinds>[\w+]+))?(?P<more>.*?)\s*-> (?P<answer>.+)")


def rules(text: str) -> GeoConfig:
    """Read and checked as a file of the policies' folder."""
    return check(parse(Path("geo.yaml"), text.encode()), GeoConfig, {}, {"embargo": ListKind.COUNTRIES})


def ask(step: re.Match[str], profile: Profile, clock: Clock) -> Context:
    words = step["more"].split()
    stated = dict(word.split("=") for word in words if "=" in word)
    place = PLACES[step["place"]]
    if step["kinds"]:
        kinds = frozenset(step["kinds"].split("+"))
        place = Location(place.country, place.asn, kinds, place.latitude, place.longitude, place.radius)
    clock.at = NOON + float(step["hours"]) * 3600
    model = stated.get("model", "m-small")
    made = context(now=clock.at, location=place, model=model, features={"vision"} & set(words), account=None)
    principal = Principal("acme", tier=stated.get("tier", "default"), profile=profile)
    note_facts(made, Facts(principal=principal, captcha="captcha" in words))
    return made


def in_words(decision: Decision) -> str:
    parts = sorted(match.rule for match in decision.matches)
    weight = f"weigh {decision.facts.weight}" if decision.facts is not None else "ok"
    said = weight if decision.action is Action.ALLOW else decision.action.value
    return " ".join([said, *parts, *([str(decision.status)] if decision.status else [])])


def in_order(answer: str) -> str:
    found = re.fullmatch(r"(ok|weigh \d+|challenge|deny)((?: [a-z_.]+)*)((?: \d+)?)", answer)
    assert found is not None, answer
    return " ".join([found[1], *sorted(found[2].split()), *found[3].split()])


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
def test_a_journey(journey: str) -> None:
    """Every step of it is answered as the table says, by the parts that it names."""
    account, *lines = journey.split("\n")
    homes, _, extra = account.partition(" ")
    signup, billing = homes.replace("-", "").split("/")
    clock = Clock()
    world = replace(services(clock), lists={"embargo": frozenset({"IR"})}, sightings=RecentSightings(clock))
    policy = KIND.build(rules(RULES.replace("EXTRA", f"{extra}: true" if extra else "within_country: false")), world)
    for line in lines:
        step = _STEP.fullmatch(line.strip())
        assert step is not None, line
        asked = ask(step, Profile(signup_country=signup, billing_country=billing), clock)
        explained = [finding.rule for finding in policy.explain(asked) if finding.applies]  # type: ignore[attr-defined]
        decision = policy.decide(asked)
        assert isinstance(decision, Decision)
        assert in_words(decision) == in_order(step["answer"]), line
        assert {match.rule for match in decision.matches} <= set(explained), line


def test_the_table_is_of_both_sorts() -> None:
    """At least a dozen journeys of each, or the table proves little."""
    refused = [name for name, journey in JOURNEYS.items() if re.search(r"-> (challenge|deny)", journey)]
    assert len(refused) >= 12
    assert len(JOURNEYS) - len(refused) >= 12
