"""Every example in the pages is run as it stands, or checked by what would read it.

- `yaml`: begins with `# file name`, or `# file name (kind: quota)`; read by the loader of that file.
- `sh`, `console`: run in a shell against one demo; `KEY` is the key of `pro`.
  Lines of a `console` block after a `$` command are what it prints, `…` standing for anything.
- `python`: run against the demo; one that begins with `# file.py` is a module: `test_writing_a_policy.py` runs those.
- `toml`, `json`: read.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main
from pydantic import BaseModel

from gateway.accounts.model import AccountsFile
from gateway.cli import app
from gateway.demo.greeting import Ready
from gateway.feeds.kinds import ListKind
from gateway.rehearsal.suite import TestFile
from gateway.rules.chain_file import ChainFile
from gateway.rules.check import check
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.gateway_file import GatewayFile
from gateway.rules.prices_file import PricesFile
from gateway.rules.read import parse, read
from tests.docs.pages import NAMED, PAGES, ROOT, Block, blocks, name, prose

FILES: Final[Mapping[str, type[BaseModel]]] = {
    "tidegate.yaml": GatewayFile,
    "accounts.yaml": AccountsFile,
    "chain.yaml": ChainFile,
    "feeds.yaml": FeedsFile,
    "prices.yaml": PricesFile,
}
FEEDS: Final = "feeds.yaml"
EVERYBODYS: Final = {"embargo": ListKind.COUNTRIES, "embargoed": ListKind.COUNTRIES, "universities": ListKind.DOMAINS}
"""Lists that pages without a feeds.yaml speak of."""
ENVIRONMENT: Final = {
    "TIDEGATE_PEPPER": "0123456789abcdef" * 4,
    "TIDEGATE_ADMIN_TOKEN": "0123456789abcdef" * 4,
    "TIDEGATE_DIRECTORY": "postgresql://tidegate:PASSWORD@db.internal/tidegate",
    "TIDEGATE_SECRET_S1": "0123456789abcdef" * 4,
    "TIDEGATE_SECRET_S2": "fedcba9876543210" * 4,
    "INFERENCE_API_KEY": "upstream-secret",
}

NOT_RUN: Final[Mapping[str, str]] = {
    "make demo\nmake test\n": "tests/demo runs the demo; the other is what runs this test",
    "export INFERENCE_API_KEY": "test_deployment.py runs it, with the blocks around it, as one story",
    "tidegate replay --since": "tests/cli/test_replay.py, on a log that there is",
    "tidegate shadow report": "as above",
    "tidegate case list": "tests/cli/test_case.py, on cases that there are",
}
"""Beginning of a block -> who else runs it."""


def kinds() -> dict[str, type[BaseModel]]:
    """Kind -> its config, of those that are installed."""
    points = importlib.metadata.entry_points(group="tidegate.policies")
    return {point.name: point.load().config for point in points}


def model_of(named: str) -> type[BaseModel] | None:
    """What reads a file of this name; None where that is a policy's."""
    path = named.removeprefix("policies/")
    return TestFile if path.startswith("tests/") else FILES.get(path)


def lists_of(page: Path) -> Mapping[str, ListKind]:
    """The lists that the examples of a page may ask: of the feeds.yaml on it, or beside it."""
    texts = [block.text for block in blocks("yaml", pages=[page]) if Path(_file_of(block)).name == FEEDS]
    beside = page.parent / FEEDS
    if beside.exists():
        texts.append(beside.read_text(encoding="utf-8"))
    files = [check(parse(page, text.encode()), FeedsFile, ENVIRONMENT) for text in texts]
    return {name: written.kind for file in files for name, written in file.lists.items()} or EVERYBODYS


def _file_of(block: Block) -> str:
    named = NAMED.match(block.text)
    return named[1] if named else ""


STORIES: Final = {
    ROOT / "docs" / "accounts.md",
    ROOT / "docs" / "operations.md",
    ROOT / "docs" / "policies" / "README.md",
    ROOT / "docs" / "policies" / "cookbook" / "README.md",
}
"""Pages whose commands are one story: test_accounts_page.py, test_author.py and test_operations_page.py run them."""


def is_run_elsewhere(block: Block) -> bool:
    return block.page in STORIES or any(block.text.startswith(beginning) for beginning in NOT_RUN)


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.place)
def test_a_file_is_one_that_we_would_take(block: Block, tmp_path: Path) -> None:
    """What people copy into a file is read by the loader of that file, without a word."""
    named = NAMED.match(block.text)
    assert named, "the first line of a YAML block is `# file name`"
    model: Any = model_of(named[1])
    if model is None:
        assert named[2], f"{named[1]} is a policy's: say (kind: …)"
        if named[2] not in kinds():
            return  # A stranger's kind: test_writing_a_policy.py loads it.
        model = kinds()[named[2]]
    path = tmp_path / Path(named[1]).name
    path.write_text(block.text, encoding="utf-8")

    check(read(path), model, ENVIRONMENT, lists_of(block.page))


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.place)
def test_toml_is_read(block: Block) -> None:
    """What people copy is TOML."""
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.place)
def test_json_is_read(block: Block) -> None:
    """What people copy is JSON."""
    assert json.loads(block.text)


def substituted(text: str, demo: Ready) -> str:
    """The addresses that pages name, as this demo has them."""
    for written, real in (("127.0.0.1:8080", demo.gateway), ("127.0.0.1:8081", demo.admin)):
        text = text.replace(written, real.removeprefix("http://"))
    return text


def run(command: list[str], demo: Ready, folder: Path) -> subprocess.CompletedProcess[str]:
    """In the folder, with this Python's programs first on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | ENVIRONMENT | {"KEY": demo.keys["pro"], "PATH": path, "NO_COLOR": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


SHELL: Final = [block for block in blocks("sh", "console") if not is_run_elsewhere(block)]


@pytest.mark.parametrize("block", SHELL, ids=lambda block: block.place)
def test_a_command_does_what_it_says(block: Block, demo: Ready, tmp_path: Path) -> None:
    """Each command that people paste ends well: with a 200, or with what the page says that it prints."""
    commands, expected = block.text, []
    if block.language == "console":
        lines = block.text.splitlines()
        commands = "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))
        expected = [line for line in lines if line and not line.startswith("$ ")]

    ended = run(["bash", "-euo", "pipefail", "-c", substituted(commands, demo)], demo, tmp_path)

    assert ended.returncode == 0, ended.stderr
    if block.language == "sh" and "curl -si" in commands:
        assert ended.stdout.startswith("HTTP/1.1 200 OK\n"), ended.stdout
    printed = iter(ended.stdout.splitlines())
    for line in expected:
        pattern = re.escape(line.strip()).replace("…", ".*")
        assert any(re.fullmatch(pattern, found.strip()) for found in printed), (line, ended.stdout)


SCRIPTS: Final = [block for block in blocks("python") if not NAMED.match(block.text)]


@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: block.place)
def test_a_script_does_what_it_says(block: Block, demo: Ready, tmp_path: Path) -> None:
    """The SDKs talk through the gateway as the page says."""
    ended = run([sys.executable, "-c", substituted(block.text, demo)], demo, tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert "tide" in ended.stdout


def test_what_is_not_run_is_there() -> None:
    """An exception that is no longer needed goes."""
    for beginning in NOT_RUN:
        assert any(block.text.startswith(beginning) for block in blocks("sh")), beginning


SUBCOMMAND: Final = re.compile(r"`(?:\$ )?tidegate ([a-z]+)(?: ([a-z]+))?")


def test_commands_in_the_prose_exist() -> None:
    """`tidegate key mint` in a sentence is a command."""
    root: Any = typer.main.get_command(app)
    for page in PAGES:
        for first, second in SUBCOMMAND.findall(prose(page)):
            command = root.get_command(None, first)
            assert command is not None, f"{name(page)}: tidegate {first}"
            assert not second or second in getattr(command, "commands", {}), f"{name(page)}: tidegate {first} {second}"


def test_targets_of_make_exist() -> None:
    """`make bench` in a sentence is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`make ([a-z]+)", prose(page))}
    assert named
    assert named <= targets
