"""The YAML of geo: what is wrong is said at its place, and what is right means what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from gateway.feeds.kinds import ListKind
from gateway.policies import geo
from gateway.policies.geo.config import Answer, GeoConfig
from gateway.policies.geo.countries import COUNTRIES, EEA
from gateway.rules.check import check
from gateway.rules.problems import Problems
from gateway.rules.read import parse

LISTS: Final = {"embargo": ListKind.COUNTRIES, "abuse": ListKind.ASNS, "offices": ListKind.NETWORKS}


def read(text: str) -> GeoConfig:
    return check(parse(Path("geo.yaml"), text.encode()), GeoConfig, {}, LISTS)


BAD: Final[list[tuple[str, str]]] = [
    ("countries: {deny: [UK]}", "1:20: `deny[0]` must be a country of ISO 3166-1 alpha-2: did you mean `GB`?"),
    ("countries: {deny: [de]}", "1:20: `deny[0]` must be a country of ISO 3166-1 alpha-2: did you mean `DE`?"),
    ("countries: {deny: [eu]}", "1:20: `deny[0]` must be a country of ISO 3166-1 alpha-2: did you mean `EEA`?"),
    (
        "countries: {deny: [DE, XX]}",
        "1:24: `deny[1]` must be a country of ISO 3166-1 alpha-2, such as DE, or EEA, or lists.<name>",
    ),
    (
        "countries: {deny: [lists.nope]}",
        "1:20: `deny[0]` names a list that is not in feeds.yaml: there are abuse, embargo, offices",
    ),
    ("countries: {deny: [lists.abuse]}", "1:20: `deny[0]` must name a list of countries: `abuse` is one of asns"),
    ("countries: {deny: []}", "1:19: `deny` is empty: leave it out"),
    ("countries: {status: 451}", "1:12: `countries` needs one of `allow`, `deny` and `challenge`"),
    ("countries: {allow: [EEA, DE], deny: [DE]}", "1:37: `deny` names DE, as does `allow`"),
    ("countries: {deny: [IR], status: 200}", "1:33: `status` must be greater than or equal to 400"),
    ("countries: {deny: [IR], link: http://x}", "1:31: `link` must be an https link"),
    ("countries: {deny: [IR]}", "1:12: `countries` needs `unknown: {country: ...}` at the top"),
    ("unknown: {asn: deny}\ncountries: {deny: [IR]}", "2:12: `countries` needs `unknown: {country: ...}` at the top"),
    (
        "private: deny\nrules:\n- {name: a, tiers: [x], countries: {deny: [IR]}}",
        "3:36: `countries` needs `unknown: {country: ...}` at the top",
    ),
    ("asns: {allow: [1]}", "1:15: `allow` needs `unknown: {asn: ...}` at the top"),
    ("asns: {deny: [AS0]}", "1:15: `deny[0]` must be the number of an autonomous system"),
    ("asns: {deny: [4294967296]}", "1:15: `deny[0]` must be the number of an autonomous system"),
    ("asns: {deny: [true]}", "1:15: `deny[0]` must be the number of an autonomous system"),
    ("asns: {deny: [lists.offices]}", "1:15: `deny[0]` must name a list of asns: `offices` is one of networks"),
    ("networks: {tor: dney}", "1:17: `tor` must be 'allow', 'weigh', 'challenge' or 'deny': did you mean `deny`?"),
    ("networks: {tro: deny}", "1:12: unknown key `tro`: did you mean `tor`?"),
    ("networks: {}", "1:11: `networks` needs one of `hosting`, `vpn`, `tor`, `residential_proxy`, `relay`"),
    ("networks: {vpn: weigh}", "1:17: `vpn` needs `weight`: how much suspicion it adds"),
    ("networks: {vpn: {weight: 0}}", "1:26: `weight` must be greater than or equal to 1"),
    ("networks: {vpn: {action: deny, weight: 5}}", "1:40: `weight` is for `weigh`"),
    ("networks: {vpn: {weight: 5, message: no}}", "1:38: `message` is for `deny` and `challenge`"),
    ("networks: {vpn: {action: challenge, status: 451}}", "1:45: `status` is for `deny`"),
    ("networks: {vpn: {action: deny, reason: Not Here}}", "1:40: `reason` must match"),
    ("networks: {vpn: 10}", "1:17: `vpn` must be a mapping"),
    ("unknown: {country: 1}", "1:20: `country` must be a mapping"),
    ("mismatch: {signups: deny}", "1:12: unknown key `signups`: did you mean `signup`?"),
    ("travel: {faster_than: 1000 km/h}", "1:9: missing key `then`"),
    ("travel: {then: deny, faster_than: 1000}", "1:35: `faster_than` must be written with its unit"),
    ("travel: {then: deny, faster_than: 10 km/h}", "1:35: `faster_than` must be greater than or equal to 100"),
    ("travel: {then: deny, at_least: 500 miles}", "1:32: `at_least` must be written with its unit, such as 500 km"),
    ("travel: {then: deny, at_least: 5km}", "1:32: `at_least` must be greater than or equal to 100"),
    ("countries_seen: {more_than: 4, within: 8d, then: deny}", "1:40: `within` must be less than or equal to 604800"),
    ("countries_seen: {more_than: 0, then: deny}", "1:29: `more_than` must be greater than or equal to 1"),
    ("private: deny\nalike: [[]]", "2:9: `alike[0]`"),
    ("private: deny\nalike: [EEA]", "2:9: `alike[0]` must be a list"),
    ("private: deny\neven_from: [cloud]", "2:13: `even_from[0]` must be 'hosting', 'vpn', 'tor', 'residential_proxy'"),
    ("alike: [[EEA]]", "1:1: judges nothing: state one of asns, countries"),
    ("rules:\n- {name: a, private: deny}", "2:3: `rules[0]` needs one of `tiers`, `models` and `features`"),
    ("rules:\n- {name: a, tiers: [x]}", "2:3: `rules[0]`: changes nothing"),
    ("rules:\n- {name: a, tiers: [], private: deny}", "2:20: `tiers`"),
    ("rules:\n- {name: a, features: [visoin], private: deny}", "2:24: `features[0]` must be 'tools', 'vision'"),
    ("rules:\n- {name: a, tiers: [x], travel: allow}", "2:33: `travel` needs `travel` at the top"),
    (
        "rules:\n- {name: a, tiers: [x], countries_seen: deny}",
        "2:41: `countries_seen` needs `countries_seen`",
    ),
    (
        "rules:\n- {name: a, tiers: [x], private: deny}\n- {name: a, models: [x], private: deny}",
        "3:10: `name` names a second rule a",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[text for text, _ in BAD])
def test_what_is_wrong_is_said_at_its_place(text: str, said: str) -> None:
    """One mistake, one problem, where it stands."""
    with pytest.raises(Problems) as found:
        read(text)
    assert len(found.value.problems) == 1, found.value
    assert str(found.value).removeprefix("geo.yaml:").startswith(said), found.value


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Three mistakes in three parts, three problems."""
    with pytest.raises(Problems) as found:
        read("countries: {deny: [UK]}\nnetworks: {tor: dney}\ntravel: {then: deny, at_least: 5}")
    assert len(found.value.problems) == 3


def test_a_word_is_short_for_its_action() -> None:
    """`deny` and `{action: deny}` are one; a weight alone weighs."""
    config = read("networks: {tor: deny, vpn: {action: deny}, hosting: {weight: 5}}")
    assert config.networks is not None
    assert config.networks.tor == config.networks.vpn == Answer(action="deny")
    assert config.networks.hosting == Answer(action="weigh", weight=5)


def test_norway_is_a_country() -> None:
    """NO is text here, as everywhere in our YAML."""
    config = read("unknown: {country: allow}\ncountries: {deny: [NO]}")
    assert config.countries is not None
    assert config.countries.deny == ("NO",)


@pytest.mark.parametrize("written", ["AS64496", "64496", "'64496'"])
def test_a_number_is_written_as_people_do(written: str) -> None:
    """With and without AS."""
    config = read(f"asns: {{deny: [{written}]}}")
    assert config.asns is not None
    assert config.asns.deny == (64496,)


@pytest.mark.parametrize(("text", "speed", "way"), [("1000 km/h", 1000.0, 500.0), ("900km/h", 900.0, 500.0)])
def test_speed_and_distance_have_units(text: str, speed: float, way: float) -> None:
    """With or without a space."""
    config = read(f"travel: {{then: deny, faster_than: {text}, at_least: 500km}}")
    assert config.travel is not None
    assert (config.travel.faster_than, config.travel.at_least) == (speed, way)


def test_there_are_as_many_countries_as_there_are() -> None:
    """ISO 3166-1 has 249, and there is Kosovo; all of the EEA (30, with 7 parts of two of them) are among them."""
    assert len(COUNTRIES) == 250
    assert len(EEA) == 30 + 7
    assert EEA < COUNTRIES


def test_the_schema_knows_a_word_and_a_mapping() -> None:
    """An editor that checks by the JSON Schema accepts what we accept."""
    tor = GeoConfig.model_json_schema()["$defs"]["Networks"]["properties"]["tor"]
    assert {"enum": ["allow", "weigh", "challenge", "deny"], "type": "string"} in tor["anyOf"]
    assert {"$ref": "#/$defs/Answer"} in tor["anyOf"]
    assert tor["description"] == "A Tor exit."


def test_the_example_of_the_readme_is_right() -> None:
    """Who copies it has a file that is read without a complaint."""
    readme = Path(geo.__file__).with_name("README.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    config = read(example)
    assert config.model_fields_set >= {"countries", "networks", "unknown", "mismatch", "travel", "rules"}
