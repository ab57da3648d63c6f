"""The process behind a preview: reads what is asked on standard input, and tells how far it is and what came of it."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import typer

from gateway.edge.workers import die_with_parent
from gateway.overrides.written import Wrong, override_of
from gateway.rules.problems import Problems

GENTLE: Final = 15
"""How much nicer than the workers."""
MEMORY: Final = 3 * 2**30
"""Bytes that it may hold: what a million exchanges of as many accounts take, and some."""
STEP: Final = 0.005
"""Of the whole, between two words about how far it is."""


def rehearse(parent: Annotated[int, typer.Option(hidden=True)] = 0) -> None:
    """Started by the operators' port; see `gateway.control.jobs.in_process`."""
    if parent:
        die_with_parent(parent)
    with contextlib.suppress(OSError):
        os.nice(GENTLE)
    with contextlib.suppress(OSError, ValueError):
        # Not the address space: Arrow keeps much of that and uses little.
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    # What a policy prints must not stand between the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    told = -1.0

    def tell(share: float) -> None:
        nonlocal told
        if share - told >= STEP or share >= 1.0:
            told = share
            write({"progress": share})

    def write(said: Mapping[str, Any]) -> None:
        out.write(orjson.dumps(said) + b"\n")
        out.flush()

    try:
        write({"result": _result(orjson.loads(sys.stdin.buffer.read()), tell)})
    except (Problems, Wrong, OSError, ValueError) as error:
        write({"error": f"it cannot be told: {error}"})
    except MemoryError:
        write({"error": "it takes more memory than it may: name accounts, or an organisation"})


def _result(asked: Mapping[str, Any], tell: Any) -> dict[str, Any]:
    # pyarrow takes a while to load, and nothing of a gateway that serves needs it.
    from gateway.rehearsal.preview import Wanted, preview  # noqa: PLC0415

    # An exchange leaves no cycle behind: looking for them would be a third of the work.
    gc.disable()
    before, after, changed = ([override_of(one) for one in asked[name]] for name in ("before", "after", "changed"))
    wanted = Wanted(
        Path(asked["policies"]), Path(asked["data"]), Path(asked["log"]), asked["since"], asked["until"],
        before, after, changed,
    )  # fmt: skip
    return preview(wanted, tell)
