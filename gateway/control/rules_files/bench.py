"""`python -m gateway.control.rules_files.bench FOLDER`: where drafts of policies are tried, in a process of its own.

It reads one line of JSON a question from standard input, and writes lines of JSON: `{"progress": 0.5}` as often as it
likes, then `{"result": {…}}`. Whoever has waited long enough kills it. It ends when its input does.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.control.rules_files.check import Known, check, said
from gateway.control.rules_files.draft import lay, texts_of
from gateway.control.rules_files.listing import listed, search
from gateway.control.rules_files.reach import strangers
from gateway.control.rules_files.replay import replay
from gateway.control.rules_files.shadow import shadow
from gateway.control.rules_files.trials import run_tests
from gateway.control.rules_files.words import words

GENTLE: Final = 10
"""How much nicer than the workers."""
MEMORY: Final = 4 * 2**30
"""Bytes of address space: a draft may ask for more than there is."""

Tell = Callable[[float], None]


class Bench:
    """One process's answers. `work` is a folder of its own, which whoever started it removes."""

    def __init__(self, work: Path, now: Callable[[], float], stopwatch: Callable[[], float]) -> None:
        self.work = work
        self.now = now
        self.stopwatch = stopwatch

    def answer(self, asked: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
        """`do` says what; the rest is its arguments."""
        policies, data = Path(asked["policies"]), Path(asked["data"])
        log = Path(asked["log"]) if asked.get("log") else None
        period = (asked.get("since", 0.0), asked.get("until") or float("inf"))
        if asked["do"] == "shadow":
            return shadow(policies, log, period)
        if asked["do"] == "lists":
            return listed(policies, Path(asked["in_force"]), data, self.now())
        if asked["do"] == "search":
            compiled = Path(asked["in_force"]).parent / "feeds"
            return search(policies, compiled, data, asked["name"], asked["wanted"], asked["most"])
        draft = lay(policies, asked.get("files", {}), self.work / "draft")
        if strange := strangers(policies, draft):
            return said(draft, strange, (), ()) | {"tests": [], "coverage": None}
        if asked["do"] == "check":
            providers = {name: frozenset(gives) for name, gives in asked["providers"].items()}
            return check(draft, Known(data, tuple(asked["captchas"]), providers), self.work, self.now())
        if asked["do"] == "test":
            return run_tests(draft, data, tell, self.stopwatch)
        in_force = Path(asked["in_force"]) if asked.get("in_force") else None
        if asked["do"] == "words":
            return words([draft, *([in_force] if in_force is not None else [])])
        if log is None:
            return {"error": "there is no exchange log to replay: set `exchange_log` in tidegate.yaml"}
        against = None
        if in_force is not None:
            # A whole has its rules as they were written, and no list: those are of the folder.
            against = lay(policies, texts_of(in_force), self.work / "against")
        return replay(draft, against, data, log, period, tell)


def serve(bench: Bench, lines: Any, out: Any) -> None:
    """Until the input ends. What breaks in one answer is told, and ends none of the following."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def hear() -> None:
        for line in lines:
            waiting.put(line)
        # Whoever asked has gone: what is under way is for nobody, and nobody else tidies up.
        shutil.rmtree(bench.work, ignore_errors=True)
        os._exit(0)

    threading.Thread(target=hear, name="hear", daemon=True).start()

    def write(said: Mapping[str, Any]) -> None:
        out.write(orjson.dumps(said, default=str) + b"\n")
        out.flush()

    while True:
        line = waiting.get()
        try:
            write({"result": bench.answer(orjson.loads(line), lambda share: write({"progress": share}))})
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - the border: a stranger's policy may raise anything
            write({"error": f"a policy is broken: {type(error).__name__}: {error}"[:2000]})
        gc.collect()


def main() -> None:
    """The process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(GENTLE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # What a policy prints must not stand between the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    bench = Bench(Path(sys.argv[1]), time.time, time.perf_counter)  # noqa: TID251 - a process is its own composition root
    serve(bench, sys.stdin.buffer, out)


if __name__ == "__main__":
    main()
