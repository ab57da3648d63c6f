"""What the shell completes with what the running gateway knows. Whatever fails completes nothing, and says nothing:
who presses Tab has not asked for a message.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

PATIENCE: Final = 1.0
"""Seconds: somebody waits with a finger on the key."""
MOST: Final = 50


def account(ctx: Any, incomplete: str) -> list[str]:
    """Accounts by the beginning of their id."""
    # A page begins after an id; who has typed the whole of one needs no completion.
    return _known(ctx, incomplete, "/accounts", lambda said: [one["id"] for one in said["accounts"]], after=incomplete)


def limit(ctx: Any, incomplete: str) -> list[str]:
    """Limits of the rules in force."""
    return _known(ctx, incomplete, "/limits", lambda said: [one["name"] for one in said["limits"]])


def list_name(ctx: Any, incomplete: str) -> list[str]:
    """Lists and databases of feeds.yaml."""
    return _known(ctx, incomplete, "/lists", lambda said: [one["name"] for one in said["lists"]])


def operator(ctx: Any, incomplete: str) -> list[str]:
    """Ids of operators' tokens that hold."""

    def names(said: Any) -> list[str]:
        return [one["id"] for one in said["operators"] if one["state"] == "holds"]

    return _known(ctx, incomplete, "/operators", names)


def _known(ctx: Any, incomplete: str, path: str, names: Callable[[Any], list[str]], **query: Any) -> list[str]:
    # Only now: most completions are of words that need no gateway, and this takes a second to load.
    from gateway.cli.ask_quietly import ask  # noqa: PLC0415

    config = Path(ctx.params.get("config") or os.environ.get("TIDEGATE_CONFIG", "tidegate.yaml"))
    admin = ctx.params.get("admin") or os.environ.get("TIDEGATE_ADMIN", "")
    said = ask(config, admin, path, PATIENCE, {"limit": MOST, **query} if path == "/accounts" else query)
    try:
        return [name for name in names(said) if name.startswith(incomplete)]
    except (KeyError, TypeError):
        return []
