"""Load from one process: wrk where it is installed, else a small generator of our own (`loadtest.generator`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from loadtest import payloads
from loadtest.machine import ROOT
from loadtest.processes import in_child

MARK = "LOADTEST "


class LoadFailed(Exception):
    """The generator gave no figures."""


class Measured(NamedTuple):
    """What the generator saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    """Answers of status 400 and above."""
    broken: int
    """Connections that failed, and answers that did not come in time."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to send."""

    port: int
    connections: int
    seconds: float
    keys: Sequence[str]
    """Used in turn, one a request."""
    body: bytes
    fields: tuple[tuple[str, str], ...] = ()
    """More fields than those of every request."""
    think_ms: float = 0.0
    """Mean pause of each connection between an answer and the next request."""


def parse(text: str) -> Measured:
    """The line of figures among whatever else a generator printed. Raises LoadFailed."""
    for line in reversed(text.splitlines()):
        if line.startswith(MARK):
            try:
                return Measured(**json.loads(line.removeprefix(MARK)))
            except (ValueError, TypeError) as error:
                raise LoadFailed(f"not a line of figures: {line}") from error
    raise LoadFailed(f"no figures in: {text.strip()[-500:]}")


def find_wrk() -> str | None:
    """Where wrk is."""
    return shutil.which("wrk")


def run(load: Load, cores: frozenset[int], folder: Path, watch: Callable[[], None] = lambda: None) -> Measured:
    """Send it from these cores, and wait. `watch` is called in the middle of the run. Raises LoadFailed."""
    (folder / "keys").write_text("\n".join(load.keys) + "\n")
    (folder / "body").write_bytes(load.body)
    wrk = find_wrk()
    script = str(Path(__file__).with_name("wrk.lua"))
    count, seconds = str(load.connections), f"{load.seconds:g}"
    if wrk is not None:
        # wrk takes whole seconds alone.
        seconds = str(max(1, round(load.seconds)))
        command = [wrk, "-t1", f"-c{count}", f"-d{seconds}s", "--timeout", "10s", "-s", script]
        command.append(f"http://127.0.0.1:{load.port}")
    else:
        command = [sys.executable, "-m", "loadtest.generator", str(load.port), count, seconds]
    environment = {
        "LOADTEST_KEYS": str(folder / "keys"),
        "LOADTEST_BODY": str(folder / "body"),
        "LOADTEST_PATH": payloads.PATH,
        "LOADTEST_FIELDS": "".join(f"{name}: {value}\n" for name, value in load.fields),
        "LOADTEST_THINK_MS": f"{load.think_ms:.3f}",
    }
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        cwd=ROOT,
        preexec_fn=in_child(cores),  # noqa: PLW1509 - one thread
        start_new_session=True,
    ) as process:
        try:
            try:
                process.wait(float(seconds) * 0.7)
            except subprocess.TimeoutExpired:
                watch()
            output, _ = process.communicate(timeout=float(seconds) + 30)
        except BaseException:
            process.kill()
            raise
    return parse(output)
