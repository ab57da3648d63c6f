"""examples/proof-of-work/python: with both official SDKs nobody notices anything; nobody is made to work for ever."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import anthropic
import httpx2
import openai
import pytest
from altcha import v2

from gateway.tasks import spawn
from tests.docs.pages import ROOT
from tests.examples.work_standin import MESSAGE, SECRET, Gateway, serving

MODULE: Final = ROOT / "examples" / "proof-of-work" / "python" / "proof_of_work.py"


def _loaded() -> Any:
    spec = importlib.util.spec_from_file_location("proof_of_work", MODULE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


proof_of_work = _loaded()
QUESTION: Any = [{"role": "user", "content": "When is high tide?"}]
FIELDS = {"authorization": "Bearer k1"}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with serving() as running:
        yield running


def client(**settings: Any) -> httpx2.Client:
    return httpx2.Client(transport=proof_of_work.ProofOfWork(httpx2.HTTPTransport(), **settings))


def async_client(**settings: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=proof_of_work.AsyncProofOfWork(httpx2.AsyncHTTPTransport(), **settings))


def ask_openai(gateway: Gateway, *, stream: bool) -> str:
    with openai.OpenAI(base_url=f"{gateway.address}/v1", api_key="k1", http_client=client(), max_retries=0) as sdk:
        answer: Any = sdk.chat.completions.create(model="m-large", messages=QUESTION, stream=stream)
        if stream:
            return " ".join(chunk.choices[0].delta.content for chunk in answer)
        return str(answer.choices[0].message.content)


def ask_anthropic(gateway: Gateway, *, stream: bool) -> str:
    with anthropic.Anthropic(base_url=gateway.address, api_key="k1", http_client=client(), max_retries=0) as sdk:
        answer: Any = sdk.messages.create(model="m-large", max_tokens=9, messages=QUESTION, stream=stream)
        return " ".join(event.delta.text for event in answer) if stream else str(answer.content[0].text)


async def _async_openai(gateway: Gateway, *, stream: bool) -> str:
    sdk = openai.AsyncOpenAI(base_url=f"{gateway.address}/v1", api_key="k1", http_client=async_client(), max_retries=0)
    async with sdk:
        answer: Any = await sdk.chat.completions.create(model="m-large", messages=QUESTION, stream=stream)
        if stream:
            return " ".join([chunk.choices[0].delta.content async for chunk in answer])
        return str(answer.choices[0].message.content)


async def _async_anthropic(gateway: Gateway, *, stream: bool) -> str:
    sdk = anthropic.AsyncAnthropic(base_url=gateway.address, api_key="k1", http_client=async_client(), max_retries=0)
    async with sdk:
        answer: Any = await sdk.messages.create(model="m-large", max_tokens=9, messages=QUESTION, stream=stream)
        return " ".join([event.delta.text async for event in answer]) if stream else str(answer.content[0].text)


def ask_async_openai(gateway: Gateway, *, stream: bool) -> str:
    return asyncio.run(_async_openai(gateway, stream=stream))


def ask_async_anthropic(gateway: Gateway, *, stream: bool) -> str:
    return asyncio.run(_async_anthropic(gateway, stream=stream))


SDKS = [ask_openai, ask_anthropic, ask_async_openai, ask_async_anthropic]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("ask", SDKS, ids=lambda ask: ask.__name__)
def test_nobody_notices(gateway: Gateway, ask: Callable[..., str], stream: bool) -> None:
    """One puzzle, one answer, and the SDK has what it asked for; credentials are not sent for the puzzle."""
    assert ask(gateway, stream=stream) == MESSAGE

    assert (gateway.puzzles, gateway.answers) == (1, 1)
    first, again = (content for _, path, _, content in gateway.seen if path.startswith("/v1/"))
    assert first == again
    assert not {"authorization", "x-api-key", "cookie"} & set(gateway.asked("/tidegate/")[0])


PUZZLES = [
    pytest.param({"algorithm": "SHA-256", "prefix": "000"}, id="sha-256-odd-prefix"),
    pytest.param({"algorithm": "SHA-256", "cost": 50}, id="sha-256-iterated"),
    pytest.param({"algorithm": "SHA-512"}, id="sha-512"),
    pytest.param({"algorithm": "PBKDF2/SHA-256", "cost": 500, "prefix": "0"}, id="pbkdf2"),
    pytest.param({"algorithm": "PBKDF2/SHA-256", "cost": 500, "counter": 37}, id="pbkdf2-chosen-counter"),
    pytest.param({"algorithm": "PBKDF2/SHA-512", "cost": 100, "prefix": "F"}, id="pbkdf2-sha-512"),
]


@pytest.mark.parametrize("settings", PUZZLES)
def test_what_is_solved_is_an_answer(settings: dict[str, Any]) -> None:
    """ALTCHA's own library takes it."""
    puzzle = proof_of_work.read(Gateway(**settings).made())

    result = v2.verify_solution(proof_of_work.solve(puzzle), SECRET)

    assert result.verified, result.error


NO_PUZZLES = [
    pytest.param({"puzzle": b"<html>"}, id="no-json"),
    pytest.param({"puzzle": b"[]"}, id="no-object"),
    pytest.param({"puzzle": b'{"parameters": 1}'}, id="no-parameters"),
    pytest.param({"puzzle": b" " * 100_000}, id="large"),
    pytest.param({"algorithm": "SCRYPT", "cost": 4, "prefix": ""}, id="unknown-algorithm"),
    pytest.param({"algorithm": "SHA-256", "cost": 10**7, "counter": None}, id="one-try-takes-too-long"),
    pytest.param({"prefix": "f" * 64}, id="takes-for-ever"),
    pytest.param({"puzzle_status": 500}, id="puzzle-away"),
    pytest.param({"refuses": True}, id="answer-is-not-taken"),
]


@pytest.mark.parametrize("settings", NO_PUZZLES)
def test_nobody_works_for_ever(settings: dict[str, Any]) -> None:
    """What cannot be solved here, or takes too long, is the refusal that it would have been, with its address."""
    with serving(**settings) as gateway, client(seconds=0.2) as http:
        began = time.monotonic()
        sdk = openai.OpenAI(base_url=f"{gateway.address}/v1", api_key="k1", http_client=http)
        with pytest.raises(openai.PermissionDeniedError, match="/tidegate/challenge/t0ken"):
            sdk.chat.completions.create(model="m-large", messages=QUESTION)

        assert time.monotonic() - began < 2.0
        assert gateway.puzzles == 1
        assert len(gateway.asked("/v1/")) == 1 + gateway.answers


def test_a_puzzle_that_was_too_hard_is_not_begun_by_each_request() -> None:
    """Ten requests at once: one works on it in vain, and none after it for a while."""
    with serving(prefix="f" * 64) as gateway, client(seconds=0.2) as http, ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(http.post, f"{gateway.address}/v1/x", headers=FIELDS, json={}) for _ in range(10)]

        assert {one.result().status_code for one in asked} == {403}
        assert gateway.puzzles == 1


@pytest.mark.parametrize(
    "named",
    [
        "{origin}/v1/models",
        "{origin}/tidegate/challenge/../../v1/models",
        "{origin}/tidegate/challenge/a/b/puzzle",
        "http://tides.invalid:no/tidegate/challenge/t0ken/puzzle",
        "",
    ],
    ids=["elsewhere", "dots", "deeper", "no-address", "none"],
)
def test_only_a_puzzle_is_fetched(named: str) -> None:
    """What names another path is the refusal that it is."""
    with serving(named=named) as gateway, client() as http:
        assert http.post(f"{gateway.address}/v1/x", headers=FIELDS, json={}).status_code == 403
        assert len(gateway.seen) == 1


@pytest.mark.parametrize(
    "named",
    ["https://tides.invalid{path}", "//tides.invalid:1{path}", "{path}", "https://user:secret@tides.invalid{path}?a=1"],
    ids=["other-host", "no-scheme", "path", "credentials"],
)
def test_the_origin_is_that_of_the_request(named: str) -> None:
    """Behind a proxy the gateway may not know its own name; and no field sends anybody to another host."""
    with serving(named=named) as gateway, client() as http:
        assert http.post(f"{gateway.address}/v1/x?k=1", headers=FIELDS, json={}).status_code == 200
        assert [path for _, path, _, _ in gateway.seen][1] == "/tidegate/challenge/t0ken/puzzle"


def pieces(size: int) -> Iterator[bytes]:
    yield b"x" * size


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param({"content": b"x" * 5000}, 200, id="bytes"),
        pytest.param({"files": {"file": ("a.txt", io.BytesIO(b"x" * 5000))}}, 200, id="file"),
        pytest.param({"files": {"file": ("a.txt", io.BytesIO(b"x" * 50_000))}}, 403, id="file-larger-than-is-kept"),
        pytest.param({"content": pieces(5000)}, 403, id="generator"),
    ],
)
def test_only_what_can_be_sent_again_is_sent_again(gateway: Gateway, content: dict[str, Any], status: int) -> None:
    """The whole body or no second request: never half of one."""
    with client(replayed=10_000) as http:
        assert http.post(f"{gateway.address}/v1/x", headers=FIELDS, **content).status_code == status

    bodies = [body for _, path, _, body in gateway.seen if path.startswith("/v1/")]
    assert len(bodies) == (2 if status == 200 else 1)
    assert bodies[0] == bodies[-1]
    assert len(bodies[0]) >= 5000


@pytest.mark.parametrize("settings", [{}, {"keeps": 0.9}, {"slow": 0.6}], ids=["at-once", "long-reply", "slow-fleet"])
def test_many_at_once_solve_once(settings: dict[str, Any]) -> None:
    """Twenty threads: one puzzle, one answer, twenty replies; also where the answer is in force a little later on other
    workers, and where the first reply takes long.
    """
    with serving(prefix="0000", **settings) as gateway, client() as http, ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(http.post, f"{gateway.address}/v1/x", headers=FIELDS, json={}) for _ in range(20)]

        assert {one.result().status_code for one in asked} == {200}
        assert (gateway.puzzles, gateway.answers) == (1, 1)
        assert settings or len(gateway.asked("/v1/")) <= 40, "each is sent again once, when it is let through"


@pytest.mark.parametrize("settings", [{}, {"keeps": 0.9}, {"slow": 0.6}], ids=["at-once", "long-reply", "slow-fleet"])
async def test_many_tasks_at_once_solve_once(settings: dict[str, Any]) -> None:
    """The same on an event loop."""
    with serving(prefix="0000", **settings) as gateway:
        async with async_client() as http:
            asked = [http.post(f"{gateway.address}/v1/x", headers=FIELDS, json={}) for _ in range(20)]
            replies = await asyncio.gather(*asked)

        assert {reply.status_code for reply in replies} == {200}
        assert (gateway.puzzles, gateway.answers) == (1, 1)


async def test_who_leaves_leaves_the_work_to_others() -> None:
    """A task that is cancelled while it works stops working, and another one begins."""
    with serving(prefix="f" * 64) as gateway:
        async with async_client(seconds=20.0) as http:
            first = spawn(http.post(f"{gateway.address}/v1/x", headers=FIELDS, json={}), "asked")
            while not gateway.puzzles:
                await asyncio.sleep(0.01)
            gateway.prefix = "00"
            second = spawn(http.post(f"{gateway.address}/v1/x", headers=FIELDS, json={}), "asked")
            await asyncio.sleep(0.1)
            first.cancel()
            async with asyncio.timeout(10.0):
                done = await second

        assert done.status_code == 200
        assert gateway.puzzles == 2
    until = time.monotonic() + 2.0
    while any(map(_works, threading.enumerate())):
        assert time.monotonic() < until, "somebody still works"
        time.sleep(0.01)


def _works(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_name == "solve":
            return True
        frame = frame.f_back
    return False


@pytest.mark.parametrize("status", [404, 409, 410])
def test_a_puzzle_that_is_over_was_passed_elsewhere(gateway: Gateway, status: int) -> None:
    """Another process of the same customer has passed it meanwhile: the request is sent again as it is."""
    gateway.puzzle_status = status
    gateway.passed["Bearer k1"] = time.monotonic() + 0.1
    with client() as http:
        assert http.post(f"{gateway.address}/v1/x", headers=FIELDS, json={}).status_code == 200
    assert gateway.answers == 0


def test_other_refusals_are_left_alone(gateway: Gateway) -> None:
    """A 403 without the field is nobody's work."""
    gateway.named = ""
    with client() as http:
        refused = http.post(f"{gateway.address}/v1/x", headers=FIELDS, json={})
    assert json.loads(refused.content)["error"]["type"] == "challenge_required"
    assert len(gateway.seen) == 1


def test_a_stopped_puzzle_ends() -> None:
    """Within a millisecond or so, whatever it costs."""
    puzzle = proof_of_work.read(Gateway(prefix="f" * 64).made())
    began = time.monotonic()
    with pytest.raises(proof_of_work.TooHard):
        proof_of_work.solve(puzzle, 20.0, lambda: time.monotonic() - began > 0.1)
    assert time.monotonic() - began < 1.0
