"""A folder of policies, checked without a gateway: its files, lists, databases and tests, and whether policies can be
made of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gateway.accounts.live_directory import LiveDirectory
from gateway.policies import Services
from gateway.policy import PolicyKind
from gateway.rehearsal.knowledge import know
from gateway.rehearsal.sighted import Sighted
from gateway.rehearsal.suite import FOLDER, TestFile, suites
from gateway.rules.build import FREE, build, policy_kinds
from gateway.rules.check import check, read_as
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import Ruleset, load
from gateway.rules.suspicious import suspicions
from gateway.rules.unknown import undated


class Checked(NamedTuple):
    """All that was found."""

    ruleset: Ruleset | None
    """None where something is wrong."""
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    """What is right by the letter, and surely not meant."""
    notes: tuple[str, ...] = ()
    """What could not be looked at."""
    digest: str = ""
    """Of the whole that a gateway would make of it, with lists and databases; empty where that was not made."""


def check_folder(
    folder: Path,
    *,
    data: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    kinds: Mapping[str, PolicyKind[Any]] | None = None,
) -> Checked:
    """Everything that stands in the folder. What was never fetched is no error: it is said in the notes."""
    notes: tuple[str, ...] = ()
    try:
        ruleset = load(folder, policy_kinds() if kinds is None else kinds, environment)
    except Problems as wrong:
        # What tests name cannot be known now; what they are can.
        return Checked(None, tuple(sorted({*wrong.problems, *_shapes(folder)})), ())
    problems: set[Problem] = set()
    try:
        notes = _made(folder, data or folder.parent / "data", ruleset)
    except Problems as wrong:
        problems.update(wrong.problems)
    problems.update(problems_of_tests(folder, ruleset))
    warnings = tuple(sorted({*suspicions(ruleset), *undated(ruleset)}))
    return Checked(None if problems else ruleset, tuple(sorted(problems)), warnings, notes)


def problems_of_tests(folder: Path, ruleset: Ruleset) -> list[Problem]:
    """What is wrong with the tests, by what the ruleset names."""
    try:
        suites(folder, ruleset)
    except Problems as wrong:
        return wrong.problems
    return []


def _made(folder: Path, data: Path, ruleset: Ruleset) -> tuple[str, ...]:
    """Build all policies once; what is missing, for people."""
    knowledge = know(folder, data, ruleset)
    try:
        build(
            ruleset,
            Services(
                now=lambda: 0.0,
                directory=LiveDirectory(),
                prices=ruleset.prices or FREE,
                lists=knowledge.lists,
                sightings=Sighted(),
            ),
        )
    finally:
        knowledge.close()
    return knowledge.notes


def _shapes(folder: Path) -> set[Problem]:
    problems: set[Problem] = set()
    for path in (folder / FOLDER).rglob("*.yaml"):
        try:
            check(read_as(path, TestFile), TestFile, {})
        except Problems as wrong:
            problems.update(wrong.problems)
    return problems
