"""`tidegate detect`: accounts that act as one, in what was and in what is."""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisClusterException, RedisError

from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import read_configuration
from gateway.campaigns.verdict import Family
from gateway.cli.configured import ConfigOption, fail, fail_with
from gateway.cli.detect_text import show_backtest, show_status
from gateway.cli.progress import bar
from gateway.cli.supervised import run_supervised
from gateway.detect.settings import SIGNALS
from gateway.feeds.verdicts import LEADER, STATE, states_of
from gateway.rules.problems import Problems, did_you_mean
from gateway.stores.redis.client import blocking

app = typer.Typer(no_args_is_help=True, help="Accounts that act as one: what is found, and what would have been.")


@app.callback()
def _root() -> None:
    """Accounts that act as one: what is found, and what would have been."""


@app.command()
def backtest(
    events: Annotated[Path, typer.Argument(help="Parquet or JSON lines (.jsonl, .jsonl.gz), or a folder of parts.")],
    out: Annotated[Path, typer.Option(help="The folder for what is found; it is made.")],
    accounts: Annotated[
        Path | None, typer.Option(help="What is known of accounts: files of the same kinds. Without, rows of EVENTS.")
    ] = None,
    policies: Annotated[
        Path | None, typer.Option(help="The folder with chain.yaml: what follows. Without, nothing does.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A family of evidence, or a signal, to leave out. Repeatable.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of what the detector draws.")] = None,
    since: Annotated[str, typer.Option("--from", help="The first time: 2026-11-21T08:00, or Unix time.")] = "",
    until: Annotated[str, typer.Option("--until", help="The end, likewise.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many exchanges, the oldest first.")] = None,
    shadow: Annotated[bool, typer.Option("--shadow", help="Say what would be done, and let it pass.")] = False,
    look: Annotated[float | None, typer.Option(min=0.1, help="Seconds of the events' clock between looks.")] = None,
    delay: Annotated[float, typer.Option(min=0.0, help="Seconds for a verdict to reach the workers.")] = 1.0,
    window: Annotated[float, typer.Option(min=0.0, help="Seconds of disorder in EVENTS that are put right.")] = 300.0,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out, and count, rows that make no sense.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what stands in summary.json.")] = False,
) -> None:
    """Run detector and response on the clock of past exchanges: who is found, when, and what becomes of each exchange.

    Nobody is asked, and nothing is changed but the files in the folder of --out.
    """
    begin, end = _moment(since, "--from", -math.inf), _moment(until, "--until", math.inf)
    if begin >= end:
        fail(f"--from {since} is not before --until {until}", 2)
    # numpy, scipy and pyarrow take a second to load, and the other commands need none of them.
    from gateway.detect.backtest.files import RowError, rows_of  # noqa: PLC0415
    from gateway.detect.backtest.order import OutOfOrderError  # noqa: PLC0415
    from gateway.detect.backtest.whole import Wanted, with_settings  # noqa: PLC0415
    from gateway.detect.backtest.whole import backtest as run_backtest  # noqa: PLC0415
    from gateway.detect.detector import Detector  # noqa: PLC0415

    for name in without or ():
        if name not in {*Family, *SIGNALS}:
            known = [*map(str, Family), *SIGNALS]
            fail(f"--without {name}: no family or signal is called so{did_you_mean(name, known)}", 2)
    wanted = Wanted(events, out, accounts, policies, begin, end, limit, shadow, delay, window, skip_bad)
    try:
        total = min(rows_of(events) or math.inf, limit or math.inf)
        whole = int(total) if total < math.inf else 0
        with bar("exchanges", quiet=as_json) as tell:
            settings = with_settings(look, seed, without or ())
            found = run_backtest(wanted, settings, Detector, monotonic, lambda done: tell(done, whole), os.environ)
    except Problems as problems:
        fail_with(problems)
    except (RowError, OutOfOrderError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"cannot write to {out}: {error.strerror or error}")
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        show_backtest(found, out)


@app.command(hidden=True)
def run(
    config: ConfigOption,
    wholes: Annotated[Path | None, typer.Option()] = None,
    parent: Annotated[int, typer.Option()] = 0,
    copy: Annotated[Path | None, typer.Option()] = None,
    look: Annotated[float | None, typer.Option(min=0.05)] = None,
    snapshot: Annotated[float, typer.Option(min=0.05)] = 60.0,
) -> None:
    """The detector's process; the supervisor starts it."""
    # numpy and scipy take a second to load, and the other commands need none of them.
    from gateway.app.detector import work  # noqa: PLC0415

    run_supervised(
        config, copy, parent, lambda configuration, stopping: work(configuration, stopping, wholes, look, snapshot)
    )


@app.command()
def status(
    config: ConfigOption = Path("tidegate.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """How the fleet's detectors are: who tells, how far behind they are, what they hold. Fails where none tells."""
    try:
        configuration = read_configuration(config)
    except Problems as problems:
        fail_with(problems)
    try:
        redis = blocking(configuration.file.redis.get_secret_value())
        states = states_of(redis.hgetall(STATE), redis.get(LEADER), wall())
    except (RedisError, RedisClusterException, OSError, ValueError) as error:
        fail(f"Redis does not answer: {error}")
    if as_json:
        typer.echo(json.dumps(states, indent=1, ensure_ascii=False))
    else:
        show_status(states, wall())
    if not any(state["leader"] for state in states):
        raise typer.Exit(1)


def _moment(written: str, option: str, otherwise: float) -> float:
    """Unix time. Times without a zone are UTC."""
    if not written:
        return otherwise
    try:
        return float(written)
    except ValueError:
        pass
    try:
        parsed = dt.datetime.fromisoformat(written)
    except ValueError:
        fail(f"{option} {written}: must be a time, such as 2026-11-21T08:00, or Unix time", 2)
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)).timestamp()
