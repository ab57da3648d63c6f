"""Which request and response fields a proxy passes on.

Connection-specific fields are dropped (RFC 9110 section 7.6.1), the caller's credentials never go upstream, what
tells where a request came from is written by us alone, and of what an upstream says about itself only that which is
true of this gateway reaches the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

REQUEST_DROPPED: Final = HOP_BY_HOP | {
    # Put in again by the edge where it does not read the answer: what is compressed it could not charge.
    b"accept-encoding",
    # Written again by us, from the body that we hold.
    b"content-length",
    b"expect",
    b"host",
    # The caller's credential is for us, the upstream's own is put in.
    b"authorization",
    b"cookie",
    b"x-api-key",
    b"api-key",
    b"x-goog-api-key",
    # What it has solved, too.
    b"tidegate-answer",
    # Some origins take another path or method from these than the one that was allowed.
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
    b"x-original-url",
    b"x-rewrite-url",
    # Where a request came from is ours to say.
    b"forwarded",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-request-id",
    b"request-id",
}

RESPONSE_DROPPED: Final = HOP_BY_HOP | {
    b"content-length",
    b"request-id",
    b"via",
    b"x-request-id",
    # By which rules it was decided is ours to say.
    b"tidegate-ruleset",
    # As is where a challenge is passed.
    b"tidegate-challenge",
    # The upstream's limits are the operator's, not the caller's.
    b"ratelimit",
    b"ratelimit-policy",
}
RESPONSE_DROPPED_PREFIXES: Final = (b"x-ratelimit-", b"anthropic-ratelimit-", b"anthropic-priority-")

SINGLETONS: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"upgrade",
        b"x-api-key",
    }
)
"""Fields that two readers may understand differently when they come twice: refused."""

KNOWN_AT_MOST: Final = 4096
"""Spellings that a table remembers. Beyond it a name is still read, just not remembered: nobody can make it grow."""

LONGEST_KNOWN: Final = 64
"""Bytes of a name that is remembered: some thousand names as long as a head would be a gigabyte for a few workers."""


class FieldTable:
    """Field names as they are spelled on the wire -> (lower-case name, the start of the line to pass on, or None to
    drop).

    A field name is tokens only (the parser saw to that); one with an underscore is dropped, since many an origin
    server reads `X_Forwarded_For` and `X-Forwarded-For` as the same (nginx drops these, too).
    """

    def __init__(self, dropped: Iterable[bytes], prefixes: tuple[bytes, ...] = ()) -> None:
        self._dropped = frozenset(dropped)
        self._prefixes = prefixes
        self.known: dict[bytes, tuple[bytes, bytes | None]] = {}

    def learn(self, name: bytes) -> tuple[bytes, bytes | None]:
        """The entry of a name that is not in `known` yet."""
        lower = name.lower()
        drop = lower in self._dropped or b"_" in lower or (self._prefixes and lower.startswith(self._prefixes))
        entry = (lower, None if drop else name + b": ")
        if len(self.known) < KNOWN_AT_MOST and len(name) <= LONGEST_KNOWN:
            self.known[name] = entry
        return entry


def options_of(connection: bytes) -> list[bytes]:
    """The options of a Connection field, lower-case."""
    return [option.strip(b" \t") for option in connection.lower().split(b",")]


def nominated(options: list[bytes]) -> list[bytes]:
    """Field names that the options of a Connection field make connection-specific."""
    return [option for option in options if option not in (b"", b"close", b"keep-alive", b"upgrade")]


def without(lines: list[bytes], names: Iterable[bytes]) -> list[bytes]:
    """Field lines but for those of the names."""
    starts = tuple(name + b":" for name in names)
    return [line for line in lines if not line.lower().startswith(starts)]
