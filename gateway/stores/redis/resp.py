"""Commands as bytes."""

from __future__ import annotations

import hiredis


def pack(*args: bytes | str | int) -> bytes:
    """One command in RESP."""
    command: bytes = hiredis.pack_command(args)  # type: ignore[arg-type]  # its stub knows one argument only
    return command
