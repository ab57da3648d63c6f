"""The commands as an operator types them. `tidegate demo` has tests/demo/test_demo.py to itself."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.journeys import harness
from tests.journeys.conftest import Fleet
from tests.journeys.harness import PEPPER, Account, Caller, World

QUOTA = "limits: [{name: requests, measure: requests, per: [account], capacity: 10, every: 1d}]\n"


class Said(NamedTuple):
    """What a command said, and its exit status."""

    status: int
    out: str
    err: str


async def tidegate(*words: str, **environment: str) -> Said:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ | environment,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return Said(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A configuration with which nothing is wrong; nothing serves behind it."""
    made = World(tmp_path, "redis://127.0.0.1:1", "http://127.0.0.1:1")
    made.write({"quota": QUOTA}, {"any": 1})
    return made


async def test_check_of_what_is_good(world: World) -> None:
    """Status 0, the chain in order and the digest, for people and for scripts; nothing needs to run for it."""
    config = world.config()
    plain, scripted = await asyncio.gather(
        tidegate("check", "--config", str(config)), tidegate("check", "--json", "--config", str(config))
    )

    found = json.loads(scripted.out)
    assert (plain.status, plain.err, scripted.status) == (0, "", 0)
    assert found["ok"]
    assert found["chain"] == ["auth (auth, on_failure: deny)", "quota (quota, on_failure: deny)"]
    assert f"digest {found['digest']}" in plain.out


async def test_check_tells_every_error_at_once(world: World) -> None:
    """Of all files, each with its line and column; status 1; and `serve` says the same and does not start."""
    config = world.config()
    world.write_policy("quota", QUOTA.replace("requests, per", "guesses, per").replace("capacity", "capcity"))
    world.write_policy("auth", "api_keys: perhaps\n")
    world.write_policy("chain", harness.CHAIN + "  - {name: weather, kind: forecast}\n")
    accounts = world.folder / "accounts.yaml"
    accounts.write_text(accounts.read_text().replace('"pepper": "p1"', '"pepper": "p2"'))
    checked, scripted, served = await asyncio.gather(
        tidegate("check", "--config", str(config)),
        tidegate("check", "--json", "--config", str(config)),
        tidegate("serve", "--config", str(config)),
    )

    for words in ("quota.yaml:1:", "capcity", "`measure` must be", "auth.yaml:1:11", "chain.yaml:4:", "forecast", "p2"):
        assert words in checked.err
    problems = json.loads(scripted.out)["problems"]
    assert len({Path(problem["path"]).name for problem in problems}) == 4
    assert all(problem["line"] >= 1 and problem["column"] >= 1 for problem in problems)
    assert (checked.status, scripted.status, served.status) == (1, 1, 1)
    assert checked.err in served.err
    assert "Traceback" not in checked.err + served.err


async def test_check_of_a_gateway_file_that_is_wrong(world: World) -> None:
    """Every wrong key of tidegate.yaml is named; a secret in it is not shown."""
    config = world.config(listen="nowhere", redis="redis://:s3cret@127.0.0.1", upstream=[], workers=0)
    said = await tidegate("check", "--config", str(config))

    assert said.status == 1
    for words in ("listen", "upstream", "workers"):
        assert words in said.err
    assert "s3cret" not in said.err + said.out


@pytest.mark.parametrize("words", [("check",), ("serve",), ("key", "revoke", "abcdefghij")], ids=lambda w: w[-1])
async def test_without_a_configuration(words: tuple[str, ...], tmp_path: Path) -> None:
    """One line, and status 1."""
    said = await tidegate(*words, "--config", str(tmp_path / "none.yaml"))

    assert said.status == 1
    assert "none.yaml" in said.err
    assert "Traceback" not in said.err


async def test_serve_on_a_port_that_is_taken(world: World) -> None:
    """One line, and status 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = await tidegate("serve", "--config", str(world.config(listen=f"127.0.0.1:{taken.getsockname()[1]}")))

    assert said.status == 1
    assert "cannot serve" in said.err
    assert "Traceback" not in said.err


async def test_revoke_without_redis(world: World) -> None:
    """What did not reach the fleet is not said to be done."""
    said = await tidegate("key", "revoke", "abcdefghij", "--config", str(world.config()))

    assert said.status == 1
    assert "nothing is certain" in said.err
    assert "Traceback" not in said.err


async def test_minted_key_works_where_it_is_pasted(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """What `tidegate key mint` prints goes under `keys:` as it stands, and the key that it shows is let in."""
    made, without = await asyncio.gather(
        tidegate("key", "mint", "--pepper", "main", "--name", "laptop", TIDEGATE_PEPPER=PEPPER),
        tidegate("key", "mint", TIDEGATE_PEPPER=""),
    )
    assert (made.status, without.status) == (0, 1)
    assert "TIDEGATE_PEPPER" in without.err
    key = next(line.strip() for line in made.out.splitlines() if line.strip().startswith("tg_"))
    entry = made.out[made.out.index("      - name:") :]
    assert key not in entry

    world = World(tmp_path, fleet.redis.tcp_url, fleet.standin.url)
    world.write({"quota": QUOTA}, {})
    (tmp_path / "accounts.yaml").write_text(
        f"peppers:\n  main: {json.dumps(PEPPER)}\naccounts:\n  - id: newcomer\n    keys:\n{entry}"
    )
    async with harness.gateway(world) as gateway:
        let_in = await caller.chat(gateway.url, Account("newcomer", key, ""))
        altered = await caller.chat(gateway.url, Account("newcomer", key[:-1] + "x", ""))

    assert (let_in.status, altered.status) == (200, 401)
