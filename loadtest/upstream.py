"""A stand-in inference API that costs little: `python -m loadtest.upstream PORT`. JSON at once, streams paced.

All streams share one clock, so a tick costs one timer however many streams there are.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from loadtest import payloads

STREAM_HEAD = b"\r\n".join(
    (
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/event-stream",
        b"Cache-Control: no-cache",
        b"Transfer-Encoding: chunked",
        b"\r\n",
    )
)


def chunk(piece: bytes) -> bytes:
    """One chunk of the chunked coding (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def json_answer() -> bytes:
    """The whole JSON answer."""
    content = payloads.answer().encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


class Pacer:
    """Writes the next chunk of every running stream every CHUNK_EVERY seconds."""

    def __init__(self) -> None:
        chunks = [chunk(event) for event in payloads.events()]
        chunks[-1] += b"0\r\n\r\n"
        self.chunks = chunks
        self.streams: dict[asyncio.Transport, int] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += payloads.CHUNK_EVERY
            await asyncio.sleep(max(0.0, due - loop.time()))
            ended = []
            for transport, at in self.streams.items():
                transport.write(self.chunks[at])
                if at + 1 == payloads.CHUNKS:
                    ended.append(transport)
                else:
                    self.streams[transport] = at + 1
            for transport in ended:
                del self.streams[transport]


class Connection(asyncio.Protocol):
    """One connection. Requests do not overlap on it: our callers wait for their answer."""

    def __init__(self, pacer: Pacer, answer: bytes) -> None:
        self.pacer = pacer
        self.answer = answer
        self.transport: asyncio.Transport
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer = self.buffer + data if self.buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        content = buffer[end + 4 :]
        if len(content) < length:
            return
        self.buffer = b""
        if b'"stream": true' not in content and b'"stream":true' not in content:
            self.transport.write(self.answer)
            return
        self.transport.write(STREAM_HEAD)
        if payloads.IDLE_MODEL.encode() in content:
            self.transport.write(self.pacer.chunks[0])
        else:
            self.pacer.streams[self.transport] = 0

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.pacer.streams.pop(self.transport, None)


async def serve(port: int) -> None:
    """Serve on loopback until the process is ended."""
    pacer, answer = Pacer(), json_answer()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(pacer, answer), "127.0.0.1", port, backlog=4096
    )
    async with server:
        await pacer.run()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
