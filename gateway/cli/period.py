"""From when to when, and where the log is: what commands over the exchange log share."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.clocks import wall
from gateway.app.configuration import Configuration, read_configuration
from gateway.cli.configured import fail, fail_with
from gateway.quantities import duration
from gateway.rules.problems import Problems

SinceOption = Annotated[str, typer.Option(help="How far back, such as 24h or 7d; or a time, such as 2026-11-21T08:00.")]
UntilOption = Annotated[str, typer.Option(help="The end: as --since. Now, if not stated.")]
LogOption = Annotated[
    Path | None, typer.Option("--log", help="The exchange log's folder, instead of the configuration's.")
]
MaybeConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="The gateway's configuration.", envvar="TIDEGATE_CONFIG")
]
CONFIG = Path("tidegate.yaml")


def moment(written: str, option: str) -> float:
    """Unix time. Times without a zone are UTC."""
    try:
        return wall() - duration(written)
    except ValueError:
        pass
    try:
        parsed = dt.datetime.fromisoformat(written)
    except ValueError:
        fail(
            f"{option} {written}: must be a duration back from now, such as 24h, or a time, such as 2026-11-21T08:00", 2
        )
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)).timestamp()


def period(since: str, until: str) -> tuple[float, float]:
    """Both as Unix time; an open end where `until` is empty."""
    begin, end = moment(since, "--since"), moment(until, "--until") if until else float("inf")
    if begin >= end:
        fail(f"--since {since} is not before --until {until}", 2)
    return begin, end


def configuration_of(config: Path | None) -> Configuration | None:
    """The one that is named; else tidegate.yaml if it is there; else none."""
    if config is None and not CONFIG.exists():
        return None
    try:
        return read_configuration(config or CONFIG)
    except Problems as problems:
        fail_with(problems)


def log_folder(log: Path | None, configuration: Configuration | None) -> Path:
    """What is named, else what the configuration says. One clear error where it says nothing."""
    if log is not None:
        return log
    written = configuration.file.exchange_log if configuration is not None else None
    if configuration is None or written is None:
        fail("there is no exchange log: set `exchange_log` in tidegate.yaml, or name its folder with --log")
    return configuration.path.parent / written.folder


def shown(time: float) -> str:
    """For people, in UTC."""
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d %H:%M")
