"""Tiers with buckets of their own: what is beyond them needs a higher tier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest

from gateway.policies.kyc import build
from gateway.policies.kyc.config import KycConfig
from gateway.policies.kyc.metered import Metered
from gateway.policy import ALLOW, Action, Context, Decision, Evidence, Facts, Fall, Outcome, Principal, Profile, Usage
from gateway.testing import NOON, context, services
from tests.policies.counted import STORES, Counted, ids, left, store_of

TWICE: Final = [{"measure": "total_tokens", "capacity": 2000}]
TIERS: Final = [
    {
        "name": "free",
        "concurrency": 2,
        "volume": [
            {"measure": "total_tokens", "capacity": 1000},
            {"measure": "requests", "capacity": 5, "per": "identity", "name": "asks"},
        ],
    },
    {"name": "verified", "requires": ["document"], "volume": [{"measure": "total_tokens", "capacity": 2000}]},
    {
        "name": "business",
        "requires": ["document", "registry"],
        "volume": [{"measure": "total_tokens", "capacity": 2000}],
    },
]
DOCUMENT: Final = (Evidence("document", NOON),)


@dataclass
class Auth:
    """Stands for an entry that knows who asks."""

    principal: Principal

    def decide(self, _: Context) -> Decision:
        return Decision(Action.ALLOW, facts=Facts(self.principal))


def kyc(tiers: Any = TIERS) -> Metered:
    made = build(
        KycConfig.model_validate({"tiers": tiers}), services(owner_link=lambda account: f"/tidegate/account/{account}")
    )
    assert isinstance(made, Metered)
    return made


def one(**ask: Any) -> Context:
    return context(exchange=next(ids), account=None, **{"output_cap": 100, "input_tokens": 100, **ask})


@pytest.mark.parametrize("kind", STORES)
async def test_beyond_its_volume_a_higher_tier_is_needed(kind: str) -> None:
    """403 and not 429: waiting is not what helps. What was really used counts, and no more."""
    async with store_of(kind) as store:
        world = Counted(store, Auth(Principal("acme", tier="free")), kyc())
        for _ in range(2):
            asked = await world.ask(one())
            asked.settle(Outcome(200, Usage(input=100, output=350)))
        refused = (await world.ask(one())).decision

    assert (refused.action, refused.reason, refused.status, refused.retry_after) == (
        Action.DENY, "verification_required", 403, None,
    )  # fmt: skip
    assert refused.detail == (
        "More than what the tier free may use (1,000 total tokens every 1 d) needs the tier verified; "
        "still to be shown: an identity document, looked at by a provider."
    )
    assert refused.members["verification_url"] == "/tidegate/account/acme"
    assert refused.matches[0].rule == "free.volume"


@pytest.mark.parametrize("kind", STORES)
async def test_what_an_answer_might_become_needs_no_tier(kind: str) -> None:
    """There is some left, and only the caller's cap is larger: a shorter answer, or waiting, helps."""
    async with store_of(kind) as store:
        world = Counted(store, Auth(Principal("acme", tier="free")), kyc())
        (await world.ask(one(output_cap=50))).settle(Outcome(200, Usage(input=100, output=50)))
        refused = (await world.ask(one(output_cap=860))).decision
        shorter = (await world.ask(one(output_cap=700))).decision

    assert (refused.action, refused.reason) == (Action.THROTTLE, "quota_exceeded")
    assert refused.retry_after == pytest.approx(110 * 86_400 / 1000, rel=0.01)
    assert "850 are left" in refused.detail
    assert "960" in refused.detail
    assert shorter.action is Action.ALLOW


@pytest.mark.parametrize("kind", STORES)
async def test_where_no_tier_has_more_waiting_helps(kind: str) -> None:
    """The next tier has as much: nobody is sent to show something for nothing."""
    async with store_of(kind) as store:
        principal = Principal("acme", profile=Profile(evidence=DOCUMENT))
        world = Counted(store, Auth(principal), kyc())
        (await world.ask(one())).settle(Outcome(200, Usage(input=100, output=1900)))
        refused = (await world.ask(one())).decision

    assert (refused.action, refused.reason) == (Action.THROTTLE, "quota_exceeded")
    assert refused.retry_after == pytest.approx(200 * 86_400 / 2000, rel=0.01)


async def test_slots_come_back() -> None:
    """Two at once; the third waits until one has ended."""
    async with store_of("memory") as store:
        world = Counted(store, Auth(Principal("acme", tier="free")), kyc())
        running = [await world.ask(one(output_cap=10, input_tokens=10)) for _ in range(2)]
        refused = (await world.ask(one(output_cap=10, input_tokens=10))).decision
        running[0].settle(Outcome(503))
        again = await world.ask(one(output_cap=10, input_tokens=10))

    assert (refused.reason, refused.matches[0].rule) == ("concurrency_exceeded", "free.concurrency")
    assert again.decision is ALLOW


async def test_accounts_of_one_identity_share_a_bucket() -> None:
    """That is `per: identity`; what goes by the account does not, and neither do strangers to each other."""
    async with store_of("memory") as store:
        policy = kyc()
        owned = [Principal(name, tier="free", profile=Profile(identity="i1")) for name in ("a", "b")]
        others = [Principal(name, tier="free") for name in ("c", "i1")]
        said = [left(await Counted(store, Auth(who), policy).ask(one())) for who in (*owned, *others)]

    assert [{name: rest for name, rest in one.items() if name.endswith("asks")} for one in said] == [
        {"identity=i1 asks": 4}, {"identity=i1 asks": 3}, {"identity=account=c asks": 4},
        {"identity=account=i1 asks": 4},
    ]  # fmt: skip
    assert said[1]["account=b free-total-tokens-volume"] == 800


async def test_who_fell_is_not_sent_to_verify() -> None:
    """Beyond the volume of the tier that remains."""
    async with store_of("memory") as store:
        principal = Principal("acme", profile=Profile(evidence=DOCUMENT, falls=(Fall("chargeback"),)))
        world = Counted(store, Auth(principal), kyc())
        (await world.ask(one())).settle(Outcome(200, Usage(input=100, output=900)))
        refused = (await world.ask(one())).decision

    assert refused.reason == "payment_reversed"


def test_a_tier_without_buckets_takes_nothing() -> None:
    """Its decision is as if none had any."""
    policy = kyc([*TIERS[:1], {"name": "verified", "requires": ["document"], "quota": "free"}])

    assert policy.decide(context(profile=Profile(evidence=DOCUMENT))).takes == ()
    assert len(policy.decide(context(tier="free")).takes) == 3
