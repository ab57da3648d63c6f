"""docs/accounts.md, done as it says: one story of commands and requests, against one directory."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp.test_utils import TestServer
from typer.testing import Result

from gateway.accounts.evidence import FALLS, KINDS, LINKS
from gateway.app.clocks import wall
from gateway.app.configuration import read_configuration
from gateway.control import admin
from gateway.control.access.access import Access
from gateway.control.accounts import AccountsApi
from gateway.rules.directory_file import open_directory
from tests.cli.directories import Folder
from tests.cli.run import tidegate
from tests.docs.pages import ROOT, Block, blocks, rows, section, text_of

PAGE: Final = ROOT / "docs" / "accounts.md"
TOKEN: Final = "sixteen bytes at least"


def _commands(block: Block) -> Iterator[tuple[str, list[str]]]:
    """Each command, and the lines that it prints by the page."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *expected = part.splitlines()
        yield command, [line.strip() for line in expected if line.strip()]


def _prints(expected: list[str], printed: list[str]) -> bool:
    """Whether the lines come in that order; `…` stands for anything."""
    lines = iter(printed)
    patterns = [re.escape(re.sub(r" +", " ", line)).replace("…", ".*") for line in expected]
    return all(any(re.fullmatch(one, re.sub(r" +", " ", line.strip())) for line in lines) for one in patterns)


def _typed(command: str) -> Result:
    """`tidegate …`, or `echo VALUE | tidegate …`, in this process: some twenty of them begin faster so."""
    given, _, words = command.rpartition(" | ")
    program, *rest = shlex.split(words)
    assert program == "tidegate"
    return tidegate(*rest, given=given.removeprefix("echo ") + "\n" if given else None)


async def _asked(script: str) -> subprocess.CompletedProcess[str]:
    """Requests, in a shell."""
    environment = os.environ | {"TIDEGATE_ADMIN_TOKEN": TOKEN}
    return await asyncio.to_thread(
        subprocess.run,
        ["bash", "-euc", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
async def admin_port(tmp_path: Path) -> AsyncIterator[str]:
    """HOST:PORT of the accounts of this folder."""
    folder = Folder(tmp_path)
    database, secrets = open_directory(read_configuration(folder.config), wall)
    api = AccountsApi(database, secrets, lambda: None, dict, lambda token: f"/tidegate/account/link/{token}")
    access = Access(token=TOKEN, database=database, secrets=secrets, now=wall)
    server = TestServer(admin.application(api.operations(), access))
    await server.start_server()
    yield f"{server.host}:{server.port}"
    await server.close()
    database.close()


async def test_the_page_is_one_story(tmp_path: Path, admin_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands in their order print what it says, and its requests are answered well."""
    monkeypatch.chdir(tmp_path)
    (sample,) = blocks("jsonl", pages=[PAGE])
    (tmp_path / "new.jsonl").write_text(sample.text)
    for block in blocks("console", "sh", pages=[PAGE]):
        if block.language == "sh":
            asked = await _asked(block.text.replace("127.0.0.1:8081", admin_port))
            assert asked.returncode == 0, (block.place, asked.stdout, asked.stderr)
            continue
        for command, expected in _commands(block):
            ended = await asyncio.to_thread(_typed, command)
            assert ended.exit_code == 0, (command, ended.output)
            printed = ended.output.splitlines()
            assert _prints(expected, printed), (command, expected, printed)


def test_every_route_is_in_the_table() -> None:
    """And nothing that there is not."""
    told = set()
    for cell in re.findall(r"^\| (`(?:GET|POST|PATCH|DELETE) .*?`(?:, `.*?`)*) \|", text_of(PAGE), re.MULTILINE):
        first, *others = re.findall(r"`(.*?)`", cell)
        method, path = first.split("?")[0].split(" ")
        told |= {(method, path), *((method, path.rpartition("/")[0] + other) for other in others)}
    nothing: Any = None
    operations = AccountsApi(nothing, nothing, nothing, nothing, nothing).operations()
    routes = {(operation.method, operation.path) for operation in operations}
    assert told == routes


def test_every_word_is_there() -> None:
    """Kinds of evidence, reasons to fall, kinds of links: as the code has them."""
    told = [word for cell in rows(section(PAGE, "Evidence, falls, links")) for word in cell.split("`, `")]
    assert sorted(told) == sorted([*KINDS, *FALLS])
    named = set(re.findall(r"`([a-z_]+)`", section(PAGE, "Evidence, falls, links")))
    assert named >= set(LINKS)
