"""`tidegate policies`, or `tidegate rules`: the rules in force, and going forward and back, through the operators'
port of what serves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.admin_port import AdminOption, AdminPort, JsonOption, Refused, why
from gateway.cli.configured import ConfigOption, fail

app = typer.Typer(help="The rules in force: look at them, apply the files on disk, go back.", no_args_is_help=True)


@app.command()
def status(config: ConfigOption = Path("tidegate.yaml"), admin: AdminOption = "", as_json: JsonOption = False) -> None:
    """What is in force, since when and by whom; what is wrong with the files on disk. Exit code 1 if that is so."""
    said = AdminPort(config, admin).get("/policies")
    if as_json:
        typer.echo(json.dumps(said, indent=2))
    else:
        typer.echo(f"in force: {said['name']} ({said['digest']})")
        typer.echo(f"since:    {_when(said['since'])}, by {said['who']} ({said['action']})")
        typer.echo(f"entries:  {' → '.join(said['entries'])}")
        for worker, version in sorted(said["workers"].items()):
            typer.echo(f"{worker}: generation {version['generation']}, digest {version['digest'][:12]}")
        typer.echo(_files(said))
    if said["files"] == "refused":
        raise typer.Exit(1)


@app.command()
def history(config: ConfigOption = Path("tidegate.yaml"), admin: AdminOption = "", as_json: JsonOption = False) -> None:
    """What was in force, the newest first."""
    said = AdminPort(config, admin).get("/policies/history")
    if as_json:
        typer.echo(json.dumps(said, indent=2))
        return
    for one in said["history"]:
        mark = "*" if one["in_force"] else " "
        typer.echo(f"{mark} {one['name']:<20} {_when(one['since'])}  {one['who']} ({one['action']})")


@app.command()
def reload(config: ConfigOption = Path("tidegate.yaml"), admin: AdminOption = "", as_json: JsonOption = False) -> None:
    """Apply the files on disk now, also those that a rollback set aside. Exit code 1 if they are refused."""
    _change(AdminPort(config, admin), "/policies/reload", {}, as_json=as_json)


@app.command()
def rollback(
    to: Annotated[
        str, typer.Argument(metavar="[DIGEST]", help="Its beginning, or a generation; the one before if not stated.")
    ] = "",
    config: ConfigOption = Path("tidegate.yaml"),
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Go back. The files on disk are set aside until they change."""
    _change(AdminPort(config, admin), "/policies/rollback", {"to": to}, as_json=as_json)


def _change(port: AdminPort, path: str, content: Mapping[str, str], *, as_json: bool) -> None:
    try:
        answer = port.whatever("POST", path, content)
    except Refused as refused:
        fail(str(refused))
    said, ok = answer.content, answer.status == 200
    if not isinstance(said, dict) or "outcome" not in said:
        fail(why(port.door, answer))
    if as_json:
        typer.echo(json.dumps(said, indent=2))
        raise typer.Exit(0 if ok else 1)
    here = f"generation {said['generation']}, digest {said['digest'][:12]} is in force"
    if not ok:
        fail("\n".join([*said["problems"], f"{said['outcome']}: {here}"]))
    typer.echo(f"{said['outcome'].replace('_', ' ')}: {here}")


def _files(said: Mapping[str, Any]) -> str:
    if said["files"] == "refused":
        problems = "\n".join(said["shown"])
        return f"on disk:  refused since {_when(said['refused_since'])}:\n{problems}"
    if said["files"] == "set_aside":
        return "on disk:  set aside by a rollback; applied when they change, or by `tidegate policies reload`"
    return "on disk:  what is in force"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
