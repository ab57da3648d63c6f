"""`tidegate feeds`: geo databases and lists, fetched, checked and looked at."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.table import Table

from gateway.app.configuration import read_configuration
from gateway.cli.configured import ConfigOption, fail, fail_with
from gateway.feeds.sources import DatabaseFeed, FeedSet, ListFeed, RedisSource
from gateway.feeds.standing import Standing, standings
from gateway.feeds.update import Updated, World, update
from gateway.rules.check import check
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.problems import Problems, did_you_mean
from gateway.rules.read import read
from gateway.rules.ruleset import FEEDS
from gateway.stores.redis.client import client

app = typer.Typer(help="Fetch geo databases and lists, and see how old they are.", no_args_is_help=True)

DataOption = Annotated[
    Path | None, typer.Option("--data", help="The data folder; `data` beside the configuration if not stated.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For scripts.")]

Feed = DatabaseFeed | ListFeed


@app.command("update")
def update_feeds(
    names: Annotated[list[str] | None, typer.Argument(help="Of databases and lists; all that have a source.")] = None,
    config: ConfigOption = Path("tidegate.yaml"),
    data: DataOption = None,
    force: Annotated[bool, typer.Option(help="Also take what is older, or much smaller, than what is in use.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch, check, swap. What fails its checks is not taken, and the last good one stays; then the exit code is 1."""
    feeds, base, data, redis_url = _read(config, data)
    chosen = _chosen(feeds, names or [])
    if not chosen:
        fail(f"nothing to fetch: no database and no list of {base / FEEDS} has a `source`", 0)
    done = asyncio.run(_update_all(chosen, base, data, redis_url, force=force, quiet=as_json))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in done], indent=2))
    else:
        Console().print(_table_of_updates(done, chosen))
    if any(one.what == "failed" for one in done):
        raise typer.Exit(1)


@app.command("show")
def show(config: ConfigOption = Path("tidegate.yaml"), data: DataOption = None, as_json: JsonOption = False) -> None:
    """What is there, how old it is, and where it comes from. The exit code is 1 if anything is stale or missing."""
    feeds, base, data, _ = _read(config, data)
    now = time.time()  # noqa: TID251 - a command is its own composition root
    found = standings(feeds, base, data, now)
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=2))
    else:
        Console().print(_table_of_standings(found))
    if any(one.stale or one.problem for one in found):
        raise typer.Exit(1)


def _read(config: Path, data: Path | None) -> tuple[FeedSet, Path, Path, str]:
    """The feeds, the folder of their file, the data folder, the address of Redis."""
    try:
        configuration = read_configuration(config)
        path = configuration.policies / FEEDS
        feeds = check(read(path), FeedsFile).plain() if path.exists() else FeedSet()
    except Problems as problems:
        fail_with(problems)
    where = data if data is not None else configuration.path.parent / "data"
    return feeds, configuration.policies, where, configuration.file.redis.get_secret_value()


def _chosen(feeds: FeedSet, names: list[str]) -> list[Feed]:
    fetched = [feed for feed in feeds.all() if feed.source is not None]
    known = {feed.name for feed in fetched}
    for name in names:
        if name not in known:
            fail(f"no database or list with a `source` is named {name}{did_you_mean(name, known)}", 2)
    return [feed for feed in fetched if not names or feed.name in names]


async def _update_all(
    chosen: list[Feed], base: Path, data: Path, redis_url: str, *, force: bool, quiet: bool
) -> list[Updated]:
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=quiet,
    )
    tasks: dict[str, TaskID] = {}

    def told(name: str, done: int, total: int) -> None:
        bars.update(tasks[name], completed=done, total=total or None)

    redis: Any = client(redis_url) if any(isinstance(feed.source, RedisSource) for feed in chosen) else None
    now = time.time  # noqa: TID251 - a command is its own composition root
    found = []
    try:
        with bars:
            for feed in chosen:
                tasks[feed.name] = bars.add_task(feed.name, total=None)
                found.append(await update(feed, World(base, data, now, redis, told), force=force))
                bars.remove_task(tasks[feed.name])
    finally:
        if redis is not None:
            await redis.aclose()
    return found


_STYLES = {"updated": "green", "unchanged": "dim", "failed": "bold red"}


def _table_of_updates(done: list[Updated], chosen: list[Feed]) -> Table:
    table = Table("name", "what", "entries", "built", "source", "detail", box=None, header_style="bold")
    for one, feed in zip(done, chosen, strict=True):
        style = _STYLES[one.what]
        what = f"[{style}]{one.what}[/]"
        entries = str(one.entries) if one.what != "failed" else ""
        table.add_row(one.name, what, entries, _date(one.built), _plain(feed.source), _plain(one.detail))
    return table


def _table_of_standings(found: list[Standing]) -> Table:
    table = Table("name", "kind", "entries", "built", "age", "", "source", box=None, header_style="bold")
    for one in found:
        state = "[bold red]stale[/]" if one.stale else ""
        if one.problem:
            state = f"[bold red]{_plain(one.problem)}[/]"
        age = _age(one.age) if one.built else ""
        table.add_row(one.name, one.kind, str(one.entries), _date(one.built), age, state, _plain(one.source))
    return table


def _plain(text: object) -> str:
    """Text from outside is no markup."""
    return str(text).replace("[", "\\[")


def _date(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M") if unix else ""


def _age(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
