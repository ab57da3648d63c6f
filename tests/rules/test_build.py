"""A checked ruleset becomes the entries of a chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.chain.chain import Asked, Chain
from gateway.feeds.sightings_memory import RecentSightings
from gateway.policies import Services, geo
from gateway.policy import ALLOW, Action, Context, Decision, Location, PolicyKind
from gateway.rules.build import build
from gateway.rules.ruleset import load
from gateway.stores.memory import MemoryStore
from gateway.testing import NOON, Clock, context, services


class Config(BaseModel):
    pass


class Named:
    def __init__(self, config: Config, services: Services) -> None:
        self.name = services.entry

    def decide(self, context: Context) -> Decision:
        return ALLOW


def test_a_policy_is_told_the_name_of_its_entry(tmp_path: Path) -> None:
    """Also where two entries read one file: what each keeps or chooses by name is its own."""
    (tmp_path / "chain.yaml").write_text(
        "chain:\n"
        "  - {name: one, kind: named, on_failure: deny, file: named.yaml}\n"
        "  - {name: two, kind: named, on_failure: deny, file: named.yaml}\n"
    )
    (tmp_path / "named.yaml").write_text("{}\n")
    ruleset = load(tmp_path, {"named": PolicyKind("named", Config, Named)}, {})

    entries: tuple[Any, ...] = build(ruleset, services())

    assert [(entry.name, entry.policy.name) for entry in entries] == [("one", "one"), ("two", "two")]


PLACES = {
    "192.0.2.1": Location("DE", latitude=52.5, longitude=13.4, radius=20),
    "192.0.2.2": Location("JP", latitude=35.7, longitude=139.7, radius=20),
}
TRAVEL = "travel: {faster_than: %s km/h, then: deny}\n"


def actions(folder: Path, chain: str, *asked: tuple[str, int]) -> list[Action]:
    """What becomes of exchanges of one account, each (address, minute). `lax` lets everybody travel."""
    (folder / "chain.yaml").write_text(f"chain: [{chain}]")
    (folder / "lax.yaml").write_text(TRAVEL % 900_000)
    (folder / "strict.yaml").write_text(TRAVEL % 1000)
    clock = Clock(NOON)
    world = replace(services(clock), sightings=RecentSightings(clock))
    store = MemoryStore(clock)
    made = Chain(
        build(load(folder, {"geo": geo.KIND}, {}), world), store, store, {}, locate=lambda address: PLACES[address]
    )
    told: list[Asked] = []
    for address, minute in asked:
        clock.at = NOON + 60 * minute
        made.begin(context(client_address=address, now=clock.at), told.append)
    return [one.decision.action for one in told]


@pytest.mark.parametrize("how", ["mode: shadow", "rollout: 0.0001%"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_shadow_moves_nobody(tmp_path: Path, how: str, before: bool) -> None:
    """A thief whom an enforced entry refuses was not there, whatever an entry in shadow beside it takes for possible:
    the owner goes on.
    """
    lax = f"{{name: lax, kind: geo, on_failure: deny, {how}}}"
    strict = "{name: strict, kind: geo, on_failure: deny}"
    found = actions(
        tmp_path,
        f"{lax}, {strict}" if before else f"{strict}, {lax}",
        ("192.0.2.1", 0),
        ("192.0.2.2", 10),
        ("192.0.2.1", 20),
    )
    assert found == [Action.ALLOW, Action.DENY, Action.ALLOW]


def test_a_shadow_by_itself_is_told_to_the_fleet(tmp_path: Path) -> None:
    """Nobody else would note where accounts are: so it sees what it will see when it is enforced."""
    clock = Clock(NOON)
    world = replace(services(clock), sightings=RecentSightings(clock))
    (tmp_path / "chain.yaml").write_text("chain: [{name: strict, kind: geo, on_failure: deny, mode: shadow}]")
    (tmp_path / "strict.yaml").write_text(TRAVEL % 1000)
    store = MemoryStore(clock)
    made = Chain(build(load(tmp_path, {"geo": geo.KIND}, {}), world), store, store, {}, locate=PLACES.__getitem__)
    made.begin(context(client_address="192.0.2.1"), lambda asked: None)
    assert [sighting.location.country for sighting in world.sightings.of("acme")] == ["DE"]  # type: ignore[union-attr]


class Told:
    """Keeps the rollout that it was built with."""

    def __init__(self, config: Config, services: Services) -> None:
        self.rollout = services.rollout

    def decide(self, context: Context) -> Decision:
        return ALLOW


def test_everything_in_shadow_but_who_is_asking(tmp_path: Path) -> None:
    """Each entry is as with `rollout: 0`, and its policy is told so; what identifies is as written."""
    (tmp_path / "chain.yaml").write_text(
        "chain:\n"
        "  - {name: who, kind: who, on_failure: deny, file: one.yaml}\n"
        "  - {name: all, kind: told, on_failure: deny, file: one.yaml}\n"
        "  - {name: some, kind: told, on_failure: deny, file: one.yaml, rollout: 50%}\n"
    )
    (tmp_path / "one.yaml").write_text("{}\n")
    kinds = {
        "who": PolicyKind("who", Config, Told, identifies=True),
        "told": PolicyKind("told", Config, Told),
    }
    ruleset = load(tmp_path, kinds, {})

    def rollouts(*, shadowed: bool) -> list[tuple[float, float]]:
        entries: tuple[Any, ...] = build(ruleset, services(), shadowed=shadowed)
        return [(entry.rollout, entry.policy.rollout) for entry in entries]

    assert rollouts(shadowed=False) == [(1.0, 1.0), (1.0, 1.0), (0.5, 0.5)]
    assert rollouts(shadowed=True) == [(1.0, 1.0), (0.0, 0.0), (0.0, 0.0)]
