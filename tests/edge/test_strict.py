"""Raw bytes and what must become of them: the answer, whether the connection closes, and what was forwarded."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest

from gateway.edge.connection import ClientConnection
from gateway.edge.edge import Settings
from tests.edge.bench import STATUS, Bench, upstream_request
from tests.edge.conftest import Serve


class Row(NamedTuple):
    """`statuses` in order; `stays` if the connection may be used on; `forwarded` byte for byte."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    stays: bool = False
    forwarded: tuple[bytes, ...] = ()


def refused(name: str, sent: bytes, status: int = 400) -> Row:
    """One request, one refusal, closed, and nothing forwarded."""
    return Row(name, sent, (status,))


def good(name: str, sent: bytes, *forwarded: bytes, statuses: tuple[int, ...] = (200,), stays: bool = True) -> Row:
    return Row(name, sent, statuses, stays, forwarded)


def get(target: bytes = b"/v1/models", fields: bytes = b"Host: a\r\n", version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET %b %b\r\n%b\r\n" % (target, version, fields)


def post(fields: bytes, body: bytes = b"", target: bytes = b"/v1/x") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (target, fields, body)


CL3 = b"Content-Length: 3\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
GET_UP = upstream_request(b"GET /v1/models")
POST_UP = upstream_request(b"POST /v1/x", body=b"abc")
HIDDEN = b"GET /v1/hidden HTTP/1.1\r\nHost: a\r\n\r\n"

GOOD = [
    good("get", get(), GET_UP),
    good("post", post(CL3, b"abc"), POST_UP),
    good("post-without-content", post(b""), upstream_request(b"POST /v1/x", body=b"")),
    good("post-of-length-0", post(b"Content-Length: 0\r\n"), upstream_request(b"POST /v1/x", body=b"")),
    good("length-with-leading-zeros", post(b"Content-Length: 0003\r\n", b"abc"), POST_UP),
    good("length-with-white-space-around", post(b"Content-Length: \t3 \t\r\n", b"abc"), POST_UP),
    good("chunked", post(TE, b"3\r\nabc\r\n0\r\n\r\n"), POST_UP),
    good("chunked-in-pieces", post(TE, b"1\r\na\r\n02\r\nbc\r\n000\r\n\r\n"), POST_UP),
    good(
        "chunked-hex-in-capitals",
        post(TE, b"A\r\n0123456789\r\n0\r\n\r\n"),
        upstream_request(b"POST /v1/x", body=b"0123456789"),
    ),
    good("chunked-in-capitals", post(b"TRANSFER-ENCODING: Chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"), POST_UP),
    good("empty-line-first", b"\r\n" + get(), GET_UP),
    good("empty-lines-first", b"\r\n\r\n\r\n" + get(), GET_UP),
    good(
        "fields-pass",
        get(fields=b"Host: a\r\nAccept: */*\r\nX-Stainless-Lang: python\r\n"),
        upstream_request(b"GET /v1/models", b"Accept: */*", b"X-Stainless-Lang: python"),
    ),
    good("empty-value", get(fields=b"Host: a\r\nX-Empty:\r\n"), upstream_request(b"GET /v1/models", b"X-Empty: ")),
    good("no-space-after-colon", get(fields=b"Host:a\r\nX-A:b\r\n"), upstream_request(b"GET /v1/models", b"X-A: b")),
    good(
        "obs-text-in-value", get(fields=b"Host: a\r\nX-A: \xe4\r\n"), upstream_request(b"GET /v1/models", b"X-A: \xe4")
    ),
    good("tab-in-value", get(fields=b"Host: a\r\nX-A: a\tb\r\n"), upstream_request(b"GET /v1/models", b"X-A: a\tb")),
    good(
        "same-field-twice",
        get(fields=b"Host: a\r\nX-A: 1\r\nX-A: 2\r\n"),
        upstream_request(b"GET /v1/models", b"X-A: 1", b"X-A: 2"),
    ),
    good("query", get(b"/v1/models?limit=1&after=a%2Fb"), upstream_request(b"GET /v1/models?limit=1&after=a%2Fb")),
    good("dots-in-a-name", get(b"/v1/models/m-1.5..x"), upstream_request(b"GET /v1/models/m-1.5..x")),
    good("colon-in-path", get(b"/v1/models/m:predict"), upstream_request(b"GET /v1/models/m:predict")),
    good("needed-escape", get(b"/v1/models/a%20b"), upstream_request(b"GET /v1/models/a%20b")),
    good("slashes-in-query", get(b"/v1/models?u=http://x/../y"), upstream_request(b"GET /v1/models?u=http://x/../y")),
    good("host-with-port", get(fields=b"Host: api.example:8443\r\n"), GET_UP),
    good("host-is-ipv6", get(fields=b"Host: [::1]:80\r\n"), GET_UP),
    good("http-1.0-closes", get(version=b"HTTP/1.0"), GET_UP, stays=False),
    good("http-1.0-without-host", get(fields=b"", version=b"HTTP/1.0"), GET_UP, stays=False),
    good("http-1.0-keep-alive", get(fields=b"Host: a\r\nConnection: keep-alive\r\n", version=b"HTTP/1.0"), GET_UP),
    good("close", get(fields=b"Host: a\r\nConnection: close\r\n"), GET_UP, stays=False),
    good("close-in-capitals", get(fields=b"Host: a\r\nConnection: CLOSE\r\n"), GET_UP, stays=False),
    good("close-among-others", get(fields=b"Host: a\r\nConnection: x-a, close\r\nX-A: 1\r\n"), GET_UP, stays=False),
    good("close-as-part-of-a-word", get(fields=b"Host: a\r\nConnection: x-close\r\n"), GET_UP),
    good("expect-continue", post(CL3 + b"Expect: 100-continue\r\n", b"abc"), POST_UP),
    good(
        "delete-with-content",
        b"DELETE /v1/x HTTP/1.1\r\nHost: a\r\n" + CL3 + b"\r\nabc",
        upstream_request(b"DELETE /v1/x", body=b"abc"),
    ),
    good(
        "upgrade-to-h2c-is-ignored",
        get(fields=b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"),
        GET_UP,
    ),
    # What follows the head is content, though a parser of upgrades would read it as something else.
    good(
        "content-after-upgrade-is-content",
        post(b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n" % len(HIDDEN), HIDDEN),
        upstream_request(b"POST /v1/x", body=HIDDEN),
    ),
    good(
        "chunks-after-upgrade-are-content",
        post(b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + TE, b"3\r\nabc\r\n0\r\n\r\n"),
        POST_UP,
    ),
    good(
        "websocket-with-content-is-no-upgrade",
        get(fields=b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + CL3) + b"abc",
        upstream_request(b"GET /v1/models", body=b"abc"),
    ),
    good(
        "websocket-of-1.0-is-no-upgrade",
        get(fields=b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", version=b"HTTP/1.0"),
        GET_UP,
        stays=False,
    ),
    # Fields that stay here.
    good(
        "hop-by-hop-is-dropped",
        get(
            fields=b"Host: a\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nProxy-Connection: y\r\n"
            b"TE: trailers\r\nTrailer: x\r\n"
        ),
        GET_UP,
    ),
    good(
        "nominated-is-dropped",
        get(fields=b"Host: a\r\nConnection: X-A , x-b\r\nX-A: 1\r\nx-B: 2\r\nX-C: 3\r\n"),
        upstream_request(b"GET /v1/models", b"X-C: 3"),
    ),
    good(
        "nominating-what-frames-changes-nothing",
        post(b"Connection: content-length, host, authorization\r\nAuthorization: Bearer c\r\n" + CL3, b"abc"),
        POST_UP,
    ),
    good(
        "nominating-what-we-write-changes-nothing",
        get(fields=b"Host: a\r\nConnection: x-forwarded-for, via, x-request-id\r\n"),
        GET_UP,
    ),
    good(
        "credentials-stay-here",
        get(fields=b"Host: a\r\nAuthorization: Bearer c\r\nx-api-key: c\r\nCookie: c\r\nApi-Key: c\r\n"),
        GET_UP,
    ),
    good(
        "where-from-is-ours-to-say",
        get(
            fields=b"Host: a\r\nForwarded: for=x\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Host: x\r\n"
            b"X-Real-IP: 1.1.1.1\r\nVia: x\r\n"
        ),
        GET_UP,
    ),
    good(
        "underscores-are-dropped",
        get(fields=b"Host: a\r\nX_Forwarded_For: 1.1.1.1\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n"),
        GET_UP,
    ),
    good(
        "other-paths-and-methods-are-dropped",
        get(fields=b"Host: a\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\nX-HTTP-Method-Override: PUT\r\n"),
        GET_UP,
    ),
    good("own-request-id-in-place-of-a-bad-one", get(fields=b"Host: a\r\nX-Request-Id: a b\r\n"), GET_UP),
    # Several requests at once.
    good("two-pipelined", get() + post(CL3, b"abc"), GET_UP, POST_UP, statuses=(200, 200)),
    good(
        "three-pipelined",
        post(TE, b"3\r\nabc\r\n0\r\n\r\n") + get() + post(CL3, b"abc"),
        POST_UP,
        GET_UP,
        POST_UP,
        statuses=(200, 200, 200),
    ),
    good(
        "pipelined-after-close-is-not-read",
        get(fields=b"Host: a\r\nConnection: close\r\n") + HIDDEN,
        GET_UP,
        stays=False,
    ),
    good(
        "content-that-looks-like-a-request",
        post(b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN),
        upstream_request(b"POST /v1/x", body=HIDDEN),
    ),
    Row("good-then-bad", get() + b"GET /v1/models HTTP/1.1\r\nHost : a\r\n\r\n", (200, 400), False, (GET_UP,)),
    Row("good-then-garbage", post(CL3, b"abcdef\r\n\r\n"), (200, 400), False, (POST_UP,)),
    Row("good-bad-good", get() + get(fields=b"") + get(), (200, 400), False, (GET_UP,)),
    Row("chunked-then-garbage", post(TE, b"3\r\nabc\r\n0\r\n\r\n0\r\n\r\n"), (200, 400), False, (POST_UP,)),
]

FRAMING = [
    refused("cl-te", post(CL3 + TE, b"0\r\n\r\n" + HIDDEN)),
    refused("te-cl", post(TE + CL3, b"0\r\n\r\n" + HIDDEN)),
    refused("cl-te-identity", post(CL3 + b"Transfer-Encoding: identity\r\n", b"abc")),
    refused("two-lengths", post(CL3 + b"Content-Length: 4\r\n", b"abcd")),
    refused("two-equal-lengths", post(CL3 + CL3, b"abc")),
    refused("two-lengths-in-two-cases", post(CL3 + b"content-length: 3\r\n", b"abc")),
    refused("length-list", post(b"Content-Length: 3, 3\r\n", b"abc")),
    refused("length-list-of-two", post(b"Content-Length: 3,4\r\n", b"abcd")),
    refused("length-plus", post(b"Content-Length: +3\r\n", b"abc")),
    refused("length-minus", post(b"Content-Length: -3\r\n", b"abc")),
    refused("length-minus-0", post(b"Content-Length: -0\r\n")),
    refused("length-hex", post(b"Content-Length: 0x3\r\n", b"abc")),
    refused("length-with-space-inside", post(b"Content-Length: 1 1\r\n", b"abcdefghijk")),
    refused("length-underscore", post(b"Content-Length: 1_1\r\n", b"abcdefghijk")),
    refused("length-fraction", post(b"Content-Length: 3.0\r\n", b"abc")),
    refused("length-empty", post(b"Content-Length:\r\n")),
    refused("length-word", post(b"Content-Length: three\r\n")),
    refused("length-non-ascii-digit", post("Content-Length: ٣\r\n".encode(), b"abc")),
    refused("length-quoted", post(b'Content-Length: "3"\r\n', b"abc")),
    refused("length-overflow", post(b"Content-Length: 18446744073709551619\r\n", b"abc")),
    refused("length-too-large", post(b"Content-Length: 33554433\r\n"), 413),
    refused("length-far-too-large", post(b"Content-Length: 9223372036854775807\r\n"), 413),
    refused("te-twice", post(TE + TE, b"0\r\n\r\n")),
    refused("te-list-twice", post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n")),
    refused("te-gzip-chunked", post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")),
    refused("te-chunked-gzip", post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n")),
    refused("te-two-lines", post(b"Transfer-Encoding: gzip\r\n" + TE, b"0\r\n\r\n")),
    refused("te-two-lines-chunked-first", post(TE + b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n")),
    refused("te-identity", post(b"Transfer-Encoding: identity\r\n", b"abc")),
    refused("te-xchunked", post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n")),
    refused("te-chunkedx", post(b"Transfer-Encoding: chunkedx\r\n", b"0\r\n\r\n")),
    refused("te-quoted", post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n")),
    refused("te-vertical-tab", post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n")),
    refused("te-nul", post(b"Transfer-Encoding: chunked\x00\r\n", b"0\r\n\r\n")),
    refused("te-parameter", post(b"Transfer-Encoding: chunked;q=1\r\n", b"0\r\n\r\n")),
    refused("te-comma-first", post(b"Transfer-Encoding: , chunked\r\n", b"0\r\n\r\n")),
    refused("te-empty", post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n")),
    refused("te-space-before-colon", post(b"Transfer-Encoding : chunked\r\n" + CL3, b"0\r\n\r\n")),
    refused("te-tab-before-colon", post(b"Transfer-Encoding\t: chunked\r\n" + CL3, b"0\r\n\r\n")),
    refused("te-folded", post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n")),
    refused("te-after-bare-lf", post(b"X: a\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    refused("te-after-bare-cr", post(b"X: a\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    refused("te-of-1.0", b"POST /v1/x HTTP/1.0\r\n" + TE + b"\r\n0\r\n\r\n"),
    refused("te-leading-space-in-name", post(CL3 + b" Transfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
]

CHUNKS = [
    refused(f"chunk-{name}", post(TE, body))
    for name, body in {
        "size-plus": b"+3\r\nabc\r\n0\r\n\r\n",
        "size-minus": b"-3\r\nabc\r\n0\r\n\r\n",
        "size-0x": b"0x3\r\nabc\r\n0\r\n\r\n",
        "size-space-before": b" 3\r\nabc\r\n0\r\n\r\n",
        "size-space-after": b"3 \r\nabc\r\n0\r\n\r\n",
        "size-tab-after": b"3\t\r\nabc\r\n0\r\n\r\n",
        "size-underscore": b"0_3\r\nabc\r\n0\r\n\r\n",
        "size-empty": b"\r\nabc\r\n0\r\n\r\n",
        "size-word": b"g\r\nabc\r\n0\r\n\r\n",
        "size-nul": b"3\x00\r\nabc\r\n0\r\n\r\n",
        "size-overflow-64": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
        "size-overflow-32": b"100000003\r\nabc\r\n0\r\n\r\n",
        "size-long-zeros": b"0000000003\r\nabc\r\n0\r\n\r\n",
        "extension": b"3;a=b\r\nabc\r\n0\r\n\r\n",
        "extension-with-lf": b"3;a\nxx\r\nabc\r\n0\r\n\r\n",
        "extension-on-the-last": b"3\r\nabc\r\n0;a\r\n\r\n",
        "size-lf-only": b"3\nabc\r\n0\r\n\r\n",
        "size-cr-only": b"3\rabc\r\n0\r\n\r\n",
        "size-cr-cr-lf": b"3\r\r\nabc\r\n0\r\n\r\n",
        "data-without-line-end": b"3\r\nabc0\r\n\r\n",
        "data-followed-by-two-bytes": b"3\r\nabcXX0\r\n\r\n",
        "data-longer-than-its-size": b"3\r\nabcd\r\n0\r\n\r\n",
        "data-shorter-than-its-size": b"4\r\nabc\r\n0\r\n\r\n",
        "data-ends-in-lf": b"3\r\nabc\n0\r\n\r\n",
        "data-ends-in-cr": b"3\r\nabc\r0\r\n\r\n",
        "end-in-lf": b"3\r\nabc\r\n0\n\n",
        "last-line-end-in-lf": b"3\r\nabc\r\n0\r\n\n",
        "trailer": b"3\r\nabc\r\n0\r\nX: y\r\n\r\n",
        "trailer-that-frames": b"3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n",
        "last-without-its-line-end": b"3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
    }.items()
]

FIELDS = [
    refused(f"field-{name}", b"GET /v1/models HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\n")
    for name, lines in {
        "space-before-colon": b"X-A : b",
        "tab-before-colon": b"X-A\t: b",
        "space-in-name": b"X A: b",
        "without-colon": b"X-A",
        "empty-name": b": b",
        "only-a-colon": b":",
        "folded": b"X-A: b\r\n c",
        "folded-with-tab": b"X-A: b\r\n\tc",
        "nul-in-name": b"X\x00A: b",
        "nul-in-value": b"X-A: b\x00c",
        "control-in-name": b"X\x01A: b",
        "control-in-value": b"X-A: b\x01c",
        "delete-in-value": b"X-A: b\x7fc",
        "backspace-in-value": b"X-A: b\x08",
        "escape-in-value": b"X-A: \x1b[0m",
        "cr-in-value": b"X-A: b\rc",
        "cr-before-crlf": b"X-A: b\r",
        "lf-in-value": b"X-A: b\nX-B: c",
        "lf-line": b"X-A: b\n",
        "non-ascii-name": b"X-\xc3\xa4: b",
        "quote-in-name": b'X"A": b',
        "paren-in-name": b"X(A): b",
        "slash-in-name": b"X/A: b",
        "comma-in-name": b"X,A: b",
        "brace-in-name": b"X{A}: b",
        "at-in-name": b"X@A: b",
        "host-twice": b"Host: b",
        "host-twice-in-capitals": b"HOST: a",
        "authorization-twice": b"Authorization: Bearer a\r\nAuthorization: Bearer b",
        "x-api-key-twice": b"x-api-key: a\r\nX-Api-Key: b",
        "content-type-twice": b"Content-Type: a/b\r\nContent-Type: c/d",
        "content-encoding-twice": b"Content-Encoding: gzip\r\nContent-Encoding: br",
        "expect-twice": b"Expect: 100-continue\r\nExpect: 100-continue",
        "upgrade-twice": b"Upgrade: websocket\r\nUpgrade: h2c",
    }.items()
]

HOSTS = [
    refused(f"host-{name}", get(fields=lines))
    for name, lines in {
        "missing": b"",
        "empty": b"Host:\r\n",
        "with-path": b"Host: a/b\r\n",
        "with-user": b"Host: u@a\r\n",
        "with-space": b"Host: a b\r\n",
        "list": b"Host: a, b\r\n",
        "with-scheme": b"Host: http://a\r\n",
        "port-is-a-word": b"Host: a:http\r\n",
        "port-too-long": b"Host: a:123456\r\n",
        "port-empty": b"Host: a:\r\n",
        "ipv6-not-closed": b"Host: [::1\r\n",
        "non-ascii": b"Host: \xc3\xa4\r\n",
        "nul": b"Host: a\x00b\r\n",
        "quoted": b'Host: "a"\r\n',
        "folded": b"Host:\r\n a\r\n",
    }.items()
]

TARGETS = [
    refused(f"target-{name}", get(target))
    for name, target in {
        "absolute-form": b"http://a/v1/models",
        "absolute-form-of-another-host": b"http://b/v1/models",
        "absolute-form-https": b"https://a/v1/models",
        "authority-form": b"a:80",
        "asterisk": b"*",
        "without-slash": b"v1/models",
        "empty-query-start": b"?x",
        "dot-segment": b"/v1/./models",
        "dot-dot-segment": b"/v1/../models",
        "dot-dot-at-the-end": b"/v1/..",
        "dot-at-the-end": b"/v1/.",
        "double-slash": b"/v1//models",
        "double-slash-first": b"//b/v1/models",
        "escaped-dot": b"/v1/%2e/models",
        "escaped-dots": b"/v1/%2E%2e/models",
        "half-escaped-dots": b"/v1/.%2e/models",
        "escaped-slash": b"/v1%2fmodels",
        "escaped-backslash": b"/v1%5cmodels",
        "escaped-letter": b"/v1/%6dodels",
        "escaped-digit": b"/v1/%31",
        "escaped-tilde": b"/v1/%7E",
        "escaped-hyphen": b"/v1/%2d",
        "escaped-nul": b"/v1/models%00",
        "escaped-lf": b"/v1/models%0a",
        "escaped-cr": b"/v1/models%0D",
        "escaped-delete": b"/v1/models%7f",
        "escape-broken": b"/v1/%zz",
        "escape-cut": b"/v1/%4",
        "escape-of-percent-u": b"/v1/%u002e",
        "backslash": b"/v1\\models",
        "non-ascii": b"/v1/\xc3\xa4",
        "fragment": b"/v1/models#x",
        "fragment-in-query": b"/v1/models?a#x",
        "nul": b"/v1/\x00",
        "control": b"/v1/\x01",
        "tab": b"/v1/\tmodels",
        "quote": b'/v1/"models"',
        "angle": b"/v1/<models>",
        "brace": b"/v1/{models}",
        "caret": b"/v1/^",
        "backtick": b"/v1/`",
        "own-pages-by-dots": b"/tidegate/../v1/models",
        "into-own-pages-by-dots": b"/v1/../tidegate/reasons",
    }.items()
]

LINES = [
    refused("http-0.9-without-version", b"GET /v1/models\r\n\r\n"),
    refused("http-0.9", get(version=b"HTTP/0.9"), 505),
    refused("http-1.2", get(version=b"HTTP/1.2")),
    refused("http-2.0", get(version=b"HTTP/2.0"), 505),
    refused("http-2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405),
    refused("http-11", get(version=b"HTTP/11")),
    refused("http-1", get(version=b"HTTP/1")),
    refused("http-1.10", get(version=b"HTTP/1.10")),
    refused("http-01.1", get(version=b"HTTP/01.1")),
    refused("http-comma", get(version=b"HTTP/1,1")),
    refused("http-lower-case", get(version=b"http/1.1")),
    refused("https-version", get(version=b"HTTPS/1.1")),
    refused("rtsp", b"DESCRIBE /v1/x RTSP/1.0\r\nHost: a\r\n\r\n"),
    refused("icecast", b"SOURCE /v1/x ICE/1.0\r\nHost: a\r\n\r\n"),
    refused("version-with-space-after", get(version=b"HTTP/1.1 ")),
    refused("version-with-more-after", get(version=b"HTTP/1.1 x")),
    refused("two-spaces", b"GET  /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("two-spaces-before-version", b"GET /v1/models  HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("tab-for-space", b"GET\t/v1/models\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("space-first", b" GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("bare-lf-first", b"\nGET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("request-line-ends-in-lf", b"GET /v1/models HTTP/1.1\nHost: a\r\n\r\n"),
    refused("request-line-ends-in-cr", b"GET /v1/models HTTP/1.1\rHost: a\r\n\r\n"),
    refused("all-lines-end-in-lf", b"GET /v1/models HTTP/1.1\nHost: a\n\n"),
    refused("head-ends-in-lf-lf", b"GET /v1/models HTTP/1.1\r\nHost: a\n\nGET /v1/hidden HTTP/1.1\r\n\r\n"),
    refused("head-ends-in-crlf-lf", b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\n" + HIDDEN),
    refused("request-line-folded", b"GET /v1/models\r\n HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("first-field-folded", b"GET /v1/models HTTP/1.1\r\n Host: a\r\n\r\n"),
    refused("method-lower-case", b"get /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("method-mixed-case", b"Get /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("method-unknown", b"FOO /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("method-trace", b"TRACE /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    refused("method-connect", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    refused("method-propfind", b"PROPFIND /v1/x HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    refused("method-empty", b" /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("method-with-control", b"G\x01T /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("options-asterisk", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("tls-to-a-plain-port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    refused("garbage", b"\xff\xfe\xfd\r\n\r\n"),
    refused("nul-first", b"\x00GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused("expect-something-else", post(CL3 + b"Expect: 200-ok\r\n", b"abc"), 417),
    refused("head-too-large", get(fields=b"Host: a\r\nX-A: " + b"a" * 17000 + b"\r\n"), 431),
    refused("too-many-fields", get(fields=b"Host: a\r\n" + b"X: y\r\n" * 4000), 431),
    refused("target-too-long", get(b"/v1/" + b"a" * 17000), 431),
    refused("head-too-large-and-not-whole", b"GET /v1/models HTTP/1.1\r\nX-A: " + b"a" * 17000, 431),
]

TABLE = GOOD + FRAMING + CHUNKS + FIELDS + HOSTS + TARGETS + LINES
SMALL = [row for row in TABLE if len(row.sent) < 140][::3]


def rows(table: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", table, ids=[row.name for row in table])


def check(bench: Bench, row: Row, how: str) -> None:
    # An answer that is not wanted yet (100 Continue) depends on how the bytes are cut.
    assert tuple(status for status in bench.statuses if status != 100) == row.statuses, how
    assert tuple(bench.forwarded) == row.forwarded, how
    assert bench.closed is not row.stays, how
    assert bench.edge.budget.held == 0, how


def test_names() -> None:
    """Every row has a name of its own, and the table is as large as it was."""
    assert len({row.name for row in TABLE}) == len(TABLE) >= 230


@rows(TABLE)
async def test_whole(row: Row) -> None:
    """Delivered at once: answered as the table says, and nothing forwarded but what it says, byte for byte."""
    check(Bench().feed(row.sent), row, "whole")


@rows(TABLE)
async def test_drip(row: Row) -> None:
    """Byte by byte it is no other request."""
    check(Bench().drip(row.sent), row, "drip")


@rows(SMALL)
async def test_every_cut(row: Row) -> None:
    """Nor is it where it is cut in two, anywhere."""
    for cut in range(1, len(row.sent)):
        check(Bench().feed(row.sent[:cut], row.sent[cut:]), row, f"cut at {cut}")


@rows(GOOD[::6] + FRAMING[::6] + CHUNKS[::6] + FIELDS[::8] + TARGETS[::12] + LINES[::8])
async def test_on_a_socket(row: Row, serve: Serve) -> None:
    """The same through a real socket: answers, and the connection ends where it must."""
    async with serve() as served:
        reader, writer = await served.connect()
        writer.write(row.sent)
        answers = b""
        async with asyncio.timeout(5):
            while len([s for s in STATUS.findall(answers) if s != b"100"]) < len(row.statuses) or not row.stays:
                piece = await reader.read(65536)
                answers += piece
                if not piece:
                    assert not row.stays
                    break
        assert tuple(int(s) for s in STATUS.findall(answers) if s != b"100") == row.statuses
        assert len(served.upstream.heard) == len(row.forwarded)
        assert [heard.body for heard in served.upstream.heard] == [up.partition(b"\r\n\r\n")[2] for up in row.forwarded]
        if not row.stays:
            assert b"Connection: close\r\n" in answers[[m.start() for m in STATUS.finditer(answers)][-1] :]
        writer.close()
        await writer.wait_closed()


async def test_refusals_say_why() -> None:
    """A refusal names its reason in the caller's dialect, with a page to read and no invitation to try again."""
    bench = Bench().feed(post(CL3 + TE, b"abc"))
    sent = bytes(bench.transport.sent)
    assert b'"code":"malformed_request"' in sent
    assert b"/tidegate/reasons/malformed_request" in sent
    assert b"X-Should-Retry: false\r\n" in sent
    assert b"Connection: close\r\n" in sent


async def test_refusal_after_head_has_content() -> None:
    """That an earlier request was HEAD does not take the content of a later refusal away."""
    bench = Bench(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").feed(
        b"HEAD /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert bench.statuses == [200]
    bench.feed(b"GET /\n")
    assert bytes(bench.transport.sent).endswith(b"}")


async def test_own_pages_get_the_bytes_as_they_came() -> None:
    """What is handed over is the whole request, and this connection reads no more."""
    request = get(b"/tidegate/reasons/x")
    for bench in (Bench().feed(request), Bench().drip(request)):
        assert bench.handed_over == [request]
        assert bench.closed
        assert bench.forwarded == []


async def test_leading_lines_cost_little() -> None:
    """A megabyte of empty lines is passed over in a moment."""
    clock = asyncio.get_running_loop().time
    began = clock()
    bench = Bench().feed(b"\r\n" * 500_000 + get())
    assert bench.statuses == [200]
    assert clock() - began < 1


async def test_small_limits() -> None:
    """Sizes are settings: one byte more than allowed is too much, and the limit itself is not."""
    head = get()
    assert Bench(settings=Settings(max_head=len(head))).feed(head).statuses == [200]
    assert Bench(settings=Settings(max_head=len(head) - 1)).feed(head).statuses == [431]
    settings = Settings(max_body=3)
    assert Bench(settings=settings).feed(post(CL3, b"abc")).statuses == [200]
    assert Bench(settings=settings).feed(post(b"Content-Length: 4\r\n", b"abcd")).statuses == [413]
    assert Bench(settings=settings).feed(post(TE, b"3\r\nabc\r\n0\r\n\r\n")).statuses == [200]
    assert Bench(settings=settings).feed(post(TE, b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")).statuses == [413]


async def test_long_targets_are_not_remembered() -> None:
    """What a stranger asks for before anybody is asked takes no memory that stays."""
    bench = Bench().feed(get(b"/v1/models"), get(b"/v1/models?" + b"a" * 10_000))
    assert bench.statuses == [200, 200]
    assert list(bench.edge.paths) == [b"/v1/models"]


async def test_the_sweep_goes_on_whatever_it_meets(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection that cannot be ended does not take the timeouts from all others."""
    swept: list[ClientConnection] = []

    def overdue(connection: ClientConnection) -> None:
        swept.append(connection)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(ClientConnection, "overdue", overdue)
    bench = Bench(settings=Settings(sweep=0.001))
    bench.connection.deadline = -1.0
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    bench.edge.start()
    async with asyncio.timeout(5):
        while len(swept) < 3:
            await asyncio.sleep(0.001)
    bench.edge.close()
