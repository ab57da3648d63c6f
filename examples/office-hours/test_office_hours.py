from gateway.policy import Action
from gateway.testing import Clock, assert_conforms, context, services
from office_hours import KIND, OfficeHours

CONFIG = OfficeHours(tiers=frozenset({"free"}), opens=8, closes=20)


def test_it_conforms():
    assert_conforms(KIND, CONFIG)


def test_batches_wait_for_the_night():
    clock = Clock(at=9 * 3600)
    policy = KIND.build(CONFIG, services(clock))
    ask = {"tier": "free", "features": {"batch"}}

    assert policy.decide(context(now=clock(), **ask)).retry_after == 11 * 3600
    clock.turn(11 * 3600)
    assert policy.decide(context(now=clock(), **ask)).action is Action.ALLOW
