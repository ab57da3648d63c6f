"""`tidegate lists`: lists, feeds and geo databases of the rules in force, and how old they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli.admin_port import AdminOption, AdminPort, JsonOption, readable, segment
from gateway.cli.columns import aligned, lasting
from gateway.cli.complete import list_name
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.directory_access import ReasonOption

app = typer.Typer(help="Lists, feeds and geo databases: how old they are, and what is in them.", no_args_is_help=True)

CONFIG: Final = Path("tidegate.yaml")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As in feeds.yaml.", autocompletion=list_name)]


@app.command("list")
def list_(config: ConfigOption = CONFIG, admin: AdminOption = "", as_json: JsonOption = False) -> None:
    """All of them. Status 1 where one is stale, or cannot be read."""
    said = AdminPort(config, admin).get("/lists")
    rows = said["lists"]
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        columns = ("name", "kind", "entries", "age", "state", "source")
        typer.echo(readable(aligned(columns, [_cells(row) for row in rows])))
        if said.get("problem"):
            typer.echo(readable(said["problem"]), err=True)
    if said.get("problem") or any(row["stale"] or row["problem"] for row in rows):
        raise typer.Exit(1)


@app.command()
def show(
    name: NameArgument,
    find: Annotated[
        str, typer.Option(help="A part of an entry; an address or a domain is looked up as a rule would.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many entries.")] = 50,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """What is in one."""
    said = AdminPort(config, admin).get(f"/lists/{segment(name)}", q=find, limit=limit)
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
        return
    for one in said["found"]:
        typer.echo(readable(one["text"]))
    if find:
        contains = said.get("contains")
        typer.echo(
            f"a rule finds `{find}` in it: {'yes' if contains else 'no'}" if contains is not None else "", err=True
        )
    if said["matching"] > len(said["found"]):
        typer.echo(f"there are more: {said['matching']:,} in all", err=True)


@app.command()
def refresh(
    name: NameArgument,
    reason: ReasonOption,
    config: ConfigOption = CONFIG,
    admin: AdminOption = "",
    as_json: JsonOption = False,
) -> None:
    """Fetch one now."""
    said = AdminPort(config, admin).send("POST", f"/lists/{segment(name)}/refresh", {"reason": reason}).content
    if as_json:
        typer.echo(json.dumps(said, ensure_ascii=False))
    else:
        entries = f", {said['entries']:,} entries" if said.get("entries") is not None else ""
        typer.echo(readable(f"{name}: {said['outcome']}{entries}"))
    if said["outcome"] == "failed":
        fail(readable(said.get("detail", "")))


def _cells(row: Mapping[str, Any]) -> tuple[object, ...]:
    entries = f"{row['entries']:,}" if row["entries"] is not None else ""
    state = row["problem"] or row.get("error") or ("stale" if row["stale"] else "ok")
    return (row["name"], row["kind"], entries, lasting(row["age"]), state, row["source"] or row["path"])
