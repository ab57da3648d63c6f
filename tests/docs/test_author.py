"""docs/policies/README.md, done as it says: its files, its commands in their order, and what they print.

Yesterday's exchanges are those of people who do not exist (`loadtest.history`), some of them a campaign, some students.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.demo.greeting import Ready
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problems
from gateway.rules.ruleset import load
from tests.docs.pages import NAMED, ROOT, Block, blocks

PAGE: Final = ROOT / "docs" / "policies" / "README.md"
COOKBOOK: Final = ROOT / "docs" / "policies" / "cookbook"
CONDITIONS: Final = ROOT / "docs" / "policies" / "conditions.md"
THERE: Final = {
    "auth.yaml": "api_keys: true\n",
    "quota.yaml": "limits: [{name: requests, measure: requests, per: [account], capacity: 1M, every: 1s}]\n",
}
"""What the author has already, and the page does not write."""
ROWS: Final = 6000
PATIENCE: Final = 30.0
SERVING: Final = re.compile(r"serving on (\S+) with \d+ worker\(s\); admin on (\S+)")
TOKEN: Final = "0123456789abcdef0123456789abcdef"
CONFIG: Final = """\
listen: 127.0.0.1:0
admin: {admin}
admin_token: {token}
redis: {redis}
upstreams: [{{url: {upstream}, bearer: upstream-secret}}]
exchange_log: {{folder: exchanges}}
"""
BACK: Final = "$ tidegate policies rollback"
"""The command that needs a gateway which serves."""


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "200", "TIDEGATE_PEPPER": "0123456789abcdef" * 4}


def _run(command: str, folder: Path) -> list[str]:
    """What it prints; it has to end well."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
    return ended.stdout.splitlines()


def _commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command, and the lines that it prints by the page."""
    command, expected = "", list[str]()
    for line in block.text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, expected
            command, expected = line.removeprefix("$ "), []
        else:
            expected.append(line)
    yield command, expected


def _prints(expected: list[str], printed: list[str]) -> bool:
    """Whether the lines come in that order; `…` stands for anything."""
    lines = iter(printed)
    patterns = [re.escape(line.strip()).replace("…", ".*") for line in expected if line.strip() != "…"]
    return all(any(re.fullmatch(pattern, line.strip()) for line in lines) for pattern in patterns)


def _start(folder: Path) -> None:
    """The folder of somebody who has a gateway, and yesterday's exchanges."""
    (folder / "policies" / "tests").mkdir(parents=True)
    for name, text in THERE.items():
        (folder / "policies" / name).write_text(text)
    (folder / "accounts.yaml").write_text("accounts: [{id: acme, tier: pro}]\n")
    config = CONFIG.format(
        token=TOKEN, admin="127.0.0.1:0", redis="redis://127.0.0.1:6379/0", upstream="http://127.0.0.1:1"
    )
    (folder / "tidegate.yaml").write_text(config)


def _past(folder: Path) -> None:
    until = str(time.time())
    command = [sys.executable, "-m", "loadtest.history", str(folder / "exchanges"), "--until", until]
    command += ["--rows", str(ROWS), "--honest", "600", "--campaign", "40", "--days", "0.08"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)


def _write(block: Block, folder: Path) -> None:
    named = NAMED.match(block.text)
    assert named is not None, block.place
    (folder / named[1]).write_text(block.text, encoding="utf-8")


def test_the_way_of_an_author(tmp_path: Path) -> None:
    """Whoever follows the page sees what it says: the replay finds the students, and nobody is refused in shadow."""
    _start(tmp_path)
    _past(tmp_path)
    replayed = []
    for block in blocks(pages=[PAGE]):
        if block.language == "yaml":
            _write(block, tmp_path)
        elif block.language == "console" and not block.text.startswith(BACK):
            for command, expected in _commands(block):
                printed = _run(command, tmp_path)
                assert _prints(expected, printed), (block.place, command, printed)
                if " replay " in command:
                    replayed.append(any("uni.example" in line for line in printed))
    assert replayed == [True, False], "the first replay finds the students, and the second nobody"


def test_each_stage_of_the_page_is_a_whole(tmp_path: Path) -> None:
    """Nobody who stops reading in the middle has a folder that does not load."""
    _start(tmp_path)
    for block in blocks("yaml", pages=[PAGE]):
        _write(block, tmp_path)
    try:
        load(tmp_path / "policies", policy_kinds(), {})
    except Problems as problems:
        pytest.fail(str(problems))


def test_the_recipes_are_tried_as_their_page_says(tmp_path: Path) -> None:
    """The two commands of the cookbook, for a recipe that was copied."""
    shutil.copytree(COOKBOOK / "embargo", tmp_path / "policies")
    (block,) = blocks("console", pages=[COOKBOOK / "README.md"])
    for command, expected in _commands(block):
        printed = _run(command, tmp_path)
        assert _prints(expected, printed), (command, printed)


def test_mistakes_are_said_as_the_page_shows(tmp_path: Path) -> None:
    """The words, the place and the caret of an error are those that the author will see."""
    (block,) = blocks("text", pages=[CONDITIONS])
    written = dict(re.findall(r"^ +(\d+) \| +when: (.*)$", block.text, re.MULTILINE))
    rules = ["rules:"]
    for number, condition in enumerate(written.values()):
        rules += [f"  - name: rule-{number}", f"    when: {condition}", "    action: deny"]
    _start(tmp_path)
    (tmp_path / "policies" / "rules.yaml").write_text("\n".join(rules) + "\n")
    (tmp_path / "policies" / "chain.yaml").write_text("chain: [{name: rules, kind: rules, on_failure: deny}]\n")

    said = _run("tidegate check policies 2>&1 || true", tmp_path)

    assert "\n".join(said).startswith(block.text.rstrip("\n")), said


def test_the_way_back(demo: Ready, tmp_path: Path) -> None:
    """An edit is in force by itself, and the page's command goes back to what was in force before."""
    _start(tmp_path)
    files = [block for block in blocks("yaml", pages=[PAGE]) if "/tests/" not in block.text.splitlines()[0]]
    first, edited = files[:2], files[2:]
    for block in first:
        _write(block, tmp_path)
    config = CONFIG.format(token=TOKEN, admin="127.0.0.1:0", redis=demo.redis, upstream=demo.upstream)
    (tmp_path / "tidegate.yaml").write_text(config)
    with subprocess.Popen(
        ["tidegate", "serve", "--config", "tidegate.yaml"],
        cwd=tmp_path,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            admin = _admin(process)
            _wait(lambda: _ready(admin), "it is never ready")
            # Commands find the port in the file, where it has to stand: it was any that was free.
            (tmp_path / "tidegate.yaml").write_text(config.replace("admin: 127.0.0.1:0", f"admin: {admin}"))
            before = _in_force(admin)
            for block in reversed(edited):
                _write(block, tmp_path)
            _wait(lambda: _in_force(admin) != before, "the edit is not in force")
            (block,) = [one for one in blocks("console", pages=[PAGE]) if one.text.startswith(BACK)]
            for command, expected in _commands(block):
                printed = _run(command, tmp_path)
                assert _prints(expected, printed), printed
            assert _in_force(admin) == before
            assert _run("tidegate policies status", tmp_path)
            assert len(_run("tidegate policies history", tmp_path)) >= 2
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)


def _admin(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        found = SERVING.search(line)
        if found:
            return found[2]
        said.append(line)
    pytest.fail(f"it does not serve: {''.join(said)}")


def _ready(admin: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{admin}/readyz", timeout=2):
            return True
    except OSError:
        return False


def _in_force(admin: str) -> str:
    asked = urllib.request.Request(f"http://{admin}/policies", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return str(json.loads(answer.read())["digest"])


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)
