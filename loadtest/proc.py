"""What the kernel says of a tree of processes: CPU time and resident memory, from /proc (proc(5))."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
"""Ticks a second of utime and stime: 100, so one reading is right to 10 ms."""


class Stat(NamedTuple):
    """What we read of /proc/PID/stat."""

    pid: int
    parent: int
    ticks: int
    """utime + stime, of all threads."""


def parse_stat(text: str) -> Stat:
    """One line of /proc/PID/stat. The command's name may hold spaces and parentheses, so the last one counts."""
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Stat(pid=int(head.partition(" ")[0]), parent=int(fields[1]), ticks=int(fields[11]) + int(fields[12]))


def parse_rollup(text: str) -> int:
    """KiB resident, of /proc/PID/smaps_rollup: exact, where statm lags by some pages a CPU."""
    for line in text.splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise ValueError("no line `Rss:`")


class Machine(NamedTuple):
    """Ticks of all cores since the start, of /proc/stat."""

    busy: int
    """Somebody ran."""
    steal: int
    """Somebody wanted to run, and the hypervisor gave the core to another machine."""
    total: int


def parse_machine(text: str) -> Machine:
    """The first line: user, nice, system, idle, iowait, irq, softirq, steal. Guests stand in user already."""
    fields = [int(field) for field in text.splitlines()[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return Machine(user + nice + system + irq + softirq, steal, sum(fields))


def descendants(root: int, stats: Iterable[Stat]) -> list[Stat]:
    """The process and all that came of it."""
    by_parent: dict[int, list[Stat]] = {}
    found: list[Stat] = []
    for stat in stats:
        by_parent.setdefault(stat.parent, []).append(stat)
        if stat.pid == root:
            found.append(stat)
    for stat in found:
        found.extend(by_parent.get(stat.pid, ()))
    return found


def tree(root: int) -> list[Stat]:
    """The live tree under a process; empty if it is gone."""
    stats = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stats.append(parse_stat((entry / "stat").read_text()))
    return descendants(root, stats)


def cpu_seconds(root: int) -> float:
    """CPU time that the tree has used."""
    return sum(stat.ticks for stat in tree(root)) / TICKS


def rss_kib(root: int) -> int:
    """Resident memory of the tree. Pages that two of its processes share count twice."""
    total = 0
    for stat in tree(root):
        with contextlib.suppress(OSError, ValueError):
            total += parse_rollup((PROC / str(stat.pid) / "smaps_rollup").read_text())
    return total


def machine() -> Machine:
    """This machine's ticks."""
    return parse_machine((PROC / "stat").read_text())


class Neighbours:
    """How many cores others than we and our children use, between two looks: on a quiet machine next to none."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._machine = machine()
        self._ours = _ours()

    def look(self) -> tuple[float, float]:
        """(cores used by others, share of the machine that the hypervisor took) since it was made."""
        now = machine()
        elapsed = max(0.01, time.monotonic() - self._began)
        others = (now.busy - self._machine.busy) / TICKS - (_ours() - self._ours)
        return max(0.0, others / elapsed), (now.steal - self._machine.steal) / max(1, now.total - self._machine.total)


def _ours() -> float:
    """Seconds of CPU of this process, of what it started, and of what has ended of that."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return cpu_seconds(os.getpid()) + ended.ru_utime + ended.ru_stime
