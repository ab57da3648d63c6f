"""`tidegate demo`: everything on this machine, with nothing to install."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.demo import run
from gateway.demo.supervise import Options


def demo(
    port: Annotated[
        int | None, typer.Option(help="The gateway's port; 8080 or any that is free if not stated.", min=0, max=65535)
    ] = None,
    upstream: Annotated[str, typer.Option(help="An inference API of yours instead of the stand-in.")] = "",
    workers: Annotated[int, typer.Option(help="Worker processes of the gateway.", min=1, max=64)] = 1,
    ready_file: Annotated[
        Path | None, typer.Option(help="Written as JSON once everything serves: addresses, keys, pid.")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Keep accounts, keys and policies in this folder.")
    ] = None,
    latency: Annotated[float, typer.Option(help="Of the stand-in: seconds before an answer.", min=0)] = 0.05,
    tokens_per_second: Annotated[float, typer.Option(help="Of the stand-in; 0: as fast as it goes.", min=0)] = 100.0,
) -> None:
    """Start a gateway, Redis and a stand-in inference API, and print requests to paste. Ctrl-C ends all of it."""
    options = Options(
        port=port,
        upstream=upstream,
        workers=workers,
        ready_file=ready_file,
        directory=directory,
        latency=latency,
        tokens_per_second=tokens_per_second,
    )
    raise typer.Exit(run(options))
