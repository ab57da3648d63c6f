"""`tidegate challenge`: who is held and how a person ends it, on a real Valkey and a real SQLite file."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from gateway.accounts.sql import tables
from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.ladder import Asked, Event, Ladder, Open, Passed, Step, Weighed
from gateway.cli.challenge import _readable
from gateway.stores.redis.client import client
from tests.cli.directories import Folder
from tests.stores.conftest import cluster_url, valkey_url

__all__ = ["cluster_url", "valkey_url"]

HALF_LIFE: Final = 1e9
LADDER: Final = Ladder({Step.SLOW: 20.0, Step.WORK: 40.0, Step.CAPTCHA: 60.0}, half_life=HALF_LIFE)
CAPTCHA: Final = f"""\
ladders:
  - {{name: main, steps: {{slow: 20, work: 40, captcha: 60}}}}
half_life: {HALF_LIFE:.0f}s
"""
CHAIN: Final = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: captcha, kind: captcha, on_failure: deny}
"""
_count = itertools.count()


class World:
    """A folder with a Redis behind it, and accounts that no other test has."""

    def __init__(self, folder: Folder, url: str) -> None:
        self.url = url
        self.folder = Folder(folder.path, url)
        (folder.path / "policies" / "chain.yaml").write_text(CHAIN)
        (folder.path / "policies" / "captcha.yaml").write_text(CAPTCHA)
        self.account = f"acme-{next(_count)}"

    def hold(self, *events: Event, rule: str = "captcha/main", account: str = "") -> None:
        """As a worker would."""

        async def work() -> None:
            redis = client(self.url)
            try:
                escalations = RedisEscalations(redis, time.time, deadline=5.0)
                await escalations.change(rule, account or self.account, LADDER, *events)
            finally:
                await redis.aclose()

        asyncio.run(work())

    def listed(self, *options: str) -> dict[str, Any]:
        """Account -> its line, of those of this test."""
        found = self.folder.data("challenge", "list", "--limit", "10000", *options)["challenges"]
        return {one["account"]: one for one in found if self.account in one["account"]}

    def audit(self) -> list[tuple[str, dict[str, Any]]]:
        return [(row.did, orjson.loads(row.detail)) for row in self.folder.rows(tables.audit)]


@pytest.fixture(params=["valkey", "cluster"])
def world(folder: Folder, request: pytest.FixtureRequest) -> World:
    return World(folder, request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def single(folder: Folder, valkey_url: str) -> World:
    return World(folder, valkey_url)


def put(step: Step = Step.WORK, name: str = "c1") -> Asked:
    now = time.time()
    return Asked(Open(name, step, "", "network=192.0.2.0/24", now, now + 900))


def test_who_is_held_is_listed(world: World) -> None:
    """The highest step first, with what it is asked for; who is only observed is listed where that is asked for."""
    world.hold(Weighed(70.0), put(Step.CAPTCHA))
    world.hold(Weighed(25.0), account=f"{world.account}-slow")
    world.hold(Weighed(10.0), account=f"{world.account}-quiet")
    world.hold(Weighed(45.0), put(), account=f"address=192.0.2.7-{world.account}")

    found = world.listed()

    assert [(one["step"], one["account"].replace(world.account, "A")) for one in found.values()] == [
        ("captcha", "A"), ("work", "address=192.0.2.7-A"), ("slow", "A-slow"),
    ]  # fmt: skip
    assert found[world.account]["suspicion"] == pytest.approx(70.0, abs=0.1)
    assert found[world.account]["in_force"]
    (challenge,) = found[world.account]["open"]
    assert (challenge["id"], challenge["step"], challenge["from"]) == ("c1", "captcha", "network=192.0.2.0/24")
    assert set(world.listed("--step", "captcha")) == {world.account}


def test_a_list_is_for_people(single: World) -> None:
    """Aligned, times to the minute; how many there are where not all are shown."""
    single.hold(Weighed(70.0), put(Step.CAPTCHA))
    single.hold(Weighed(71.0), account=f"{single.account}-b")

    said = single.folder.well("challenge", "list", "--limit", "10000")

    assert said.splitlines()[0].split() == ["account", "rule", "step", "suspicion", "since", "open", "passed"]
    assert re.search(
        rf"^{single.account} +captcha/main +captcha +70 +\d\d\d\d-\d\d-\d\d \d\d:\d\d +captcha +-$", said, re.MULTILINE
    )
    ended = single.folder.run("challenge", "list", "--limit", "1")
    assert len(ended.stdout.splitlines()) == 2
    assert re.fullmatch(r"there are more: \d+ in all\n", ended.stderr)


def test_a_name_is_no_command_to_a_terminal() -> None:
    """An issuer's name for an account may hold anything."""
    assert _readable("a\x1b]0;b\x07\udc00é") == "a?]0;b??é"


def test_one_is_shown(world: World) -> None:
    """Every rule that holds it, and what is left of what it has passed."""
    world.hold(Weighed(45.0), put())
    world.hold(Passed("c1", 3600.0, 200))
    world.hold(put(Step.CAPTCHA, "c2"), rule="rules/no-tor")

    found = {one["rule"]: one for one in world.folder.data("challenge", "show", world.account)["challenges"]}

    assert set(found) == {"captcha/main", "rules/no-tor"}
    (clearance,) = found["captcha/main"]["clearances"]
    assert (clearance["id"], clearance["exchanges"], clearance["left"]) == ("c1", 200, 200)
    assert found["captcha/main"]["open"] == []
    said = world.folder.well("challenge", "show", world.account)
    assert "network=192.0.2.0/24" in said
    assert "rules/no-tor" in said


@pytest.mark.parametrize("options", [[], ["--rule", "captcha/main"]], ids=["all", "one-rule"])
def test_a_person_lifts(world: World, options: list[str]) -> None:
    """It is only observed from then on, and the audit says who decided it, and why."""
    world.hold(Weighed(70.0), put(Step.CAPTCHA))

    said = world.folder.well("challenge", "lift", world.account, "--reason", "ticket 7", *options)

    assert said == f"{world.account} stands on observe under captcha/main\n"
    assert world.listed() == {}
    (did, detail) = world.audit()[-1]
    assert did == "challenge.lift"
    assert detail == {"rules": ["captcha/main"], "to": "observe", "reason": "ticket 7"}


def test_one_is_lifted_to_a_step(world: World) -> None:
    """From captcha to work; asking once more changes nothing, and says so."""
    world.hold(Weighed(70.0))
    lift = ("challenge", "lift", world.account, "--reason", "ticket 7", "--to", "work")

    assert "stands on work under captcha/main" in world.folder.well(*lift)
    assert world.listed()[world.account]["step"] == "work"
    assert "already stood no higher" in world.folder.well(*lift)


def test_one_rule_is_lifted_alone(single: World) -> None:
    """What another rule holds stays."""
    single.hold(Weighed(70.0))
    single.hold(Weighed(70.0), rule="second/main")

    single.folder.well("challenge", "lift", single.account, "--reason", "ticket 7", "--rule", "captcha/main")

    found = single.folder.data("challenge", "show", single.account)["challenges"]
    assert {one["rule"]: one["step"] for one in found} == {"second/main": "captcha"}


@pytest.mark.parametrize("name", ["a" * 128, "[x]*?\\^", "a%7b:~", "a/b"], ids=["longest", "glob", "escapes", "slash"])
def test_any_account_can_be_named(single: World, name: str) -> None:
    """Names that a pattern of Redis reads in its own way, or that are too long for a key; nobody else is lifted."""
    other = f"{name[:-1]}y"
    single.hold(Weighed(70.0), account=name)
    single.hold(Weighed(70.0), account=other)

    single.folder.well("challenge", "lift", name, "--reason", "ticket 7")

    assert single.folder.bad("challenge", "show", name) == f"nothing is held of `{name}`\n"
    assert single.folder.data("challenge", "show", other)["challenges"][0]["step"] == "captcha"


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (["show", "nobody"], "nothing is held of `nobody`\n", 1),
        (["lift", "nobody", "--reason", "x"], "nothing is held of `nobody`\n", 1),
        (["lift", "nobody", "--reason", "x", "--rule", "a/b"], "nothing is held of `nobody` under a/b\n", 1),
        (["lift", "nobody", "--reason", " "], "--reason: must not be empty\n", 2),
        (["lift", "nobody", "--reason", "x", "--to", "review"], "--to: must be", 2),
        (["list", "--step", "high"], "--step: must be", 2),
        (["list", "--limit", "0"], "--limit: ", 2),
    ],
    ids=["show", "lift", "lift-rule", "no-reason", "to-review", "no-step", "no-limit"],
)
def test_what_is_asked_wrongly_is_said(single: World, words: list[str], said: str, status: int) -> None:
    """In one line, and nothing is changed."""
    assert single.folder.bad("challenge", *words, status=status).startswith(said)
    assert single.audit() == []


@pytest.mark.parametrize(
    "words", [["list"], ["show", "acme"], ["lift", "acme", "--reason", "x"]], ids=lambda words: words[0]
)
def test_without_redis_nobody_knows(folder: Folder, words: list[str]) -> None:
    """One clear line, and nothing in the audit."""
    said = folder.bad("challenge", *words)

    assert said.startswith("Redis cannot be asked, so nobody knows who is held: ")
    assert said.count("\n") == 1
    assert folder.rows(tables.audit) == []


def test_policies_that_cannot_be_read_are_no_obstacle(single: World) -> None:
    """What is held is held all the same: a customer can be let go while the files are broken."""
    single.hold(Weighed(70.0))
    (Path(single.folder.path) / "policies" / "captcha.yaml").write_text("ladders: 7\n")

    ended = single.folder.run("challenge", "lift", single.account, "--reason", "ticket 7")

    assert (ended.exit_code, ended.stdout) == (0, f"{single.account} stands on observe under captcha/main\n")
    assert "the policies cannot be read" in ended.stderr
