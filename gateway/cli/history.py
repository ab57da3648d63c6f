"""`tidegate history`: the exchange log itself."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.clocks import wall
from gateway.cli.configured import fail
from gateway.cli.period import LogOption, MaybeConfigOption, configuration_of, log_folder, shown
from gateway.cli.process_log import log_to_stderr
from gateway.edge.workers import die_with_parent
from gateway.history.columns import HistoryError
from gateway.quantities import duration
from gateway.rules.gateway_file import ExchangeLogFile

app = typer.Typer(help="The exchange log.", no_args_is_help=True)


@app.command()
def record(
    config: MaybeConfigOption = None,
    log: LogOption = None,
    keep: Annotated[
        str, typer.Option(help="How long days are kept, such as 30d, instead of the configuration's.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Convert what is closed now, and end.")] = False,
    parent: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Turn what workers have written into Parquet files, until SIGTERM. `tidegate serve` runs one itself."""
    # pyarrow takes a while to load, and nothing of a gateway that serves needs it.
    from gateway.history.recorder import Recorder  # noqa: PLC0415

    if parent:
        die_with_parent(parent)
    configuration = configuration_of(config)
    log_to_stderr(configuration.file.process_log if configuration is not None else "text")
    folder = log_folder(log, configuration)
    written = (configuration.file.exchange_log if configuration is not None else None) or ExchangeLogFile()
    try:
        kept = duration(keep) if keep else written.keep
    except ValueError as error:
        fail(f"--keep {keep}: {error}", 2)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if once:
        stopping.set()
    try:
        Recorder(folder, wall, keep=kept, rotate=written.rotate).run(stopping)
    except (HistoryError, OSError) as error:
        fail(str(error))


@app.command("show")
def show(
    config: MaybeConfigOption = None,
    log: LogOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """What there is: days, files, exchanges, and what still waits in the spool."""
    from gateway.history.reading import days, open_log  # noqa: PLC0415  as above

    folder: Path = log_folder(log, configuration_of(config) if log is None else None)
    try:
        opened = open_log(folder, columns=("time",))
        found = {"folder": str(folder), "exchanges": opened.rows, "first": opened.first, "days": days(folder)}
    except HistoryError as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    typer.echo(f"{folder}: {opened.rows:,} exchanges since {shown(opened.first)} UTC")
    for day, (files, size) in days(folder).items():
        typer.echo(f"  {day}  {files:4d} files  {size / 1_000_000:10,.1f} MB")
