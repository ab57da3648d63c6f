"""What `tidegate check` says of a draft, as plain data. In the bench's process."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gateway.accounts.live_directory import LiveDirectory
from gateway.feeds.folder import Feeds
from gateway.policies import Services
from gateway.rehearsal.checking import check_folder, problems_of_tests
from gateway.rehearsal.sighted import Sighted
from gateway.rehearsal.suite import FOLDER
from gateway.rules.build import FREE, policy_kinds
from gateway.rules.escalation import unknown_captchas
from gateway.rules.ladders import unprovided
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import Ruleset
from gateway.rules.suspicious import suspicions
from gateway.rules.unknown import placeless, undated
from gateway.rules.whole import Whole, forget, make


class Known(NamedTuple):
    """What tidegate.yaml says that policies lean on."""

    data: Path
    """Where fetched lists and databases are."""
    captchas: tuple[str, ...] = ()
    providers: Mapping[str, frozenset[str]] = {}
    """Name -> kinds of evidence that its approval gives."""


def check(draft: Path, known: Known, work: Path, now: float) -> dict[str, Any]:
    """As a reload would: what it refuses is an error here, and so is a test that is none. `now` is Unix time."""
    try:
        whole, ruleset = _made(draft, known, work, now)
    except Problems as wrong:
        # All at once: what tests name cannot be known now; what they are can.
        alone = check_folder(draft, data=known.data)
        found = {*wrong.problems, *alone.problems}
        return said(draft, found, alone.warnings, alone.notes)
    try:
        warnings = {*suspicions(ruleset), *undated(ruleset), *placeless(ruleset)}
        warnings |= {*unprovided(ruleset, known.providers), *_unread(draft, ruleset)}
        found = {*unknown_captchas(ruleset, known.captchas), *problems_of_tests(draft, ruleset)}
        return said(draft, found, warnings, ()) | {
            "digest": whole.digest,
            "chain": [
                {"name": entry.name, "kind": entry.kind.name, "on_failure": entry.on_failure.value}
                for entry in ruleset.entries
            ],
        }
    finally:
        forget(whole)


def said(
    draft: Path, problems: Iterable[Problem], warnings: Iterable[Problem], notes: Collection[str]
) -> dict[str, Any]:
    """With `ok`: whether it could come into force; problems of tests do not keep it from that."""
    rows = [row(draft, problem, "error") for problem in sorted(problems)]
    rows += [row(draft, problem, "warning") for problem in sorted(warnings)]
    blocks = any(one["severity"] == "error" and not one["in_tests"] for one in rows)
    return {"ok": not blocks, "problems": rows, "notes": list(notes), "digest": "", "chain": []}


def row(draft: Path, problem: Problem, severity: str) -> dict[str, Any]:
    path = relative(draft, problem.path)
    return {
        "severity": severity,
        "path": path,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message.replace(f"{draft}/", ""),
        "excerpt": problem.excerpt[:200],
        "in_tests": path.startswith(f"{FOLDER}/"),
    }


def relative(draft: Path, path: Path) -> str:
    try:
        return path.relative_to(draft).as_posix()
    except ValueError:
        return path.name


def _made(draft: Path, known: Known, work: Path, now: float) -> tuple[Whole, Ruleset]:
    return make(draft, known.data, work / "wholes", 1, policy_kinds(), _services, now, os.environ)


def _services(ruleset: Ruleset, feeds: Feeds) -> Services:
    """To be thrown away."""
    return Services(
        now=lambda: 0.0,
        directory=LiveDirectory(),
        prices=ruleset.prices or FREE,
        lists=feeds.lists,
        sightings=Sighted(),
    )


def _unread(draft: Path, ruleset: Ruleset) -> list[Problem]:
    """Files that look like policies and that no entry asks for: a tier that nobody is held to."""
    if any(not entry.kind.config.__module__.startswith("gateway.") for entry in ruleset.entries):
        # A stranger's kind may read what it likes.
        return []
    said_of = "no entry of chain.yaml reads this file: it changes nothing"
    return [Problem(path, 1, 1, said_of) for path in sorted(draft.glob("*.yaml")) if path not in ruleset.files]
