"""What holds for an account and what it uses, after real takes; resets; previews in a process of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.accounts.sql import standing
from gateway.policy import Bucket, Limit, Measure
from gateway.stores.redis import connect
from gateway.stores.redis.store import RedisStore
from tests.control.limits.world import NOW, Port
from tests.history.logs import event, log
from tests.stores.harness import taken

WHY = {"reason": "ticket 9"}


@pytest_asyncio.fixture
async def store(redis_server: str) -> AsyncIterator[RedisStore]:
    one = await connect(redis_server, deadline=2.0, first_wait=5.0)
    yield one
    await one.close()


def limit(name: str, measure: str, capacity: float, refill: float, every: float) -> Limit:
    return Limit(name, Measure(measure), capacity, refill, every)


RPM = limit("rpm", "requests", 600, 600, 60)
TPM = limit("tpm", "total_tokens", 10_000, 5_000, 60)
USD = limit("usd", "spend", 5, 5, 86_400)
SLOTS = limit("slots", "concurrency", 4, 0, 60)


async def of(port: Port, query: str = "") -> dict[str, dict[str, Any]]:
    status, said = await port.ask("GET", f"/accounts/{port.account}/limits{query}")
    assert status == 200, said
    return {one["name"]: one for one in said["limits"]} | {"": said}


def bucket(port: Port, of: Limit, rest: str = "", tag: str = "") -> Bucket:
    tag = tag or f"account={port.account}"
    return Bucket(tag, f"{tag}{rest}", of)


async def test_figures_are_those_of_the_store(port: Port, store: RedisStore) -> None:
    """After real takes: used, left, percent, when it is full; slots and who holds them; models of traffic."""
    port.models.append("m-seen")
    named = f"{port.account}-1"
    takes = [(bucket(port, SLOTS), 1.0), (bucket(port, RPM), 60.0), (bucket(port, TPM, ",model=m-seen"), 4000.0)]
    await taken(store.take, named, *takes, (bucket(port, RPM, ",shadow"), 1))
    found = await of(port)
    (rpm,) = found["rpm"]["buckets"]
    assert (rpm["used"], rpm["percent"], rpm["debt"], rpm["next_in"]) == (
        pytest.approx(60, abs=15), pytest.approx(10, abs=3), 0.0, 0.0,
    )  # fmt: skip
    assert rpm["left"] == 600 - -(-rpm["used"] // 1)
    assert rpm["full_in"] == pytest.approx(rpm["used"] / 10)
    (tokens,) = found["tpm"]["buckets"]
    assert (tokens["by"]["model"], tokens["used"]) == ("m-seen", pytest.approx(4000, abs=200))
    assert (found["tpm"]["complete"], "recent traffic" in found["tpm"]["buckets_note"]) == (False, True)
    (slots,) = found["slots"]["buckets"]
    assert (slots["used"], slots["left"], slots["exchanges"]) == (1, 3, [named])
    assert (found["flood"]["buckets"], found["flood"]["store"]) == ([], "local")
    assert found["trial"]["buckets"][0]["partition"].endswith(",shadow")
    assert found[""]["notes"] == []


async def test_debt_and_when_there_is_room(port: Port, store: RedisStore) -> None:
    """More in use than a bucket holds is debt; one more unit fits when it is paid."""
    await taken(store.take, f"{port.account}-1", (bucket(port, RPM), 600))
    await port.set("rpm", {"kind": "set", "capacity": 100}, scope={"account": port.account})
    (rpm,) = (await of(port))["rpm"]["buckets"]
    assert rpm["debt"] == pytest.approx(500, abs=20)
    assert rpm["next_in"] == pytest.approx((rpm["used"] + 1 - 100) / 10)
    assert rpm["percent"] > 500


async def test_what_bites_and_why_others_do_not(port: Port) -> None:
    """The most specific, a freeze before all; of each other one why."""
    account = {"account": port.account}
    tier = await port.set("rpm", {"kind": "scale", "factor": 2}, scope={"tier": "free"})
    own = await port.set("rpm", {"kind": "set", "capacity": 700}, scope=account, lasts="1h")
    model = await port.set("rpm", {"kind": "freeze"}, scope={"account": port.account, "model": "m-*"})
    await port.set("rpm", {"kind": "freeze"}, scope={"account": "somebody-else"})
    pro = await port.set("rpm", {"kind": "scale", "factor": 3}, scope={"tier": "pro"})
    rpm = (await of(port))["rpm"]
    assert (rpm["override"], rpm["state"], rpm["until"], rpm["holds"]["capacity"]) == (
        own["id"],
        "set",
        NOW + 3600,
        700,
    )
    why = {one["id"]: one["why"] for one in rpm["overrides"]}
    assert next(iter(why)) == own["id"]
    assert why[tier["id"]] == f"override {own['id']} is more specific: account {port.account}"
    assert why[model["id"]] == "is for models m-*; name a model to see it bite"
    assert why[pro["id"]] == "is for the tier pro: this account stands on free"
    assert len(why) == 4, "what is for somebody else is not told"
    frozen = (await of(port, "?model=m-large"))["rpm"]
    assert (frozen["override"], frozen["state"]) == (model["id"], "frozen")
    assert {one["id"]: one["why"] for one in frozen["overrides"]}[own["id"]].startswith("a freeze goes before it")


async def test_a_freeze_of_all_is_over_every_limit(port: Port) -> None:
    """And stands above them."""
    found = await port.set("*", {"kind": "freeze"}, scope={"account": port.account})
    limits = await of(port)
    assert limits[""]["frozen"]["id"] == found["id"]
    assert {one["state"] for name, one in limits.items() if name} == {"frozen"}


async def test_the_tier_is_the_ladders(port: Port) -> None:
    """Limits of tiers match by where the account stands now."""
    assert (await of(port))["pros"]["why_not"] == "for the tiers pro"
    port.database.write(
        "test", lambda writing: standing.add_evidence(writing, port.account, "email", obtained=writing.now)
    )
    found = await of(port)
    assert (found[""]["tier"], found["pros"]["applies"]) == ("pro", True)


async def test_countries_are_all_looked_for(port: Port, store: RedisStore) -> None:
    """There are as many as there are: such a list is whole."""
    frm = limit("from", "requests", 100, 100, 60)
    await taken(store.take, f"{port.account}-1", (bucket(port, frm, ",country=NO"), 50))
    found = (await of(port))["from"]
    assert ([one["by"]["country"] for one in found["buckets"]], found["complete"]) == (["NO"], True)


async def test_redis_away_leaves_limits(port: Port) -> None:
    """Without what is in use, and that is said."""
    await port.redis.aclose()
    port.redis.connection_pool = Redis(host="127.0.0.1", port=1).connection_pool
    found = await of(port)
    assert found["rpm"]["stated"] == {"capacity": 600, "refill": 600, "every": 60}
    assert found["rpm"]["buckets"] is None
    assert "Redis is away" in found[""]["notes"][0]


async def test_nobody_is_shown_as_a_token_would_name_it(port: Port) -> None:
    """An account that no directory knows has limits, too."""
    status, said = await port.ask("GET", "/accounts/from-a-token/limits")
    assert (status, said["known"], said["tier"]) == (200, False, "free")
    assert (await port.ask("GET", "/accounts/a%20b/limits"))[0] == 422


async def test_reset_gives_back_and_is_noted(port: Port, store: RedisStore) -> None:
    """The bucket of that model alone; the audit has what was used."""
    port.models += ["m-a", "m-b"]
    for model in ("m-a", "m-b"):
        await taken(store.take, f"{port.account}-{model}", (bucket(port, TPM, f",model={model}"), 9000))
    path = f"/accounts/{port.account}/limits/reset"
    status, said = await port.ask("POST", path, {"limit": "tpm", "model": "m-a", **WHY}, token=port.tokens["operator"])
    assert (status, [one["by"]["model"] for one in said["buckets"]]) == (200, ["m-a"])
    assert said["buckets"][0]["used"] == pytest.approx(9000, abs=300)
    assert [one["by"]["model"] for one in (await of(port))["tpm"]["buckets"]] == ["m-b"]
    line = port.audit()[-1]
    assert (line.did, line.subject, line.who) == ("limit.reset", port.account, "token:operator")
    assert '"ticket 9"' in line.detail
    assert (await port.ask("POST", path, {"limit": "tpm", **WHY}, token=port.tokens["viewer"]))[0] == 403


@pytest.mark.parametrize(
    ("limit", "status"),
    [("slots", 409), ("flood", 409), ("rmp", 422), ("usd", 200)],
    ids=["slots", "local", "unknown", "of the organisation"],
)
async def test_what_can_be_reset(port: Port, limit: str, status: int) -> None:
    """Neither slots nor what workers count for themselves; what is shared says so."""
    got, said = await port.ask("POST", f"/accounts/{port.account}/limits/reset", {"limit": limit, **WHY})
    assert got == status, said
    if limit == "usd":
        assert "others who share organisation" in said["note"]


async def test_limits_of_the_rules(port: Port) -> None:
    """Every one of every quota entry, in the order of the chain, local ones and those in shadow marked."""
    _, said = await port.ask("GET", "/limits", token=port.tokens["author"])
    assert [(one["name"], one["store"], one["mode"]) for one in said["limits"]] == [
        ("flood", "local", "enforced"), ("rpm", "shared", "enforced"), ("tpm", "shared", "enforced"),
        ("usd", "shared", "enforced"), ("slots", "shared", "enforced"), ("pros", "shared", "enforced"),
        ("from", "shared", "enforced"), ("trial", "shared", "shadow"),
    ]  # fmt: skip
    assert [one["said"] for one in said["limits"]][1:5] == [
        "600 every minute", "10,000 at most, and 5,000 every minute", "$5.00 every day", "4 at once",
    ]  # fmt: skip


# -- previews ---------------------------------------------------------------------------------------------------------


async def _ended(port: Port, job: str, **more: Any) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            _, said = await port.ask("GET", f"/jobs/{job}", **more)
            if said["state"] not in ("waiting", "running"):
                return said
            await asyncio.sleep(0.1)


async def test_a_preview_is_a_job_of_its_own_process(port: Port) -> None:
    """What would have been refused, by a log; only its owner sees it; nothing is changed."""
    rows = [event(exchange=f"x{number}", account=port.account, time=NOW - 600 + number) for number in range(6)]
    log(port.folder / "log", rows)
    asked = {"limit": "rpm", "scope": {"account": port.account}, "change": {"kind": "set", "capacity": 2, "refill": 2}}
    status, said = await port.ask("POST", "/overrides/preview", asked, token=port.tokens["operator"])
    assert status == 202, said
    assert (await port.ask("GET", f"/jobs/{said['job']}"))[0] == 404, "somebody else's"
    ended = await _ended(port, said["job"], token=port.tokens["operator"])
    assert ended["state"] == "done", ended
    result = ended["result"]
    assert (result["exchanges"], result["more"], result["less"]) == (6, 4, 0)
    assert result["accounts"][0]["account"] == port.account
    assert result["said"].startswith("rpm: 2 every minute instead of 600")
    assert (await port.ask("GET", "/overrides"))[1]["overrides"] == []


async def test_a_preview_is_checked_as_what_is_saved(port: Port) -> None:
    """422 with fields, before any process is started."""
    status, said = await port.ask("POST", "/overrides/preview", {"limit": "rmp", "change": {"kind": "freeze"}})
    assert (status, list(said["fields"])) == (422, ["limit"])
    assert (await port.ask("POST", "/overrides/preview", {}))[0] == 422
