"""Load without wrk: `python -m loadtest.generator PORT CONNECTIONS SECONDS`, and
`… PORT N hold` for streams that are held.

It costs more CPU than wrk (10 to 20 µs a request), so its core is full earlier: figures of a run with it and of one
with wrk are not to be compared. What it sends is in the environment, as for wrk.lua.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import random
import sys
from pathlib import Path

import uvloop

from loadtest import payloads
from loadtest.load import MARK

ANSWER_LIMIT = 10.0
"""Seconds that a stream may take to begin."""
OPENING = 50
"""Streams opened at once by `hold`: fewer than any backlog."""


class Figures:
    """What is counted over all connections."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.refused = 0
        self.broken = 0
        self.open = 0

    def line(self, seconds: float) -> str:
        """The line that `loadtest.load.parse` reads."""
        ordered = sorted(self.latencies)

        def percentile(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0

        figures = {
            "requests": len(ordered),
            "seconds": seconds,
            "p50_ms": percentile(0.5),
            "p99_ms": percentile(0.99),
            "refused": self.refused,
            "broken": self.broken,
        }
        return MARK + json.dumps(figures)


class Client(asyncio.Protocol):
    """One connection: a request, its answer, maybe a pause, the next request."""

    def __init__(self, requests: list[bytes], figures: Figures, think: float, first: int) -> None:
        self.requests = requests
        self.figures = figures
        self.think = think
        self.at = first
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.buffer = b""
        self.began = 0.0
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.figures.open += 1
        self.send()

    def send(self) -> None:
        if self.stopping or self.transport.is_closing():
            self.transport.close()
            return
        self.at = (self.at + 1) % len(self.requests)
        self.began = self.loop.time()
        self.transport.write(self.requests[self.at])

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        if not whole(self.buffer):
            return
        self.figures.latencies.append(self.loop.time() - self.began)
        if self.buffer[9:10] >= b"4":
            self.figures.refused += 1
        self.buffer = b""
        if self.think:
            self.loop.call_later(random.uniform(0, 2 * self.think), self.send)
        else:
            self.send()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.figures.open -= 1
        if not self.stopping:
            self.figures.broken += 1


class Holder(asyncio.Protocol):
    """One stream that is opened and left alone."""

    def __init__(self, request: bytes, began: asyncio.Future[None]) -> None:
        self.request = request
        self.began = began
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.began.done():
            return
        if b"data: " in self.buffer:
            self.began.set_result(None)
        elif self.buffer[9:10] >= b"4":
            self.began.set_exception(ConnectionRefusedError(self.buffer[:200].decode("latin-1")))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.began.done():
            self.began.set_exception(error or ConnectionResetError(self.buffer[:200].decode("latin-1")))


def whole(answer: bytes) -> bool:
    """Whether these bytes are one whole answer, with its length or chunked."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = answer[:end].lower()
    at = head.find(b"content-length:")
    if at >= 0:
        return len(answer) - end - 4 >= int(head[at + 15 :].split(b"\r\n", 1)[0])
    return answer.endswith(b"0\r\n\r\n")


def requests() -> list[bytes]:
    """One request a key."""
    body = Path(os.environ["LOADTEST_BODY"]).read_bytes()
    lines = os.environ.get("LOADTEST_FIELDS", "").splitlines()
    fields = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    keys = Path(os.environ["LOADTEST_KEYS"]).read_text().split()
    return [payloads.request(body, "127.0.0.1", key, fields) for key in keys]


async def drive(port: int, connections: int, seconds: float) -> None:
    """A closed loop of so many connections, and its figures on stdout."""
    loop = asyncio.get_running_loop()
    figures = Figures()
    prepared = requests()
    think = float(os.environ.get("LOADTEST_THINK_MS", "0")) / 1000
    clients = []
    for number in range(connections):
        _, client = await loop.create_connection(
            functools.partial(Client, prepared, figures, think, number * 7), "127.0.0.1", port
        )
        clients.append(client)
    began = loop.time()
    await asyncio.sleep(seconds)
    line = figures.line(loop.time() - began)
    for client in clients:
        client.stopping = True
        client.transport.close()
    sys.stdout.write(line + "\n")


async def hold(port: int, count: int) -> None:
    """Open streams, say how many run, and hold them until stdin ends."""
    loop = asyncio.get_running_loop()
    prepared = requests()
    transports = []
    held = 0
    for first in range(0, count, OPENING):
        begun = []
        for number in range(first, min(count, first + OPENING)):
            future: asyncio.Future[None] = loop.create_future()
            request = prepared[number % len(prepared)]
            try:
                transport, _ = await loop.create_connection(
                    functools.partial(Holder, request, future), "127.0.0.1", port
                )
            except OSError:
                continue
            transports.append(transport)
            begun.append(future)
        if begun:
            done, _ = await asyncio.wait(begun, timeout=ANSWER_LIMIT)
            held += sum(future.exception() is None for future in done)
    sys.stdout.write(f"held {held}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    for transport in transports:
        transport.abort()


def main(port: str, count: str, how: str) -> None:
    """As the module's docstring says."""
    uvloop.run(hold(int(port), int(count)) if how == "hold" else drive(int(port), int(count), float(how)))


if __name__ == "__main__":
    main(*sys.argv[1:])
