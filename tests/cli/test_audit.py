"""`tidegate audit`: from the port, and on the directory itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from gateway.cli import progress
from tests.cli.directories import Folder
from tests.cli.ports import TOKEN, FakePort, served
from tests.cli.run import data, tidegate

LINE: dict[str, Any] = {
    "id": 7, "at": 1_800_000_000.0, "who": "token:ann", "did": "account.move", "subject": "acme", "erased": False,
    "detail": {
        "before": {"tier": "free"}, "after": {"tier": "pro\x1b[2J"}, "reason": "ticket", "sealed": {"x": [1, "y"]},
    },
}  # fmt: skip
DONE = {
    "state": "done", "ok": True, "lines": 1234, "whole": 1234, "erased": 2, "head": "ab" * 32, "broken": [], "wrong": 0,
}  # fmt: skip


@pytest.fixture
def port() -> Iterator[FakePort]:
    """With one line."""
    with served(FakePort(**{"GET /audit": {"audit": [LINE], "next": 7}, "GET /audit/verify": DONE})) as port:
        yield port


def ask(port: FakePort, *words: object) -> Any:
    return tidegate("audit", *words, "--admin", port.address, TIDEGATE_ADMIN_TOKEN=TOKEN, columns=200)


def test_lines(port: FakePort) -> None:
    """In columns; what callers wrote steers no terminal; the next page is named on standard error."""
    ended = ask(port, "list", "--did", "account.", "--since", "2026-01-01", "--limit", "1")
    assert ended.exit_code == 0
    assert "7     2027-01-15 08:00:00  token:ann  account.move  acme" in ended.stdout
    assert "tier: free → pro?[2J; reason=ticket" in ended.stdout
    assert ended.stderr == "there are more: --after 7\n"
    assert port.heard[-1].query == {"did": "account.", "since": "1767225600.0", "limit": "1"}
    assert data(ask(port, "list", "--json"))["audit"] == [LINE]


def test_a_line_tells_what_changed(port: FakePort) -> None:
    """Not all that was there before and is now: members of members apart, times as times, what is new, what ended."""
    before = {"id": 3, "revision": 3, "change": {"kind": "scale", "factor": 3.0}, "expires": 1_800_000_000.0}
    after = {"id": 3, "revision": 9, "change": {"kind": "freeze"}, "withdrawn": 1_800_003_600.0}
    line = LINE | {"detail": {"before": before, "after": after, "reason": "t"}}
    port.answers["GET /audit"] = {"audit": [line, LINE | {"detail": {"after": {"tier": "pro"}}}], "next": None}
    said = ask(port, "list").stdout
    assert "change.kind: scale → freeze; change.factor: 3.0 → none; expires: 2027-01-15 08:00:00 → none" in said
    assert "withdrawn: 2027-01-15 09:00:00; reason=t" in said
    assert "tier: pro\n" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "--since", "yesterday"), "--since yesterday"),
        (("list", "--since", "1h", "--until", "2h"), "is not before"),
        (("verify", "--head", "ab"), "--head: must be 64 hexadecimal digits"),
    ],
)
def test_what_cannot_be_meant(port: FakePort, words: tuple[str, ...], said: str) -> None:
    """Status 2, and nobody is asked."""
    ended = ask(port, *words)
    assert (ended.exit_code, said in ended.stderr, port.heard) == (2, True, [])


def test_it_is_asked_until_it_is_done(port: FakePort) -> None:
    """A gateway that takes longer says how far it is."""
    running = DONE | {"state": "running", "ok": None, "lines": 5}
    port.answers["GET /audit/verify"] = [(202, running), (202, running), DONE]
    ended = ask(port, "verify", "--head", "AB" * 32)
    assert ended.stdout == f"whole: 1,234 lines, 2 of them erased by law\nhead:  {'ab' * 32}\n"
    assert len(port.heard) == 3
    assert port.heard[0].query["head"] == "AB" * 32


def test_one_that_was_changed(port: FakePort) -> None:
    """Status 1, which line, and what is wrong with it."""
    broken = [{"id": 5, "what": "it does not say what it said"}, {"id": 0, "what": "the head is not there"}]
    port.answers["GET /audit/verify"] = DONE | {"ok": False, "broken": broken, "wrong": 200}
    ended = ask(port, "verify")
    assert ended.exit_code == 1
    assert "5     it does not say what it said" in ended.stdout
    assert ended.stderr == "the audit was changed: 200 places of 1,234 lines are broken (2 of them shown)\n"
    assert (ended := ask(port, "verify", "--json")).exit_code == 1
    assert data(ended)["wrong"] == 200


def test_an_export(port: FakePort, tmp_path: Path) -> None:
    """To a new file, or to standard output; half of one is none."""
    port.answers["GET /audit/export"] = LINE
    ended = ask(port, "export", tmp_path / "audit.jsonl", "--who", "token:ann")
    assert (ended.exit_code, json.loads((tmp_path / "audit.jsonl").read_text())) == (0, LINE)
    assert port.heard[-1].query == {"who": "token:ann"}
    assert "File exists" in ask(port, "export", tmp_path / "audit.jsonl").stderr
    assert json.loads(ask(port, "export").stdout) == LINE
    port.answers["GET /audit/export"] = (503, {"error": "the directory is away"})
    ended = ask(port, "export", tmp_path / "other.jsonl")
    assert (ended.exit_code, ended.stderr) == (1, "the directory is away\n")
    assert not (tmp_path / "other.jsonl").exists()


def test_without_a_gateway(acme: Folder) -> None:
    """On the directory itself: whole, with a head that is found again; then edited behind its back."""
    first = acme.data("audit", "verify", "--offline")
    assert (first["ok"], first["lines"]) == (True, 1)
    acme.well("account", "suspend", "acme", "--reason", "t")
    printed = acme.well("audit", "verify", "--offline", "--head", first["head"])
    assert printed.startswith("whole: 2 lines\nhead:  ")
    assert acme.data("audit", "verify", "--offline")["head"] in printed
    database = acme.database()
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(sql.text("DROP TRIGGER audit_change"))
        connection.execute(sql.text("UPDATE audit SET who = 'cli:eve' WHERE id = 2"))
    database.close()
    ended = acme.run("audit", "verify", "--offline")
    assert (ended.exit_code, "2     it does not say" in ended.stdout) == (1, True)


def test_a_bar_is_for_who_looks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it stands in a file, or in what a script reads."""
    with progress.bar("working") as tell:
        tell(1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress.bar("working") as tell:
        tell(1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "working" in err
