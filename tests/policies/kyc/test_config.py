"""What a ladder's file may say, and what is said of one that is wrong."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final, get_args

import pytest

from gateway.accounts.evidence import FALLS, IDENTIFYING, KINDS
from gateway.accounts.ladder import IdentityLimit, Proof
from gateway.feeds.kinds import ListKind
from gateway.policies.kyc.config import Falls, Identities, Kind, KycConfig
from gateway.rules.check import check
from gateway.rules.problems import Problems
from gateway.rules.read import parse

GOOD: Final = """\
tiers:
  - name: free
    withholds: {models: [m-frontier*], features: [batch], countries: [CU]}
    volume: [{measure: total_tokens, capacity: 5M, every: 1d}, {measure: spend, capacity: $5}]
  - name: verified
    requires: [email, document]
    quota: pro
    grants: {countries: [DE, ZZ]}
    concurrency: 20
evidence:
  document: {provider: identity, lasts: 365d, renew: 30d, grace: 14d}
falls: {chargeback: free, analyst: verified}
identities: {document: {organisations: 2, within: 90d}, device: {}}
ramps:
  - {models: [m-large*], from: 2026-11-20T00:00:00Z, days: 7, tiers: [free], share: 10%}
others: pass
weigh: {signup_burst: {from: 20, weight: 15}, disposable_email: {list: throwaway, weight: 20}}
"""
LISTS: Final = {"throwaway": ListKind.DOMAINS, "blocked": ListKind.NETWORKS}


def read(text: str) -> KycConfig:
    return check(parse(Path("tiers.yaml"), text.encode()), KycConfig, {}, LISTS)


def test_a_whole_file() -> None:
    """Everything that it says is in the ladder, and what it does not say is as usual."""
    config = read(GOOD)
    ladder = config.ladder()

    assert [(rung.name, rung.requires, rung.quota) for rung in ladder.rungs] == [
        ("free", frozenset(), ""),
        ("verified", frozenset({"email", "document"}), "pro"),
    ]
    assert ladder.proofs == {"document": Proof(365 * 86400.0, 30 * 86400.0, 14 * 86400.0, "identity")}
    assert ladder.falls == {"chargeback": "free", "analyst": "verified"}
    assert config.identity_limits() == {
        "document": IdentityLimit(2, 90 * 86400.0),
        "device": IdentityLimit(1, 90 * 86400.0),
    }
    assert [limit.name for tier in config.tiers for limit in tier.limits()] == [
        "free-total-tokens-volume",
        "free-spend-volume",
        "verified-at-once",
    ]
    assert set(config.shared_names()) == {"free-total-tokens-volume", "free-spend-volume", "verified-at-once"}
    assert config.needs_prices() == ("tiers", 0, "volume", 1, "measure")


def test_a_small_file() -> None:
    """One tier is a ladder."""
    config = read("tiers: [{name: free}]\n")

    assert config.ladder().proofs == {}
    assert math.isinf(Proof().lasts)
    assert config.identity_limits() == config.shared_names() == {}
    assert config.needs_prices() is None


def test_words_are_those_of_the_directory() -> None:
    """A kind, or a reason to fall, that the directory keeps can be written here, and no other."""
    assert set(get_args(Kind)) == set(KINDS)
    assert set(Falls.model_fields) == set(FALLS)
    assert set(Identities.model_fields) == set(IDENTIFYING)


FREE: Final = "tiers:\n  - name: free\n"

BAD: Final[list[tuple[str, str, str]]] = [
    ("no tier", "tiers: []\n", "1:1: `tiers` is empty: state at least the lowest"),
    (
        "the lowest requires something",
        FREE + "    requires: [email]\n",
        "3:15: `requires` is for higher tiers: the lowest is where everybody begins",
    ),
    (
        "a higher one requires nothing",
        FREE + "  - name: pro\n",
        "3:5: `tiers[1]` needs `requires`: without it everybody stands here, and nobody on a lower tier",
    ),
    (
        "a tier twice",
        FREE + "  - {name: free, requires: [email]}\n",
        "3:12: `name` names a second tier free",
    ),
    (
        "a kind that nobody can show",
        FREE + "  - {name: pro, requires: [blood]}\n",
        "3:28: `requires[0]` must be",
    ),
    (
        "evidence of no kind",
        FREE + "evidence: {blood: {}}\n",
        "3:12: key `blood` must be",
    ),
    (
        "a fall to nowhere",
        FREE + "falls: {chargeback: fre}\n",
        "3:21: `chargeback` names no tier of this file: there are free",
    ),
    ("a fall for no reason", FREE + "falls: {rudeness: free}\n", "3:9: unknown key `rudeness`"),
    (
        "a ramp of a tier that is not there",
        FREE + "ramps: [{models: [m], from: 2026-11-20T00:00:00Z, days: 7, tiers: [fre], share: 10%}]\n",
        "3:68: `tiers[0]` names no tier of this file: there are free",
    ),
    (
        "a ramp of nothing",
        FREE + "ramps: [{models: [m], from: 2026-11-20T00:00:00Z, days: 7, tiers: [free], share: 0%}]\n",
        "3:82: `share` must be greater than 0",
    ),
    (
        "asked again at once",
        FREE + "evidence: {document: {lasts: 30d, renew: 30d}}\n",
        "3:22: `document`: `renew` is as long as `lasts`, or longer: its owner would be asked again at once",
    ),
    (
        "no country",
        FREE + "    withholds: {countries: [UK]}\n",
        '3:29: `countries[0]`: no country has the code "UK": did you mean `GB`?',
    ),
    ("nothing withheld", FREE + "    withholds: {models: []}\n", "3:16: `withholds`: `models` is empty: leave it out"),
    (
        "two volumes of one name",
        FREE + "    volume: [{measure: requests, capacity: 1}, {measure: requests, capacity: 9, every: 1h}]\n",
        "3:48: `volume[1]` needs a `name` of its own: two are called free-requests-volume",
    ),
    (
        "half a request",
        FREE + "    volume: [{measure: requests, capacity: $0.5}]\n",
        "3:44: `capacity` is a whole number, but for spend",
    ),
    (
        "a list that is not there",
        FREE + "weigh: {disposable_email: {list: throwawy, weight: 5}}\n",
        "3:34: `list` names a list that is not in feeds.yaml: there are blocked, throwaway",
    ),
    (
        "a list of other things",
        FREE + "weigh: {disposable_email: {list: blocked, weight: 5}}\n",
        "3:34: `list` must name a list of domains: `blocked` is one of networks",
    ),
]


@pytest.mark.parametrize(("text", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_wrong_is_said_where_it_stands(text: str, said: str) -> None:
    """With line and column."""
    with pytest.raises(Problems) as found:
        read(text)

    assert any(f"tiers.yaml:{said}" in str(problem) for problem in found.value.problems), str(found.value)
