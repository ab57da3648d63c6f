"""`tidegate challenge`: who is held to challenges, and how a person ends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from gateway.app.clocks import wall
from gateway.app.configuration import Configuration
from gateway.app.directory import has_durable
from gateway.app.offers import no_terms, offers_of
from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.interface import Unavailable
from gateway.cli.columns import aligned, indented, moment
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.directory_access import JsonOption, ReasonOption, asked, look, opened
from gateway.control.account_shown import Shown
from gateway.control.challenges_shown import (
    LiftShape,
    ListShape,
    NotHeld,
    TermsOf,
    lift,
    listed,
    noted,
    rows,
    shown,
)
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problems
from gateway.rules.ruleset import load
from gateway.stores.redis.client import client

app = typer.Typer(help="Who is held to challenges, and how a person ends it.", no_args_is_help=True)

CONFIG = Path("tidegate.yaml")
DEADLINE = 5.0
"""Seconds that one answer of Redis may take: a person waits, not a request."""
AccountArgument = Annotated[
    str,
    typer.Argument(
        metavar="ACCOUNT", help="The account, or address=IP of a caller whom nobody knows: of IPv6 the /64, as listed."
    ),
]
StepOption = Annotated[str, typer.Option("--step", help="From this step on: slow, work, captcha, verify, review.")]

T = TypeVar("T")


@app.command("list")
def list_(
    step: StepOption = "slow",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 50,
    config: ConfigOption = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Who is asked for something, the highest step first. Those who are only observed: --step observe."""
    page = asked(ListShape, {"step": step, "limit": limit})
    configuration, _ = look(config)
    terms, now = terms_of(configuration), wall()
    found = listed(_with_redis(configuration, lambda redis: rows(redis, now)), page.step, terms, now)
    held = [shown(row, terms, now) for row in found[: page.limit]]
    if as_json:
        typer.echo(json.dumps({"challenges": held, "there": len(found)}))
        return
    typer.echo(aligned(COLUMNS, [_cells(one) for one in held]))
    if len(found) > len(held):
        typer.echo(f"there are more: {len(found):,} in all", err=True)


@app.command()
def show(account: AccountArgument, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """All that is held of one account: under which rule, on which step, and what it has passed."""
    configuration, _ = look(config)
    terms, now = terms_of(configuration), wall()
    found = listed(_with_redis(configuration, lambda redis: rows(redis, now, account)), "observe", terms, now)
    if not found:
        fail(f"nothing is held of `{account}`")
    held = [shown(row, terms, now) for row in found]
    if as_json:
        typer.echo(json.dumps({"account": account, "challenges": held}))
        return
    typer.echo("\n\n".join(_text(one) for one in held))


@app.command("lift")
def lift_(
    account: AccountArgument,
    reason: ReasonOption,
    rule: Annotated[str | None, typer.Option(help="Under this one alone: ENTRY/NAME, as `show` names it.")] = None,
    to: Annotated[
        str, typer.Option(help="Where it stands from now on, at most: observe, slow, work, captcha, verify.")
    ] = "observe",
    config: ConfigOption = CONFIG,
) -> None:
    """Take back what is held against an account: on every worker, within a second.

    What it is suspected of is forgotten. What it does from now on counts as before.
    """
    decided = asked(LiftShape, {"reason": reason, "rule": rule, "to": to})
    configuration, _ = look(config)
    terms = terms_of(configuration)

    async def work(redis: Any) -> list[str]:
        escalations = RedisEscalations(redis, wall, deadline=DEADLINE)
        found = await rows(redis, wall(), account)
        return await lift(escalations, found, account, decided, terms)

    changed = _with_redis(configuration, work)
    if has_durable(configuration):
        with opened(config) as access:
            access.write(lambda writing: noted(writing, account, decided, changed))
    else:
        typer.echo("there is no directory, so no audit says who did it, and why", err=True)
    under = f" under {', '.join(changed)}" if changed else ""
    typer.echo(
        f"{account} stands on {decided.to}{under}" if changed else f"{account} already stood no higher than that"
    )


def terms_of(configuration: Configuration) -> TermsOf:
    """Of the policies on disk. That they cannot be read is said, and no error: what is held is held all the same."""
    try:
        return offers_of(load(configuration.policies, policy_kinds())).terms
    except Problems as problems:
        typer.echo(f"half-lives are not known, the policies cannot be read: {problems.problems[0]}", err=True)
        return no_terms


def _with_redis(configuration: Configuration, work: Callable[[Any], Awaitable[T]]) -> T:
    """What goes wrong is one sentence, and status 1."""
    url = configuration.file.redis.get_secret_value()

    async def whole() -> T:
        redis = client(url)
        try:
            return await work(redis)
        finally:
            await redis.aclose()

    try:
        return asyncio.run(whole())
    except Unavailable as error:
        fail(f"Redis cannot be asked, so nobody knows who is held: {' '.join(str(error).split())}")
    except ValueError as error:
        fail(f"redis: {error}")
    except NotHeld as error:
        fail(str(error))


COLUMNS = ("account", "rule", "step", "suspicion", "since", "open", "passed")


def _cells(one: Shown) -> Sequence[object]:
    return (
        _readable(one["account"]),
        one["rule"],
        one["step"],
        f"{one['suspicion']:g}",
        moment(one["since"]),
        ",".join(sorted({challenge["step"] for challenge in one["open"]})),
        ",".join(sorted({clearance["step"] for clearance in one["clearances"]})),
    )


def _text(one: Shown) -> str:
    """What is empty is left out."""
    facts = {
        "rule": one["rule"] + ("" if one["in_force"] else "  (no rule in force is called so)"),
        "step": one["step"] + (f" since {moment(one['since'])}" if one["since"] else ""),
        "suspicion": f"{one['suspicion']:g}",
        "was asked for": one["tried"] if one["tried"] != "observe" else "",
        "last passed": moment(one["passed"]),
    }
    width = max(len(name) for name in facts)
    parts = ["\n".join(f"{name.ljust(width)}  {value}" for name, value in facts.items() if value)]
    parts += _block("open", one["open"], ("step", "id", "key", "from", "asked", "expires", "wrong"))
    parts += _block("passed", one["clearances"], ("step", "id", "key", "from", "expires", "exchanges", "left"))
    return "\n".join(parts)


def _readable(name: str) -> str:
    """An issuer's name for an account may hold what a terminal obeys, or what it cannot write."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _block(title: str, found: Sequence[Shown], columns: Sequence[str]) -> list[str]:
    if not found:
        return []
    cells = [[_cell(column, one[column]) for column in columns] for one in found]
    return [f"{title}\n{indented(aligned(columns, cells))}"]


def _cell(column: str, value: Any) -> object:
    if column in {"asked", "expires"}:
        return moment(value)
    if column in {"exchanges", "left"}:
        return "any" if value is None else f"{value:,}"
    return value
