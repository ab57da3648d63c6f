"""A gateway keeps its exchange log, and what happened can be read, judged again and reported on."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from gateway.history.columns import HistoryError
from gateway.history.reading import read
from tests.journeys import harness
from tests.journeys.conftest import Fleet
from tests.journeys.harness import Caller

SECRET = "a prompt that nobody else may read"


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [row for table in read(folder) for row in table.to_pylist()]


def _written(folder: Path) -> int:
    """How many events there are; none is no error while the first ones are on their way."""
    try:
        return len(_rows(folder))
    except HistoryError:
        return 0


async def _command(*arguments: str) -> Any:
    """The JSON that `tidegate …` prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, "--json", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    return json.loads(out)


async def test_what_happened_is_in_the_log(fleet: Fleet, caller: Caller) -> None:
    """One event an exchange, from the spool while it runs and from Parquet when it has stopped; no content, no key."""
    account, daily = fleet.account("pro"), fleet.account("daily")
    folder = fleet.world.folder / "exchanges"
    messages = [{"role": "user", "content": SECRET}]
    async with harness.gateway(fleet.world, 2, exchange_log={"folder": "exchanges"}) as gateway:
        for _ in range(20):
            assert (await caller.chat(gateway.url, account, messages=messages)).status == 200
        await caller.chat(gateway.url, account, stream=True)
        await caller.chat(gateway.url, None)
        await caller.chat(gateway.url, daily)
        assert (await caller.chat(gateway.url, daily)).status == 429
        await harness.until(lambda: _written(folder) >= 24)
        running = _rows(folder)
        assert not list(folder.glob("date=*/*"))

    rows = _rows(folder)

    assert sorted(row["exchange"] for row in rows) == sorted(row["exchange"] for row in running)
    assert len({row["exchange"] for row in rows}) == len(rows) == 24
    assert list(folder.glob("date=*/part-*.parquet"))
    assert not list((folder / "spool").iterdir())
    said = [(row["status"], row["action"], row["entry"], row["account"] == "") for row in rows]
    assert said.count((200, "allow", "", False)) == 22
    assert said.count((401, "deny", "auth", True)) == 1
    assert said.count((429, "throttle", "quota", False)) == 1
    whole = next(row for row in rows if row["account"] == account.name)
    assert (whole["model"], whole["tier"], whole["usage_output"]) == ("m-large", "pro", 5)
    assert 0 < whole["decision_seconds"] < whole["seconds"]
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert SECRET not in str(rows)
    assert account.key not in str(rows)
    assert account.key.encode() not in stored

    found = await _command("replay", str(fleet.world.folder / "policies"), "--log", str(folder))
    changes = {row["change"]: row["exchanges"] for row in found["changes"]}
    assert changes["allowed as before"] == 22
    assert changes["refused as before"] == 2

    told = await _command("shadow", "report", "--log", str(folder))
    assert (told["exchanges"], told["refused"], told["rules"]) == (24, 2, [])
