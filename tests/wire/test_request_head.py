"""Targets, hosts, codings: what two readers could read differently is refused."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.request_head import BadHead, check_fields, check_target, find_bare_line_feed

SAFE = "ABCXYZabcxyz0189-._~!$&'()*+,;=:@"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/v1/messages", b"/v1/messages"),
        (b"/v1/messages/", b"/v1/messages/"),
        (b"/v1/models?limit=1", b"/v1/models"),
        (b"/v1/models?", b"/v1/models"),
        (b"/a?b=/../c//d", b"/a"),
        (b"/a?b=%2e%2F", b"/a"),
        (b"/a%20b", b"/a%20b"),
        (b"/%C3%A4", b"/%C3%A4"),
        (b"/...", b"/..."),
        (b"/.a", b"/.a"),
        (b"/a..", b"/a.."),
        (b"/a?x[]=1|2", b"/a"),
    ],
)
def test_paths(target: bytes, path: bytes) -> None:
    """The path of a plain target, as it came."""
    assert check_target(target) == path


SAME = [f"%{ord(letter):02x}" for letter in "azAZ09-._~/"]


@pytest.mark.parametrize(
    "escape", [*SAME, *[escape.upper() for escape in SAME], "%5c", "%00", "%0a", "%1F", "%7f", "%", "%4", "%g0", "%%41"]
)
def test_escapes_that_hide(escape: str) -> None:
    """An escape of what needs none, of a separator, of a control byte, or of nothing, is no path."""
    with pytest.raises(BadHead):
        check_target(f"/v1/{escape}x".encode())


@given(st.text(alphabet=SAFE + "/%", max_size=30))
def test_accepted_paths_mean_one_thing(text: str) -> None:
    """What is accepted means the same after undoing escapes, and has no empty or dot segment."""
    target = ("/" + text).encode()
    try:
        path = check_target(target).decode()
    except BadHead:
        return
    assert not {"", ".", ".."} & set(path.strip("/").split("/")) or path == "/"
    assert path.count("/") == unquote(path).count("/")
    for escape in re.findall(r"%..", path):
        assert unquote(escape) not in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/\\"


@given(st.binary(max_size=20))
def test_any_target(data: bytes) -> None:
    """Any bytes are a path of plain characters, or BadHead."""
    try:
        path = check_target(data)
    except BadHead:
        return
    assert path.isascii() and b" " not in path and path.startswith(b"/")


@pytest.mark.parametrize("value", range(256))
def test_every_escape(value: int) -> None:
    """A path may escape what cannot stand there plain, but for separators and control bytes."""
    plain = bytes([value]).isalnum() or value in b"-._~/\\"
    allowed = not plain and value > 31 and value != 127
    target = b"/a%%%02X" % value
    if allowed:
        assert check_target(target) == target
    else:
        with pytest.raises(BadHead):
            check_target(target)


HOST = {b"host": b"a"}


@pytest.mark.parametrize(
    ("fields", "version", "status"),
    [
        (HOST, b"1.1", 0),
        ({}, b"1.0", 0),
        ({}, b"1.1", 400),
        ({b"host": b"a.b-c_d~e:1"}, b"1.1", 0),
        ({b"host": b"[::1]:80"}, b"1.1", 0),
        ({b"host": b""}, b"1.1", 400),
        ({b"host": b""}, b"1.0", 400),
        ({b"host": b"a:"}, b"1.1", 400),
        ({b"host": b"a\n"}, b"1.1", 400),
        ({b"host": b"a/b"}, b"1.1", 400),
        ({b"host": b"a" * 254}, b"1.1", 400),
        ({**HOST, b"transfer-encoding": b"chunked"}, b"1.1", 0),
        ({**HOST, b"transfer-encoding": b"CHUNKED"}, b"1.1", 0),
        ({**HOST, b"transfer-encoding": b"chunked"}, b"1.0", 400),
        ({**HOST, b"transfer-encoding": b"chunked, chunked"}, b"1.1", 400),
        ({**HOST, b"transfer-encoding": b""}, b"1.1", 400),
        ({**HOST, b"transfer-encoding": b"chunked", b"content-length": b"3"}, b"1.1", 400),
    ],
)
def test_fields(fields: dict[bytes, bytes], version: bytes, status: int) -> None:
    """Host must be one host, the coding chunked alone, and no length beside it."""
    if not status:
        check_fields(fields, version)
        return
    with pytest.raises(BadHead) as refused:
        check_fields(fields, version)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"", False),
        (b"a\r\nb", False),
        (b"a\nb", True),
        (b"\n", True),
        (b"a\r\n\nb", True),
        (b"a\r\nb\r", False),
        (b"a\r\r\nb", False),
    ],
    ids=repr,
)
def test_bare_line_feed(head: bytes, found: bool) -> None:
    """A line feed without its carriage return, anywhere."""
    assert find_bare_line_feed(head) is found


@given(st.text(alphabet="a\r\n", max_size=12))
def test_bare_line_feed_of_anything(text: str) -> None:
    """As a regular expression says it."""
    assert find_bare_line_feed(text.encode()) is bool(re.search(r"(?<!\r)\n", text))
