"""`tidegate check`: everything that `serve` would read, without serving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import check_everything
from gateway.cli.configured import ConfigOption, fail_with
from gateway.rules.problems import Problems


def check(
    config: ConfigOption = Path("tidegate.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Check the configuration, the policies and the accounts: every error at once, with file, line and column."""
    try:
        configuration, ruleset = check_everything(config)
    except Problems as problems:
        if as_json:
            found = [
                {"path": str(p.path), "line": p.line, "column": p.column, "message": p.message}
                for p in problems.problems
            ]
            typer.echo(json.dumps({"ok": False, "problems": found}, indent=2))
            raise typer.Exit(1) from None
        fail_with(problems)
    entries = [f"{entry.name} ({entry.kind.name}, on_failure: {entry.on_failure.value})" for entry in ruleset.entries]
    if as_json:
        typer.echo(json.dumps({"ok": True, "digest": ruleset.digest, "chain": entries}, indent=2))
        return
    typer.echo(f"{configuration.path}: no problems. The chain: {' → '.join(entries)}")
    typer.echo(f"digest {ruleset.digest}")
