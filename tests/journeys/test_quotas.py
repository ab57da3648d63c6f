"""Quotas through whole gateways: exact, all or none, settled by what was really used."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from redis.asyncio import Redis

from tests.journeys import conftest, harness
from tests.journeys.conftest import Fleet
from tests.journeys.harness import CHAT, Account, Caller, World, statuses, until

ALL = ("all-requests", "all-input", "all-output", "all-spend", "all-slots")


async def now(redis: Redis) -> float:
    """The clock that buckets go by."""
    seconds, micros = await redis.time()
    return float(seconds) + float(micros) / 1e6


# --- exact


async def test_a_thousand_at_once_through_two_gateways(fleet: Fleet, caller: Caller) -> None:
    """Never one admitted beyond capacity and refill, and none refused that fitted, by the clock of Redis."""
    account = fleet.account("burst")
    limit = fleet.world.limit("burst-requests")
    async with Redis.from_url(fleet.redis.tcp_url) as redis:
        began = await now(redis)
        replies = await caller.many(fleet.urls, account, 1000)
        ended = await now(redis)
        (left,) = await fleet.world.left(account, limit.name)
        looked = await now(redis)

    counted = statuses(replies)
    assert set(counted) == {200, 429}
    admitted = counted[200]
    assert limit.capacity <= admitted <= limit.capacity + (ended - began) * limit.rate
    # What is in the bucket says what was taken: not one was lost, not one was counted twice.
    taken = limit.capacity - left
    assert taken <= admitted <= taken + (looked - began) * limit.rate + 1
    # None was refused that fitted: every refusal left less than one request behind it.
    assert {reply.left(limit.name) for reply in replies if reply.status == 429} == {0}


async def test_retry_after_is_exact(fleet: Fleet, caller: Caller) -> None:
    """Who waits as long as told is let in; the wait is no longer than the bucket needs."""
    account = fleet.account("burst")
    limit = fleet.world.limit("burst-requests")
    replies = await caller.many(fleet.urls, account, 400)
    refused = next(reply for reply in reversed(replies) if reply.status == 429)
    again = await caller.chat(fleet.url, account)
    while again.status == 200:
        again = await caller.chat(fleet.url, account)

    assert 0 < int(refused.fields["Retry-After-Ms"]) <= 1000 / limit.rate
    await asyncio.sleep(int(again.fields["Retry-After-Ms"]) / 1000)
    assert (await caller.chat(fleet.urls[1], account)).status == 200


# --- all or none


@pytest.mark.parametrize(
    ("first", "then", "short"),
    [
        pytest.param({"x_standin_tokens": 1, "times": 10}, {}, "all-requests", id="requests"),
        pytest.param({"x_standin_cached": 0, "words": 3400}, {"words": 3400}, "all-input", id="input"),
        pytest.param({"max_tokens": 900, "x_standin_tokens": 900}, {"max_tokens": 200}, "all-output", id="output"),
        pytest.param(
            {"max_tokens": 500, "x_standin_tokens": 500, "words": 3000, "model": "m-dear"},
            {"max_tokens": 290, "words": 300, "model": "m-dear"},
            "all-spend",
            id="spend",
        ),
    ],
)
async def test_what_is_refused_consumes_nothing(
    fleet: Fleet, caller: Caller, first: dict[str, Any], then: dict[str, Any], short: str
) -> None:
    """One bucket is short: the others are as they were, to the unit, and the slot is free."""
    account = fleet.account("all")
    for _ in range(first.pop("times", 1)):
        assert (await caller.chat(fleet.url, account, **spelled(first))).status == 200
    before = await settled(fleet, account)
    replies = await caller.many(fleet.urls, account, 20, **spelled(then))
    after = await fleet.world.left(account, *ALL)

    assert statuses(replies) == {429: 20}
    assert {reply.reason for reply in replies} == {"quota_exceeded"}
    assert f"Limit {short} " in replies[0].json["error"]["message"]
    assert after == before


def spelled(wanted: dict[str, Any]) -> dict[str, Any]:
    """`words` as a message of so many letters."""
    more = dict(wanted)
    letters = more.pop("words", 0)
    return {**more, "messages": [{"role": "user", "content": "x" * letters}]} if letters else more


async def settled(fleet: Fleet, account: Account) -> tuple[float, ...]:
    """What is left in all its buckets, once nothing of it runs."""
    found: tuple[float, ...] = ()

    async def free() -> bool:
        nonlocal found
        found = await fleet.world.left(account, *ALL)
        return found[-1] == fleet.world.limit("all-slots").capacity

    await until(free)
    return found


async def test_a_refused_slot_consumes_nothing(fleet: Fleet, caller: Caller) -> None:
    """With both slots taken, twenty more are refused, and when the two have ended only they were charged."""
    account = fleet.account("all")
    running = [
        asyncio.create_task(caller.chat(url, account, x_standin_tokens=5, x_standin_delay=1.0)) for url in fleet.urls
    ]

    async def both() -> bool:
        return (await fleet.world.left(account, "all-slots"))[0] == 0

    await until(both)
    refused = await caller.many(fleet.urls, account, 20)
    ended = await asyncio.gather(*running)
    left = await settled(fleet, account)

    assert statuses(ended) == {200: 2}
    assert {reply.reason for reply in refused} == {"concurrency_exceeded"}
    assert (left[0], left[2], left[4]) == (8, 990, 2)


# --- settled by real usage


async def test_usage_is_what_is_paid(fleet: Fleet, caller: Caller) -> None:
    """A thousand tokens are reserved, seven are used: seven are gone, of output, of input and of dollars."""
    account = fleet.account("all")
    reply = await caller.chat(fleet.url, account, max_tokens=1000, x_standin_tokens=7)
    left = await settled(fleet, account)

    usage = reply.json["usage"]
    assert usage["completion_tokens"] == 7
    dollars = (usage["prompt_tokens"] * 1 + 7 * 10) / 1e6
    assert left[:3] == (9, 1000 - usage["prompt_tokens"], 993)
    assert left[3] == pytest.approx(0.012 - dollars, abs=2e-6)


async def test_reservation_is_seen_while_it_runs(fleet: Fleet, caller: Caller) -> None:
    """The answer's own fields show what is reserved, and the refusal beside it what is left."""
    account = fleet.account("all")
    running = asyncio.create_task(
        caller.chat(fleet.url, account, max_tokens=1000, x_standin_tokens=3, x_standin_delay=0.5)
    )

    async def reserved() -> bool:
        return (await fleet.world.left(account, "all-output"))[0] == 0

    await until(reserved)
    beside = await caller.chat(fleet.urls[1], account, max_tokens=10)
    reply = await running

    assert (beside.status, beside.left("all-output")) == (429, 0)
    assert (reply.status, reply.left("all-output")) == (200, 0)
    assert (await settled(fleet, account))[2] == 997


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_the_upstream_did_not_do_is_not_paid(fleet: Fleet, caller: Caller, status: int) -> None:
    """An upstream that refused or failed costs its caller nothing, not even the request."""
    account = fleet.account("all")
    assert (await caller.chat(fleet.url, account, x_standin_status=status)).status == status

    left = await settled(fleet, account)
    assert left == pytest.approx((10, 1000, 1000, 0.012, 2))


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_missing_usage_is_never_free(fleet: Fleet, caller: Caller, stream: bool) -> None:
    """An answer that states no usage pays the estimated input and all that was reserved."""
    account = fleet.account("all")
    reply = await caller.chat(
        fleet.url, account, max_tokens=100, stream=stream, x_standin_tokens=7, x_standin_usage="none"
    )
    left = await settled(fleet, account)

    assert reply.status == 200
    assert (left[0], left[2]) == (9, 900)
    assert left[1] < 1000


async def test_broken_stream_pays_what_was_delivered(fleet: Fleet, caller: Caller) -> None:
    """The upstream drops the connection after forty tokens of eight hundred: about forty are paid."""
    account = fleet.account("all")
    reply = await caller.chat(
        fleet.url, account, max_tokens=800, stream=True, x_standin_tokens=800, x_standin_break_after=41
    )
    left = await settled(fleet, account)

    assert b'"upstream_failed"' in reply.content.rpartition(b"data: {")[2]
    assert left[0] == 9
    assert 40 * 0.5 <= 1000 - left[2] <= 40 * 2


async def test_who_leaves_pays_what_was_delivered(fleet: Fleet, caller: Caller) -> None:
    """The slot is free within a second, and what had been sent by then is paid, not what was reserved."""
    account = fleet.account("all")
    wishes = {"x-standin-tokens": "800", "x-standin-tokens-per-second": "100"}
    async with caller.http.post(
        f"{fleet.url}/v1/chat/completions",
        json={**CHAT, "max_tokens": 800, "stream": True},
        headers={**account.bearer, **wishes},
    ) as answer:
        seen = 0
        async for line in answer.content:
            seen += line.startswith(b"data: ")
            if seen > 40:
                break
        answer.close()

    async def free() -> bool:
        return (await fleet.world.left(account, "all-slots"))[0] == 2

    assert await until(free) < 1.0
    left = await fleet.world.left(account, *ALL)
    assert left[0] == 9
    assert 40 * 0.5 <= 1000 - left[2] <= 40 * 2.5


# --- a running stream that outgrows its bucket

NEARLY, SURELY = 120, 260
"""Of 200 tokens: tokens of a running stream are estimated from its text."""


def test_cut_ends_an_openai_stream_with_an_error(fleet: Fleet) -> None:
    """`on_exhausted: cut`: the SDK raises, close to the limit, and nothing is left."""
    account = fleet.account("cut")
    wishes = {"x-standin-tokens": "600", "x-standin-tokens-per-second": "2000"}
    chunks: list[Any] = []
    with openai.OpenAI(base_url=f"{fleet.url}/v1", api_key=account.key, max_retries=0) as client:
        stream = client.chat.completions.create(
            model="m-large", messages=[{"role": "user", "content": "Hello"}], stream=True, extra_headers=wishes
        )
        with pytest.raises(openai.APIError) as caught:
            chunks.extend(stream)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(
                model="m-large", messages=[{"role": "user", "content": "Hello"}], max_tokens=50
            )

    assert caught.value.code == "quota_exceeded"
    assert NEARLY <= len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) <= SURELY


def test_cut_ends_an_anthropic_stream_with_an_error(fleet: Fleet) -> None:
    """The same in its dialect. A cap that exceeds the bucket reserves all of it, and no more."""
    account = fleet.account("cut")
    wishes = {"x-standin-tokens": "600", "x-standin-tokens-per-second": "2000"}
    events: list[Any] = []
    with anthropic.Anthropic(base_url=fleet.url, api_key=account.key, max_retries=0) as client:
        stream = client.messages.create(
            model="m-large", messages=[{"role": "user", "content": "Hello"}], max_tokens=600, stream=True,
            extra_headers=wishes,
        )  # fmt: skip
        with pytest.raises(anthropic.APIStatusError) as caught:
            events.extend(stream)

    assert caught.value.type == "rate_limit_error"
    assert NEARLY <= len([event for event in events if event.type == "content_block_delta"]) <= SURELY


async def test_finish_goes_on_in_debt(fleet: Fleet, caller: Caller) -> None:
    """`on_exhausted: finish`: the stream ends as it would, and the next waits until refill has paid the debt."""
    account = fleet.account("debt")
    body = {name: value for name, value in CHAT.items() if name != "max_tokens"}
    async with caller.http.post(
        f"{fleet.url}/v1/chat/completions",
        json={**body, "stream": True},
        headers={**account.bearer, "x-standin-tokens": "600"},
    ) as answer:
        content = await answer.read()
    refused: harness.Reply | None = None

    async def debt() -> bool:
        nonlocal refused
        refused = await caller.chat(fleet.urls[1], account, max_tokens=10)
        return int(refused.fields.get("Retry-After", 0)) > 3600

    await until(debt)
    assert content.endswith(b"data: [DONE]\n\n")
    assert refused is not None
    # 600 used of 200: 400 of debt and 10 to take, at 200 an hour.
    assert int(refused.fields["Retry-After"]) == pytest.approx(410 / 200 * 3600, abs=60)
    assert refused.fields["X-Should-Retry"] == "false"


# --- nothing is unlimited by oversight


@pytest.mark.parametrize(
    ("tier", "path", "model", "status"),
    [
        pytest.param("nobody", "/v1/chat/completions", "m-large", 403, id="tier"),
        pytest.param("known", "/v1/chat/completions", "other", 403, id="model"),
        pytest.param("known", "/v1/unheard/of", "other", 403, id="route-and-model"),
        pytest.param("known", "/v1/unheard/of", "", 403, id="route-without-model"),
        pytest.param("known", "/v1/chat/completions", "m-large", 200, id="known"),
    ],
)
async def test_unknown_is_refused(fleet: Fleet, caller: Caller, tier: str, path: str, model: str, status: int) -> None:
    """A tier, a model or a route for which nobody stated a limit has none to use."""
    reply = await caller.chat(fleet.url, fleet.world.accounts[tier][0], path=path, model=model)

    assert reply.status == status
    assert status == 200 or reply.reason == "no_quota"


async def test_unknown_route_is_never_free(fleet: Fleet, caller: Caller) -> None:
    """What the gateway does not know passes byte for byte, under the same buckets, and pays what was assumed."""
    account = fleet.account("all")
    sent = b'{"model": "m-large",  "anything": [1, 2]}'
    async with caller.http.post(
        f"{fleet.url}/v1/echo", data=sent, headers={**account.bearer, "content-type": "application/json"}
    ) as answer:
        assert (answer.status, await answer.read()) == (200, sent)
    left = await settled(fleet, account)

    assert left[0] == 9
    assert left[2] == 1000 - 512


# --- change while it runs


async def test_changed_limit_keeps_its_usage(fleet: Fleet, caller: Caller) -> None:
    """Seven of ten are used; of twenty, thirteen are left. A file that is wrong changes nothing."""
    account = fleet.account("live")
    for _ in range(7):
        assert (await caller.chat(fleet.url, account)).status == 200
    one, other = fleet.gateways
    broken = conftest.QUOTA.replace("live-requests, measure: requests", "live-requests, measure: guesses")
    fleet.world.write_policy("quota", broken)
    before = len(one.log)
    one.signal(signal.SIGHUP)
    await until(lambda: "policies not reloaded" in one.log[before:])
    assert (await caller.chat(fleet.url, account)).left("live-requests") == 2

    changed = re.sub(r"(live-requests.*)capacity: 10,", r"\1capacity: 20,", conftest.QUOTA)
    fleet.world.write_policy("quota", changed)
    for gateway in (one, other):
        # Each of two workers says it.
        await until(lambda at=gateway: at.log.count("policies in force: generation 2") == 2)  # type: ignore[misc]

    for url in fleet.urls:
        reply = await caller.chat(url, account)
        assert "q=20" in reply.fields["RateLimit-Policy"] and "Tidegate-Ruleset" not in reply.fields
    assert reply.left("live-requests") == 20 - 10


# --- before anybody is known

FLOOD = """\
chain:
  - {name: flood, kind: quota, on_failure: deny}
  - {name: auth, kind: auth, on_failure: deny}
  - {name: quota, kind: quota, on_failure: deny}
"""
GUARD = """\
store: local
limits:
  - {name: per-address, measure: requests, per: [client_address], capacity: 20, refill: 1, every: 1h}
"""


async def test_flood_guard_stands_before_auth(fleet: Fleet, caller: Caller, tmp_path: Path) -> None:
    """Wrong keys use it up, by address; then right ones are refused too, and from elsewhere they are not."""
    world = World(tmp_path, fleet.redis.tcp_url, fleet.standin.url)
    world.write({"chain": FLOOD, "flood": GUARD, "quota": conftest.QUOTA}, {"pro": 1})
    account = world.account("pro")
    async with harness.gateway(world, trusted_hops=["127.0.0.0/8"]) as gateway:
        wrong = await caller.many([gateway.url], Account("x", "wrong", ""), 30)
        right = await caller.chat(gateway.url, account)
        elsewhere = await caller.chat(gateway.url, account, x_forwarded_for="192.0.2.7")

    assert statuses(wrong) == {401: 20, 429: 10}
    assert (right.status, right.reason) == (429, "quota_exceeded")
    assert elsewhere.status == 200


async def test_metrics_add_up(fleet: Fleet, caller: Caller) -> None:
    """The operators' port tells of all workers together."""
    account = fleet.account("pro")

    async def passed() -> int:
        async with aiohttp.ClientSession() as http, http.get(f"{fleet.gateways[0].admin}/metrics") as answer:
            text = await answer.text()
        assert "tidegate_workers 2.0" in text
        found = re.search(
            r'tidegate_exchanges_total{dialect="openai",reason="",route="chat.completions",status="200"} (\S+)', text
        )
        return int(float(found[1])) if found else 0

    before = await passed()
    replies = await caller.many([fleet.url], account, 40)

    assert await passed() - before == statuses(replies)[200] == 40
