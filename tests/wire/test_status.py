"""Status lines."""

from __future__ import annotations

import pytest

from gateway.wire.status import status_line


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK\r\n"),
        (431, b"HTTP/1.1 431 Request Header Fields Too Large\r\n"),
        (529, b"HTTP/1.1 529 Overloaded\r\n"),
        (599, b"HTTP/1.1 599 \r\n"),
        (103, b"HTTP/1.1 103 Early Hints\r\n"),
    ],
)
def test_status_line(status: int, line: bytes) -> None:
    """The phrase of the registry; none, and the space that RFC 9112 section 4 asks for, where it has none."""
    assert status_line(status) == line
