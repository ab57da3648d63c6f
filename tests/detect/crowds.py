"""Honest crowds that look like a campaign: each adds itself to a world, and is who may not be challenged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from tests.detect.worlds import DAY, HOUR, START, Account, World


def office(world: World) -> list[Account]:
    """100 seats behind one address, one domain."""
    seats = [world.account("office", email_domain="office.example") for _ in range(100)]
    for seat in seats:
        seat.network, seat.sdk, seat.hour = "office", "s1", 10.0
    world.talk(seats, 1.0)
    return seats


def framework(world: World, trusted: float = 0.25) -> list[Account]:
    """100 applications on one public prompt, each with a text of its own behind it."""
    public = world.shingles(25)
    found = []
    for _ in range(100):
        app = world.account("app", verification=2 if world.random.random() < trusted else 0)
        app.system = np.unique(np.concatenate([public, world.shingles(10)]))
        found.append(app)
    world.talk(found, 1.0)
    return found


def framework_of_hobbyists(world: World) -> list[Account]:
    """The same, and nobody of them is trusted."""
    return framework(world, trusted=0.0)


def school(world: World) -> list[Account]:
    """A class: one morning, one network, one exercise."""
    exercise, parts = world.shingles(25), [world.shingles(6) for _ in range(8)]
    pupils = [
        world.account("pupil", created=START + 9 * HOUR, email_domain="school.example", path="education")
        for _ in range(100)
    ]
    for pupil in pupils:
        pupil.network, pupil.since = "school", START + 9 * HOUR
        draft = world.shingles(20)
        for _ in range(int(world.random.poisson(9))):
            at = START + 9 * HOUR + float(world.random.uniform(0, 2 * HOUR))
            part = parts[int(world.random.integers(len(parts)))]
            world.say(pupil, at, np.unique(np.concatenate([exercise, part, draft, world.shingles(3)])))
    return pupils


def evaluations(world: World) -> list[Account]:
    """40 laboratories that run one benchmark: the same questions, word for word."""
    questions = [np.unique(np.concatenate([world.popular[0], world.shingles(15)])) for _ in range(60)]
    found = []
    for _ in range(40):
        account = world.account("eval")
        begin = START + float(world.random.uniform(0, 0.8)) * DAY
        for place in world.random.permutation(60)[: int(world.random.integers(15, 60))]:
            world.say(account, begin + 20.0 * float(world.random.random() * 60), questions[int(place)])
        found.append(account)
    return found


def family(world: World) -> list[Account]:
    """Five people, one card, one VPN, one afternoon of signing up."""
    found = [
        world.account("kin", created=START - 3 * DAY, links=(("payment", "family"), ("device", "tablet")))
        for _ in range(5)
    ]
    for one in found:
        one.network, one.rate = "vpn", 12.0
    world.talk(found, 1.0)
    return found


def robots(world: World) -> list[Account]:
    """50 bots of CI, day and night, at one pace, each with its own prompt."""
    found = []
    for _ in range(50):
        bot = world.account("bot")
        bot.system, bot.rate, bot.words = world.shingles(30), 24.0, 4.0
        for at in world.times(bot, 1.0, even=True):
            world.say(bot, at, np.unique(np.concatenate([bot.topic, world.shingles(4)])), words=60.0)
        found.append(bot)
    return found


def enterprise(world: World) -> list[Account]:
    """One organisation makes synthetic data with 60 keys: templates, even load, ids that wander."""
    members = world.campaign(60, 0.9, rate=20.0, minted=0.1)
    for member in members:
        member.facts = member.facts._replace(organisation="enterprise")
    world.events = [
        event._replace(organisation="enterprise") if event.account.startswith("x") else event for event in world.events
    ]
    return members


CROWDS: Final[Mapping[str, Callable[[World], list[Account]]]] = {
    "office": office,
    "framework": framework,
    "framework-of-hobbyists": framework_of_hobbyists,
    "class": school,
    "evaluations": evaluations,
    "family": family,
    "robots": robots,
    "enterprise": enterprise,
}
