"""Status lines, ready to send."""

from __future__ import annotations

import http
from typing import Final

STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus
} | {529: b"HTTP/1.1 529 Overloaded\r\n"}


def status_line(status: int) -> bytes:
    """`HTTP/1.1 200 OK` with its line end; a status that nobody registered gets an empty phrase."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
