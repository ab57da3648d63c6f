"""What is in shadow, or enforced for a part of the accounts, and what it would have done. In the bench's process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.control.rules_files.check import relative
from gateway.history.columns import HistoryError
from gateway.history.reading import read
from gateway.history.shadows import COLUMNS, ShadowReport
from gateway.rehearsal.places import named, place_of_entry
from gateway.rules.build import policy_kinds
from gateway.rules.ruleset import Ruleset, load

ROWS: Final = 20
"""In each list of a rule."""


def shadow(policies: Path, log: Path | None, period: tuple[float, float]) -> dict[str, Any]:
    """Of the policies in force, which were checked, and the exchange log of that period (Unix times)."""
    ruleset = load(policies, policy_kinds(), os.environ)
    report, error = _report(log, period)
    return {
        "rules": partly(ruleset, policies),
        "log": {key: report[key] for key in ("first", "last", "exchanges", "refused", "accounts")} | {"error": error},
        "would": report["rules"],
    }


def partly(ruleset: Ruleset, policies: Path) -> list[dict[str, Any]]:
    """Entries and rules that are not enforced for everybody, in the order of the chain."""
    found = []
    for entry in ruleset.entries:
        if entry.rollout < 1.0:
            place = place_of_entry(ruleset, entry.name)
            found.append(
                _row(entry.name, "", entry.kind.name, entry.rollout, relative(policies, place.path), place.line)
            )
    for thing in named(ruleset):
        if thing.share < 1.0:
            place = thing.place
            path = relative(policies, place.path)
            found.append(_row(thing.entry, thing.name, thing.kind, thing.share, path, place.line))
    return found


def _row(entry: str, rule: str, kind: str, share: float, path: str, line: int) -> dict[str, Any]:
    mode = "shadow" if share <= 0.0 else "rollout"
    return {"entry": entry, "rule": rule, "kind": kind, "mode": mode, "share": share, "path": path, "line": line}


def _report(log: Path | None, period: tuple[float, float]) -> tuple[Mapping[str, Any], str]:
    report = ShadowReport()
    error = ""
    if log is None:
        error = "there is no exchange log: set `exchange_log` in tidegate.yaml"
    else:
        try:
            report.read(read(log, *period, COLUMNS))
        except HistoryError as wrong:
            error = str(wrong)
    return report.told(ROWS), error
