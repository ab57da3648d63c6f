"""`tidegate review`: what waits for people to decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.accounts.ladder import Ladder
from gateway.cli.columns import aligned, moment
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.directory_access import Access, JsonOption, ReasonOption, opened, who
from gateway.cli.ladder_access import ladder_of
from gateway.control.account_shown import Shown, shown, when
from gateway.verification import review

app = typer.Typer(help="Verifications and appeals that people decide.", no_args_is_help=True)

CONFIG = Path("tidegate.yaml")
NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Of the case.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What waits for somebody, the oldest first."""
    with opened(config) as access:
        found = [_shown(one) for one in access.read(lambda connection: review.open_reviews(connection, limit))]
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    columns = ("number", "account", "subject", "kinds", "state", "opened", "first")
    rows = [[moment(one[name]) if name == "opened" else one[name] for name in columns] for one in found]
    typer.echo(aligned(columns, rows))


@app.command()
def show(number: NumberArgument, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """One case, with what the owner has written."""
    with opened(config) as access:
        found = _shown(access.read(lambda connection: review.review(connection, number)))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    times = ("opened", "first_at", "second_at")
    facts = {name: moment(value) if name in times else value for name, value in found.items()}
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else _printable(str(value))
        if shown:
            typer.echo(f"{name.ljust(width)}  {shown}")


@app.command()
def approve(number: NumberArgument, reason: ReasonOption, config: ConfigOption = CONFIG) -> None:
    """Approve it. What leads to the top of the ladder needs a second person."""
    _decide(number, reason, config, approve=True)


@app.command()
def decline(number: NumberArgument, reason: ReasonOption, config: ConfigOption = CONFIG) -> None:
    """Decline it. One person is enough."""
    _decide(number, reason, config, approve=False)


def _decide(number: int, reason: str, config: Path, *, approve: bool) -> None:
    with opened(config) as access:
        ladder, by = ladder_of(access.configuration), who()
        try:
            done = access.write(lambda writing: review.decide(writing, ladder, number, approve, reason, by))
        except review.Decided as error:
            fail(f"case {number}: {error}")
        more = _stands(access, ladder, done) if done.state == review.APPROVED else ""
        more = ": a second person has to approve it" if done.state == review.SECONDED else more
    typer.echo(f"case {number} of account {done.account} is {done.state}{more}")


def _stands(access: Access, ladder: Ladder | None, done: review.Review) -> str:
    """What came of it: an appeal against what a provider declined gives nothing by itself."""
    now = access.database.now()
    stands = access.read(lambda connection: shown(connection, done.account, now, ladder))["standing"]
    if stands is None:
        return ""
    lacks = f"; for {stands['next']} there is missing: {', '.join(stands['missing'])}" if stands["missing"] else ""
    return f". The account stands on {stands['tier']}{lacks}"


def _shown(case: review.Review) -> Shown:
    return {
        "number": case.id,
        "account": case.account,
        "subject": case.subject,
        "kinds": list(case.kinds),
        "state": case.state,
        "opened": when(case.opened),
        "verification": case.verification,
        "statement": case.statement,
        "first": case.first,
        "first_at": when(case.first_at or None),
        "second": case.second,
        "second_at": when(case.second_at or None),
        "reason": case.reason,
    }


def _printable(text: str) -> str:
    """An owner may have written what steers a terminal."""
    return "".join(one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in text)
