"""Answers Tidegate's proofs of work, below an HTTP client: who calls the API notices nothing.

    client = openai.OpenAI(http_client=httpx2.Client(transport=ProofOfWork(httpx2.HTTPTransport())))

A gateway that asks for a proof of work refuses with 403 and the field `Tidegate-Challenge`, which names a puzzle. The
puzzle is fetched, solved, and the request is sent once more with the answer in `Tidegate-Answer`. Nothing of a refused
request has reached a model, so nothing is done or paid twice.

What is trusted: the puzzle comes from the origin that the request went to, whatever host the field names, and without
credentials. It costs so many seconds at most, and what looks too hard is not begun: then the caller gets the refusal,
with the address at which a person can answer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from time import perf_counter, sleep
from typing import Any, Final, NamedTuple

import anyio
import anyio.to_thread
import httpx2

log = logging.getLogger("tidegate.proof_of_work")

CHALLENGE: Final = "tidegate-challenge"
ANSWER: Final = "tidegate-answer"
SECONDS: Final = 30.0
"""The longest that one puzzle is worked on."""
REPLAYED: Final = 32 * 1024 * 1024
"""Bytes: a body up to this is kept in memory until it is answered, so that it can be sent again."""

PUZZLE_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/tidegate/challenge/[A-Za-z0-9_-]{1,4096}/puzzle")
LARGEST_REFUSAL: Final = 64 * 1024
LARGEST_PUZZLE: Final = 8 * 1024
COSTLIEST: Final = 1_000_000
"""Rounds of one try, which nothing can interrupt: about half a second."""
PATIENCE: Final = {"connect": 10.0, "read": 10.0, "write": 10.0, "pool": 10.0}
FORGOTTEN: Final = 10.0
"""Seconds after which a puzzle that is put again is worked on again."""
REMEMBERED: Final = 256
PAUSES: Final = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Seconds before each time that a request is sent again, for which another one has given the answer: it is in force on
every worker of a gateway within one.
"""
HEARD: Final = 0.5
"""Seconds more for which the reply to that answer is waited for: it may take as long as a model takes."""


class TooHard(Exception):
    """It is not to be solved here."""


class Over(Exception):
    """There is no such puzzle any more: it was passed, or it has expired."""


class Puzzle(NamedTuple):
    """ALTCHA, version 2: find the counter with which the derived key begins as it has to."""

    hashed_by: str
    """A name of hashlib."""
    stretched: bool
    """By PBKDF2; else hashed `cost` times."""
    nonce: bytes
    salt: bytes
    cost: int
    length: int
    """Bytes of the derived key."""
    prefix: str
    """Its first digits, in hexadecimal."""
    stated: Any
    """The whole, as it goes back with the answer."""


def read(content: bytes) -> Puzzle:
    """Raises TooHard for what this does not know, or would not do."""
    try:
        stated = json.loads(content)
        found = stated["parameters"]
        algorithm, cost, length = found["algorithm"], found["cost"], found.get("keyLength", 32)
        nonce, salt = bytes.fromhex(found["nonce"]), bytes.fromhex(found["salt"])
        prefix = found.get("keyPrefix", "00").lower()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TooHard("it is no puzzle of ALTCHA, version 2") from None
    known = re.fullmatch(r"(PBKDF2/)?SHA-(256|384|512)", str(algorithm))
    if known is None:
        raise TooHard(f"nobody here knows {str(algorithm)[:40]!r}")
    if type(cost) is not int or not 1 <= cost <= COSTLIEST:
        raise TooHard(f"a cost of {str(cost)[:40]} is out of all proportion")
    if type(length) is not int or not 1 <= length <= 64 or not re.fullmatch(r"[0-9a-f]{1,128}", prefix):
        raise TooHard("its key is out of all proportion")
    return Puzzle(f"sha{known[2]}", bool(known[1]), nonce, salt, cost, length, prefix, stated)


def solve(puzzle: Puzzle, seconds: float = SECONDS, stopped: Callable[[], bool] = lambda: False) -> str:
    """The answer as `Tidegate-Answer` has it. Raises TooHard where the time is over, or it was stopped."""
    began = perf_counter()
    whole, odd = bytes.fromhex(puzzle.prefix[: len(puzzle.prefix) // 2 * 2]), len(puzzle.prefix) % 2
    derive = _stretched if puzzle.stretched else _hashed
    # The clock is looked at about once a millisecond.
    every = max(1, 1000 // puzzle.cost)
    for counter in range(2**32):
        if counter % every == 0 and (perf_counter() - began > seconds or stopped()):
            raise TooHard(f"it is not solved after {perf_counter() - began:.1f} s")
        key = derive(puzzle, puzzle.nonce + counter.to_bytes(4, "big"))
        if key.startswith(whole) and (not odd or key.hex().startswith(puzzle.prefix)):
            solution = {"counter": counter, "derivedKey": key.hex(), "time": round((perf_counter() - began) * 1000, 1)}
            return base64.b64encode(json.dumps({"challenge": puzzle.stated, "solution": solution}).encode()).decode()
    raise TooHard("no counter solves it")


def _hashed(puzzle: Puzzle, password: bytes) -> bytes:
    key = puzzle.salt + password
    for _ in range(puzzle.cost):
        key = hashlib.new(puzzle.hashed_by, key).digest()
    return key[: puzzle.length]


def _stretched(puzzle: Puzzle, password: bytes) -> bytes:
    return hashlib.pbkdf2_hmac(puzzle.hashed_by, password, puzzle.salt, puzzle.cost, puzzle.length)


class Turn:
    """One puzzle. Of several requests that meet it at once, the first works and the others wait for it."""

    def __init__(self, lock: Any, replied: Any) -> None:
        """`replied` is an event: nobody's answer is under way. It is set."""
        self.lock = lock
        self.replied = replied
        self._failed = False
        self._until = 0.0

    def is_open(self) -> bool:
        """Nobody has worked on it, or that is long ago."""
        return perf_counter() > self._until

    def has_failed(self) -> bool:
        return self._failed and not self.is_open()

    def again(self) -> None:
        """Whether the answer has arrived is not known: whoever comes next works."""
        self._until = 0.0

    def solved(self, replied: Any) -> None:
        self.replied, self._failed, self._until = replied, False, perf_counter() + FORGOTTEN

    def failed(self, error: Exception) -> None:
        log.warning("a proof of work is not given: %s", error)
        self._failed, self._until = True, perf_counter() + FORGOTTEN


class Turns:
    """Of one transport, by the address of the puzzle: bounded, the oldest goes."""

    def __init__(self, make: Callable[[], Turn]) -> None:
        self._make = make
        self._guard = threading.Lock()
        self._turns: OrderedDict[str, Turn] = OrderedDict()

    def at(self, address: httpx2.URL) -> Turn:
        with self._guard:
            turn = self._turns.get(str(address))
            if turn is None:
                turn = self._turns[str(address)] = self._make()
                if len(self._turns) > REMEMBERED:
                    self._turns.popitem(last=False)
            return turn


class ProofOfWork(httpx2.BaseTransport):
    """Around another transport, for `httpx2.Client`."""

    def __init__(self, transport: httpx2.BaseTransport, *, seconds: float = SECONDS, replayed: int = REPLAYED) -> None:
        self._transport = transport
        self._seconds = seconds
        self._replayed = replayed
        self._turns = Turns(lambda: Turn(threading.Lock(), _set(threading.Event())))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if _is_to_be_kept(request, self._replayed):
            request.read()
        response = self._transport.handle_request(request)
        pauses = iter(PAUSES)
        while (address := _puzzle_of(request, response)) is not None:
            response.read()
            turn = self._turns.at(address)
            with turn.lock:
                answer = self._answer(turn, address) if turn.is_open() else ""
            if answer:
                try:
                    return self._transport.handle_request(_again(request, answer))
                except BaseException:
                    turn.again()
                    raise
                finally:
                    turn.replied.set()
            if turn.has_failed() or (pause := next(pauses, None)) is None:
                break
            turn.replied.wait(HEARD)
            sleep(pause)
            response = self._transport.handle_request(_again(request))
        return response

    def _answer(self, turn: Turn, address: httpx2.URL) -> str:
        """Empty where there is none to give."""
        try:
            answer = solve(self._fetched(address), self._seconds)
        except Over:
            return ""
        except (TooHard, httpx2.HTTPError) as error:
            turn.failed(error)
            return ""
        turn.solved(threading.Event())
        return answer

    def _fetched(self, address: httpx2.URL) -> Puzzle:
        response = self._transport.handle_request(_asking(address))
        content = b""
        try:
            for piece in response.iter_raw():
                content += piece
                if len(content) > LARGEST_PUZZLE:
                    break
        finally:
            response.close()
        return _checked(response, content)

    def close(self) -> None:
        self._transport.close()


class AsyncProofOfWork(httpx2.AsyncBaseTransport):
    """The same for `httpx2.AsyncClient`. Puzzles are solved in a thread; one that nobody waits for any more ends."""

    def __init__(
        self, transport: httpx2.AsyncBaseTransport, *, seconds: float = SECONDS, replayed: int = REPLAYED
    ) -> None:
        self._transport = transport
        self._seconds = seconds
        self._replayed = replayed
        self._turns = Turns(lambda: Turn(anyio.Lock(), _set(anyio.Event())))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if _is_to_be_kept(request, self._replayed):
            await request.aread()
        response = await self._transport.handle_async_request(request)
        pauses = iter(PAUSES)
        while (address := _puzzle_of(request, response)) is not None:
            await response.aread()
            turn = self._turns.at(address)
            async with turn.lock:
                answer = await self._answer(turn, address) if turn.is_open() else ""
            if answer:
                try:
                    return await self._transport.handle_async_request(_again(request, answer))
                except BaseException:
                    turn.again()
                    raise
                finally:
                    turn.replied.set()
            if turn.has_failed() or (pause := next(pauses, None)) is None:
                break
            with anyio.move_on_after(HEARD):
                await turn.replied.wait()
            await anyio.sleep(pause)
            response = await self._transport.handle_async_request(_again(request))
        return response

    async def _answer(self, turn: Turn, address: httpx2.URL) -> str:
        left = threading.Event()
        try:
            puzzle = await self._fetched(address)
            answer = await anyio.to_thread.run_sync(solve, puzzle, self._seconds, left.is_set, abandon_on_cancel=True)
        except Over:
            return ""
        except (TooHard, httpx2.HTTPError) as error:
            turn.failed(error)
            return ""
        finally:
            left.set()
        turn.solved(anyio.Event())
        return answer

    async def _fetched(self, address: httpx2.URL) -> Puzzle:
        response = await self._transport.handle_async_request(_asking(address))
        content = b""
        try:
            async for piece in response.aiter_raw():
                content += piece
                if len(content) > LARGEST_PUZZLE:
                    break
        finally:
            await response.aclose()
        return _checked(response, content)

    async def aclose(self) -> None:
        await self._transport.aclose()


def _set(event: Any) -> Any:
    event.set()
    return event


def _is_to_be_kept(request: httpx2.Request, most: int) -> bool:
    """Of a body that comes in pieces, only one whose length is known: a file, not a generator."""
    length = request.headers.get("content-length", "")
    return not isinstance(request.stream, httpx2.ByteStream) and length.isdecimal() and int(length) <= most


def _puzzle_of(request: httpx2.Request, response: httpx2.Response) -> httpx2.URL | None:
    """Where the work is that this refusal asks for; None where it asks for none, or nothing could be sent again."""
    named = response.headers.get(CHALLENGE, "")
    length = response.headers.get("content-length", "")
    if response.status_code != 403 or not named or not isinstance(request.stream, httpx2.ByteStream):
        return None
    try:
        path = httpx2.URL(named).path
    except httpx2.InvalidURL:
        return None
    if not PUZZLE_PATH.fullmatch(path) or not length.isdecimal() or int(length) > LARGEST_REFUSAL:
        return None
    return request.url.copy_with(path=path, query=None, fragment=None, username=None, password=None)


def _again(request: httpx2.Request, answer: str = "") -> httpx2.Request:
    headers = httpx2.Headers(request.headers)
    if answer:
        headers[ANSWER] = answer
    return httpx2.Request(
        request.method, request.url, headers=headers, stream=request.stream, extensions=request.extensions
    )


def _asking(address: httpx2.URL) -> httpx2.Request:
    """Without credentials: who may have the puzzle is who has its address."""
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    return httpx2.Request("GET", address, headers=headers, extensions={"timeout": PATIENCE})


def _checked(response: httpx2.Response, content: bytes) -> Puzzle:
    if response.status_code in {404, 409, 410}:
        raise Over
    if response.status_code != 200 or len(content) > LARGEST_PUZZLE:
        raise TooHard(f"the puzzle cannot be had: {response.status_code}, {len(content):,} bytes")
    return read(content)
