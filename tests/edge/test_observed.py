"""What the detector is told of an exchange: whose exchanges, and what of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from gateway.campaigns.observer import Note, Observer
from gateway.edge.observed import note_of
from gateway.policy import ALLOW, Action, Decision, Facts, Principal
from tests.edge.bench import Bench, Plain

ACCOUNT: Final = Principal("acct", "org", key="k", tier="free")
USED: Final = b'{"usage":{"prompt_tokens":30,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":20}}}'
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(USED), USED)
CHAT: Final = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
DENIED: Final = Decision(Action.DENY, "not_allowed")


class Kept:
    """In place of an Observer: what it was told."""

    def __init__(self) -> None:
        self.notes: list[Note] = []

    def note(self, ended: Any) -> None:
        self.notes.append(Note(*orjson.loads(orjson.dumps(note_of(ended)))))


def request(path: bytes = b"/v1/chat/completions", body: bytes = CHAT, method: bytes = b"POST") -> bytes:
    return (
        b"%b %b HTTP/1.1\r\nHost: gateway\r\nUser-Agent: A/1\r\nContent-Type: application/json\r\n"
        b"X-Stainless-Lang: python\r\nX-Stainless-Retry-Count: 3\r\nContent-Length: %d\r\n\r\n%b"
    ) % (method, path, len(body), body)


def noted(sent: bytes, decision: Decision = ALLOW, principal: Principal | None = ACCOUNT) -> list[Note]:
    bench = Bench(ANSWER, policy=Plain(decision._replace(facts=Facts(principal=principal))))
    kept: Any = Kept()
    bench.edge.observer = kept
    bench.feed(sent)
    assert bench.statuses
    notes: list[Note] = kept.notes
    return notes


@pytest.mark.parametrize(
    ("sent", "decision", "principal", "count"),
    [
        pytest.param(request(), ALLOW, ACCOUNT, 1, id="answered"),
        pytest.param(request(), DENIED, ACCOUNT, 1, id="refused"),
        pytest.param(request(), DENIED, None, 0, id="of nobody"),
        pytest.param(request(b"/v1/models", b"", b"GET"), ALLOW, ACCOUNT, 0, id="generates nothing"),
        pytest.param(request(b"/v1/messages/count_tokens"), ALLOW, ACCOUNT, 0, id="counts alone"),
        pytest.param(request(b"/v1/images/generations"), ALLOW, ACCOUNT, 1, id="another route"),
        pytest.param(request(body=b"{"), ALLOW, ACCOUNT, 0, id="could not be read"),
    ],
)
async def test_whose_exchanges_are_told(
    sent: bytes, decision: Decision, principal: Principal | None, count: int
) -> None:
    """Those of accounts, that generate something, whatever came of them."""
    assert len(noted(sent, decision, principal)) == count


async def test_what_is_told() -> None:
    """Of the head no value but what the client says of its software, and no part that changes from try to try."""
    [note] = noted(request())
    assert note.head.splitlines() == [
        "host,user-agent,content-type,x-stainless-lang,x-stainless-retry-count,content-length",
        "A/1",
        "python",
    ]
    assert (note.account, note.organisation, note.key, note.tier, note.address) == (
        "acct",
        "org",
        "k",
        "free",
        "192.0.2.7",
    )
    assert (note.usage_input, note.usage_output, note.status, note.action, note.reason) == (30, 5, 200, "allow", "")
    assert (note.system, note.prompt, list(note.sizes)) == ("", "hi", [0, 2])
    assert note.seconds >= 0


async def test_a_refusal_has_its_reason() -> None:
    """And its status; its prompt is told as well."""
    [note] = noted(request(), DENIED)
    assert (note.action, note.reason, note.status, note.prompt, note.usage_output) == (
        "deny",
        "not_allowed",
        403,
        "hi",
        0,
    )


@pytest.mark.timing
async def test_it_costs_a_part_of_an_exchange() -> None:
    """Of one in memory alone, without a socket: what is noted, spelled and written included."""

    class Nowhere(asyncio.WriteTransport):
        def write(self, data: Any) -> None:
            """Gone."""

        def get_write_buffer_size(self) -> int:
            return 0

    def exchanges(bench: Bench, count: int = 20) -> float:
        bench.policy.contexts.clear()
        bench.policy.outcomes.clear()
        began = time.perf_counter()
        for _ in range(count):
            bench.feed(sent)
        if bench.edge.observer is not None:
            bench.edge.observer.flush()
        return (time.perf_counter() - began) / count

    sent = request(body=orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "word " * 256}]}))
    plain, observed = (Bench(ANSWER, policy=Plain(ALLOW._replace(facts=Facts(principal=ACCOUNT)))) for _ in range(2))
    observed.edge.observer = Observer(Path("/nowhere"), observed.edge.counters, note_of)
    observed.edge.observer._transport = Nowhere()
    best = [9.0, 9.0]
    for _ in range(60):
        best = [min(best[0], exchanges(plain)), min(best[1], exchanges(observed))]
    await asyncio.sleep(0.1)

    assert best[1] / best[0] < 1.4, f"{best[0] * 1e6:.1f} µs, observed {best[1] * 1e6:.1f} µs"
