"""The command `tidegate`. One file a group of commands."""

from __future__ import annotations

import typer

from gateway import __version__
from gateway.cli import check, demo, explain, feeds, history, key, policies, replay, schema, serve, shadow, test

app = typer.Typer(
    name="tidegate",
    help="An account-verification and rate-limiting gateway in front of a model (inference) API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """An account-verification and rate-limiting gateway in front of a model (inference) API."""


app.command("serve")(serve.serve)
app.command("worker", hidden=True)(serve.worker)
app.command("check")(check.check)
app.command("test")(test.run)
app.command("explain")(explain.explain)
app.command("replay")(replay.replay)
app.command("schema")(schema.schema)
app.command("demo")(demo.demo)
app.add_typer(shadow.app, name="shadow")
app.add_typer(history.app, name="history")
app.add_typer(key.app, name="key")
app.add_typer(feeds.app, name="feeds")
app.add_typer(policies.app, name="policies")


def main() -> None:
    """The console script."""
    app()
