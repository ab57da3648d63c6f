"""`tidegate console`: a link that signs in to the console once."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.app.clocks import wall
from gateway.cli.admin_port import AdminOption, AdminPort, JsonOption
from gateway.cli.columns import lasting
from gateway.cli.configured import ConfigOption

CONFIG: Final = Path("tidegate.yaml")


def console(
    lasts: Annotated[
        str, typer.Option("--for", help="How long it can be opened, such as 60s; at most 5 minutes.")
    ] = "5m",
    browser: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser.")] = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print a link that signs you in to the console, once, with what your token may."""
    said = AdminPort(config, admin).send("POST", "/session/links", {"lasts": lasts}).content
    if as_json:
        typer.echo(json.dumps(said))
    else:
        typer.echo(said["url"])
        typer.echo(f"it works once, for {lasting(said['expires'] - wall())}", err=True)
    if browser:
        webbrowser.open(said["url"])
