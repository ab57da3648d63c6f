"""Puzzle and status, as programs ask for them."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.challenges.answers import Status
from gateway.control.challenge import program
from gateway.control.owner.words import stamp
from gateway.pace import Pace
from tests.control.challenge.world import ROOT, Place


async def test_a_puzzle(place: Place) -> None:
    """ALTCHA's, fresh each time, and for this challenge."""
    path = place.desk.put()
    made = [json.loads((await place.get(f"{path}/puzzle")).text) for _ in range(2)]
    assert [sorted(one) for one in made] == [["parameters", "signature"]] * 2
    assert [one["parameters"]["data"]["challenge"] for one in made] == ["open", "open"]
    assert made[0]["parameters"]["nonce"] != made[1]["parameters"]["nonce"]


@pytest.mark.parametrize("state", ["open", "passed", "expired", "closed"])
async def test_how_it_stands(place: Place, state: Status) -> None:
    """Its id, its state, and until when, and nothing of whose it is."""
    path = place.desk.put(status=state)
    answer = await place.get(f"{path}/status")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    expires = stamp(place.desk.challenges["open"].until)
    assert json.loads(answer.text) == {"id": "id-open", "status": state, "expires_at": expires}


async def test_waiting_ends_when_it_is_passed(place: Place) -> None:
    """As soon as that is known, and not before."""
    path = place.desk.put()
    waiting = asyncio.ensure_future(place.get(f"{path}/status?wait=20"))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    place.desk.settle("open", "passed")
    assert json.loads((await asyncio.wait_for(waiting, 5.0)).text)["status"] == "passed"


async def test_waiting_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In time, whatever is asked for, and in how many of one place wait at once."""
    monkeypatch.setattr(program, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(program, "WAITING", 0)
    path = place.desk.put()
    assert (await place.get(f"{path}/status?wait=25")).status == 429
    monkeypatch.setattr(program, "WAITING", 1)
    assert json.loads((await place.get(f"{path}/status?wait=99999")).text)["status"] == "open"
    assert (await place.get(f"{path}/status?wait=1")).status == 200


@pytest.mark.parametrize("wait", ["-1", "1.5", "nan", "", "1e3", "100000", "٣"])
async def test_a_wait_is_a_number(place: Place, wait: str) -> None:
    """Of whole seconds."""
    assert (await place.get(f"{place.desk.put()}/status?wait={wait}")).status == 400


@pytest.mark.parametrize("rest", ["puzzle", "status", "status?wait=5"])
async def test_none_of_ours(place: Place, rest: str) -> None:
    """404 as JSON, with a type that programs look for."""
    answer = await place.get(f"{ROOT}/nothing/{rest}")
    assert answer.status == 404
    assert json.loads(answer.text)["error"]["type"] == "forged"


async def test_no_puzzle_for_what_is_over(place: Place) -> None:
    """410 as JSON."""
    answer = await place.get(f"{place.desk.put(status='closed')}/puzzle")
    assert answer.status == 410
    assert json.loads(answer.text)["error"]["type"] == "closed"


@pytest.mark.parametrize(
    ("rest", "name", "most"), [("/puzzle", "_of_one", 60), ("/puzzle", "_puzzles", 120), ("/status", "_asked", 300)]
)
async def test_asking_is_paced(place: Place, rest: str, name: str, most: int) -> None:
    """So many a minute for one challenge, and for one place; then 429, with when to come back."""
    tokens = ["open"] if name == "_of_one" else [f"t{number}" for number in range(10)]
    paths = [place.desk.put(token) for token in tokens]
    client = place.owner.visitor()
    statuses = [
        (await client.get(f"{place.origin}{paths[number % len(paths)]}{rest}")).status for number in range(most + 1)
    ]
    assert set(statuses[:-1]) == {200}
    assert statuses[-1] == 429
    answer = await client.get(f"{place.origin}{paths[0]}{rest}")
    assert answer.headers["Retry-After"] == "1"
    assert json.loads(answer.text)["error"]["type"] == "too_many_requests"
    place.owner.clock.turn(60.0)
    assert (await client.get(f"{place.origin}{paths[0]}{rest}")).status == 200


async def test_what_a_stranger_asks_for_is_remembered_in_short(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand tokens that are none, of some KiB each, are not kept in memory."""
    taken: list[str] = []

    def take(_: Pace, name: str) -> float:
        taken.append(name)
        return 0.0

    monkeypatch.setattr(Pace, "take", take)
    assert (await place.get(f"{ROOT}/{'x' * 7000}/puzzle")).status == 404
    assert len(taken) == 2
    assert max(map(len, taken)) <= 64
