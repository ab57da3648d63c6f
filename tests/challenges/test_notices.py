"""Notices to the operator, on a real Redis and a real receiver."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest
import pytest_asyncio
from aiohttp import web
from redis.asyncio import Redis

from gateway.challenges import deliveries, notices
from gateway.challenges.deliveries import GROUP, STREAM, headers, secret_of
from gateway.challenges.interface import Changed
from gateway.challenges.ladder import NOTHING_HELD, Clearance, Held, Open, Step
from gateway.challenges.notices import Notices, notices_of
from gateway.challenges.token import Challenge, Tokens
from gateway.stores.redis.client import client
from gateway.tasks import spawn
from tests import servers

NOW = 1_772_359_200.0
SECRET = b"a secret of the operator's"
PUZZLE = Open("c1", Step.WORK, "", "", NOW, NOW + 1800.0)
CAPTCHA = Open("c2", Step.CAPTCHA, "k1", "network=192.0.2.0/24", NOW, NOW + 1800.0)
CLEARANCE = Clearance("c2", Step.CAPTCHA, "", "", NOW + 86_400.0, 100)


class NamedTokens(Tokens):
    """A token that a person can read."""

    def __init__(self) -> None: ...

    def make(self, challenge: Challenge) -> str:
        return f"token-of-{challenge.id}"


def changed(before: Held, after: Held, subject: str = "acme") -> Changed:
    return Changed("captcha/usual", subject, before, after, NOW)


def asked(number: int = 0, subject: str = "acme", until: float = 0.0) -> Changed:
    one = CAPTCHA._replace(id=f"c{number}", until=until or time.time() + 60.0)
    return Changed("captcha/usual", subject, NOTHING_HELD, Held(open=(one,)), time.time())


BOTH = Held(open=(CAPTCHA, PUZZLE))
CHANGES = {
    "a challenge is put": (NOTHING_HELD, Held(open=(CAPTCHA,)), ["challenge.asked"]),
    "two are put": (NOTHING_HELD, BOTH, ["challenge.asked", "challenge.asked"]),
    "it was put before": (Held(open=(CAPTCHA,)), BOTH, ["challenge.asked"]),
    "it was answered wrongly": (Held(open=(CAPTCHA,)), Held(open=(CAPTCHA._replace(wrong=1),)), []),
    "it was closed": (Held(open=(CAPTCHA,)), NOTHING_HELD, []),
    "it was passed": (Held(open=(CAPTCHA,)), Held(clearances=(CLEARANCE,)), ["challenge.passed"]),
    "one clearance more of another": (BOTH, Held(open=(PUZZLE,), clearances=(CLEARANCE,)), ["challenge.passed"]),
    "nothing new": (Held(clearances=(CLEARANCE,)), Held(clearances=(CLEARANCE,)), []),
    "verify": (Held(step=Step.CAPTCHA), Held(step=Step.VERIFY, since=NOW), ["account.verify"]),
    "review": (Held(step=Step.VERIFY), Held(step=Step.REVIEW, since=NOW), ["account.review"]),
    "back from review": (Held(step=Step.REVIEW), Held(step=Step.VERIFY, since=NOW), []),
    "slow": (NOTHING_HELD, Held(step=Step.SLOW, since=NOW), []),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES)
def test_what_is_told_of_a_change(before: Held, after: Held, expected: list[str]) -> None:
    """Each challenge is told once when it is put and once when it is passed, and each step up that stops an account."""
    found = notices_of(changed(before, after), lambda challenge: f"https://gate.example/{challenge.id}")

    assert [orjson.loads(one.body)["type"] for one in found] == expected


def test_a_challenge_that_is_put_says_where_it_is_passed() -> None:
    """Enough to write a mail: who, until when, where, and how. The link binds to what the challenge binds to."""
    linked: list[Challenge] = []

    def link(challenge: Challenge) -> str:
        linked.append(challenge)
        return "https://gate.example/x"

    [notice] = notices_of(changed(NOTHING_HELD, Held(open=(CAPTCHA,))), link)

    assert orjson.loads(notice.body) == {
        "type": "challenge.asked",
        "timestamp": "2026-03-01T10:00:00Z",
        "data": {
            "account": "acme",
            "rule": "captcha/usual",
            "step": "captcha",
            "challenge_id": "c2",
            "challenge_url": "https://gate.example/x",
            "expires_at": "2026-03-01T10:30:00Z",
            "kinds": ["captcha", "sign_in"],
        },
    }
    assert linked == [
        Challenge("c2", "captcha/usual", "acme", Step.CAPTCHA, "k1", "network=192.0.2.0/24", CAPTCHA.until)
    ]


def test_an_account_of_any_name_is_told_of() -> None:
    """A token may name one with half of a surrogate pair: what hears of changes must never raise."""
    [notice] = notices_of(changed(NOTHING_HELD, Held(open=(CAPTCHA,)), "a\udc00"), lambda _: "")

    assert b'"account":"a\\udc00"' in notice.body


def test_a_caller_without_an_account_is_told_of_to_nobody() -> None:
    """There is no owner to write to, and an address is no business of a receiver's."""
    assert [*notices_of(changed(NOTHING_HELD, BOTH, "address=192.0.2.1"), lambda _: "")] == []


def test_signatures_are_those_of_the_specification() -> None:
    """The example that the libraries of Standard Webhooks test themselves with."""
    secret = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = headers(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["short", "whsec_c2hvcnQ=", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!"])
def test_a_secret_that_signs_nothing_is_refused(text: str) -> None:
    """It is short, or no base64."""
    with pytest.raises(ValueError):
        secret_of(text)


# -- on the way --------------------------------------------------------------------------------------------------------


class Receiver:
    """The operator's: answers by `statuses`, the last one for ever."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses = [204]
        self.url = ""
        self.at_once = self.most = 0
        self.redirected = False
        self.held = asyncio.Event()
        self.held.set()
        self._runner: web.AppRunner | None = None
        self._come = asyncio.Event()

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        app.router.add_post("/elsewhere", self._elsewhere)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/hook"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def has(self, count: int) -> None:
        """Until so many have come."""
        async with asyncio.timeout(10.0):
            while len(self.got) < count:
                self._come.clear()
                await self._come.wait()

    @property
    def ids(self) -> list[str]:
        return [fields["webhook-id"] for fields, _ in self.got]

    async def _hook(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        self.got.append((dict(request.headers), await request.read()))
        self._come.set()
        try:
            await self.held.wait()
        finally:
            self.at_once -= 1
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 307 else {})

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        self.redirected = True
        return web.Response()


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Empty."""
    made: Redis = client(redis_url)
    await made.flushall()
    yield made
    await made.aclose()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """On loopback: whom the operator names is the operator's choice."""
    one = Receiver()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle times are Redis's own clock, which nobody can turn: so they are short."""
    monkeypatch.setattr(deliveries, "PAUSES", (0.3, 0.3))
    monkeypatch.setattr(deliveries, "BLOCK", 0.1)
    monkeypatch.setattr(deliveries, "LAST_REST", 0.1)


def workers(redis: Any, url: str, count: int = 1) -> list[Notices]:
    return [Notices(redis, url, SECRET, "https://gate.example", NamedTokens(), time.time) for _ in range(count)]


@contextlib.asynccontextmanager
async def running(*several: Notices) -> AsyncIterator[None]:
    """Each until the end, then closed as a worker closes it."""
    tasks = [spawn(one.run(), "notices") for one in several]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in several:
            await one.close()


async def until(holds: Callable[[], bool]) -> None:
    """Bounded."""
    async with asyncio.timeout(10.0):
        while not holds():
            await asyncio.sleep(0.02)


def counts(several: list[Notices]) -> Counter[str]:
    return sum((one.counts for one in several), Counter())


async def test_a_key_that_comes_from_everywhere_fills_no_mailbox(redis: Redis, receiver: Receiver) -> None:
    """Challenges of one account are told at a pace; what stops an account, and other accounts, always are."""
    one, *_ = workers(redis, receiver.url)
    for number in range(1000):
        one.told(asked(number))
    one.told(asked(0, "other"))
    one.told(changed(Held(step=Step.CAPTCHA), Held(step=Step.VERIFY, since=NOW)))
    one.told(changed(Held(open=(CAPTCHA,)), Held(clearances=(CLEARANCE,))))

    assert (one.counts["noted"], one.counts["spared"]) == (23, 980)
    assert [orjson.loads(found.body)["type"] for found in list(one._waiting)[20:]] == [
        "challenge.asked",
        "account.verify",
        "challenge.passed",
    ]


async def test_each_is_delivered_once_by_some_worker(redis: Redis, receiver: Receiver) -> None:
    """Three workers share the work; what arrives is signed, and its link leads to the challenge."""
    fleet = workers(redis, receiver.url, 3)
    async with running(*fleet):
        for number in range(30):
            fleet[number % 3].told(asked(number))
        await receiver.has(30)
        await until(lambda: counts(fleet)["delivered"] == 30)

    assert len(set(receiver.ids)) == len(receiver.ids) == 30
    assert counts(fleet)["delivered"] == 30
    fields, body = receiver.got[0]
    data = orjson.loads(body)["data"]
    assert data["challenge_url"] == f"https://gate.example/tidegate/challenge/token-of-{data['challenge_id']}"
    content = f"{fields['webhook-id']}.{fields['webhook-timestamp']}.".encode() + body
    assert fields["webhook-signature"] == f"v1,{base64.b64encode(hmac.digest(SECRET, content, 'sha256')).decode()}"


@pytest.mark.parametrize("status", [500, 307])
async def test_what_is_not_taken_comes_again(redis: Redis, receiver: Receiver, status: int) -> None:
    """With the same id, whatever the receiver says instead of 2xx. A redirect is not followed."""
    receiver.statuses = [status, status, 200]
    [one] = workers(redis, receiver.url)
    async with running(one):
        one.told(asked())
        await receiver.has(3)
        await until(lambda: one.counts["delivered"] == 1)

    assert len(set(receiver.ids)) == 1
    assert not receiver.redirected
    assert (one.counts["failed"], one.counts["delivered"]) == (2, 1)


async def test_a_receiver_that_wants_no_more_is_believed(redis: Redis, receiver: Receiver) -> None:
    """410 Gone ends the attempts for a notice (Standard Webhooks, "Operational considerations")."""
    receiver.statuses = [410]
    [one] = workers(redis, receiver.url)
    async with running(one):
        one.told(asked())
        await until(lambda: one.counts["refused"] == 1)

    assert one.counts["refused"] == 1


class InStep:
    """A client whose first looks at what is due end together: all see the same."""

    def __init__(self, redis: Redis, several: int) -> None:
        self._redis = redis
        self._barrier = asyncio.Barrier(several)
        self._left = several

    def __getattr__(self, name: str) -> Any:
        return getattr(self._redis, name)

    async def xpending_range(self, *args: Any, **options: Any) -> Any:
        found = await self._redis.xpending_range(*args, **options)
        if self._left:
            self._left -= 1
            await self._barrier.wait()
        return found


async def test_what_a_dead_worker_had_one_other_delivers(redis: Redis, receiver: Receiver) -> None:
    """A worker reads an entry and is gone: when its pause is over, it is somebody else's, and of one alone."""
    [dead] = workers(redis, receiver.url)
    dead.told(asked())
    await dead.close()
    await redis.xgroup_create(STREAM, GROUP, id="0")
    assert await redis.xreadgroup(GROUP, "worker", {STREAM: ">"}, count=1)
    await asyncio.sleep(0.35)  # By Redis's own clock.
    others = workers(InStep(redis, 4), receiver.url, 4)
    async with running(*others):
        await receiver.has(1)
        await asyncio.sleep(0.1)

    assert len(receiver.got) == 1


async def test_nobody_is_told_of_a_challenge_that_is_over(redis: Redis, receiver: Receiver) -> None:
    """A mail with a dead link is worse than none: where the receiver was away for too long it is left out."""
    [one] = workers(redis, receiver.url)
    async with running(one):
        one.told(asked(1, until=time.time() - 1.0))
        one.told(asked(2))
        await receiver.has(1)
        await until(lambda: one.counts["delivered"] + one.counts["stale"] == 2)

    assert [orjson.loads(body)["data"]["challenge_id"] for _, body in receiver.got] == ["c2"]
    assert one.counts["stale"] == 1


async def test_a_notice_is_given_up_after_a_day(redis: Redis, receiver: Receiver) -> None:
    """Counted, and not tried again."""
    await redis.xadd(STREAM, {"i": "msg_1", "b": b"{}", "u": "0.0"}, id=f"{int((time.time() - 86_500) * 1000)}-0")
    [one] = workers(redis, receiver.url)
    async with running(one):
        await until(lambda: one.counts["dropped"] == 1)

    assert (receiver.got, one.counts["dropped"]) == ([], 1)


async def test_never_more_than_so_many_at_once(redis: Redis, receiver: Receiver) -> None:
    """A slow receiver holds up notices, and nothing else."""
    receiver.held.clear()
    [one] = workers(redis, receiver.url)
    async with running(one):
        for number in range(20):
            one.told(asked(number))
        await receiver.has(deliveries.AT_ONCE)
        await asyncio.sleep(0.2)
        assert receiver.at_once == deliveries.AT_ONCE
        receiver.held.set()
        await until(lambda: one.counts["delivered"] == 20)

    assert receiver.most == deliveries.AT_ONCE


async def test_a_dead_receiver_hurts_nobody(redis: Redis, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it has a bound in the fleet; the oldest goes, and is counted."""
    monkeypatch.setattr(notices, "LONGEST", 50)
    await receiver.stop()
    [one] = workers(redis, receiver.url)
    async with running(one):
        for number in range(120):
            one.told(asked(number, f"a{number}"))
        await until(lambda: one.counts["handed_on"] == 120)

    assert await redis.xlen(STREAM) == 50
    assert one.counts["lost"] == 70


async def test_redis_away_hurts_nobody(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """`told` never waits and never raises; what finds no room is counted, the latest are kept."""
    monkeypatch.setattr(notices, "WAITING_AT_MOST", 10)
    nowhere: Redis = client("unix:///nonexistent/redis.sock")
    [one] = workers(nowhere, receiver.url)
    async with running(one):
        began = time.perf_counter()
        for number in range(100):
            one.told(asked(number, f"a{number}"))
        assert time.perf_counter() - began < 1.0
        await asyncio.sleep(0.1)
        assert (one.counts["noted"], one.counts["lost"]) == (100, 90)
    await nowhere.aclose()

    assert one.counts["lost"] == 100


@pytest.mark.parametrize("broken", ["_take", "_due"])
async def test_a_fault_of_ours_is_no_end(
    redis: Redis, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """It is logged, the worker serves on, and deliveries begin anew."""
    monkeypatch.setattr(notices, "AGAIN", 0.05)
    [one] = workers(redis, receiver.url)
    with monkeypatch.context() as patch:
        patch.setattr(one._deliveries, broken, lambda _: 1 // 0)
        async with running(one):
            one.told(asked())
            await until(lambda: "ZeroDivisionError" in caplog.text)
            patch.undo()
            await until(lambda: one.counts["delivered"] == 1)

    assert receiver.ids


async def test_a_redis_that_lost_everything_is_begun_anew(redis: Redis, receiver: Receiver) -> None:
    """The group is made again by whoever notices."""
    [one] = workers(redis, receiver.url)
    async with running(one):
        one.told(asked(1))
        await receiver.has(1)
        await redis.flushall()
        one.told(asked(2))
        await receiver.has(2)
        await until(lambda: one.counts["delivered"] == 2)

    assert one.counts["delivered"] == 2


async def test_what_somebody_else_wrote_stops_nothing(redis: Redis, receiver: Receiver) -> None:
    """An entry that nobody can read is put away, and counted."""
    await redis.xadd(STREAM, {"x": "y"})
    [one] = workers(redis, receiver.url)
    async with running(one):
        one.told(asked(1))
        await receiver.has(1)
        await until(lambda: one.counts["delivered"] == 1)

    assert one.counts["refused"] == 1


async def test_notices_in_a_cluster(receiver: Receiver) -> None:
    """One key, so one slot."""
    async with servers.cluster() as nodes:
        several = client(servers.cluster_url(nodes))
        [one] = workers(several, receiver.url)
        async with running(one):
            one.told(asked(1))
            await receiver.has(1)
            await until(lambda: one.counts["delivered"] == 1)
        await several.aclose()

    assert one.counts["delivered"] == 1
