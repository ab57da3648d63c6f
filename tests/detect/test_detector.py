from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.ruling import Ruled, Ruling
from gateway.campaigns.verdict import Level
from gateway.detect.detector import Detector
from tests.detect.crowds import CROWDS
from tests.detect.worlds import DAY, SMALL, START, Account, Ran, World, follow, run

CHALLENGE = 7.0


def world_with(seed: int = 3, honest: int = 250, days: float = 1.0) -> tuple[World, list[Account]]:
    world = World(seed)
    people = world.honest(honest)
    world.talk(people, days)
    return world, people


@pytest.fixture(scope="module")
def attacked() -> tuple[World, list[Account], list[Account], Ran]:
    """A campaign of 80 accounts beside 250 honest ones."""
    world, people = world_with()
    members = world.campaign(80, 0.9, rate=25.0, start=START + 0.1 * DAY, minted=0.05)
    return world, people, members, run(world)


def test_a_campaign_is_found_and_nobody_else(attacked: tuple[World, list[Account], list[Account], Ran]) -> None:
    """Nine in ten of its accounts could be verified, and not one honest account challenged."""
    _, people, members, ran = attacked
    assert ran.share(members, 9.2) >= 0.9
    assert ran.share(people, CHALLENGE) == 0.0


def test_the_first_alarm_comes_within_hours_of_the_start(
    attacked: tuple[World, list[Account], list[Account], Ran],
) -> None:
    """80 accounts of one exchange an hour are told of within three hours."""
    _, _, members, ran = attacked
    assert min(ran.first[member.name] for member in members if member.name in ran.first) < START + 0.1 * DAY + 3 * 3600


def test_a_case_can_be_read(attacked: tuple[World, list[Account], list[Account], Ran]) -> None:
    """Marks, members, a timeline and words: what an analyst decides by."""
    _, _, members, ran = attacked
    cluster = max(ran.clusters.values(), key=lambda cluster: cluster.score)
    assert {name for name, _ in cluster.members} <= {member.name for member in members}
    assert cluster.marks
    assert cluster.evidence
    assert sum(exchanges for _, exchanges, _ in cluster.timeline) == cluster.exchanges
    assert 0.0 < cluster.false_alarm <= 1.0
    assert cluster.edges


@pytest.mark.parametrize("crowd", CROWDS)
def test_an_honest_crowd_is_not_challenged(crowd: str) -> None:
    """Whoever looks like a campaign for an honest reason never comes to a challenge."""
    world, _ = world_with(seed=5)
    accounts = CROWDS[crowd](world)
    ran = run(world)
    assert ran.share(world.accounts, CHALLENGE) == 0.0
    assert ran.share(accounts, CHALLENGE) == 0.0


def test_a_crowd_in_a_cluster_shares_a_budget_at_the_most() -> None:
    """A class that uses a campaign's texts sits in one network, where the others are spread out."""
    world, _ = world_with(seed=8, honest=120)
    members = world.campaign(70, 0.9, rate=25.0)
    names = {account.name for account in members[:24]}
    world.events = [event._replace(network="school") if event.account in names else event for event in world.events]
    ran = run(world)
    assert ran.share(members[24:], 9.2) >= 0.8
    assert {ran.verdicts[name].most for name in names & ran.verdicts.keys()} <= {Level.OBSERVE, Level.BUDGET}


def test_the_same_calls_come_to_the_same() -> None:
    """Deterministic: nothing is drawn from a clock, an address or the order of a set."""
    world, _ = world_with(honest=80, days=0.5)
    world.campaign(40, 0.4, rate=40.0)
    assert run(world).verdicts == run(world).verdicts


def test_what_was_saved_goes_on(tmp_path: Path) -> None:
    """A detector that was loaded says what the one that was saved would have said."""
    world, _ = world_with(honest=80, days=0.6)
    world.campaign(40, 0.6, rate=40.0)
    events = sorted(world.events, key=lambda event: event.time)
    half = len(events) // 2
    one = Ran(Detector(SMALL))
    one.detector.learn([account.facts for account in world.accounts])
    follow(one, events[:half])
    one.detector.save(tmp_path / "saved")
    other = Ran(Detector(SMALL), dict(one.verdicts))
    assert other.detector.load(tmp_path / "saved")
    follow(one, events[half:])
    follow(other, events[half:])
    assert one.verdicts == other.verdicts
    assert one.verdicts


@pytest.mark.parametrize("torn", [b"", b"PK\x03\x04 no", b"x" * 100])
def test_a_torn_file_changes_nothing(tmp_path: Path, torn: bytes) -> None:
    """What cannot be read is not loaded, and what was known stays."""
    detector = Detector(SMALL)
    detector.learn([AccountFacts("a", verification=2)])
    (tmp_path / "saved").write_bytes(torn)
    assert not detector.load(tmp_path / "saved")
    assert not detector.load(tmp_path / "nowhere")
    assert detector.size[0] == 1


def test_a_rejected_case_is_taken_back(attacked: tuple[World, list[Account], list[Account], Ran]) -> None:
    """What an analyst rejects counts for nothing: every verdict of it is taken back."""
    world, _, _, _ = attacked
    ran = run(world)
    now = START + 2 * DAY
    rulings = [
        Ruling(at + 1, now, Ruled.REJECTED, cluster.id, marks=tuple(mark.id for mark in cluster.marks))
        for at, cluster in enumerate(ran.clusters.values())
    ]
    ran.detector.rule(rulings)
    ran.take(ran.detector.look(now), now)
    assert not ran.verdicts
    assert all(verdict.most >= Level.OBSERVE for verdict in ran.verdicts.values())


def test_a_cleared_account_is_let_go(attacked: tuple[World, list[Account], list[Account], Ran]) -> None:
    """An appeal that was heard takes one account out, and leaves the others in."""
    world, _, members, _ = attacked
    ran = run(world)
    before = len(ran.verdicts)
    name = next(member.name for member in members if member.name in ran.verdicts)
    now = START + 2 * DAY
    ran.detector.rule([Ruling(1, now, Ruled.CLEARED, accounts=(name,))])
    ran.take(ran.detector.look(now), now)
    assert name not in ran.verdicts
    assert len(ran.verdicts) >= before - 2


def test_who_was_erased_is_in_no_snapshot(tmp_path: Path) -> None:
    """An erased name is in no file, no ruling and no cluster, and the others are told of as before."""
    world, _ = world_with(honest=100)
    members = world.campaign(40, 0.9, rate=25.0, start=START + 0.1 * DAY)
    ran = run(world)
    gone, other = members[0].name, members[1].name
    cluster = max(ran.clusters.values(), key=lambda one: one.score).id
    ran.detector.rule([Ruling(1, START + 2 * DAY, Ruled.SPLIT, cluster, accounts=(gone, other))])
    ran.detector.forget([gone, "never-heard-of"])
    told = ran.detector.look(START + 2 * DAY)
    assert gone not in {name for one in told.clusters for name, _ in one.members}
    assert gone not in {verdict.account for verdict in told.verdicts}
    ran.detector.save(tmp_path / "snapshot")
    with np.load(tmp_path / "snapshot") as kept:
        held = b"".join(kept[name].tobytes() for name in kept.files)
    assert f'"{gone}"'.encode() not in held
    assert f'"{other}"'.encode() in held
