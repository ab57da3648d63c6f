"""One question to the operators' port, for completion: an answer within a moment, or none, and never a word."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from gateway.cli.admin_port import Client, Refused, door_of


def ask(config: Path, admin: str, path: str, patience: float, query: Mapping[str, Any]) -> Any:
    """None where nobody answers in time, or wants another token."""

    async def whole() -> Any:
        async with Client(door) as client:
            return (await client.ask("GET", path, query=query)).content

    with open(os.devnull, "w") as nothing, contextlib.redirect_stderr(nothing):  # noqa: PTH123 - no file
        try:
            door = door_of(config, admin)
            return asyncio.run(asyncio.wait_for(whole(), patience))
        except (Refused, typer.Exit, TimeoutError, OSError):
            return None
