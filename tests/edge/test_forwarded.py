"""Whose word about the client is taken, as an upstream and a policy see it."""

from __future__ import annotations

import pytest

from gateway.policy import Context
from tests.edge.bench import PEER, Bench

GET = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n%b\r\n"

ROWS = {
    # trusted networks, X-Forwarded-For, the client to count on, what the upstream is told
    "nobody-is-trusted": ((), b"1.1.1.1", PEER, PEER),
    "a-stranger": (("10.0.0.0/8",), b"1.1.1.1", PEER, PEER),
    "a-hop-of-ours": (("192.0.2.0/24",), b"1.1.1.1", "1.1.1.1", f"1.1.1.1, {PEER}"),
    "behind-a-stranger": (("192.0.2.0/24",), b"1.1.1.1, 2.2.2.2", "2.2.2.2", f"1.1.1.1, 2.2.2.2, {PEER}"),
    "two-hops-of-ours": (("192.0.2.0/24", "10.0.0.0/8"), b"1.1.1.1, 10.1.2.3", "1.1.1.1", f"1.1.1.1, 10.1.2.3, {PEER}"),
    "all-hops-ours": (("0.0.0.0/0",), b"1.1.1.1, 2.2.2.2", "1.1.1.1", f"1.1.1.1, 2.2.2.2, {PEER}"),
    "nothing-said": (("192.0.2.0/24",), None, PEER, PEER),
    "garbage": (("192.0.2.0/24",), b"1.1.1.1, <script>", PEER, f"1.1.1.1, <script>, {PEER}"),
    "ipv6-client": (("192.0.2.0/24",), b"2001:DB8::1", "2001:db8::1", f"2001:DB8::1, {PEER}"),
    "mapped-ipv4": (("192.0.2.0/24",), b"::ffff:1.1.1.1", "1.1.1.1", f"::ffff:1.1.1.1, {PEER}"),
    "with-port": (("192.0.2.0/24",), b"1.1.1.1:443", "1.1.1.1", f"1.1.1.1:443, {PEER}"),
}


@pytest.mark.parametrize(("trusted", "said", "client", "told"), ROWS.values(), ids=ROWS)
async def test_trusted_hops(trusted: tuple[str, ...], said: bytes | None, client: str, told: str) -> None:
    """Counted on: the last address that is not ours. Told upstream: the chain as it came, and our own peer."""
    seen: list[Context] = []
    bench = Bench(trusted=trusted)
    bench.policy.contexts = seen
    bench.feed(GET % (b"X-Forwarded-For: %b\r\n" % said if said is not None else b""))
    assert seen[0].client_address == client
    lines = bench.forwarded[0].split(b"\r\n")
    assert [line for line in lines if line.lower().startswith(b"x-forwarded-for")] == [
        b"X-Forwarded-For: " + told.encode()
    ]
    node = f'"[{client}]"' if ":" in client else client
    assert f"Forwarded: for={node};proto=http".encode() in lines
    assert lines.count(b"Via: 1.1 tidegate") == 1


async def test_prefix_of_an_origin() -> None:
    """An origin may stand below a path of its own."""
    assert Bench(prefix=b"/base").feed(GET % b"").forwarded[0].startswith(b"GET /base/v1/models HTTP/1.1\r\n")


async def test_request_ids() -> None:
    """A harmless id of the caller's goes through both ways; any other is replaced by ours, for both."""
    bench = Bench().feed(GET % b"X-Request-Id: abc-1\r\n")
    assert b"X-Request-Id: abc-1\r\n" in bench.forwarded[0]
    assert b"x-request-id: abc-1\r\n" in bench.sent
    for bad in (b"a" * 129, b"a\tb", b"a, b", b'"'):
        other = Bench().feed(GET % (b"X-Request-Id: %b\r\n" % bad))
        assert b"X-Request-Id: ID\r\n" in other.forwarded[0]
        assert bad not in other.sent


async def test_compression_is_asked_for_where_nothing_is_read() -> None:
    """An answer that is charged by what it says must be readable here; any other may be compressed."""
    field = b"Accept-Encoding: gzip\r\n"
    assert field in Bench().feed(GET % field).forwarded[0]
    body = b'{"model":"m","messages":[]}'
    chat = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (field, len(body), body)
    forwarded = Bench().feed(chat).forwarded
    assert len(forwarded) == 1 and field not in forwarded[0]
