"""`tidegate top`: what happens now, in a terminal, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.admin_port import AdminOption, door_of
from gateway.cli.configured import ConfigOption, fail

CONFIG: Final = Path("tidegate.yaml")


def top(
    minutes: Annotated[int, typer.Option(help="Accounts are ranked by the last 1, 5 or 60 minutes.")] = 5,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
) -> None:
    """Requests, refusals and the busiest accounts, live. Press ? there for its keys."""
    if minutes not in (1, 5, 60):
        fail("--minutes: must be 1, 5 or 60", 2)
    # Textual takes half a second to load, and no other command needs it.
    from gateway.cli.top_screen import Top  # noqa: PLC0415

    app = Top(door_of(config, admin), minutes=minutes)
    app.run()
    if app.said:
        fail(app.said)
