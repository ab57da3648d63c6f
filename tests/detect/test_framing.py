"""Evidence lies with who presents it: nobody is convicted by what others show of his."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.event import Minted
from gateway.detect.detector import Detector
from gateway.detect.returned import returned
from tests.detect.worlds import DAY, SMALL, START, Account, Ran, World, run

TOLD = 5.0
"""The score from which on anything follows."""


def shops(world: World, count: int) -> list[Account]:
    """Honest applications, each with a prompt of its own, that have talked for a morning before anybody else came."""
    found = []
    for _ in range(count):
        shop = world.account("shop")
        shop.system, shop.rate, shop.hour = world.shingles(20), 25.0, 4.0
        for at in np.linspace(START, START + 0.9 * DAY, 25):
            world.say(shop, float(at), np.unique(np.concatenate([shop.topic, world.shingles(12)])))
        found.append(shop)
    return found


def frame(world: World, framing: Sequence[Account], victims: Sequence[Account], each: int) -> None:
    """Each of `framing` shows ids and turns of victims with their prompts, and feigns failovers to them."""
    random = world.random
    for at in range(each * len(framing)):
        one, victim = framing[at % len(framing)], victims[int(random.integers(len(victims)))]
        when = START + float(random.uniform(0.2, 0.85)) * DAY
        turn, number = (int(random.integers(1, 1 << 60)) for _ in range(2))
        world.say(victim, when - 600, world.shingles(12), turns=(turn,))
        minted = (Minted(victim.name, number),)
        world.say(one, when, world.shingles(12), turns=(turn,), minted=minted, system=victim.system)
        prompt = world.shingles(12)
        world.say(one, when + 5, prompt, status=429, action="throttle")
        world.say(victim, when + 20, prompt)


def highest(ran: Ran, accounts: Sequence[Account]) -> float:
    return max((ran.verdicts[a.name].score for a in accounts if a.name in ran.verdicts), default=0.0)


@pytest.mark.parametrize(("framing", "victims", "each"), [(1, 40, 600), (8, 40, 80)], ids=["by-one", "by-eight"])
def test_nobody_is_framed(framing: int, victims: int, each: int) -> None:
    """Forty honest applications are told of by nobody, whatever a few accounts show of theirs."""
    world = World(4)
    people = world.honest(150)
    world.talk(people, 1.0)
    framed = shops(world, victims)
    frame(world, [world.account("evil") for _ in range(framing)], framed, each)
    ran = run(world)
    assert highest(ran, framed) < TOLD
    assert highest(ran, people) < TOLD


def test_a_campaign_takes_nobody_along() -> None:
    """A campaign is convicted, and alone, that shows ids, turns and prompts of five honest applications."""
    world = World(6)
    people = world.honest(200)
    world.talk(people, 1.0)
    framed = shops(world, 5)
    members = world.campaign(80, 0.7, rate=25.0, start=START + 0.2 * DAY, minted=0.05)
    frame(world, members, framed, 12)
    ran = run(world)
    assert ran.share(members, 9.2) >= 0.9
    assert highest(ran, framed) < TOLD


def test_a_pool_convicts_itself() -> None:
    """A relay whose conversations wander among its accounts has links against it, as both directions lie in it."""
    world = World(7)
    world.talk(world.honest(200), 1.0)
    members = world.campaign(80, 0.7, rate=25.0, start=START + 0.2 * DAY, minted=0.5)
    ran = run(world)
    links = [dict(ran.verdicts[member.name].families)["links"] for member in members]
    assert min(links) >= 4.0


def test_a_failover_needs_both_directions() -> None:
    """Who is answered, or refused, what one other account asks is not tied to it; a pool that hands on around is."""
    for pool in (False, True):
        world = World(8)
        accounts = [world.account("a") for _ in range(8)]
        for at in range(240):
            one = accounts[at % 8 if pool else 0]
            other = accounts[(at + 1 + at // 8 % 3) % 8 if pool else 1 + at % 7]
            if not pool and at % 2:
                one, other = other, one
            prompt = world.shingles(12)
            world.say(one, START + 100 * at, prompt, status=429, action="throttle")
            world.say(other, START + 100 * at + 5, prompt)
        detector = Detector(SMALL)
        detector.hear(world.events)
        detector.look(START + DAY)
        shared = detector._memory.links.shared(detector._memory.accounts)
        assert len(np.unique(shared.account)) == (8 if pool else 0)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=24))
def test_only_what_leads_back_ties(shown: list[tuple[int, int]]) -> None:
    """A row counts where its party and its attribute reach each other, found anew by walking."""
    rows = [row for one, other in shown if one != other for row in ((one, other, True), (other, other, False))]
    party, attribute = (np.array([row[at] for row in rows], np.int64) for at in (0, 1))
    acts = np.array([row[2] for row in rows], np.bool_)
    ways: dict[object, set[object]] = {}
    for one, what, presented in rows:
        ways.setdefault(("attribute", what), set()).add(one)
        if presented:
            ways.setdefault(one, set()).add(("attribute", what))
    expected = [
        one in _reached(ways, ("attribute", what)) and ("attribute", what) in _reached(ways, one)
        for one, what, _ in rows
    ]
    found = returned(party, attribute, acts)
    # Who alone presented something has nobody that it ties him to: such a row may go or stay.
    alone = [len({p for p, a, _ in rows if a == what and _reached(ways, p) >= {one}}) < 2 for one, what, _ in rows]
    assert all(is_in == wanted or single for is_in, wanted, single in zip(found, expected, alone, strict=True))


def _reached(ways: dict[object, set[object]], start: object) -> set[object]:
    found: set[object] = set()
    edge = [start]
    while edge:
        for end in ways.get(edge.pop(), set()) - found:
            found.add(end)
            edge.append(end)
    return found
