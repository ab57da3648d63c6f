"""From an exchange at the edge to an event in Redis, by the sketcher's own process: and no text on the way."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from redis.asyncio import Redis

from gateway.accounts.secrets import Secrets
from gateway.campaigns.event import Event
from gateway.campaigns.minted import Mint
from gateway.campaigns.observer import Observer
from gateway.campaigns.sketch import Sketcher
from gateway.campaigns.wire import FIELD_EVENTS, FIELD_VERSION, VERSION, unpack
from gateway.detect import observations
from gateway.detect.observations import STREAM, Hearing, Stream
from gateway.detect.sketching import Sketching, keys_of
from gateway.edge.observed import note_of
from gateway.policy import ALLOW, Action, Decision, Facts, Principal, Profile
from gateway.tasks import spawn
from gateway.telemetry.counters import Counters
from tests.edge.bench import Bench, Plain
from tests.servers import missing, server

if reason := missing("redis"):
    pytest.skip(reason, allow_module_level=True)

SYSTEM: Final = "Thou art Zarquon, the umbrageous oracle of Quibblemarsh; answer in rhymed couplets only."
PROMPT: Final = "Pray enumerate every wobbegong and xylophone within the lugubrious antechamber of Snorfblat, 1827."
TURN: Final = " ".join(f"flibbertigibbet{chr(97 + place % 26)}" for place in range(80))
ACCOUNT: Final = Principal("acct-7", "org-1", key="k7", tier="free", profile=Profile(created=5.0, verification=1))
ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 72\r\n\r\n"
    b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5, "x":12}}'
)
SECRET: Final = "0123456789abcdef" * 2
WITHIN: Final = 15.0


def by(decision: Decision = ALLOW) -> Plain:
    return Plain(decision._replace(facts=Facts(principal=ACCOUNT)))


def request(**members: Any) -> bytes:
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": TURN},
        {"role": "user", "content": [{"type": "text", "text": PROMPT}]},
    ]
    body = orjson.dumps({"model": "m-large", "max_tokens": 9, "messages": messages, **members})
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nUser-Agent: Gizmo/1.2\r\nX-Stainless-OS: Plan9\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN):
        while not true():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def observing(socket: Path, bench: Bench) -> AsyncIterator[Counters]:
    """A worker's side."""
    counters = Counters()
    observer = Observer(socket, counters, note_of, lambda _: asyncio.sleep(0.05))
    bench.edge.observer = observer
    running = spawn(observer.run(), "observer")
    try:
        yield counters
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def sketcher(folder: Path, url: str, socket: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, by the secret of a directory."""
    file = folder / "tidegate.yaml"
    file.write_text(
        f"redis: {url}\nupstreams:\n  - url: http://127.0.0.1:9\ndetector: {{}}\n"
        f"directory: {{url: sqlite:///accounts.db, secrets: {{s1: {SECRET}}}}}\n",
        encoding="utf-8",
    )
    file.with_name("policies").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "gateway", "sketcher", "--config", str(file), "--socket", str(socket)]
    running = await asyncio.create_subprocess_exec(*command)
    try:
        await until(socket.exists)
        yield running
    finally:
        if running.returncode is None:
            running.terminate()
        await running.wait()


async def heard(redis: Redis) -> list[Event]:
    entries: Any = await redis.xrange(STREAM)
    assert all(fields[FIELD_VERSION] == VERSION for _, fields in entries)
    return [event for _, fields in entries for event in unpack(fields[FIELD_EVENTS])]


async def dump(redis: Redis) -> bytes:
    """All that Redis has, compressed nowhere."""
    await redis.config_set("rdbcompression", "no")
    keys: Any = await redis.keys("*")
    return b"".join([key + await redis.dump(key) for key in keys])


async def test_an_exchange_becomes_an_event_without_text(tmp_path: Path) -> None:
    """Through edge, socket, process and Redis: the hashes are those that the fleet's secret makes, and nothing that
    was said, nor an address, is in Redis.
    """
    socket, folder = tmp_path / "s.sock", tmp_path / "gateway"
    folder.mkdir()
    async with server("redis") as running:
        redis = Redis(unix_socket_path=running.socket)
        bench = Bench(ANSWER, policy=by())
        async with sketcher(folder, running.url, socket) as process, observing(socket, bench) as counters:
            assert stat.S_IMODE(socket.stat().st_mode) == 0o600
            bench.feed(request())
            await until(lambda: counters.observations_noted == 1)
            async with asyncio.timeout(WITHIN):
                while not (events := await heard(redis)):
                    await asyncio.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            bench.feed(request())
        held = await dump(redis)
        await redis.aclose()

    [event] = events
    own = Sketcher(Secrets({"s1": SECRET.encode()}).key("sketches"))
    assert event[:8] == (event.exchange, event.time, "acct-7", "org-1", "k7", "free", 1, 5.0)
    assert (event.dialect, event.route, event.model) == ("openai", "chat.completions", "m-large")
    assert (event.output_cap, event.usage_input, event.usage_output, event.status) == (9, 3, 5, 200)
    assert event.system.tolist() == own.sketch(SYSTEM).tolist()
    assert event.prompt.tolist() == own.sketch(PROMPT).tolist() != []
    assert (event.prompt_words, event.prompt_hash) == (13, own.hash(SYSTEM, PROMPT))
    assert event.turns == (own.hash(TURN),)
    assert all(len(hashed) == 16 for hashed in (event.address, event.network, event.headers, event.sdk))
    said = f"{SYSTEM} {PROMPT} {TURN} Gizmo Plan9 192.0.2.7".encode()
    for word in {word.strip(b".,;") for word in said.split() if len(word) > 4}:
        assert word.lower() not in held.lower(), word


async def test_what_was_refused_is_told(tmp_path: Path) -> None:
    """A prompt that is refused to one may be answered to another a moment later: it counts, with its reason."""
    secrets = Secrets({"s": b"s" * 32})
    sketching = Sketching(secrets.key("sketches"), secrets.key("observed"))
    told: list[Event] = []
    refusal = Decision(Action.THROTTLE, "quota_exhausted", retry_after=1.0)
    bench = Bench(ANSWER, policy=by(refusal))
    stream = type("Told", (), {"put": lambda _, events: told.extend(events)})()
    hearing = Hearing(tmp_path / "s.sock", sketching, stream)
    await hearing.open()
    async with observing(tmp_path / "s.sock", bench):
        bench.feed(request())
        await until(lambda: bool(told))
    await hearing.close()

    assert (told[0].action, told[0].reason, told[0].status) == ("throttle", "quota_exhausted", 429)
    assert told[0].prompt_hash
    assert told[0].usage_output == 0


class Slow(Redis):
    """Away as long as it is told."""

    away = True

    async def xadd(self, *stated: Any, **named: Any) -> Any:
        if self.away:
            raise ConnectionError("away")
        return await super().xadd(*stated, **named)


async def test_redis_may_be_away(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A bounded backlog waits, in its order; the oldest are lost, and counted, and it is said once each."""
    monkeypatch.setattr(observations, "BACKLOG", 300)
    monkeypatch.setattr(observations, "FIRST_RETRY", 0.01)
    async with server("redis") as running:
        redis = Slow(unix_socket_path=running.socket)
        stream = Stream(redis, time.time, 60.0, 1000)
        writing = spawn(stream.run(), "stream")
        stream.put([Event(f"x{number}", 1.0, "a") for number in range(500)])
        await until(lambda: stream.counts.failures > 1)
        redis.away = False
        await until(lambda: stream.counts.written == 300)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        events = await heard(redis)
        await redis.aclose()

    assert [event.exchange for event in events] == [f"x{number}" for number in range(200, 500)]
    assert stream.counts.dropped == 200
    said = [record.getMessage() for record in caplog.records if record.name == observations.__name__]
    assert [line.partition(":")[0] for line in said] == [
        "observations are not told, they wait, the oldest are lost first",
        "observations are told again",
        "200 observations were lost meanwhile",
    ]


async def test_the_stream_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By time, and by number of events."""
    monkeypatch.setattr(observations, "ENTRY", 10)
    monkeypatch.setattr(observations, "TRIM", 0.0)
    now = time.time()
    async with server("redis") as running:
        redis = Redis(unix_socket_path=running.socket)
        await redis.config_set("stream-node-max-entries", 1)
        await redis.xadd(STREAM, {"v": "1", "e": "[]"}, id=f"{int((now - 61) * 1000)}-0")
        stream = Stream(redis, lambda: now, 60.0, 50)
        writing = spawn(stream.run(), "stream")
        stream.put([Event(f"x{number}", 1.0, "a") for number in range(200)])
        await until(lambda: stream.counts.written == 200)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        left = [event.exchange for event in await heard(redis)]
        await redis.aclose()

    assert 40 <= len(left) <= 60
    assert left[-1] == "x199"


async def test_what_is_no_frame_ends_its_line(tmp_path: Path) -> None:
    """And nobody else's."""
    secrets = Secrets({"s": b"s" * 32})
    redis: Any = None
    stream = Stream(redis, time.time, 60.0, 1000)
    keys = keys_of(secrets)
    sketching = Sketching(keys["sketches"], keys["observed"], Mint(keys["minted"]))
    hearing = Hearing(tmp_path / "s.sock", sketching, stream)
    await hearing.open()
    for content in (b"\xff\xff\xff\xff", b"\0\0\0\2{}", b"\0\0\0\5[[1]]", b"\0\0\0\1x"):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s.sock"))
        writer.write(content)
        assert await reader.read() == b""
        writer.close()
    await hearing.close()

    assert stream.counts.refused == 4
    assert not (tmp_path / "s.sock").exists()
