"""What it costs a worker to observe exchanges: `python -m loadtest.observed`.

One connection in memory, an upstream that answers at once, no socket and no chain to speak of: what is measured is the
edge, so that shares of the whole are as large as they can be. Edges take turns in one run: a plain one and one that
notes (spelling and writing of frames included); and the same two, of which the other one also marks the id of a tool
call in each answer, with requests that have tools. The least of many groups counts, since noise only adds. Prints one
JSON object, in µs an exchange.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import time
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.campaigns.minted import Mint
from gateway.campaigns.observer import Observer
from gateway.edge.observed import note_of
from gateway.policy import ALLOW, Facts, Principal
from tests.edge.bench import Bench, Plain

WORDS: Final = (64, 256, 2000)
GROUP: Final = 20
ROUNDS: Final = 150
CALL: Final = "call_" + "0" * 23 + "7"


class Nowhere(asyncio.WriteTransport):
    """A sketcher's line that takes everything."""

    def write(self, data: Any) -> None:
        """Gone."""

    def get_write_buffer_size(self) -> int:
        return 0


def request(words: int, *, tools: bool = False) -> bytes:
    """A chat completion with a prompt of so many different words."""
    rng = random.Random(words)
    text = " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(words))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
    offered = {"tools": [{"type": "function", "function": {"name": "tides"}}]} if tools else {}
    body = orjson.dumps({"model": "m-large", "messages": messages, **offered})
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway.test\r\nContent-Type: application/json\r\n"
        b"User-Agent: OpenAI/Python 2.1.0\r\nX-Stainless-Lang: python\r\nAuthorization: Bearer key\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


def answer() -> bytes:
    """With a tool call, so that there is an id to mark."""
    function = {"name": "tides", "arguments": '{"place": "harbour"}'}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": CALL, "type": "function", "function": function}],
    }
    body = orjson.dumps(
        {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m-large",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
        }
    )  # fmt: skip
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def edge(*, observes: bool, mints: bool) -> Bench:
    principal = Principal("acme", key="k", tier="free")
    bench = Bench(answer(), policy=Plain(ALLOW._replace(facts=Facts(principal=principal))))
    if observes:
        bench.edge.observer = Observer(Path("nowhere"), bench.edge.counters, note_of)
        bench.edge.observer._transport = Nowhere()  # noqa: SLF001 - there is no socket to connect it to
    if mints:
        bench.edge.mint = Mint(b"a key of the load test")
    return bench


def group(bench: Bench, sent: bytes) -> float:
    """Seconds an exchange."""
    bench.policy.contexts.clear()
    bench.policy.outcomes.clear()
    bench.transport.sent.clear()
    began = time.perf_counter()
    for _ in range(GROUP):
        bench.feed(sent)
    if bench.edge.observer is not None:
        bench.edge.observer.flush()
    return (time.perf_counter() - began) / GROUP


async def measure() -> dict[str, dict[str, float]]:
    edges = {
        "plain": edge(observes=False, mints=False),
        "observed": edge(observes=True, mints=False),
        "plain with tools": edge(observes=False, mints=False),
        "marked": edge(observes=True, mints=True),
    }
    beside = {"observed": "plain", "marked": "plain with tools"}
    gc.collect()
    gc.freeze()
    found: dict[str, dict[str, float]] = {}
    for words in WORDS:
        best = dict.fromkeys(edges, float("inf"))
        plain, tools = request(words), request(words, tools=True)
        for _ in range(ROUNDS):
            for name, bench in edges.items():
                best[name] = min(best[name], group(bench, plain if name in {"plain", "observed"} else tools))
        micro = {name: round(seconds * 1e6, 1) for name, seconds in best.items()}
        more = {f"{name}_more": round((best[name] - best[than]) * 1e6, 1) for name, than in beside.items()}
        ratios = {f"{name}_ratio": round(best[name] / best[than], 3) for name, than in beside.items()}
        found[f"{words} words"] = micro | more | ratios
        await asyncio.sleep(0)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure()), indent=1))
