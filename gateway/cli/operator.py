"""`tidegate operator`: tokens for the operators' port. Each is of one person or program, has a role, and ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.accounts.sql import operators
from gateway.cli.admin_port import TOKEN, AdminOption, AdminPort, JsonOption, readable, segment
from gateway.cli.columns import aligned, second
from gateway.cli.complete import operator as known
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.directory_access import ReasonOption, asked, opened
from gateway.control.access.operators_api import OperatorShape
from gateway.control.access.roles import Role
from gateway.control.account_shapes import WhyShape

app = typer.Typer(help="Tokens for the operators' port: made, listed, revoked.", no_args_is_help=True)

CONFIG: Final = Path("tidegate.yaml")
COLUMNS: Final = ("id", "name", "role", "state", "created", "by", "expires", "used")
IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="As `tidegate operator list` shows it; or the name.", autocompletion=known)
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="In the directory itself: no gateway has to run, and no token is needed.")
]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Of the person or program: stands in the audit as token:NAME.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    lasts: Annotated[str, typer.Option("--for", help="How long it holds, such as 90d; or `forever`.")] = "90d",
    reason: Annotated[str, typer.Option(help="Why, for the audit.")] = "",
    offline: OfflineOption = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a token. It is shown this once."""
    wanted = asked(OperatorShape, {"name": name, "role": role, "lasts": lasts, "reason": reason}, {"lasts": "--for"})
    if offline:
        said = _made(config, wanted)
    else:
        content = {"name": name, "role": str(role), "lasts": lasts, "reason": reason}
        said = AdminPort(config, admin).send("POST", "/operators", content).content
    if as_json:
        typer.echo(json.dumps(said))
        return
    until = f"until {second(said['expires'])} UTC" if said["expires"] else "for ever"
    typer.echo(f"{name} has the role {role}, {until}. The token, shown this once:\n\n  {said['token']}\n")
    typer.echo(f"commands take it from {TOKEN}", err=True)


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those as well that hold no more.")] = False,
    offline: OfflineOption = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Who has a token, with which role, and when it was used."""
    rows = _listed(config) if offline else AdminPort(config, admin).get("/operators")["operators"]
    shown = [row for row in rows if every or row["state"] == "holds"]
    if as_json:
        typer.echo(json.dumps({"operators": shown}))
        return
    typer.echo(readable(aligned(COLUMNS, [_cells(row) for row in shown])))
    if len(shown) < len(rows):
        typer.echo(f"{len(rows) - len(shown)} more hold no more: --all", err=True)


@app.command()
def role(
    token: IdArgument,
    role: Annotated[Role, typer.Argument(help="What it may do from now on.")],
    reason: ReasonOption,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
) -> None:
    """Give a token another role: it holds within a second."""
    content, port = {"role": str(role), "reason": reason}, AdminPort(config, admin)
    said = port.send("PATCH", f"/operators/{segment(_id(token, _there(port)))}", content).content
    typer.echo(readable(f"{said['name']} has the role {said['role']} now"))
    _note(said)


@app.command()
def revoke(
    token: IdArgument,
    reason: ReasonOption,
    offline: OfflineOption = False,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
) -> None:
    """It holds no more, within a second; sessions that it began end."""
    why = asked(WhyShape, {"reason": reason})
    if offline:
        known = _id(token, _listed(config))
        with opened(config) as access:
            name = access.write(lambda writing: operators.revoke(writing, known, why.reason)).name
        typer.echo(readable(f"the token of {name} is revoked"))
        return
    port = AdminPort(config, admin)
    known = _id(token, _there(port))
    said = port.send("DELETE", f"/operators/{segment(known)}", {"reason": why.reason}).content
    typer.echo(readable(f"the token of {said['name']} is revoked"))
    _note(said)


def _there(port: AdminPort) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = port.get("/operators")["operators"]
    return found


def _id(wanted: str, rows: list[dict[str, Any]]) -> str:
    """Of a token that is called by its id, or by its name where only one that holds has that. Else it ends in words."""
    named = [row["id"] for row in rows if row["name"] == wanted and row["state"] == "holds"]
    if any(row["id"] == wanted for row in rows) or not named:
        return wanted
    if len(named) > 1:
        fail(f"{len(named)} tokens that hold are named `{wanted}`: say which, by its id: {', '.join(sorted(named))}")
    return str(named[0])


def _made(config: Path, wanted: OperatorShape) -> dict[str, Any]:
    with opened(config) as access:
        expires = None if wanted.lasts == "forever" else access.database.now() + wanted.lasts
        minted = access.write(
            lambda writing: operators.create(
                writing, access.secrets, wanted.name, str(wanted.role), expires, wanted.reason
            )
        )
    return {"id": minted.id, "name": wanted.name, "role": str(wanted.role), "expires": expires, "token": minted.token}


def _listed(config: Path) -> list[dict[str, Any]]:
    with opened(config) as access:
        now = access.database.now()
        rows = access.read(operators.listed)
    return [
        {name: getattr(row, name) for name in ("id", "name", "role", "created", "by", "expires", "revoked", "used")}
        | {"state": _state(row, now)}
        for row in rows
    ]


def _state(row: Any, now: float) -> str:
    if row.revoked is not None:
        return "revoked"
    return "expired" if row.expires is not None and row.expires <= now else "holds"


def _cells(row: Mapping[str, Any]) -> tuple[object, ...]:
    times = ("created", "expires", "used")
    return tuple(second(row[name])[:16] if name in times else row[name] for name in COLUMNS)


def _note(said: Mapping[str, Any]) -> None:
    if said.get("note"):
        typer.echo(readable(said["note"]), err=True)
