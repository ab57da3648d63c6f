"""`tidegate directory`, and what every command over the directory says when that does not open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.accounts.sql import database, tables
from tests import postgres
from tests.cli.directories import Folder
from tests.postgres import Postgres

SECRETS = "secrets: {s1: 0123456789abcdef0123456789abcdef}"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    if postgres.missing():
        pytest.skip(postgres.missing())
    with Postgres() as running:
        yield running


def test_it_is_made_and_its_state_is_shown(tmp_path: Path) -> None:
    """Looking makes nothing; making it twice changes nothing."""
    folder = Folder(tmp_path)
    assert "there is no directory at" in folder.bad("directory", "status")
    assert not (tmp_path / "directory.db").exists()
    assert not (tmp_path / "directory.db.secret").exists()

    folder.well("directory", "upgrade")

    found = folder.data("directory", "status")
    assert (found["schema"], found["pending"], found["ready"]) == (found["needed"], [], True)
    assert folder.well("directory", "upgrade").endswith(": nothing to do\n")
    assert f"schema {found['schema']}, needed {found['needed']}" in folder.well("directory", "status")


def test_a_secret_that_is_still_needed_is_named(acme: Folder) -> None:
    """Before it is dropped; and after, when its keys are refused."""
    acme.well("key", "create", "acme")
    acme.config.write_text(acme.config.read_text() + "directory: {secrets: {s2: 0123456789abcdef0123456789abcdef}}\n")
    acme.well("key", "create", "acme")
    acme.well("account", "link-attribute", "acme", "phone", "+4712345678")

    said = acme.well("directory", "status")
    assert "secret generated: 1 keys\n" in said
    assert "secret s2: 1 keys, 1 links\n" in said

    (acme.path / "directory.db.secret").unlink()
    ended = acme.run("directory", "status")
    assert (ended.exit_code, ended.stderr) == (1, "made with secrets that are not stated, and refused: generated\n")


def test_what_others_need_need_not_be_set(acme: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops a stolen key may not have the upstream's credential; what the directory needs is asked for."""
    monkeypatch.delenv("NOT_SET", raising=False)
    text = acme.config.read_text()
    acme.config.write_text(f"{text}admin_token: ${{NOT_SET}}\n")
    assert "acme" in acme.well("account", "list")

    acme.config.write_text(f"{text}directory: {{secrets: {{s2: '${{NOT_SET}}'}}}}\n")
    assert "`NOT_SET` is not set" in acme.bad("account", "list")


def test_taking_it_back_says_what_is_lost(acme: Folder) -> None:
    """And does nothing until that is accepted; after that commands say what to do."""
    said = acme.bad("directory", "downgrade", "base")
    assert "say --yes to lose it" in said
    assert "accounts" in said
    assert acme.data("account", "show", "acme")["id"] == "acme"

    acme.well("directory", "downgrade", "base", "--yes")

    assert "run `tidegate directory upgrade`" in acme.bad("account", "list")
    ended = acme.run("directory", "status", "--json")
    assert (ended.exit_code, '"ready": false' in ended.stdout) == (1, True)
    assert acme.well("directory", "downgrade", "base") == "the schema is base already\n"
    acme.well("directory", "upgrade")
    assert acme.rows(tables.accounts) == []


def test_a_revision_that_there_is_not_is_one_sentence(folder: Folder) -> None:
    """And nothing is taken back."""
    said = folder.bad("directory", "downgrade", "nonsense")
    assert len(said.splitlines()) == 1
    assert f"the newest is {folder.data('directory', 'status')['needed']}, and `base` is none" in said
    assert folder.data("directory", "status")["ready"]


@pytest.mark.parametrize("words", [["upgrade"], ["downgrade", "0001"], ["status"]], ids=" ".join)
def test_a_schema_of_a_newer_program_is_left_alone(folder: Folder, words: list[str]) -> None:
    """It is said, in one sentence."""
    with sqlite3.connect(folder.path / "directory.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    ended = folder.run("directory", *words)

    assert ended.exit_code == 1
    assert "9999" in ended.stderr
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("words", [["account", "list"], ["account", "create", "acme"], ["key", "list", "a"],
                                   ["review", "list"], ["inbox", "list"]], ids=" ".join)  # fmt: skip
def test_a_path_that_is_misspelt_makes_no_database(tmp_path: Path, words: list[str]) -> None:
    """SQLite would make an empty one of it."""
    folder = Folder(tmp_path, directory="directory: {url: 'sqlite:///misspelt.db'}\n")

    assert "run `tidegate directory upgrade`" in folder.bad(*words)
    assert not list(tmp_path.glob("misspelt*"))


def test_a_file_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    """And stays as it is."""
    folder = Folder(tmp_path)
    (tmp_path / "directory.db.secret").write_text("0123456789abcdef" * 4)
    (tmp_path / "directory.db").write_text("no database\n" * 100)

    said = folder.bad("account", "list")

    assert said == "the directory cannot be asked: file is not a database\n"
    assert (tmp_path / "directory.db").read_text().startswith("no database")


def test_a_database_that_is_being_written_is_one_sentence(acme: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that a writer waits; reading goes on."""
    monkeypatch.setattr(database, "BUSY", 0.1)
    writer = sqlite3.connect(acme.path / "directory.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        said = acme.bad("account", "suspend", "acme", "--reason", "x")
        assert acme.data("account", "show", "acme")["suspended"] is False
    finally:
        writer.close()
    assert said == "another process has been writing to the directory for 10 seconds: try again\n"


def test_a_postgresql_that_is_away_is_one_sentence(tmp_path: Path) -> None:
    """Its password is in no message."""
    directory = f"directory: {{url: 'postgresql://u:hidden@127.0.0.1:1/d', {SECRETS}}}\n"
    folder = Folder(tmp_path, directory=directory)

    for words in (["account", "list"], ["directory", "status"], ["directory", "upgrade"]):
        said = folder.bad(*words)
        assert said.startswith("the directory cannot be asked: connection failed")
        assert "hidden" not in said
        assert len(said.splitlines()) == 1


def test_everything_works_on_postgresql(tmp_path: Path, server: Postgres) -> None:
    """One journey: the schema, an account, a key, evidence, a list, and back."""
    with server.database() as url:
        folder = Folder(tmp_path, directory=f"directory: {{url: '{url}', {SECRETS}}}\n")
        assert "no schema yet: run `tidegate directory upgrade`" in folder.bad("account", "list")
        folder.well("directory", "upgrade")
        made = folder.data("account", "create", "acme", "--key", "--organisation", "o")
        folder.well("account", "evidence", "acme", "add", "email", "--reason", "x")
        folder.well("account", "link-attribute", "acme", "payment", "pm_1")
        folder.well("account", "move", "acme", "--tier", "pro", "--for", "7d", "--reason", "x")
        folder.well("key", "revoke", made["prefix"])
        shown = folder.data("account", "show", "acme")
        assert (shown["standing"]["tier"], shown["standing"]["earned"]) == ("pro", "known")
        assert [one["state"] for one in shown["keys"]] == ["revoked"]
        assert [one["keys"] for one in folder.data("account", "list")["accounts"]] == [0]
        assert "there is an account `acme` already" in folder.bad("account", "create", "acme")
        folder.well("directory", "downgrade", "base", "--yes")


def test_what_is_wrong_in_the_configuration_has_its_line(tmp_path: Path) -> None:
    """As for every other command."""
    folder = Folder(tmp_path, directory="directory: {secrets: {s1: short}}\n")

    said = folder.bad("account", "list")

    assert f"{folder.config}:3:" in said
    assert "secrets.s1: must have at least 32 bytes" in said
