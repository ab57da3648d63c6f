"""What was exported is imported again."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.accounts.evidence import FALLS, KINDS, LINKS
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, export, migrate, tables
from gateway.accounts.sql.bulk import load
from gateway.accounts.sql.database import Database, Writing
from gateway.accounts.sql.export import dump
from gateway.accounts.sql.reading import Format
from gateway.accounts.sql.records import FEATURES, PARTS

FORMATS: tuple[Format, ...] = ("jsonl", "csv")
SECRETS = Secrets({"s2": b"2" * 32, "s1": b"1" * 32})

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
ids = st.text("abcAB019!-+._:/@#\"'\\", min_size=1, max_size=8)
moments = st.one_of(st.integers(0, 10**10), st.floats(0, 1e10)).map(float)
words = st.sampled_from(["a", "b", "c", "d"])
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
secret_ids = st.sampled_from(["s1", "s2"])


def objects(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.fixed_dictionaries(required, optional=optional), max_size=2)


rows = st.fixed_dictionaries(
    {"id": ids},
    optional={
        "organisation": st.sampled_from(["o1", "o2", ""]),
        "name": texts,
        "tier": st.sampled_from(["", "pro", "free"]),
        "created": moments,
        "email_domain": st.sampled_from(["", "a.example"]),
        "signup_country": st.sampled_from(["", "DE"]),
        "suspended": st.booleans(),
        "suspended_for": texts,
        "signup_burst": st.integers(0, 9),
        "evidence": objects(
            {"kind": st.sampled_from(sorted(KINDS))},
            obtained=moments, provider=texts, reference=texts, expires=st.none() | moments, withdrawn=moments,
        ),
        "falls": objects({"reason": st.sampled_from(sorted(FALLS))}, at=moments, note=texts, until=moments),
        "overrides": objects({"name": words, "value": texts}, reason=texts, expires=moments),
        "links": objects(
            {"kind": st.sampled_from(sorted(LINKS)), "secret": secret_ids, "digest": hashes}, source=texts
        ),
        "members": objects({"secret": secret_ids, "digest": hashes}, role=words),
        "keys": objects(
            {
                "name": words,
                "prefix": st.text("abcdefgh", min_size=8, max_size=12),
                "digest": hashes,
                "pepper": secret_ids,
            },
            models=st.lists(words), features=st.lists(st.sampled_from(sorted(FEATURES))), revoked=moments,
        ),
        "verifications": objects(
            {"id": st.uuids().map(str), "provider": words, "state": words},
            kinds=st.lists(st.sampled_from(sorted(KINDS))), reference=texts, updated=moments,
        ),
    },
)  # fmt: skip


def content(database: Database) -> dict[str, list[Any]]:
    """Every row but numbers that only count, in an order of its own."""
    found = {}
    for table in (tables.organisations, tables.accounts, *(shape.table for shape in PARTS.values())):
        columns = [column for column in table.c if not (column.name == "id" and isinstance(column.type, sql.Integer))]
        columns = [column for column in columns if column.type is not tables.Number or column.name != "id"]
        found[table.name] = sorted(
            (tuple(row) for row in database.read(lambda it, of=columns: it.execute(sql.select(*of)).all())),  # type: ignore[misc]
            key=repr,
        )
    return found


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory, to be copied."""
    path = tmp_path_factory.mktemp("schema") / "directory.db"
    database = Database(f"sqlite:///{path}", lambda: 0.0)
    migrate.upgrade(database)
    database.close()
    return path


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    several=st.lists(rows, max_size=4, unique_by=lambda row: row["id"]),
    organisations=st.lists(st.sampled_from(["o1", "o3"]), unique=True),
    name=texts,
    format_=st.sampled_from(FORMATS),
)
def test_an_export_is_an_import(
    schema: Path, several: list[dict[str, Any]], organisations: list[str], name: str, format_: Format
) -> None:
    """load(dump(x)) is x: every column of every part, in either format, and an export of it is the same again."""
    stated = [{"record": "organisation", "id": one, "name": name, "suspended": True} for one in organisations]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "first.jsonl"
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in [*stated, *several]))
        one, two = (
            Database(f"sqlite:///{shutil.copy(schema, f'{folder}/{number}.db')}", lambda: 1.5) for number in "12"
        )
        loaded = load(one, SECRETS, path, who="cli")
        if loaded.wrong:
            assert {problem.said for problem in loaded.problems} <= {"is in this file already", "is in this row twice"}
        exports = []
        for database, other in ((one, two), (two, None)):
            out = io.BytesIO()
            dump(database, out, format_)
            exports.append(out.getvalue())
            path.write_bytes(out.getvalue())
            if other is not None:
                assert load(other, SECRETS, path, format=format_, who="cli").problems == ()
        assert content(one) == content(two)
        assert exports[0] == exports[1]
        for database in (one, two):
            database.close()


@pytest.mark.parametrize("format_", FORMATS)
def test_from_one_database_to_another(format_: Format, database: Database, secrets: Secrets, tmp_path: Path) -> None:
    """On both databases: what is in one is in the other, over several pages."""
    rows = [
        {"id": f"a{number}", "organisation": f"o{number % 7}", "evidence": {"email": number}, "links": {"phone": "1"}}
        for number in range(export.PAGE + 20)
    ]
    path = tmp_path / "file"
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    load(database, secrets, path, who="cli")
    with path.open("wb") as out:
        assert dump(database, out, format_) == (len(rows), 7)
    other = Database(f"sqlite:///{tmp_path}/other.db", lambda: 0.0)
    migrate.upgrade(other)
    assert load(other, secrets, path, format=format_, who="cli").accounts == len(rows)
    assert content(other) == content(database)
    other.close()


def test_it_is_one_moment(
    database: Database, url: str, connect: Callable[[str], Database], secrets: Secrets, tmp_path: Path
) -> None:
    """What is written while it runs is not in it: neither an account on a later page, nor evidence of one."""
    path = tmp_path / "file"
    path.write_bytes(b"".join(orjson.dumps({"id": f"a{number:05}"}) + b"\n" for number in range(export.PAGE + 1)))
    load(database, secrets, path, who="cli")
    writer = connect(url)
    written: list[int] = []

    def write(_: object) -> None:
        if not written:
            writer.write("cli", add)
            written.append(1)

    def add(writing: Writing) -> None:
        accounts.create(writing, accounts.NewAccount("z"))
        accounts.suspend(writing, f"a{export.PAGE:05}", "why")

    out = io.BytesIO()
    assert dump(database, out, progress=write).accounts == export.PAGE + 1
    assert written
    assert b'"z"' not in out.getvalue()
    assert b"suspended" not in out.getvalue()


def test_it_tells_how_far_it_is(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    """Of how many."""
    path = tmp_path / "file"
    path.write_text("".join(f'{{"id": "a{number}"}}\n' for number in range(export.PAGE + 1)))
    load(database, secrets, path, who="cli")
    told: list[tuple[int, int]] = []
    dump(database, io.BytesIO(), progress=lambda one: told.append((one.done, one.whole)))
    assert told == [(export.PAGE, export.PAGE + 1), (export.PAGE + 1, export.PAGE + 1)]
