"""Every kind that is installed keeps the contract that strangers' kinds are held against."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from typing import Any, Final

import pytest
from pydantic import BaseModel

from gateway.campaigns.verdict import Family, Verdict
from gateway.feeds.verdicts_memory import MemoryVerdicts
from gateway.policies import Services
from gateway.policies.auth.config import AuthConfig
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.geo.config import Answer, Countries, CountriesSeen, GeoConfig, Networks, Travel, Unknown
from gateway.policies.kyc.config import KycConfig
from gateway.policies.quota.config import LimitConfig, QuotaConfig
from gateway.policies.risk.config import RiskConfig
from gateway.policies.rules.config import RulesConfig
from gateway.policy import Policy, PolicyKind
from gateway.testing import NOON, assert_conforms, context, contexts

MEASURES: Final = ("requests", "input_tokens", "output_tokens", "total_tokens", "spend", "concurrency")

RULES: Final = [
    {"name": "new", "when": "request.input_tokens > 50", "action": "weigh", "weight": 20},
    {"name": "seen", "when": "request.streaming", "action": "tag", "tags": ["stream"], "rollout": "50%"},
    {"name": "few", "when": "true", "action": "throttle", "limit": {"requests": 5, "per": ["account", "network"]}},
    {
        "name": "fewer",
        "when": "true",
        "action": "throttle",
        "limit": {"requests": 1, "per": ["tier"]},
        "mode": "shadow",
    },
    {"name": "embargo", "when": "client.country == 'DE'", "action": "deny", "status": 451},
    {"name": "prove", "when": "risk.score >= 20", "action": "challenge", "link": "https://example.com/prove"},
    {"name": "rest", "when": "request.model == ''", "action": "allow"},
]
"""Every action that rules have."""

TIERS: Final = [
    {"name": "free", "withholds": {"models": ["m-frontier*"], "features": ["batch"], "countries": ["DE"]}},
    {"name": "verified", "requires": ["document", "liveness"], "quota": "pro", "grants": {"features": ["tools"]}},
]
VOLUMES: Final = [
    {
        "name": "free",
        "concurrency": 2,
        "volume": [{"measure": measure, "capacity": 10} for measure in MEASURES if measure != "concurrency"],
    },
    {"name": "verified", "requires": ["document"], "volume": [{"measure": "spend", "capacity": "$1"}]},
]
RAMPS: Final = [{"models": ["m-large"], "from": "2023-11-14T00:00:00Z", "days": 7, "tiers": ["free"], "share": "10%"}]

LADDERS: Final = [
    {"name": "large", "when": "request.model == 'm-large'", "steps": {"slow": 6}},
    {"name": "usual", "steps": {"work": 30, "captcha": 50, "verify": 80, "review": 95}},
]

LEVELS: Final = {
    "budget": {"requests": 2, "weight": 5},
    "trace": {"share": "20%"},
    "hold": {"features": ["batch"], "models": ["m-frontier*"]},
    "challenge": {},
    "verify": {"passed": "hold"},
    "tiers": {"pro": "hold"},
}

CONFIGS: Final[list[tuple[str, BaseModel]]] = [
    ("auth", AuthConfig()),
    (
        "geo",
        GeoConfig(
            countries=Countries(allow=("EEA",)),
            networks=Networks(hosting=Answer(weight=5)),
            unknown=Unknown(country=Answer(action="challenge")),
            travel=Travel(then=Answer(action="challenge")),
            countries_seen=CountriesSeen(more_than=4, then=Answer(weight=20)),
        ),
    ),
    (
        "quota",
        QuotaConfig(
            limits=tuple(
                LimitConfig(name=m.replace("_", "-"), measure=m, per=("account",), capacity=10) for m in MEASURES
            )
        ),
    ),
    (
        "quota",
        QuotaConfig(limits=(LimitConfig(name="frozen", measure="requests", per=("model", "country"), capacity=0),)),
    ),
    (
        "quota",
        QuotaConfig(
            limits=(LimitConfig(name="cut", measure="spend", per=("organisation",), capacity=0.5, on_exhausted="cut"),)
        ),
    ),
    (
        "quota",
        QuotaConfig(
            limits=(LimitConfig(name="flood", measure="requests", per=("network",), capacity=3),), store="local"
        ),
    ),
    (
        "quota",
        QuotaConfig(limits=(LimitConfig(name="none", measure="requests", per=("key",), capacity=1, tiers=("x",)),)),
    ),
    (
        "kyc",
        KycConfig.model_validate(
            {"tiers": TIERS, "ramps": RAMPS, "weigh": {"signup_burst": {"from": 20, "weight": 9}}}
        ),
    ),
    ("kyc", KycConfig.model_validate({"tiers": VOLUMES, "others": "pass", "unread": "pass"})),
    ("captcha", CaptchaConfig.model_validate({"ladders": LADDERS})),
    ("captcha", CaptchaConfig.model_validate({"ladders": LADDERS, "first_use": {}, "clearance": {"of": "key"}})),
    ("risk", RiskConfig.model_validate({"new_network": {}, "key_shared": {}, "refused": {"from": 2}})),
    ("risk", RiskConfig.model_validate({"refused": {"from": 2}, "campaigns": LEVELS})),
    ("rules", RulesConfig.model_validate({"rules": RULES})),
    ("rules", RulesConfig.model_validate({"rules": RULES[-1:], "otherwise": "deny"})),
]


def kinds() -> dict[str, PolicyKind[Any]]:
    """By the entry points, as the gateway finds them."""
    return {point.name: point.load() for point in importlib.metadata.entry_points(group="tidegate.policies")}


@pytest.mark.parametrize(("kind", "config"), CONFIGS, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(CONFIGS)])
def test_a_kind_conforms(kind: str, config: BaseModel) -> None:
    """It builds, decides, refuses and settles as the chain relies on, whatever is asked."""
    keyed = {
        "a key": context(fields={b"authorization": b"Bearer tg_nobody"}),
        "two": context(fields={b"x-api-key": b"a", b"authorization": b"Bearer b"}),
    }
    assert_conforms(kinds()[kind], config, keyed)


@pytest.mark.parametrize("score", [4.0, 6.0, 8.0, 10.0, 13.0])
def test_a_kind_conforms_for_whom_a_detector_suspects(score: float) -> None:
    """At every level, the same contract."""
    families = ((Family.LINKS, score / 2), (Family.CONTENT, score / 2))
    verdict = Verdict("acme", "c1", score, families, size=300, since=NOON - 60.0, expires=NOON + 3600.0)

    def build(config: RiskConfig, services: Services) -> Policy:
        return kinds()["risk"].build(config, dataclasses.replace(services, verdicts=MemoryVerdicts([verdict])))

    config = RiskConfig.model_validate({"refused": {"from": 2}, "campaigns": LEVELS})
    assert_conforms(PolicyKind("risk", RiskConfig, build), config)


def test_every_kind_is_held() -> None:
    """A kind that is shipped and not in the table above is not held against anything."""
    ours = {name for name, kind in kinds().items() if kind.config.__module__.startswith("gateway.")}
    assert ours == {kind for kind, _ in CONFIGS}


def test_contexts_are_of_every_sort() -> None:
    """The kit's exchanges have strangers, streams, batches, pictures, and things that generate nothing."""
    asks = [case.ask for case in contexts().values()]
    assert {ask.generates for ask in asks} == {ask.streaming for ask in asks} == {True, False}
    assert {feature for ask in asks for feature in ask.features} >= {"batch", "vision"}
    assert any(case.principal is None for case in contexts().values())
