"""One line a change, also where there is no file for it."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from gateway.control.audit import Audit


def test_lines_are_appended(tmp_path: Path) -> None:
    """What was there stays there; and only its owner and group read it."""
    path = tmp_path / "audit.log"
    for number in range(2):
        audit = Audit(path, lambda: 1000.5)
        audit.note("signal", "reload", "applied", (number, "a"), (number + 1, "b"), problems=["x"])
        audit.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["from"]["generation"] for line in lines] == [0, 1]
    assert lines[0] == {
        "time": 1000.5,
        "who": "signal",
        "action": "reload",
        "outcome": "applied",
        "from": {"generation": 0, "digest": "a"},
        "to": {"generation": 1, "digest": "b"},
        "problems": ["x"],
    }
    assert path.stat().st_mode & 0o137 == 0


def test_without_a_file_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that people change goes unsaid."""
    with caplog.at_level(logging.INFO):
        Audit(None, lambda: 1.0).note("admin_token", "rollback", "rolled_back", (2, "b"), (1, "a"))
    assert json.loads(caplog.messages[0])["who"] == "admin_token"


def test_a_disk_that_takes_a_part_gets_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line is none, and spoils the next."""
    audit = Audit(tmp_path / "audit.log", lambda: 1.0)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:7]))
    audit.note("signal", "reload", "applied", (1, "a"), (2, "b"))
    audit.close()
    assert json.loads((tmp_path / "audit.log").read_text())["who"] == "signal"
