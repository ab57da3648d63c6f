"""`tidegate detect`, as it is typed."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from gateway.feeds.verdicts import LEADER, STATE
from tests import servers
from tests.cli.run import data, tidegate
from tests.detect.backtest import rows
from tests.detect.backtest.rows import exchanges
from tests.feeds.test_verdicts_fleet import STATED


def test_backtest(tmp_path: Path) -> None:
    """With the detector that serves: all files are there, and what people read says what --json does."""
    events = rows.lines(tmp_path / "e.jsonl.gz", exchanges(400, 20))
    words = ["detect", "backtest", events, "--policies", rows.policies(tmp_path / "p"), "--out", tmp_path / "out"]
    found = data(tidegate(*words, "--json"))
    assert found["events"] == 400
    assert found == json.loads((tmp_path / "out" / "summary.json").read_text())
    assert len(rows.read(tmp_path / "out" / "decisions.jsonl")) == 400
    decided = (tmp_path / "out" / "decisions.jsonl").read_bytes()
    said = tidegate(*words, "--without", "content", "--seed", 3)
    assert said.exit_code == 0
    assert "400 exchanges of 40 accounts, 2026-09-21 14:13:20 to 2026-09-21 14:19:59 UTC" in said.stdout
    assert "No --accounts" in said.stdout
    assert "Nothing was stated that these look at:" in said.stdout
    tidegate(*words)
    assert (tmp_path / "out" / "decisions.jsonl").read_bytes() == decided


WRONG: dict[str, tuple[list[object], int, str]] = {
    "no such file": (["none.jsonl"], 1, "none.jsonl: no such file or folder"),
    "no time": (["e.jsonl", "--from", "noon"], 2, "--from noon: must be a time"),
    "the wrong way round": (["e.jsonl", "--from", "2026-02-01", "--until", "2026-01-01"], 2, "is not before"),
    "no signal": (
        ["e.jsonl", "--without", "contents"],
        2,
        "--without contents: no family or signal is called so: did you",
    ),
    "a bad row": (["bad.jsonl"], 1, "bad.jsonl:2: no JSON"),
    "no policies": (["e.jsonl", "--policies", "none"], 1, "chain.yaml"),
}


@pytest.mark.parametrize(("words", "status", "said"), WRONG.values(), ids=WRONG)
def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[object], status: int, said: str) -> None:
    """One clear error, and nothing is left."""
    monkeypatch.chdir(tmp_path)
    rows.lines(tmp_path / "e.jsonl", exchanges(4))
    (tmp_path / "bad.jsonl").write_text(f"{json.dumps(exchanges(1)[0])}\n{{\n")
    ended = tidegate("detect", "backtest", *words, "--out", "out")
    assert ended.exit_code == status
    assert said in ended.stderr
    assert not list(Path("out").glob("*"))


# -- status -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[tuple[Path, Redis]]:
    """Its configuration, and its Redis."""
    async with servers.server("redis") as server:
        config = tmp_path / "tidegate.yaml"
        config.write_text(f"redis: {server.url}\nupstreams: [{{url: 'http://127.0.0.1:1'}}]\ndetector: {{}}\n")
        redis = Redis(unix_socket_path=server.socket)
        yield config, redis
        await redis.aclose()


def state(**members: Any) -> bytes:
    return orjson.dumps(STATED | {"time": time.time(), "bytes": 5_000_000} | members)


@pytest.mark.skipif(bool(servers.missing("redis")), reason=servers.missing("redis"))
async def test_status(fleet: tuple[Path, Redis]) -> None:
    """Who tells, how far behind it is and what it found; without one that tells the command fails."""
    config, redis = fleet
    nobody = tidegate("detect", "status", "--config", config)
    assert (nobody.exit_code, nobody.stdout) == (
        1,
        "No detector says anything of itself. Is `detector` stated in tidegate.yaml?\n",
    )
    await redis.hset(STATE, "warm", state(name="warm", leader=True))  # Killed, and it has not heard of it.
    alone = tidegate("detect", "status", "--config", config)
    assert alone.exit_code == 1
    assert "None of them tells" in alone.stdout
    leads = state(name="one", leader=True, lag=1.25, clusters=3, levels={"hold": 2, "observe": 1}, missed_seconds=9.0)
    await redis.hset(STATE, "one", leads)
    await redis.set(LEADER, "one 5f0a9c")
    said = tidegate("detect", "status", "--config", config, columns=140)
    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    assert lines[1].split()[:4] == ["one", "tells", "1.2", "s"]
    assert lines[2].split()[:2] == ["warm", "warm"]
    assert "Clusters: 2 at hold, 1 at observe." in said.stdout
    assert "one missed 9 s of observations" in said.stdout
    assert [one["name"] for one in data(tidegate("detect", "status", "--config", config, "--json"))] == ["one", "warm"]


def test_status_without_redis(tmp_path: Path) -> None:
    """One clear error."""
    config = tmp_path / "tidegate.yaml"
    config.write_text("redis: redis://127.0.0.1:1\nupstreams: [{url: 'http://127.0.0.1:1'}]\n")
    ended = tidegate("detect", "status", "--config", config)
    assert ended.exit_code == 1
    assert ended.stderr.startswith("Redis does not answer: ")
