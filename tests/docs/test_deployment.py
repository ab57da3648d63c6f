"""The README's smallest deployment, done as it says: its files, its commands, its key, and a request through it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Final

import pytest

from gateway.demo.greeting import Ready
from tests.docs.pages import NAMED, ROOT, blocks

README: Final = ROOT / "README.md"
FILES: Final = {"tidegate.yaml", "policies/chain.yaml", "policies/auth.yaml", "policies/quota.yaml"}
"""What the section has; the files of later ones are in no chain there."""
PATIENCE: Final = 30.0
SERVING: Final = re.compile(r"serving on (\S+) with 1 worker\(s\); admin on (\S+)")


def test_the_smallest_deployment_works(demo: Ready, tmp_path: Path) -> None:
    """Four files, one account, four commands: whoever follows the README has a gateway that answers."""
    _write_files(demo, tmp_path)
    setting, (making, creating, checking, serving) = _commands()
    environment = _environment(setting)

    _run(making, tmp_path, environment)
    key = re.search(r"tg_\w+", _run(creating, tmp_path, environment))
    assert key is not None

    assert "no problems. The chain: auth" in _run(checking, tmp_path, environment)
    with subprocess.Popen(
        serving.split(), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            gateway, admin = _addresses(process)
            _wait_until_ready(admin)
            answer = _ask(gateway, key[0])
            assert answer["usage"]["completion_tokens"] > 0
        finally:
            process.send_signal(signal.SIGTERM)
            printed, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    line = json.loads(printed.splitlines()[0])
    assert (line["account"], line["status"], line["tier"]) == ("acme", 200, "pro")


def _write_files(demo: Ready, folder: Path) -> None:
    """As they stand, but for the addresses: of this Redis, of this upstream, and any that is free for our own."""
    replaced = {
        "0.0.0.0:8080": "127.0.0.1:0\nadmin: 127.0.0.1:0",
        "redis://127.0.0.1:6379/0": demo.redis,
        "https://inference.example.com": demo.upstream,
    }
    for block in blocks("yaml", pages=[README]):
        named = NAMED.match(block.text)
        assert named is not None
        if named[1] not in FILES:
            continue
        text = block.text
        if named[1] == "tidegate.yaml":
            for written, real in replaced.items():
                assert written in text
                text = text.replace(written, real)
        path = folder / named[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _commands() -> tuple[list[str], list[str]]:
    """What the README exports, and its commands in order."""
    lines = [
        line
        for block in blocks("sh", pages=[README])
        for line in block.text.splitlines()
        if line.startswith(("export ", "tidegate "))
    ]
    exports = [line for line in lines if line.startswith("export ")]
    commands = [line for line in lines if not line.startswith("export ")]
    assert [command.split()[1] for command in commands] == ["directory", "account", "check", "serve"]
    return exports, commands


def _environment(exports: list[str]) -> dict[str, str]:
    """What the exports set, but for the upstream's credential: the stand-in takes one alone."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = "\n".join([*exports, "env -0"])
    set_there = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True).stdout
    named = dict(pair.partition("=")[::2] for pair in set_there.split("\0") if pair)
    assert named["INFERENCE_API_KEY"]
    return os.environ | {"INFERENCE_API_KEY": "upstream-secret", "PATH": path}


def _run(command: str, folder: Path, environment: dict[str, str]) -> str:
    ended = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _addresses(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        found = SERVING.search(line)
        if found:
            return found[1], found[2]
        said.append(line)
    pytest.fail(f"it does not serve: {''.join(said)}")


def _wait_until_ready(admin: str) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://{admin}/readyz", timeout=2):
                return
        except OSError:
            assert time.monotonic() < end, "it is never ready"
            time.sleep(0.05)


def _ask(gateway: str, key: str) -> dict[str, dict[str, int]]:
    request = urllib.request.Request(
        f"http://{gateway}/v1/chat/completions",
        data=b'{"model": "m-large", "messages": [{"role": "user", "content": "When is high tide?"}]}',
        headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        read: dict[str, dict[str, int]] = json.loads(answer.read())
        return read
