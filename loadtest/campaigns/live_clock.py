"""A whole gateway on the clock of a world: `python -m loadtest.campaigns.live_clock`.

`gateway.app.clocks.wall` is where all of a gateway gets Unix time from. Here it is replaced before anything else is
imported, in the supervisor and in every process that it starts. What is not Unix time stays as it is: pauses between
two looks, timeouts, the lease, and what Redis measures by its own clock.
"""

from __future__ import annotations

import importlib
import math
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.app import clocks
from loadtest.machine import ROOT

WEEK: Final = 7 * 86_400.0
SLACK: Final = 1_800.0
"""Seconds on the wall, before the first exchange and after the last, for which the clock is not ahead of Redis."""


@dataclass(frozen=True, slots=True)
class WorldClock:
    """Unix time `there`, in a world that runs `speed` times as fast, where it is `here` on the wall."""

    here: float
    there: float
    speed: float

    def __call__(self) -> float:
        return self.at(time.time())

    def at(self, wall: float) -> float:
        return self.there + (wall - self.here) * self.speed

    def wall(self, there: float) -> float:
        """When it is that time there."""
        return self.here + (there - self.there) / self.speed

    def interpreter(self, folder: Path) -> Path:
        """Written there: what stands for `python` where a supervisor starts its processes."""
        path = folder / "python-on-the-clock-of-the-world"
        words = (sys.executable, "-m", "loadtest.campaigns.live_clock", *map(repr, (self.here, self.there, self.speed)))
        path.write_text(f'#!/bin/sh\ncd {shlex.quote(str(ROOT))} && exec {shlex.join(words)} "$0" "$@"\n')
        path.chmod(0o700)
        return path


def moved(first: float, seconds: float, speed: float, now: float) -> float:
    """Seconds by which a world is moved whose first exchange is at `first`, and which will go on for so many seconds on
    the wall, beginning soon after `now`.

    Whole weeks, so that hours and weekdays stay. Into the past: ids of entries in Redis' streams are times on the wall,
    and what is older than the gateway's clock, less some minutes, is thrown away.
    """
    return WEEK * math.floor((now - (seconds + SLACK) * speed - first) / WEEK)


def main(words: list[str]) -> None:
    """HERE THERE SPEED INTERPRETER, and then what `python` would have been given."""
    clock = WorldClock(*map(float, words[:3]))
    clocks.wall = clock
    interpreter, option, module, *command = words[3:]
    if (option, module) != ("-m", "gateway"):
        raise SystemExit(f"only `-m gateway` runs on this clock, not {shlex.join((option, module))}")
    sys.executable = interpreter
    sys.argv = ["tidegate", *command]
    importlib.import_module("gateway.cli").main()


if __name__ == "__main__":
    main(sys.argv[1:])
