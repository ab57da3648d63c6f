"""What the official SDKs raise where a group of accounts is answered, and whether they come again."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Self

import anthropic
import httpx2
import openai
import pytest

from gateway.campaigns.verdict import Family, Verdict
from gateway.chain.entry import Entry, OnFailure
from gateway.feeds.verdicts_memory import MemoryVerdicts
from gateway.policies.risk import KIND
from gateway.policies.risk.config import RiskConfig
from gateway.policy import Action, Context, Decision, Facts, Principal
from gateway.testing import services
from tests.edge.conftest import Serve, serve

__all__ = ["serve"]

LEVELS: Final[dict[str, Any]] = {
    "budget": {"requests": 2, "every": "1h"},
    "hold": {"features": ["tools"]},
    "challenge": {},
    "verify": {},
}
QUESTION: Final[Any] = [{"role": "user", "content": "When is high tide?"}]
TOOL: Final[Any] = {"type": "function", "function": {"name": "tides", "parameters": {"type": "object"}}}
ANTHROPIC_TOOL: Final[Any] = {"name": "tides", "input_schema": {"type": "object"}}
ANSWERS: Final = {
    "openai": {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []},
    "anthropic": {
        "id": "x", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}  # fmt: skip


class _Auth:
    """Everybody is the same account."""

    def decide(self, _: Context) -> Decision:
        return Decision(Action.ALLOW, facts=Facts(principal=Principal("acme", tier="free")))


@contextlib.asynccontextmanager
async def edge(serve: Serve, score: float, **levels: Any) -> AsyncIterator[Any]:
    """An edge whose only account is suspected so."""
    families = ((Family.CONTENT, score / 2), (Family.WORK, score / 2))
    verdict = Verdict("acme", "c1", score, families, expires=math.inf)
    offered = dataclasses.replace(services(), entry="risk", verdicts=MemoryVerdicts([verdict]))
    offered = dataclasses.replace(offered, owner_link=lambda account: f"/tidegate/account/link/{account}")
    config = RiskConfig.model_validate({"campaigns": {**LEVELS, **levels}})
    entries = (
        Entry.of("auth", "auth", _Auth(), OnFailure.DENY),
        Entry.of("risk", "risk", KIND.build(config, offered), OnFailure.ALLOW),
    )
    async with serve(entries=entries) as served:
        yield served


class Sdk:
    """One of them, and every request as it left."""

    def __init__(self, name: str, port: int, retries: int = 0) -> None:
        self.name = name
        self.sent: list[str] = []
        http = httpx2.AsyncClient(event_hooks={"request": [self._note]})
        url = f"http://127.0.0.1:{port}"
        self.client: Any = (
            openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=retries, http_client=http)
            if name == "openai"
            else anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=retries, http_client=http)
        )

    async def _note(self, request: httpx2.Request) -> None:
        self.sent.append(request.headers.get("x-stainless-retry-count", "0"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def ask(self, *, tools: bool = False) -> Any:
        if self.name == "openai":
            more: dict[str, Any] = {"tools": [TOOL]} if tools else {}
            return await self.client.chat.completions.create(model="m", messages=QUESTION, **more)
        more = {"tools": [ANTHROPIC_TOOL]} if tools else {}
        return await self.client.messages.create(model="m", max_tokens=5, messages=QUESTION, **more)


BOTH: Final = pytest.mark.parametrize("name", ["openai", "anthropic"])
SDKS: Final[dict[str, Any]] = {"openai": openai, "anthropic": anthropic}


def answers(served: Any, name: str) -> None:
    content = json.dumps(ANSWERS[name]).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
    served.upstream.answer = head + content


def reason_of(error: Any, name: str) -> str:
    body = error.body if name == "openai" else error.body["error"]
    return str(body["code"] if name == "openai" else body["reason"])


@BOTH
@pytest.mark.parametrize(
    ("score", "tools", "reason", "said"),
    [
        pytest.param(8.0, True, "temporarily_withheld", r"`tools` waits .*verification_url", id="hold"),
        pytest.param(10.0, False, "challenge_required", r"pass a challenge in a browser", id="challenge"),
        pytest.param(13.0, False, "verification_required", r"an identity document.*a living face", id="verify"),
    ],
)
async def test_what_waiting_does_not_mend_is_not_tried_again(
    serve: Serve, name: str, score: float, tools: bool, reason: str, said: str
) -> None:
    """403: PermissionDeniedError with our reason and the way out, after one request and no more."""
    async with edge(serve, score) as served, Sdk(name, served.port, retries=2) as sdk:
        with pytest.raises(SDKS[name].PermissionDeniedError) as caught:
            await sdk.ask(tools=tools)
        assert reason_of(caught.value, name) == reason
        assert re.search(said, str(caught.value))
        assert sdk.sent == ["0"]
        assert served.upstream.heard == []


@BOTH
async def test_a_budget_that_is_used_up_is_a_rate_limit(serve: Serve, name: str) -> None:
    """429: RateLimitError, with a Retry-After of when the next request fits."""
    async with edge(serve, 6.0) as served, Sdk(name, served.port) as sdk:
        answers(served, name)
        await sdk.ask()
        await sdk.ask()
        with pytest.raises(SDKS[name].RateLimitError) as caught:
            await sdk.ask()
        assert reason_of(caught.value, name) == "cluster_budget_exhausted"
        assert 1700 <= int(caught.value.response.headers["retry-after"]) <= 1800
        assert "2 requests every 1 h" in str(caught.value)


@BOTH
async def test_who_is_told_to_wait_notices_seconds(serve: Serve, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK comes again by itself after the seconds that it was told, and gets its answer."""
    waits: list[float] = []
    monkeypatch.setattr(f"{name}._base_client.anyio.sleep", _hurried(waits))
    levels = {"budget": {"requests": 1000}, "trace": {"share": "20%", "wait": ["2s", "3s"]}}
    async with edge(serve, 6.0, **levels) as served, Sdk(name, served.port, retries=1) as sdk:
        answers(served, name)
        for _ in range(60):
            await sdk.ask()
        assert sdk.sent.count("1") == len(waits) == 1
        assert 2.0 <= waits[0] <= 3.0


def _hurried(waits: list[float]) -> Callable[[float], Any]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return sleep
