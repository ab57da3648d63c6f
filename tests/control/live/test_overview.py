"""How it goes, once a second, of real doors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from gateway.control.live.busy import Busy
from gateway.control.live.lines import Lines
from gateway.control.live.overview import NAMES, Names, Overview
from gateway.control.live.pulse import Live
from gateway.policy import Usage
from gateway.testing import context
from tests.control.live.conftest import MakeCrew, port
from tests.control.live.test_follow import api_of, events


def overview_of(lines: Lines, models: Sequence[str] = ()) -> Overview:
    return Overview(lines, time.time, time.monotonic, Busy(), lambda: models)


def serve(live: Live, times: int = 1, *, refused: bool = False, **asked: Any) -> None:
    """As the edge does when an exchange has ended."""
    counters = live.counters
    label = ("openai", "chat.completions", 429 if refused else 200, "quota_exceeded" if refused else "")
    for _ in range(times):
        counters.exchanges[label] = counters.exchanges.get(label, 0) + 1
        counters.duration.observe(0.02)
        usage = None if refused else Usage(10, 5)
        live.sums.add(context(**asked), refused, usage)


async def test_pulses_of_all_workers_are_one_second(crew: MakeCrew) -> None:
    """Rates, refusals, countries and models of two real doors, added up."""
    async with crew(2) as (workers, lines):
        overview = overview_of(lines)
        await overview.look()
        serve(workers.workers[0], 3)
        serve(workers.workers[1], 2, refused=True)
        await overview.look()
        last = overview.series.last()
        assert last is not None
        assert (last.requests, last.allowed, last.refused, last.workers, last.wanted) == (5, 3, 2, 2, 2)
        assert last.reasons == {"quota_exceeded": 2}
        (used,) = last.countries.values()
        assert used == [5, 2, 45]
        assert last.memory > 2 * 1024 * 1024
        assert last.generation == 4


async def test_what_was_summed_is_told_once(crew: MakeCrew) -> None:
    """A pulse takes the sums away; the next one has none of them."""
    async with crew(1) as (workers, lines):
        overview = overview_of(lines)
        serve(workers.workers[0], 3)
        for requests in (3, 0):
            await overview.look()
            last = overview.series.last()
            assert last is not None
            assert sum(used[0] for used in last.countries.values()) == requests


async def test_a_worker_started_anew_counts_from_nothing(crew: MakeCrew) -> None:
    """Through real doors: the one that took its place makes no negative rate, and an absent one is seen."""
    async with crew(2) as (workers, lines):
        overview = overview_of(lines)
        serve(workers.workers[0], 50)
        await overview.look()
        await workers.end(0)
        await overview.look()
        last = overview.series.last()
        assert last is not None
        assert (last.requests, last.workers, last.wanted) == (0, 1, 2)
        serve(await workers.start(0), 4)
        await overview.look()
        last = overview.series.last()
        assert last is not None
        assert (last.requests, last.workers) == (4, 2)


async def test_the_overview_is_arrays_for_plots(crew: MakeCrew) -> None:
    """Times and series of one length, and the last second by itself; live, one event a second."""
    async with crew(1) as (workers, lines):
        api = api_of(lines)
        overview = api._overview
        await overview.look()
        async with port(api.operations()) as base, aiohttp.ClientSession() as http:
            async with http.get(f"{base}/overview?step=10") as answer:
                told = await answer.json()
                assert answer.status == 200
            assert told["step"] == 10
            assert {len(values) for values in told["series"].values()} == {len(told["times"])}
            assert told["now"]["workers"] == 1
            async with http.get(f"{base}/overview?step=7") as answer:
                assert answer.status == 422
            async with http.get(f"{base}/live/overview") as answer:
                stream = events(answer)
                assert (await anext(stream))[0] == "second"
                serve(workers.workers[0], 2)
                await overview.look()
                name, second = await anext(stream)
                assert (name, second["requests"], sum(one["requests"] for one in second["models"].values())) == (
                    "second",
                    2,
                    2,
                )


async def test_who_is_busy_is_asked_by_http(crew: MakeCrew) -> None:
    """The sums of the workers, ranked."""
    async with crew(1) as (workers, lines):
        api = api_of(lines)
        serve(workers.workers[0], 3)
        await api._overview.look()
        async with (
            port(api.operations()) as base,
            aiohttp.ClientSession() as http,
            http.get(f"{base}/accounts/busy?by=requests&minutes=1") as answer,
        ):
            told = await answer.json()
            assert [(one["account"], one["requests"], one["share"]) for one in told["accounts"]] == [("acme", 3, 1.0)]
            assert told["error"] == 0


@pytest.mark.parametrize(
    ("learnt", "asked", "called"),
    [
        pytest.param([], "", "unknown", id="none stated"),
        pytest.param([], "made-up", "other", id="nobody answered it"),
        pytest.param(["m"], "m", "m", id="answered"),
        pytest.param([], "priced", "priced", id="named by prices or rules"),
        pytest.param([f"m{number}" for number in range(NAMES + 1)], "m0", "other", id="forgotten when there are many"),
    ],
)
def test_a_model_has_a_name_when_somebody_answered_it(learnt: list[str], asked: str, called: str) -> None:
    """A caller that makes names up makes no labels."""
    names = Names(lambda: {"priced"})
    for model in learnt:
        names.learn(model)
    assert names(asked) == called


async def test_it_runs_once_a_second(crew: MakeCrew) -> None:
    """However long asking takes, the next look is due a second after this one."""
    now = [0.0]
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise EOFError
        now[0] += seconds

    async def ask(_: str) -> list[Any]:
        now[0] += 0.25 if len(pauses) != 1 else 1.5
        return []

    lines: Any = SimpleNamespace(ask=ask, sockets=list)
    overview = Overview(lines, lambda: now[0], lambda: now[0], Busy(), pause=pause)
    with pytest.raises(EOFError):
        await overview.run()
    assert pauses == [0.75, 0.0, 0.75]
