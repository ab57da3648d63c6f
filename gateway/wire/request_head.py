"""What a request head must be beyond what the parser (llhttp, strict) has refused already.

The parser takes care of bare LF, line folding, space before a colon, control bytes, two lengths, a length beside a
transfer coding, and codings that do not end in chunked. Here: everything in which two readers of the same bytes may
still differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.wire.fields import nominated, options_of

METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})

_TARGET: Final = re.compile(rb"/[A-Za-z0-9\-._~!$&'()*+,;=:@/%]*(?:\?[A-Za-z0-9\-._~!$&'()*+,;=:@/%?\[\]|]*)?")
_PATH_TRAPS: Final = re.compile(
    rb"//|/\.{1,2}(?:/|$)|%(?![0-9A-Fa-f]{2})|%(?:2[eEfFdD]|5[cCfF]|7[eE]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9aA]|[01][0-9A-Fa-f]|7[fF])"
)
"""Empty and dot segments, broken escapes, and escapes of what needs none (letters, digits, `-._~`), of `/`, `\\` and
of control bytes: an upstream may resolve them, and then it serves another path than the one that was allowed.
"""

_HOST: Final = re.compile(rb"(?:[A-Za-z0-9\-._~]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class BadHead(Exception):
    """The head is refused: `status`, and words that say why."""

    def __init__(self, detail: str, status: int = 400, reason: str = "malformed_request") -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.reason = reason


def check_target(target: bytes) -> bytes:
    """The path of an origin-form target (RFC 9112 section 3.2.1). Raises BadHead for any other form, or an ambiguous
    path.
    """
    if not _TARGET.fullmatch(target):
        raise BadHead("the request target must be a path, such as /v1/messages, with other bytes percent-encoded")
    path = target.partition(b"?")[0]
    if _PATH_TRAPS.search(path):
        raise BadHead("the path has empty or dot segments, or needless or broken percent-escapes")
    return path


def check_fields(fields: Mapping[bytes, bytes], version: bytes) -> None:
    """Raises BadHead where Host or the transfer coding leave room for doubt, or where more is expected than can be."""
    expect = fields.get(b"expect")
    if expect is not None and expect.lower() != b"100-continue":
        raise BadHead("the only expectation understood is 100-continue", 417, "expectation_failed")
    host = fields.get(b"host")
    if host is None:
        if version == b"1.1":
            raise BadHead("the Host field is missing")
    elif not _HOST.fullmatch(host):
        raise BadHead("the Host field is not a host and port")
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if version != b"1.1":
            raise BadHead("Transfer-Encoding is for HTTP/1.1")
        if coding.lower() != b"chunked":
            raise BadHead("the only transfer coding accepted is chunked")
        if b"content-length" in fields:
            raise BadHead("Transfer-Encoding and Content-Length exclude each other")


def find_bare_line_feed(head: bytes) -> bool:
    """True where a line of an unfinished head ends in LF alone: there is no use in waiting for its end."""
    return head.count(b"\n") != head.count(b"\r\n")


def without_leading_lines(data: bytes) -> bytes:
    """Empty lines before a request are passed over (RFC 9112 section 2.2)."""
    start = 2
    while data.startswith(b"\r\n", start):
        start += 2
    return data[start:]


def oversize() -> BadHead:
    return BadHead("the request head is too large", 431, "head_too_large")


def persistence(connection: bytes | None, version: bytes) -> tuple[bool, list[bytes]]:
    """Whether the connection is kept after this request (RFC 9112 section 9.3), and the names of the fields that its
    Connection field makes connection-specific.
    """
    usual = version == b"1.1"
    if connection is None:
        return usual, []
    lower = connection.lower()
    if lower == b"keep-alive":
        return True, []
    if lower == b"close":
        return False, []
    options = options_of(lower)
    return b"close" not in options and (usual or b"keep-alive" in options), nominated(options)
