"""`tidegate policies`: the rules in force, and going forward and back, through the operators' port of what serves."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer

from gateway.app.configuration import read_configuration
from gateway.cli.configured import ConfigOption, fail, fail_with
from gateway.rules.problems import Problems

app = typer.Typer(help="The rules in force: look at them, apply the files on disk, go back.", no_args_is_help=True)

AdminOption = Annotated[
    str, typer.Option("--admin", help="The operators' port, HOST:PORT or unix:/path; as the configuration says if not.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For scripts.")]
LIMIT = aiohttp.ClientTimeout(total=90)


@app.command()
def status(config: ConfigOption = Path("tidegate.yaml"), admin: AdminOption = "", as_json: JsonOption = False) -> None:
    """What is in force, since when and by whom; what is wrong with the files on disk. Exit code 1 if that is so."""
    said = _Door(config, admin).get("/policies")
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
    said = _Door(config, admin).get("/policies/history")
    if as_json:
        typer.echo(json.dumps(said, indent=2))
        return
    for one in said["history"]:
        mark = "*" if one["in_force"] else " "
        typer.echo(f"{mark} {one['name']:<20} {_when(one['since'])}  {one['who']} ({one['action']})")


@app.command()
def reload(config: ConfigOption = Path("tidegate.yaml"), admin: AdminOption = "", as_json: JsonOption = False) -> None:
    """Apply the files on disk now, also those that a rollback set aside. Exit code 1 if they are refused."""
    _change(_Door(config, admin), "/policies/reload", {}, as_json=as_json)


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
    _change(_Door(config, admin), "/policies/rollback", {"to": to}, as_json=as_json)


def _change(door: _Door, path: str, content: Mapping[str, str], *, as_json: bool) -> None:
    said, ok = door.post(path, content)
    if as_json:
        typer.echo(json.dumps(said, indent=2))
        raise typer.Exit(0 if ok else 1)
    here = f"generation {said['generation']}, digest {said['digest'][:12]} is in force"
    if not ok:
        fail("\n".join([*said["problems"], f"{said['outcome']}: {here}"]))
    typer.echo(f"{said['outcome'].replace('_', ' ')}: {here}")


class _Door:
    """The operators' port of a gateway that runs."""

    def __init__(self, config: Path, admin: str) -> None:
        self.address = admin
        self.token = os.environ.get("TIDEGATE_ADMIN_TOKEN", "")
        if not self.address or not self.token:
            try:
                file = read_configuration(config).file
            except Problems as problems:
                fail_with(problems)
            self.address = self.address or file.admin
            if not self.token and file.admin_token is not None:
                self.token = file.admin_token.get_secret_value()

    def get(self, path: str) -> dict[str, Any]:
        return asyncio.run(self._ask("GET", path, None))[1]

    def post(self, path: str, content: Mapping[str, str]) -> tuple[dict[str, Any], bool]:
        """The answer, and whether it is what was wanted."""
        status, said = asyncio.run(self._ask("POST", path, content))
        if "outcome" not in said:
            fail(f"{self.address} answered {status}: {said.get('error', 'nothing that can be read')}")
        return said, status == 200

    async def _ask(self, method: str, path: str, content: Mapping[str, str] | None) -> tuple[int, dict[str, Any]]:
        unix = self.address.startswith("unix:")
        connector = aiohttp.UnixConnector(self.address.removeprefix("unix:")) if unix else aiohttp.TCPConnector()
        base = "http://admin" if unix else f"http://{self.address}"
        fields = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=LIMIT) as session,
                session.request(method, f"{base}{path}", json=content, headers=fields) as answer,
            ):
                said = json.loads(await answer.read())
                return answer.status, said if isinstance(said, dict) else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            fail(f"no answer from {self.address}: {error or type(error).__name__}")


def _files(said: Mapping[str, Any]) -> str:
    if said["files"] == "refused":
        problems = "\n".join(said["shown"])
        return f"on disk:  refused since {_when(said['refused_since'])}:\n{problems}"
    if said["files"] == "set_aside":
        return "on disk:  set aside by a rollback; applied when they change, or by `tidegate policies reload`"
    return "on disk:  what is in force"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
