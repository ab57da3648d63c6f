"""What `tidegate test` says of a draft, as plain data. In the bench's process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from gateway.control.rules_files.check import relative, said
from gateway.rehearsal.coverage import Seen
from gateway.rehearsal.places import Places
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import suites
from gateway.rehearsal.telling import told
from gateway.rehearsal.trial import Result, Trial
from gateway.rules.problems import Problems

GAPS: Final = 50


def run_tests(draft: Path, data: Path, tell: Callable[[float], None], stopwatch: Callable[[], float]) -> dict[str, Any]:
    """Each test of the folder. Where the files are wrong: `problems`, and no test."""
    began = stopwatch()
    try:
        with Rehearsal(draft, os.environ, data=data) as rehearsal:
            found = suites(draft, rehearsal.ruleset)
            chosen = [(suite, index) for suite in found for index in range(len(suite.file.tests))]
            trial = Trial(rehearsal)
            results = []
            for number, (suite, index) in enumerate(chosen):
                results.append(trial.run(suite, index))
                tell(number / len(chosen))
            seen = Seen(rehearsal.ruleset)
            seen.note(trial.heard)
            reached = seen.coverage()
            places = Places(rehearsal.ruleset)
            notes = rehearsal.notes
    except Problems as wrong:
        return said(draft, wrong.problems, (), ()) | {"ok": False, "tests": [], "coverage": None}
    return {
        "ok": bool(results) and all(result.passed for result in results),
        "problems": [],
        "passed": sum(result.passed for result in results),
        "failed": sum(not result.passed for result in results),
        "seconds": round(stopwatch() - began, 3),
        "notes": list(notes),
        "tests": [_result(draft, result, places) for result in results],
        "coverage": {
            "reached": reached.reached,
            "of": reached.all,
            "gaps": [
                {"path": relative(draft, gap.place.path), "line": gap.place.line, "what": gap.what}
                | {"entry": gap.entry, "name": gap.name, "problem": gap.problem}
                for gap in reached.gaps[:GAPS]
            ],
        },
    }


def _result(draft: Path, result: Result, places: Places) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": result.test.name,
        "path": relative(draft, result.suite.document.path),
        "line": result.line,
        "passed": result.passed,
        "requests": result.asked,
    }
    if not result.passed:
        answer = told(result.answer, places)
        found |= {
            "step": result.failed,
            "differences": [difference._asdict() for difference in result.differences],
            "decision": answer["decision"],
            "by": answer.get("rule") or answer.get("entry") or "",
            "at": answer.get("at", "").replace(f"{draft}/", ""),
            "detail": answer.get("detail", ""),
        }
    return found
