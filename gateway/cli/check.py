"""`tidegate check`: everything that `serve` would read, or a folder of policies alone, without serving."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from gateway.app.configuration import Configuration
from gateway.app.directory import has_durable
from gateway.app.supervisor import check_everything
from gateway.cli.configured import ConfigOption, fail
from gateway.cli.deployment import doubts, faults, unread
from gateway.rehearsal.checking import Checked, check_folder, problems_of_tests
from gateway.rules.accounts_file import read_accounts
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import Ruleset
from gateway.rules.suspicious import suspicions
from gateway.rules.unknown import placeless, undated


def check(
    policies: Annotated[Path | None, typer.Argument(help="A folder of policies, to check it alone.")] = None,
    config: ConfigOption = Path("tidegate.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail, too: for CI.")] = False,
) -> None:
    """Check the configuration, the policies, their tests and the accounts: every error at once, with its place.

    Warnings are about what is right by the letter and surely not meant, such as a rule that can never apply.
    Exit status 1 where something is wrong.
    """
    checked = _folder(policies) if policies is not None else _everything(config)
    failed = bool(checked.problems) or (strict and bool(checked.warnings))
    if as_json:
        typer.echo(json.dumps(_data(checked, ok=not failed), indent=2))
    else:
        _show(checked, policies or config)
    if failed:
        raise typer.Exit(1)


def _folder(policies: Path) -> Checked:
    checked = check_folder(policies)
    if checked.ruleset is None:
        return checked
    return checked._replace(warnings=tuple(sorted({*checked.warnings, *unread(policies, checked.ruleset)})))


def _everything(config: Path) -> Checked:
    try:
        configuration, whole, ruleset = check_everything(config)
    except Problems as wrong:
        return Checked(None, tuple(wrong.problems), ())
    problems = problems_of_tests(configuration.policies, ruleset)
    if broken := faults(configuration):
        return Checked(ruleset, tuple(sorted([*broken, *problems])), ())
    warnings = {*suspicions(ruleset, _tiers(configuration, ruleset)), *undated(ruleset), *placeless(ruleset)}
    warnings |= {*doubts(configuration, ruleset), *unread(configuration.policies, ruleset)}
    return Checked(ruleset, tuple(problems), tuple(sorted(warnings)), digest=whole.digest)


def _tiers(configuration: Configuration, ruleset: Ruleset) -> Collection[str] | None:
    """Of all accounts; None where tokens, a ladder or the directory may say others."""
    if any(hasattr(entry.config, "ladder") or getattr(entry.config, "jwt", ()) for entry in ruleset.entries):
        return None
    if has_durable(configuration) or not configuration.accounts.exists():
        return None
    return {principal.tier for principal in read_accounts(configuration.accounts).accounts.values()}


def _data(checked: Checked, *, ok: bool) -> dict[str, object]:
    found = [_problem("error", problem) for problem in checked.problems]
    found += [_problem("warning", problem) for problem in checked.warnings]
    data: dict[str, object] = {"ok": ok, "problems": found, "notes": list(checked.notes)}
    if checked.ruleset is not None:
        data |= {"digest": checked.digest or checked.ruleset.digest, "chain": _chain(checked.ruleset)}
    return data


def _problem(severity: str, problem: Problem) -> dict[str, object]:
    place = {"path": str(problem.path), "line": problem.line, "column": problem.column}
    return {"severity": severity, **place, "message": problem.message}


def _chain(ruleset: Ruleset) -> list[str]:
    return [f"{entry.name} ({entry.kind.name}, on_failure: {entry.on_failure.value})" for entry in ruleset.entries]


def _show(checked: Checked, path: Path) -> None:
    for note in checked.notes:
        typer.echo(f"note: {note}")
    for warning in checked.warnings:
        typer.echo(f"warning: {warning.shown()}")
    if checked.problems or checked.ruleset is None:
        count = _counted(len(checked.problems), "problem")
        fail("\n".join([*(problem.shown() for problem in checked.problems), f"{count} found"]))
    found = _counted(len(checked.warnings), "warning") if checked.warnings else "no problems"
    typer.echo(f"{path}: {found}. The chain: {' → '.join(_chain(checked.ruleset))}")
    alone = "" if checked.digest else " (of the files alone: a gateway's has lists and databases in it, too)"
    typer.echo(f"digest {checked.digest or checked.ruleset.digest}{alone}")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"
