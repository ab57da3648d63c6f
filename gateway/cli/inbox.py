"""`tidegate inbox`: news from providers, and what became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.columns import aligned, moment
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.directory_access import USAGE, JsonOption, opened
from gateway.control.account_shown import Shown, when
from gateway.verification import inbox

app = typer.Typer(help="News from providers of verifications, and what became of it.", no_args_is_help=True)

CONFIG = Path("tidegate.yaml")
MOST = 10_000
"""Dead letters that are tried again at once."""


@app.command("list")
def list_(
    dead: Annotated[bool, typer.Option("--dead", help="What nobody could work off.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="What is still to be worked off.")] = False,
    provider: Annotated[str, typer.Option(help="Of this one alone.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most so many.")] = 50,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """The newest first. Of a webhook's content only what was read of it is kept."""
    if dead and waiting:
        fail("--dead and --waiting: one of them", USAGE)
    which = inbox.Which.DEAD if dead else inbox.Which.WAITING if waiting else inbox.Which.ALL
    with opened(config) as access:
        found = [_shown(one) for one in access.read(lambda c: inbox.letters(c, which, limit, provider))]
        counts = access.read(inbox.counts)
    if as_json:
        typer.echo(json.dumps({"letters": found, "counts": counts}))
        return
    columns = ("number", "provider", "kind", "state", "reference", "received", "attempts", "is", "outcome")
    rows = [[moment(one[name]) if name == "received" else one[name] for name in columns] for one in found]
    typer.echo(aligned(columns, rows))
    typer.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()), err=True)


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1)],
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """One of them."""
    with opened(config) as access:
        found = _shown(access.read(lambda connection: inbox.letter(connection, number)))
    if as_json:
        typer.echo(json.dumps(found))
        return
    width = max(len(name) for name in found)
    for name, value in found.items():
        if value not in (None, ""):
            typer.echo(f"{name.ljust(width)}  {value}")


@app.command()
def retry(
    number: Annotated[int | None, typer.Argument(metavar="NUMBER", min=1)] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All that nobody could work off.")] = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Have it worked off once more: the provider is asked again, and what was done is not done twice."""
    if (number is None) == (not dead):
        fail("name a NUMBER, or --dead for all of them", USAGE)
    with opened(config) as access:
        if number is not None:
            try:
                access.write(lambda writing: inbox.retry(writing, number))
            except inbox.NotAgain as error:
                fail(f"letter {number}: {error}")
            typer.echo(f"letter {number} is worked off again")
            return
        letters = access.read(lambda connection: inbox.letters(connection, inbox.Which.DEAD, MOST))
        done, kept = 0, 0
        for one in letters:
            try:
                access.write(lambda writing, one=one: inbox.retry(writing, one.id))  # type: ignore[misc]
                done += 1
            except inbox.NotAgain:
                kept += 1
    typer.echo(f"{done:,} letter(s) are worked off again")
    if kept:
        typer.echo(f"{kept:,} could not be read, and are not kept: have the provider send them again", err=True)


def _shown(letter: inbox.Shown) -> Shown:
    state = "done" if letter.done else "dead" if letter.dead else "waiting"
    return {
        "number": letter.id,
        "is": state,
        "provider": letter.provider,
        "event": letter.event,
        "kind": letter.kind,
        "state": letter.state,
        "reference": letter.reference,
        "stated": when(letter.stated or None),
        "received": when(letter.received),
        "attempts": letter.attempts,
        "due": when(letter.due or None),
        "done": when(letter.done or None),
        "dead": when(letter.dead or None),
        "outcome": letter.outcome,
        "digest": letter.digest,
    }
