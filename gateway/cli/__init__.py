"""The command `tidegate`. One file a group of commands, imported when it is asked for: `tidegate key` needs no CEL."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any, Final

import typer
import typer.main
from typer._click.shell_completion import CompletionItem  # What its groups answer; it has no other name for it.
from typer.core import TyperGroup

from gateway import __version__

COMMANDS: Final[Mapping[str, str]] = {
    "serve": "gateway.cli.serve:serve",
    "worker": "gateway.cli.worker:worker",
    "clerk": "gateway.cli.clerk:clerk",
    "sketcher": "gateway.cli.sketcher:sketcher",
    "check": "gateway.cli.check:check",
    "test": "gateway.cli.test:run",
    "explain": "gateway.cli.explain:explain",
    "replay": "gateway.cli.replay:replay",
    "shadow": "gateway.cli.shadow:app",
    "history": "gateway.cli.history:app",
    "rules": "gateway.cli.policies:app",
    "policies": "gateway.cli.policies:app",
    "quota": "gateway.cli.quota:app",
    "lists": "gateway.cli.lists:app",
    "feeds": "gateway.cli.feeds:app",
    "detect": "gateway.cli.detect:app",
    "schema": "gateway.cli.schema:schema",
    "account": "gateway.cli.account:app",
    "key": "gateway.cli.key:app",
    "review": "gateway.cli.review:app",
    "case": "gateway.cli.case:app",
    "inbox": "gateway.cli.inbox:app",
    "challenge": "gateway.cli.challenge:app",
    "directory": "gateway.cli.directory:app",
    "status": "gateway.cli.status:status",
    "top": "gateway.cli.top:top",
    "audit": "gateway.cli.audit:app",
    "operator": "gateway.cli.operator:app",
    "console": "gateway.cli.console:console",
    "demo": "gateway.cli.demo:demo",
}
"""Name -> where it is: a function, or a typer.Typer with commands of its own. In the order of `--help`."""
HIDDEN: Final = frozenset({"worker", "clerk", "sketcher"})
"""Started by `serve`, not by people."""


class Commands(TyperGroup):
    """Finds commands in COMMANDS."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as above
        """None for what there is not."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        found = getattr(importlib.import_module(module), name)
        if isinstance(found, typer.Typer):
            command: Any = typer.main.get_group(found)
            command.name = cmd_name
            return command
        alone = typer.Typer(add_completion=False, context_settings=SETTINGS)
        alone.command(cmd_name, hidden=cmd_name in HIDDEN)(found)
        return typer.main.get_command(alone)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Names alone: to ask each command for its help would load all of them, and somebody waits."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name) for name in COMMANDS if name.startswith(incomplete) and name not in HIDDEN]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Typer looks for what is near among commands that are loaded, and none is."""
        near = difflib.get_close_matches(args[0], set(COMMANDS) - HIDDEN, n=1)
        if args[0] not in COMMANDS and near:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)


SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    cls=Commands,
    name="tidegate",
    help="An account-verification and rate-limiting gateway in front of a model (inference) API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
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


def main() -> None:
    """The console script."""
    app()
