"""What `tidegate replay` says of a draft, as plain data. In a bench of its own: it reads a day of exchanges."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from gateway.control.rules_files.check import said
from gateway.history.columns import HistoryError
from gateway.history.reading import open_log
from gateway.rehearsal.buckets import Buckets
from gateway.rehearsal.findings import findings
from gateway.rehearsal.past import COLUMNS, Past, Reader
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.replay import Side, identifying, pasts
from gateway.rehearsal.replay import replay as run
from gateway.rules.problems import Problems

EVERY: Final = 2_000
"""Exchanges between two words of how far it is."""
ROWS: Final = 50
"""In each list of the answer."""


def replay(
    draft: Path, against: Path | None, data: Path, log: Path, period: tuple[float, float], tell: Callable[[float], None]
) -> dict[str, Any]:
    """Exchanges of that period (Unix times) under the draft, against what the folder `against` says of the same; None:
    against what was decided then. `error` where there is nothing to read, `problems` where the draft is wrong.
    """
    try:
        with Rehearsal(draft, os.environ, data=data, make_store=Buckets) as new:  # type: ignore[arg-type]
            other = None
            if against is not None:
                other = Rehearsal(against, os.environ, data=data, make_store=Buckets)  # type: ignore[arg-type]
            try:
                opened = open_log(log, *period, COLUMNS)
                names = identifying(new) | (identifying(other) if other is not None else frozenset())
                past = _watched(pasts(opened.batches(), Reader(names)), opened.rows, tell)
                # An exchange leaves no cycle behind: looking for them would be a third of the work.
                gc.disable()
                compared = run(past, Side(new), Side(other) if other is not None else None)
                failures = {f"{entry}: {what}": count for (entry, what), count in new.failures.items()}
            finally:
                gc.enable()
                if other is not None:
                    other.close()
    except Problems as wrong:
        return said(draft, wrong.problems, (), ())
    except HistoryError as error:
        return {"error": str(error)}
    return findings(compared, ROWS) | {"problems": [], "failures": failures}


def _watched(past: Iterator[Past], total: int, tell: Callable[[float], None]) -> Iterator[Past]:
    for number in itertools.count():
        one = next(past, None)
        if one is None:
            return
        if number % EVERY == 0:
            tell(number / max(1, total))
        yield one
