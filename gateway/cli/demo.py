"""`tidegate demo`: placeholder until the demo's parts are here."""

from __future__ import annotations

import typer


def demo() -> None:
    """Start everything."""
    raise typer.Exit(1)
