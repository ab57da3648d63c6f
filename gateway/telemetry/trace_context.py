"""`traceparent` of W3C Trace Context, level 1: read strictly, written, passed on.

`tracestate` is passed on as it came, and means nothing to us.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

FIELD: Final = b"traceparent"
SAMPLED: Final = 0x01
_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class TraceContext(NamedTuple):
    """Which trace an exchange belongs to, and which span of it is the caller's."""

    trace: int
    """128 bits, never 0."""
    span: int
    """64 bits, never 0."""
    sampled: bool


def read(stated: bytes | None) -> TraceContext | None:
    """None where nothing usable is stated: then a trace begins here (section 3.2.2.3 and 4.3 of the specification)."""
    found = _TRACEPARENT.fullmatch(stated.strip()) if stated is not None else None
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5]):
        return None
    trace, span = int(found[2], 16), int(found[3], 16)
    if not trace or not span:
        return None
    return TraceContext(trace, span, bool(int(found[4], 16) & SAMPLED))


def written(context: TraceContext) -> bytes:
    """As a version 00 field's value."""
    return b"00-%032x-%016x-%02x" % (context.trace, context.span, SAMPLED if context.sampled else 0)
