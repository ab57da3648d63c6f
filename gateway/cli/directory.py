"""`tidegate directory`: the schema of the accounts' database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.accounts.sql import migrate
from gateway.cli.columns import aligned, indented
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.directory_access import JsonOption, insist, look, opened
from gateway.control.account_shown import secrets_in_use

app = typer.Typer(help="The database of accounts: made, brought forward, taken back.", no_args_is_help=True)


@app.command()
def upgrade(config: ConfigOption = Path("tidegate.yaml")) -> None:
    """Make the database, or bring it to the newest schema. What is in it stays."""
    with opened(config, fitting=False) as access:
        try:
            steps = migrate.upgrade(access.database)
        except migrate.BadRevision as error:
            fail(str(error))
        now = migrate.status(access.database).current
    typer.echo(f"the directory has schema {now}" + (f": {len(steps)} step(s)" if steps else ": nothing to do"))


@app.command()
def downgrade(
    to: Annotated[str, typer.Argument(help="A revision, as `tidegate directory status` shows it; `base` for none.")],
    config: ConfigOption = Path("tidegate.yaml"),
    yes: Annotated[bool, typer.Option("--yes", help="Lose what it says.")] = False,
) -> None:
    """Take the schema back. What an older one has no place for is lost: it says what, and asks for --yes."""
    insist(look(config)[1])
    with opened(config, fitting=False) as access:
        current, head, pending = migrate.status(access.database)
        if current and current != head and not pending:
            fail(migrate.ready(access.database))
        try:
            lost = migrate.lost(access.database, to)
            if lost and not yes:
                rows = aligned(("lost", "rows"), [(loss.what, f"{loss.rows:,}") for loss in lost])
                fail(f"{indented(rows)}\nno upgrade brings this back: say --yes to lose it")
            steps = migrate.downgrade(access.database, to)
        except migrate.BadRevision as error:
            fail(f"{error}: this one is {current or 'none'}, the newest is {head}, and `base` is none")
    typer.echo(f"taken back to {to}: {len(steps)} step(s)" if steps else f"the schema is {to} already")


@app.command()
def status(config: ConfigOption = Path("tidegate.yaml"), as_json: JsonOption = False) -> None:
    """Whether the database fits this program, and what was made with which secret. Status 1 where it is amiss."""
    insist(look(config)[1])
    with opened(config, fitting=False) as access:
        current, head, pending = migrate.status(access.database)
        said = migrate.ready(access.database)
        shown = access.database.url.render_as_string(hide_password=True)
        used = {} if said else access.read(secrets_in_use)
        unknown = sorted(secret for secret in used if secret not in access.secrets)
    if unknown and not said:
        said = f"made with secrets that are not stated, and refused: {', '.join(unknown)}"
    if as_json:
        found = {"url": shown, "schema": current, "needed": head, "pending": list(pending), "ready": not said}
        typer.echo(json.dumps(found | {"secrets": used}))
        raise typer.Exit(1 if said else 0)
    typer.echo(f"{shown}: schema {current or 'none'}, needed {head}")
    for secret, counts in used.items():
        typer.echo(f"secret {secret}: {', '.join(f'{count:,} {table}' for table, count in counts.items())}")
    if said:
        fail(said)
