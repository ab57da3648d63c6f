"""`tidegate quota` against the real API, over real HTTP."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.cli.run import data, tidegate
from tests.control.limits.conftest import kinds, port, redis_server, template
from tests.control.limits.world import NOW, TOKEN, Port
from tests.history.logs import event, log

__all__ = ["kinds", "port", "redis_server", "template"]


async def quota(port: Port, *words: object, token: str = TOKEN) -> Result:
    """In a thread: a command runs a loop of its own."""
    address = f"127.0.0.1:{port.http.port}"
    return await asyncio.to_thread(
        tidegate, "quota", *words, "--admin", address, columns=200, TIDEGATE_ADMIN_TOKEN=token
    )


async def well(port: Port, *words: object) -> str:
    result = await quota(port, *words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


async def test_a_night(port: Port) -> None:
    """Set, told that one is there, changed, looked at, undone as printed, told of somebody else."""
    account, why = ("--account", port.account), ("--reason", "ticket 7")
    numbers = ("--capacity", "1.2k", "--refill", "1200", "--until", "2030-01-01")
    said = await well(port, "set", "rpm", *account, *numbers, *why)
    assert f"rpm: 1,200 every minute instead of 600, for account {port.account}, until 2030-01-01 00:00 UTC" in said
    assert "held by 2 of 2 workers within 0 ms: here/worker-0, here/worker-1" in said
    there = await quota(port, "boost", "rpm", *account, "--times", 3, *why)
    revision = re.search(r"--replace (\d+)", there.stderr)
    assert (there.exit_code, revision is not None) == (1, True), there.stderr
    assert "1,200 every minute instead of 600" in there.stderr
    replaced = await well(
        port, "boost", "rpm", *account, "--times", 3, *why, "--replace", revision[1] if revision else "",
        "--until", "2030-01-01",
    )  # fmt: skip
    assert "rpm: 1,800 every minute instead of 600" in replaced
    shown = await well(port, "show", port.account)
    assert "rpm (requests): 1,800 every minute, scaled by override 1" in shown
    assert "[                    ]   0%, 0 of 1,800 used" in shown
    undo = re.search(r"to take it back: tidegate quota (.+) WHY", replaced)
    assert undo is not None
    back = await well(port, *undo[1].split(), "ticket 8")
    assert "rpm: 1,200 every minute instead of 600" in back
    again = await quota(port, "undo", "1", *why)
    assert (again.exit_code, "was undone already, at revision" in again.stderr) == (1, True), again.stderr
    assert "rpm: 1,200" in await well(port, "list"), "and nothing went forward again"
    stale = await quota(port, *undo[1].split(), "ticket 9")
    assert (stale.exit_code, "has changed it meanwhile" in stale.stderr) == (1, True)
    assert "tidegate quota history 1" in stale.stderr
    assert re.search(r"  expires: 2030-01-01 00:00:00 UTC$", stale.stderr, re.MULTILINE), stale.stderr
    history = await well(port, "history", 1)
    assert "kind scale → set" in history
    assert "ticket 8" in history
    gone = await well(port, "remove", 1, *why)
    assert ("withdrawn" in gone, "to put it in force again: tidegate quota undo 1" in gone) == (True, True)
    everything = await quota(port, "freeze", "all", "--everybody", "--for", "5m", *why)
    assert (everything.exit_code, "here: --yes" in everything.stderr) == (1, True), everything.stderr
    assert (await well(port, "list")).strip() == "nothing is set beside the rules"


async def test_json_is_the_apis(port: Port) -> None:
    """For scripts: the content as it is."""
    said = data(await quota(port, "freeze", "rpm", "--tier", "free", "--for", "1h", "-r", "x", "--json"))
    assert said["override"]["scope"] == {"tier": "free"}
    listed = data(await quota(port, "list", "--json"))["overrides"]
    assert [one["revision"] for one in listed] == [said["override"]["revision"]]
    limits = data(await quota(port, "show", "--json"))["limits"]
    assert next(one for one in limits if one["name"] == "rpm")["overrides"] == listed


async def test_an_incident(port: Port) -> None:
    """The switch is asked for twice, and works for a model, and for a cluster of a file."""
    first = await quota(port, "freeze", "all", "--everybody", "--for", "10m", "-r", "x")
    assert (first.exit_code, "confirm: this refuses everything for everybody" in first.stderr) == (1, True)
    assert "all limits: frozen" in await well(
        port, "freeze", "all", "--everybody", "--yes", "--until", "2029-01-01", "-r", "x"
    )
    cluster = port.folder / "cluster.txt"
    cluster.write_text("# found tonight\na1\na2\n\na1\n")
    said = await well(port, "freeze", "all", "--cluster", cluster, "-r", "x")
    assert "for 2 accounts of a cluster" in said
    assert "only watches" in await well(port, "shadow", "--until", _soon(), "-r", "x", "--replace", 1)
    assert "made since" in await well(port, "freeze", "all", "--new-since", "2026-12-01", "-r", "x")


def _soon() -> str:
    """The port's clock is not ours."""
    return "2027-01-15T09:00"


async def test_a_dry_run_changes_nothing(port: Port) -> None:
    """It says who would have noticed."""
    rows = [event(exchange=f"x{number}", account=port.account, time=NOW - 600 + number) for number in range(6)]
    log(port.folder / "log", rows)
    said = await well(port, "set", "rpm", "--account", port.account, "--capacity", 2, "--refill", 2, "--dry-run")
    assert "of 6 exchanges of 1 accounts in the last 24 hours" in said
    assert re.search(rf"{port.account}\s+free\s+6\s+4\s+0", said)
    assert (await well(port, "list")).strip() == "nothing is set beside the rules"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "rpm", "--capacity", "5", "-r", "x"], "for whom?"),
        (["set", "rpm", "--capacity", "5", "--tier", "free"], "--reason is needed"),
        (["boost", "rpm", "--times", "2", "--everybody", "--tier", "a", "-r", "x"], "state either"),
        (["freeze", "rpm", "--tier", "a", "--for", "1x", "-r", "x"], "--for 1x"),
        (["freeze", "rpm", "--tier", "a", "--for", "1h", "--until", "14:00", "-r", "x"], "not both"),
        (["freeze", "rpm", "--tier", "a", "--until", "noon", "-r", "x"], "--until noon"),
        (["freeze", "rpm", "--cluster", "/nowhere", "-r", "x"], "--cluster /nowhere"),
        (["preview", "rpm", "--tier", "a"], "state one of"),
        (["undo", "1"], "--reason is needed"),
    ],
)
def test_what_is_lacking_is_said_before_anybody_is_asked(words: list[str], said: str, tmp_path: Path) -> None:
    """One sentence, and status 2; or 1 for a file."""
    result: Any = tidegate("quota", *words, "--admin", "127.0.0.1:1", TIDEGATE_ADMIN_TOKEN=TOKEN)
    assert (result.exit_code in (1, 2), said in result.stderr) == (True, True), result.stderr
