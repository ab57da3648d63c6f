"""`tidegate feeds`: what people see, and what scripts get."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.feeds import app
from gateway.feeds.standing import standings
from gateway.rules.check import check
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.read import read
from tests.feeds.geo import BUILT, database

FEEDS = """
databases:
  - {name: geo, path: geo.mmdb}
lists:
  few: {kind: countries, items: [NO, SE]}
  far: {kind: asns, source: {file: far.txt}, stale_after: 1d}
  other: {kind: asns, source: {file: other.txt}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "feeds.yaml").write_text(FEEDS)
    (tmp_path / "policies" / "far.txt").write_text("AS1\nAS2\n")
    (tmp_path / "policies" / "other.txt").write_text("AS3\n")
    (tmp_path / "tidegate.yaml").write_text('redis: redis://127.0.0.1:1\nupstreams: [{url: "http://127.0.0.1:9"}]\n')
    database(tmp_path / "policies" / "geo.mmdb")
    monkeypatch.setenv("TIDEGATE_CONFIG", str(tmp_path / "tidegate.yaml"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout + result.stderr


def values(*arguments: str) -> Any:
    return json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)


def test_all_that_have_a_source(folder: Path) -> None:
    """Each is fetched, and a table says what happened."""
    status, said = run("update")
    assert status == 0, said
    assert [line.split()[:3] for line in said.splitlines()[1:] if line.strip()] == [
        ["far", "updated", "2"],
        ["other", "updated", "1"],
    ]
    assert (folder / "data" / "lists" / "far.txt").read_text() == "AS1\nAS2\n"


def test_one_by_name(folder: Path) -> None:
    """The others are left alone; a wrong name is said."""
    assert run("update", "far")[0] == 0
    assert not (folder / "data" / "lists" / "other.txt").exists()
    assert run("update", "fra") == (2, "no database or list with a `source` is named fra: did you mean `far`?\n")


def test_a_failure(folder: Path) -> None:
    """The exit code is 1, the others are fetched, and what is said is no markup."""
    (folder / "policies" / "far.txt").write_text("[red]AS\n")
    status, said = run("update")
    assert status == 1
    assert "[red]AS" in said
    assert [one["what"] for one in values("update")] == ["failed", "unchanged"]


def test_show(folder: Path) -> None:
    """What is there, how old, and what is not; the exit code says that all is well."""
    status, said = run("show")
    assert (status, "run `tidegate feeds update`" in said) == (1, True)
    run("update")
    found = {one["name"]: one for one in values("show")}
    assert (found["geo"]["kind"], found["geo"]["built"], found["geo"]["stale"]) == ("country", BUILT, True)
    assert (found["few"]["entries"], found["few"]["source"], found["few"]["age"]) == (2, "feeds.yaml", 0)
    assert (found["far"]["entries"], found["far"]["stale"], found["far"]["problem"]) == (2, False, "")
    assert "stale" in run("show")[1]


def test_a_list_is_stale_when_nobody_asked_its_source(folder: Path) -> None:
    """What counts is when the source last said that there is nothing newer."""
    run("update")
    os.utime(folder / "data" / "lists" / "far.txt", (1.0, 1.0))
    feeds = check(read(folder / "policies" / "feeds.yaml"), FeedsFile).plain()
    checked = {one.name: one.built for one in standings(feeds, folder / "policies", folder / "data", BUILT)}["far"]
    assert checked > BUILT
    for later, stale in ((86_399.0, False), (86_401.0, True)):
        found = standings(feeds, folder / "policies", folder / "data", checked + later)
        assert {one.name: one.stale for one in found}["far"] is stale


def test_files_that_are_wrong(folder: Path) -> None:
    """Said as everywhere, with the place."""
    (folder / "policies" / "feeds.yaml").write_text("lists: {x: {kind: asns}}")
    status, said = run("update")
    assert status == 1
    assert "feeds.yaml:1:12: `x` needs one of `items`, `path` and `source`" in said
