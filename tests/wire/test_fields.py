"""Which fields pass."""

from __future__ import annotations

import pytest

from gateway.wire import fields
from gateway.wire.fields import HOP_BY_HOP, REQUEST_DROPPED, RESPONSE_DROPPED, RESPONSE_DROPPED_PREFIXES, FieldTable


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
@pytest.mark.parametrize("spelled", [bytes.lower, bytes.upper, bytes.title])
def test_hop_by_hop(name: bytes, spelled: object) -> None:
    """Connection-specific fields pass in no direction, however they are spelled (RFC 9110 section 7.6.1)."""
    wire = getattr(name, spelled.__name__)()  # type: ignore[attr-defined]
    for table in (FieldTable(REQUEST_DROPPED), FieldTable(RESPONSE_DROPPED, RESPONSE_DROPPED_PREFIXES)):
        assert table.learn(wire) == (name, None)


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        (b"Content-Type", True),
        (b"anthropic-version", True),
        (b"OpenAI-Organization", True),
        (b"traceparent", True),
        (b"Authorization", False),
        (b"X-API-KEY", False),
        (b"Cookie", False),
        (b"Host", False),
        (b"Content-Length", False),
        (b"X-Forwarded-For", False),
        (b"Forwarded", False),
        (b"X_Forwarded_For", False),
        (b"X-Original-URL", False),
    ],
)
def test_requests(name: bytes, passes: bool) -> None:
    """What a caller says passes as spelled; credentials, framing and where it came from do not."""
    assert FieldTable(REQUEST_DROPPED).learn(name) == (name.lower(), name + b": " if passes else None)


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        (b"content-type", True),
        (b"Set-Cookie", True),
        (b"retry-after", True),
        (b"openai-processing-ms", True),
        (b"X-RateLimit-Remaining-Tokens", False),
        (b"anthropic-ratelimit-requests-limit", False),
        (b"RateLimit-Policy", False),
        (b"Request-Id", False),
        (b"content-length", False),
    ],
)
def test_answers(name: bytes, passes: bool) -> None:
    """What an upstream says passes, but for its own limits and ids."""
    table = FieldTable(RESPONSE_DROPPED, RESPONSE_DROPPED_PREFIXES)
    assert table.learn(name) == (name.lower(), name + b": " if passes else None)


def test_a_table_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names beyond the bound are read and not remembered."""
    monkeypatch.setattr(fields, "KNOWN_AT_MOST", 3)
    table = FieldTable(())
    for number in range(9):
        assert table.learn(b"X-%d" % number) == (b"x-%d" % number, b"X-%d: " % number)
    assert len(table.known) == 3


def test_a_table_remembers_no_long_names() -> None:
    """A stranger who sends names as long as a head fills no memory with them; they are read all the same."""
    table = FieldTable(())
    name = b"X" * 10_000
    assert table.learn(name) == (name.lower(), name + b": ")
    assert not table.known


@pytest.mark.parametrize(
    ("value", "options", "names"),
    [
        (b"close", [b"close"], []),
        (b"Keep-Alive, X-A", [b"keep-alive", b"x-a"], [b"x-a"]),
        (b" x-a ,\tX-B", [b"x-a", b"x-b"], [b"x-a", b"x-b"]),
        (b",, ,", [b"", b"", b"", b""], []),
        (b"Upgrade, HTTP2-Settings", [b"upgrade", b"http2-settings"], [b"http2-settings"]),
        (b"x-close", [b"x-close"], [b"x-close"]),
    ],
)
def test_connection(value: bytes, options: list[bytes], names: list[bytes]) -> None:
    """Options are compared whole and in any case; those that are no words of the protocol name fields."""
    assert fields.options_of(value) == options
    assert fields.nominated(options) == names


def test_without() -> None:
    """Lines of nominated fields go, whatever their case; a name that only begins alike stays."""
    lines = [b"X-A: 1", b"x-a: 2", b"X-AB: 3", b"X-B: x-a: 4"]
    assert fields.without(lines, [b"x-a"]) == [b"X-AB: 3", b"X-B: x-a: 4"]
