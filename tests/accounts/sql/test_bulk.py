"""A file of accounts comes in whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sql

from gateway.accounts.keys import digest, mint, parse
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, bulk, identities, keys, reading, standing, tables
from gateway.accounts.sql.bulk import Loaded, Progress, load
from gateway.accounts.sql.database import Change, Database, changes_since
from gateway.policy import Evidence

Row = dict[str, Any]


@pytest.fixture
def bring(database: Database, secrets: Secrets, tmp_path: Path) -> Callable[..., Loaded]:
    """Writes rows, and loads them."""

    def bring(*rows: Row | str, **options: Any) -> Loaded:
        path = tmp_path / "accounts.jsonl"
        path.write_text("".join((row if isinstance(row, str) else orjson.dumps(row).decode()) + "\n" for row in rows))
        return load(database, secrets, path, who="cli:test", **options)

    return bring


def count(database: Database, table: sql.Table) -> int:
    return database.read(lambda it: int(it.execute(sql.select(sql.func.count()).select_from(table)).scalar_one()))


def test_all_of_a_row_arrives(bring: Callable[..., Loaded], database: Database, secrets: Secrets) -> None:
    """Columns, evidence, links as hashes, members, keys whose digests are known, and the organisation."""
    key = mint()
    proof = {"prefix": key.prefix, "digest": digest(secrets.key(keys.PEPPER), key.key.encode()).hex(), "pepper": "s1"}
    row = {
        "id": "acme",
        "organisation": "acme-inc",
        "name": "Acme",
        "tier": "pro",
        "created": "2026-01-31T00:00:00+01:00",
        "email_domain": "acme.example",
        "signup_country": "DE",
        "billing_country": "FR",
        "suspended": True,
        "suspended_for": "fraud",
        "evidence": {"email": 1_700_000_000},
        "links": {"phone": ["+49 1", "+49 2", "+49 1"], "payment": "pm_1"},
        "members": ["Owner@Acme.example"],
        "keys": [proof | {"name": "ci", "models": ["m-large"], "features": ["tools"], "expires": 4_000_000_000}],
    }
    loaded = bring(row)
    assert (loaded.accounts, loaded.keys, loaded.organisations, loaded.wrong) == (1, 1, 1, 0)
    found = database.read(lambda it: accounts.row(it, "acme"))
    assert (found.organisation, found.name, found.tier, found.suspended_for) == ("acme-inc", "Acme", "pro", "fraud")
    assert found.suspended
    assert found.created == 1_769_814_000.0
    profile = database.read(lambda it: standing.profile(it, "acme", 0.0))
    assert profile.evidence == (Evidence("email", 1_700_000_000.0),)
    for kind, value in (("phone", "+49 1"), ("phone", "+49 2"), ("payment", "pm_1")):
        assert database.read(lambda it, of=(kind, value): standing.accounts_linked_by(it, secrets, *of)) == ["acme"]  # type: ignore[misc]
    assert count(database, tables.links) == 3
    assert count(database, tables.members) == 1
    held = database.read(lambda it: it.execute(sql.select(tables.keys)).one())
    assert (held.prefix, bytes(held.digest).hex(), held.models, held.features, held.expires) == (
        key.prefix, proof["digest"], '["m-large"]', '["tools"]', 4e9,
    )  # fmt: skip


def test_one_change_and_one_line(bring: Callable[..., Loaded], database: Database, tmp_path: Path) -> None:
    """Workers are told once, of all; the audit has the file's SHA-256 and what came of it."""
    told: list[Change] = []
    database.announce = told.append
    loaded = bring({"id": "a"}, {"id": "b"})
    assert [change.accounts for change in told] == [("",)]
    assert database.read(lambda it: changes_since(it, 0)) == (1, None)
    line = database.read(lambda it: it.execute(sql.select(tables.audit)).one())
    detail = orjson.loads(line.detail)
    assert (line.who, line.did, detail["accounts"]) == ("cli:test", "directory.import", 2)
    assert detail["sha256"] == loaded.digest == hashlib.sha256((tmp_path / "accounts.jsonl").read_bytes()).hexdigest()


BAD: dict[str, tuple[Row | str, str]] = {
    "no JSON": ("{", ""),
    "no object": ("[1]", ""),
    "no id": ({"tier": "pro"}, "id"),
    "space in id": ({"id": "a b"}, "id"),
    "brace in id": ({"id": "a{b"}, "id"),
    "newline after id": ({"id": "a\n"}, "id"),
    "long id": ({"id": "a" * 129}, "id"),
    "id is a number": ({"id": 1}, "id"),
    "unknown member": ({"id": "a", "plan": "x"}, "plan"),
    "unknown record": ({"id": "a", "record": "key"}, "record"),
    "tier in capitals": ({"id": "a", "tier": "Pro"}, "tier"),
    "country in small": ({"id": "a", "signup_country": "de"}, "signup_country"),
    "domain in capitals": ({"id": "a", "email_domain": "A.example"}, "email_domain"),
    "NUL": ({"id": "a", "name": "x\0"}, "name"),
    "time without offset": ({"id": "a", "created": "2026-01-31T00:00:00"}, "created"),
    "milliseconds": ({"id": "a", "created": 1_700_000_000_000}, "created"),
    "time is a truth": ({"id": "a", "created": True}, "created"),
    "suspended is a text": ({"id": "a", "suspended": "false"}, "suspended"),
    "unknown evidence": ({"id": "a", "evidence": {"passport": 1}}, "evidence"),
    "evidence without time": ({"id": "a", "evidence": {"email": "soon"}}, "evidence.email"),
    "unknown link": ({"id": "a", "links": {"shoe": "1"}}, "links"),
    "empty link": ({"id": "a", "links": {"phone": ""}}, "links.phone"),
    "unknown fall": ({"id": "a", "falls": [{"reason": "luck"}]}, "falls.0.reason"),
    "key without a file": ({"id": "a", "keys": [{"name": "ci"}]}, "keys.0"),
    "key without digest": ({"id": "a", "keys": [{"name": "ci", "prefix": "abcdefghij"}]}, "keys.0.digest"),
    "foreign pepper": (
        {"id": "a", "keys": [{"name": "ci", "prefix": "abcdefghij", "digest": "00" * 32, "pepper": "file"}]},
        "keys.0.pepper",
    ),
    "foreign hash": (
        {"id": "a", "links": [{"kind": "phone", "secret": "old", "digest": "00" * 32}]},
        "links.0.secret",
    ),
    "hash with spaces": (
        {"id": "a", "links": [{"kind": "phone", "secret": "s1", "digest": "  " + "00" * 31}]},
        "links.0.digest",
    ),
    "unknown feature": (
        {
            "id": "a",
            "keys": [
                {"name": "c", "prefix": "abcdefghij", "digest": "00" * 32, "pepper": "s1", "features": ["flight"]}
            ],
        },
        "keys.0.features",
    ),
    "the same id": ({"id": "first"}, "id"),
}


@pytest.mark.parametrize(("row", "field"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_what_is_wrong_is_named(
    row: Row | str, field: str, bring: Callable[..., Loaded], database: Database, url: str
) -> None:
    """By line and field, and nothing is imported, also of what is right."""
    loaded = bring({"id": "first"}, "", row, {"id": "last"})
    assert [(problem.line, problem.field) for problem in loaded.problems][:1] == [(3, field)]
    assert "\0" not in repr(loaded.problems)
    assert loaded.wrong >= 1
    assert loaded.accounts == 0
    assert count(database, tables.accounts) == count(database, tables.audit) == 0


def test_every_problem_is_counted_and_the_first_are_shown(bring: Callable[..., Loaded]) -> None:
    """Two in one row are two."""
    loaded = bring({"id": "a", "tier": "X", "name": 1}, *({"id": ""} for _ in range(3000)))
    assert [problem.field for problem in loaded.problems[:2]] == ["tier", "name"]
    assert (len(loaded.problems), loaded.wrong) == (100, 3002)


def test_who_is_there_is_a_problem(bring: Callable[..., Loaded], database: Database) -> None:
    """By default: an import replaces nobody."""
    bring({"id": "a", "name": "old"})
    loaded = bring({"id": "b"}, {"id": "a", "name": "new"})
    assert [(problem.line, problem.field) for problem in loaded.problems] == [(2, "id")]
    assert count(database, tables.accounts) == 1


def test_who_is_there_may_be_left_out(bring: Callable[..., Loaded], database: Database, tmp_path: Path) -> None:
    """With `skip`: with all that its row says, and its new key is not shown."""
    bring({"id": "a", "name": "old"})
    rows = ({"id": "a", "name": "new", "keys": [{"name": "x"}]}, {"id": "b", "keys": [{"name": "y"}]})
    loaded = bring(*rows, on_conflict="skip", minted=tmp_path / "keys")
    assert (loaded.accounts, loaded.skipped, loaded.keys) == (1, 1, 1)
    assert database.read(lambda it: accounts.row(it, "a")).name == "old"
    assert [orjson.loads(line)["account"] for line in (tmp_path / "keys").read_bytes().splitlines()] == ["b"]


def test_who_is_there_may_be_updated(bring: Callable[..., Loaded], database: Database, tmp_path: Path) -> None:
    """With `update`: what its row states and no more; what is there twice is there once."""
    row = {"id": "a", "evidence": {"email": 5}, "links": {"phone": "1"}, "keys": [{"name": "ci"}]}
    bring(row | {"name": "old", "tier": "pro", "organisation": "o"}, minted=tmp_path / "keys")
    changed = row | {"name": "new", "evidence": {"email": 5, "phone": 6}}
    loaded = bring(changed, {"id": "b"}, on_conflict="update", minted=tmp_path / "keys.2")
    assert (loaded.accounts, loaded.updated, loaded.keys) == (1, 1, 0)
    found = database.read(lambda it: accounts.row(it, "a"))
    assert (found.name, found.tier, found.organisation) == ("new", "pro", "o")
    assert [count(database, table) for table in (tables.evidence, tables.links, tables.keys)] == [2, 1, 1]


def test_a_prefix_of_another_account_is_a_problem(bring: Callable[..., Loaded]) -> None:
    """Also in an update: a key changes hands nowhere."""
    key = {"name": "ci", "prefix": "abcdefghij", "digest": "00" * 32, "pepper": "s1"}
    bring({"id": "a", "keys": [key]})
    for on_conflict in ("refuse", "skip", "update"):
        loaded = bring({"id": "b", "keys": [key]}, on_conflict=on_conflict)
        assert [(problem.line, problem.field) for problem in loaded.problems] == [(1, "keys.prefix")], on_conflict


def test_a_new_key_is_shown_once(
    bring: Callable[..., Loaded], database: Database, secrets: Secrets, tmp_path: Path
) -> None:
    """In a file of its own that only its owner reads; the directory has its digest, and nothing else."""
    path = tmp_path / "keys"
    assert bring({"id": "a", "keys": [{"name": "ci"}, {"name": "dev"}]}, minted=path).keys == 2
    assert path.stat().st_mode & 0o777 == 0o600
    shown = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [(one["account"], one["name"]) for one in shown] == [("a", "ci"), ("a", "dev")]
    for one in shown:
        assert parse(one["key"].encode()) == one["prefix"]
        wanted = sql.select(tables.keys).where(tables.keys.c.prefix == one["prefix"])
        held = database.read(lambda it, wanted=wanted: it.execute(wanted).one())  # type: ignore[misc]
        assert bytes(held.digest) == digest(secrets.key(keys.PEPPER), one["key"].encode())
    with pytest.raises(FileExistsError):
        bring({"id": "b", "keys": [{"name": "ci"}]}, minted=path)


def test_no_file_of_keys_is_left_by_a_refusal(bring: Callable[..., Loaded], tmp_path: Path) -> None:
    """Keys that nobody has are shown to nobody."""
    assert bring({"id": "a", "keys": [{"name": "ci"}]}, {"id": ""}, minted=tmp_path / "keys").wrong
    assert not (tmp_path / "keys").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if "directory" not in path.name) == ["accounts.jsonl"]


def test_whose_links_are_the_same_is_one(bring: Callable[..., Loaded], database: Database) -> None:
    """Identities follow from links, also where the links are many at once."""
    bring(
        {"id": "old", "created": 1, "links": {"phone": "1"}},
        {"id": "new", "created": 2, "links": {"phone": "1"}},
        {"id": "other", "created": 2, "links": {"phone": "2"}},
    )
    assert database.read(lambda it: identities.same_identity(it, "new")) == ["old", "new"]
    assert database.read(lambda it: identities.same_identity(it, "other")) == ["other"]


def test_csv_says_the_same(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    """Columns by name, evidence and links by kind, empty cells say nothing, quotes as in RFC 4180."""
    path = tmp_path / "accounts.csv"
    path.write_bytes(
        b'\xef\xbb\xbfid,name,suspended,created,evidence.email,links.phone,key,evidence.phone\r\n'
        b'a,"Acme, ""Inc"",\r\ntwo lines",true,1700000000,2026-01-31T00:00:00Z,+49,ci,\r\n'
        b"b,,,,,,,5\r\n"
    )  # fmt: skip
    loaded = load(database, secrets, path, format="csv", who="cli", minted=tmp_path / "keys")
    assert (loaded.accounts, loaded.keys, loaded.problems) == (2, 1, ())
    found = database.read(lambda it: accounts.row(it, "a"))
    assert (found.name, bool(found.suspended), found.created) == ('Acme, "Inc",\r\ntwo lines', True, 1.7e9)
    assert database.read(lambda it: standing.profile(it, "a", 0.0)).evidence == (Evidence("email", 1_769_817_600.0),)
    assert database.read(lambda it: standing.profile(it, "b", 0.0)).evidence == (Evidence("phone", 5.0),)


BAD_CSV = {
    "cells": (b"id,name\na\n", 2, ""),
    "unknown column": (b"id,plan\na,x\n", 2, "plan"),
    "after a cell of two lines": (b'id,name\n"a","x\ny"\n"a b",z\n', 4, "id"),
    "quote without end": (b'id,name\na,"x\nb,y\n', 2, ""),
    "not UTF-8": (b"id\na\n\xff\n", 3, ""),
    "no JSON": (b"id,keys\na,[\n", 2, ""),
    "twice": (b'id,key,keys\na,ci,"[]"\n', 2, ""),
}


@pytest.mark.parametrize(("content", "line", "field"), BAD_CSV.values(), ids=BAD_CSV)
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_what_is_wrong_in_csv_is_named(
    content: bytes, line: int, field: str, database: Database, secrets: Secrets, tmp_path: Path, url: str
) -> None:
    """By the line where its row begins."""
    path = tmp_path / "accounts.csv"
    path.write_bytes(content)
    loaded = load(database, secrets, path, format="csv", who="cli", minted=tmp_path / "keys")
    assert [(problem.line, problem.field) for problem in loaded.problems][:1] == [(line, field)]
    assert count(database, tables.accounts) == 0


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_it_tells_how_far_it_is(bring: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """While it reads and while it moves."""
    monkeypatch.setattr(reading, "CHUNK", 10)
    told: list[Progress] = []
    bring(*({"id": f"a{number}"} for number in range(35)), progress=told.append)
    assert [one.rows for one in told if one.step == "reading"] == [10, 20, 30, 35]
    assert told[3].done == told[3].whole
    assert {one.step for one in told} == {"reading", "moving"}


KILLED = """
    import os, signal, sys, time
    from pathlib import Path
    from gateway.accounts.secrets import Secrets
    from gateway.accounts.sql import bulk
    from gateway.accounts.sql.database import Database
    def tell(progress):
        if progress.step == sys.argv[3] and progress.done:
            os.kill(os.getpid(), signal.SIGKILL)
    database = Database(sys.argv[1], time.time)
    bulk.load(database, Secrets({"s1": b"1" * 32}), Path(sys.argv[2]), who="cli", progress=tell)
"""


@pytest.mark.parametrize("step", ["reading", "moving"])
def test_a_kill_leaves_nothing_half(
    step: str, url: str, connect: Callable[[str], Database], secrets: Secrets, tmp_path: Path
) -> None:
    """kill -9 while it reads, and after most of it was written: none of it is there, and it can be done again."""
    path = tmp_path / "accounts.jsonl"
    path.write_text("".join(f'{{"id": "a{number}", "evidence": {{"email": 1}}}}\n' for number in range(3000)))
    command = [sys.executable, "-c", textwrap.dedent(KILLED), url, str(path), step]
    ended = subprocess.run(command, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    database = connect(url)
    assert count(database, tables.accounts) == count(database, tables.evidence) == count(database, tables.audit) == 0
    assert load(database, secrets, path, who="cli").accounts == 3000


def test_readers_are_not_kept_waiting(
    database: Database, url: str, connect: Callable[[str], Database], bring: Callable[..., Loaded]
) -> None:
    """While rows are moved in they see what was there before, at once; afterwards all of it."""
    seen = []
    reader = connect(url)

    def look(progress: Progress) -> None:
        if progress.step == "moving":
            began = time.monotonic()
            seen.append((count(reader, tables.accounts), time.monotonic() - began < 5.0))

    bring({"id": "a"}, {"id": "b"}, progress=look)
    assert set(seen) == {(0, True)}
    assert count(reader, tables.accounts) == 2


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_no_value_of_a_link_is_kept(bring: Callable[..., Loaded], database: Database, tmp_path: Path, url: str) -> None:
    """Nor the address of a member, nor a key: the bytes of the database are searched."""
    bring({"id": "a", "links": {"phone": "+4930123456"}, "members": ["jo@acme.example"]})
    bring({"id": "b", "keys": [{"name": "ci"}]}, minted=tmp_path / "shown")
    key = orjson.loads((tmp_path / "shown").read_bytes())["key"].encode()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("directory.db*"))
    assert len(content) > 10_000
    for secret in (b"+4930123456", b"jo@acme.example", key, key[14:]):
        assert secret not in content


def test_the_file_is_gone_from_disk_where_keys_were_made(tmp_path: Path) -> None:
    """The folder never shows keys of which it is not yet certain that they hold."""
    with bulk._NewKeys(tmp_path / "keys") as fresh:
        fresh.take([b"{}\n"])
        assert [path.name for path in tmp_path.iterdir()] == ["keys"]
        assert os.path.getsize(tmp_path / "keys") == 0  # noqa: PTH202 - shown only later
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_large_file_is_read_beside_us(
    bring: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    """In a process of its own, which knows our secrets, makes keys, and says what is wrong: as a small one."""
    rows = [
        {"id": f"a{number}", "keys": [{"name": "ci"}], "links": {"phone": f"+49{number}"}} for number in range(2500)
    ]
    monkeypatch.setattr(reading, "LARGE", 0)
    there = bring(*rows, minted=tmp_path / "shown")
    assert (there.accounts, there.keys) == (2500, 2500)
    shown = [orjson.loads(line) for line in (tmp_path / "shown").read_bytes().splitlines()]
    assert [one["account"] for one in shown] == [row["id"] for row in rows]

    wrong = bring(*({"id": f"b{number}", "tier": "Gold"} for number in range(1200)), {"id": 1})
    assert (wrong.wrong, wrong.accounts, len(wrong.problems)) == (1201, 0, 100)


def test_a_reader_imports_nothing_from_where_we_stand(
    bring: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A command is given in any folder: a module that lies there is none of ours."""
    folder = tmp_path / "somewhere"
    folder.mkdir()
    for name in ("csv.py", "orjson.py", "gateway.py"):
        (folder / name).write_text("raise SystemExit('not mine')")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(reading, "LARGE", 0)
    assert bring({"id": "a"}).accounts == 1


def test_a_reader_that_dies_is_no_end_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it had not read by then would be missing: that is an error."""
    monkeypatch.setattr(reading, "LARGE", 0)
    monkeypatch.setattr(reading, "PROCESS", "antigravity.not_there")
    (tmp_path / "rows").write_text('{"id": "a"}\n')
    secrets = Secrets({"s1": b"1" * 32})
    with (
        reading.read(tmp_path / "rows", "jsonl", secrets, 0.0, mints=False) as frames,
        pytest.raises(OSError, match="died"),
    ):
        next(frames)
