"""`tidegate case` against the real API, over real HTTP."""

from __future__ import annotations

import asyncio

from typer.testing import Result

from tests.accounts.sql.case_world import cluster
from tests.cli.run import tidegate
from tests.control.cases.conftest import BOB, Port, migrated, port

__all__ = ["migrated", "port"]


async def case(port: Port, *words: object, by: str = "token:ann") -> Result:
    """In a thread: a command runs a loop of its own."""
    port.bearer[0] = by
    address = f"127.0.0.1:{port.http.port}"
    return await asyncio.to_thread(
        tidegate, "case", *words, "--admin", address, columns=200, TIDEGATE_ADMIN_TOKEN="sixteen bytes at least"
    )


async def well(port: Port, *words: object, by: str = "token:ann") -> str:
    result = await case(port, *words, by=by)
    assert result.exit_code == 0, result.stderr
    return result.stdout


async def test_a_case_is_looked_at_and_decided(port: Port) -> None:
    """Listed, shown, wanted by one, approved by another, undone, noted."""
    number = port.tell(cluster(300))
    assert (await well(port, "list")).splitlines()[1].split()[:5] == [
        "1",
        "300",
        "200100",
        "11.4",
        "content,links,balance",
    ]
    shown = await well(port, "show", number, "--accounts", 2)
    assert "rules: challenge: 295 accounts; 5 of tier pro stay at trace" in shown
    assert "t0f0f0f0f0f0f0f0f" in shown and "acc-00001" in shown and "acc-00002" not in shown
    why = ("--reason", "ticket 7")
    assert "a second person has to say the same" in await well(port, "approve", number, "--do", "suspend", *why)
    again = await case(port, "approve", number, "--do", "suspend", *why)
    assert (again.exit_code, "a second person has to" in again.stderr) == (1, True)
    said = await well(port, "approve", number, "--do", "suspend", *why, by=BOB)
    assert "suspend: done to 299 accounts; 1 stand in accounts.yaml" in said
    assert "restore: done to 299 accounts" in await well(port, "undo", number, *why, by=BOB)
    assert port.suspended() == {"acc-00019"}
    assert await well(port, "note", number, "asked the reseller") == f"noted on case {number}\n"


async def test_the_others(port: Port) -> None:
    """Split, merge, reject with all marks, reopen; what is wrong is said in a sentence."""
    number, other = port.tell(cluster(30)), port.tell(cluster(20, name="c2", first=50))
    why = ("--reason", "ticket 7")
    assert "29 accounts" in await well(port, "split", number, "acc-00003", *why)
    assert "49 accounts" in await well(port, "merge", number, other, *why)
    assert "is rejected" in await well(port, "reject", number, "--all-marks", *why)
    assert len(port.audit("case.reject")[0][2]["marks"]) == 2
    assert "is open" in await well(port, "reopen", number, *why)
    stale = await case(port, "reject", number, "--revision", 1, *why)
    assert (stale.exit_code, "somebody has decided meanwhile" in stale.stderr) == (1, True)
    none = await case(port, "show", 99)
    assert (none.exit_code, none.stderr.count("\n")) == (1, 1)
