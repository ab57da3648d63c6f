"""A gateway that asks for proofs of work, as far as callers see it: puzzles are made, and answers checked, by ALTCHA's
own library.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from altcha import v2

SECRET = "a secret of the stand-in"
MESSAGE = "The tide is high at noon."


@dataclass
class Gateway:
    """What it does, and what it saw. A test changes the one and reads the other."""

    algorithm: str = "SHA-256"
    cost: int = 1
    prefix: str = "00"
    counter: int | None = None
    """The answer, where it is chosen beforehand; else any key with the prefix is one."""
    named: str = "{origin}{path}"
    """What stands in Tidegate-Challenge."""
    puzzle: bytes | None = None
    """In the place of one that can be solved."""
    puzzle_status: int = 200
    slow: float = 0.0
    """Seconds from an answer until other requests are let through."""
    keeps: float = 0.0
    """Seconds that an answered request takes."""
    refuses: bool = False
    """Whatever is answered."""
    cross_origin: bool = False
    address: str = ""
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path, fields in lower case, content."""
    passed: dict[str, float] = field(default_factory=dict)
    """Key -> from when on it is let through."""
    guard: Any = field(default_factory=threading.Lock)

    def asked(self, beginning: str) -> list[dict[str, str]]:
        """Fields of the requests under a path."""
        return [fields for _, path, fields, _ in self.seen if path.startswith(beginning)]

    @property
    def puzzles(self) -> int:
        return len(self.asked("/tidegate/"))

    @property
    def answers(self) -> int:
        return sum("tidegate-answer" in fields for fields in self.asked("/"))

    def made(self) -> bytes:
        found = v2.create_challenge(
            self.algorithm,
            self.cost,
            key_prefix=self.prefix,
            counter=self.counter,
            expires_at=int(time.time()) + 60,
            data={"challenge": "t0ken"},
            hmac_secret=SECRET,
        )
        return json.dumps(found.to_dict()).encode()

    def lets_pass(self, key: str, answer: str) -> bool:
        """An answer is good once; whoever has given one is let through."""
        with self.guard:
            if self.refuses:
                return False
            if time.monotonic() >= self.passed.get(key, float("inf")):
                return True
            if not answer or key in self.passed or not v2.verify_solution(answer, SECRET).verified:
                return False
            self.passed[key] = time.monotonic() + self.slow
            return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_OPTIONS(self) -> None:
        self._send(204, b"")

    def _content(self) -> bytes:
        if self.headers.get("transfer-encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self) -> None:
        gateway: Gateway = self.server.gateway
        content = self._content()
        fields = {name.lower(): value for name, value in self.headers.items()}
        gateway.seen.append((self.command, self.path, fields, content))
        if self.path.startswith("/tidegate/challenge/"):
            self._send(gateway.puzzle_status, gateway.puzzle or gateway.made())
            return
        key = fields.get("authorization") or fields.get("x-api-key", "")
        answer = fields.get("tidegate-answer", "")
        if not gateway.lets_pass(key, answer):
            self._refuse(gateway)
            return
        time.sleep(gateway.keeps if answer else 0.0)
        self._reply(content)

    def _refuse(self, gateway: Gateway) -> None:
        origin = f"http://{self.headers['host']}"
        error = {
            "type": "challenge_required",
            "code": "challenge_required",
            "message": f"Open {origin}/tidegate/challenge/t0ken",
            "challenge_url": f"{origin}/tidegate/challenge/t0ken",
        }
        named = gateway.named.format(origin=origin, path="/tidegate/challenge/t0ken/puzzle")
        more = {"Tidegate-Challenge": named} if named else {}
        self._send(403, json.dumps({"type": "error", "error": error}).encode(), **more, X_Should_Retry="false")

    def _reply(self, content: bytes) -> None:
        with contextlib.suppress(ValueError, UnicodeDecodeError):
            if json.loads(content).get("stream"):
                self._stream()
                return
        if self.path.endswith("/messages"):
            reply: Any = {
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": "m-large",
                "stop_reason": "end_turn",
            }
            reply |= {"content": [{"type": "text", "text": MESSAGE}], "usage": {"input_tokens": 1, "output_tokens": 1}}
        else:
            reply = {"id": "c", "object": "chat.completion", "created": 1, "model": "m-large", "text": MESSAGE}
            message = {"role": "assistant", "content": MESSAGE}
            reply |= {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "size": len(content)}
        self._send(200, json.dumps(reply).encode())

    def _stream(self) -> None:
        self.send_response(200)
        self._share()
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for word in MESSAGE.split():
            if self.path.endswith("/messages"):
                delta: Any = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
                event = "event: content_block_delta\n"
            else:
                choice = {"index": 0, "delta": {"content": word}}
                delta, event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-large"}, ""
                delta["choices"] = [choice]
            self.wfile.write(f"{event}data: {json.dumps(delta)}\n\n".encode())
            self.wfile.flush()
        if not self.path.endswith("/messages"):
            self.wfile.write(b"data: [DONE]\n\n")

    def _share(self) -> None:
        """What pages of other origins may read."""
        if self.server.gateway.cross_origin:
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Access-Control-Allow-Headers", "*, authorization")
            self.send_header("Access-Control-Expose-Headers", "Tidegate-Challenge")

    def _send(self, status: int, content: bytes, **fields: str) -> None:
        self.send_response(status)
        self._share()
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False
    gateway: Gateway

    def handle_error(self, *_: object) -> None:
        """A caller that leaves is no fault."""


@contextlib.contextmanager
def serving(**settings: Any) -> Iterator[Gateway]:
    """On a free port of loopback."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        gateway = server.gateway = Gateway(address=f"http://127.0.0.1:{server.server_port}", **settings)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield gateway
        finally:
            server.shutdown()
            thread.join()
