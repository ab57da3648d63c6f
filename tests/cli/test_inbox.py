"""`tidegate inbox`: what providers told, and what became of it, on a real SQLite file."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Writing
from tests.cli.directories import Folder

NOW: Final = 1_800_000_000.0
LETTERS: Final = (
    {"provider": "stripe", "event": "evt_1", "kind": "identity.verified", "state": "approved", "reference": "vs_1",
     "due": None, "done": NOW, "dead": None, "outcome": "approved"},
    {"provider": "stripe", "event": "evt_2", "kind": "identity.verified", "state": "approved", "reference": "vs_2",
     "due": None, "done": None, "dead": NOW, "outcome": "unavailable: 503"},
    {"provider": "veriff", "event": "x", "kind": "", "state": "", "reference": "",
     "due": None, "done": None, "dead": NOW, "outcome": "malformed_content"},
    {"provider": "stripe", "event": "evt_3", "kind": "identity.verified", "state": "approved", "reference": "vs_3",
     "due": NOW + 60, "done": None, "dead": None, "outcome": "unavailable: 503"},
)  # fmt: skip


@pytest.fixture
def box(folder: Folder) -> Folder:
    """One letter done, two dead, one that waits."""

    def work(writing: Writing) -> None:
        for letter in LETTERS:
            row = letter | {"digest": b"d" * 32, "received": NOW, "attempts": 1}
            writing.connection.execute(tables.inbox.insert(), row)

    database = folder.database()
    try:
        database.write("test", work)
    finally:
        database.close()
    return folder


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([], [4, 3, 2, 1]),
        (["--dead"], [3, 2]),
        (["--waiting"], [4]),
        (["--provider", "veriff"], [3]),
        (["--limit", "1"], [4]),
    ],
    ids=["all", "dead", "waiting", "provider", "limit"],
)
def test_letters_are_listed(box: Folder, options: list[str], numbers: list[int]) -> None:
    """The newest first, with what became of each; and how many wait and are dead."""
    ended = box.run("inbox", "list", *options)

    lines = ended.stdout.splitlines()
    assert lines[0].split()[:4] == ["number", "provider", "kind", "state"]
    assert [int(line.split()[0]) for line in lines[1:]] == numbers
    assert ended.stderr == "1 waiting, 2 dead\n"
    found = box.data("inbox", "list", *options)
    assert [one["number"] for one in found["letters"]] == numbers
    assert found["counts"] == {"waiting": 1, "dead": 2}


def test_one_is_shown(box: Folder) -> None:
    """What is empty is left out."""
    said = box.well("inbox", "show", 2)
    assert "unavailable: 503" in said
    assert "done" not in said
    assert box.data("inbox", "show", 1)["is"] == "done"
    assert box.bad("inbox", "show", 9) == "there is no letter 9 in the inbox\n"


def test_one_is_worked_off_again(box: Folder) -> None:
    """It is due at once, with all its attempts, and that stands in the audit."""
    box.well("inbox", "retry", 2)

    found = box.data("inbox", "show", 2)
    assert (found["is"], found["attempts"], found["dead"]) == ("waiting", 0, None)
    assert found["due"] is not None
    assert [row.did for row in box.rows(tables.audit)] == ["inbox.retry"]
    assert "have the provider send it again" in box.bad("inbox", "retry", 3)
    assert "there is no letter 9" in box.bad("inbox", "retry", 9)


def test_all_dead_ones_are_worked_off_again(box: Folder) -> None:
    """But those that nobody could read."""
    ended = box.run("inbox", "retry", "--dead")

    assert (ended.exit_code, ended.stdout) == (0, "1 letter(s) are worked off again\n")
    assert ended.stderr.startswith("1 could not be read")
    assert [one["number"] for one in box.data("inbox", "list", "--dead")["letters"]] == [3]


@pytest.mark.parametrize("words", [["retry"], ["retry", "1", "--dead"], ["list", "--dead", "--waiting"]], ids=" ".join)
def test_what_is_asked_is_one_thing(box: Folder, words: list[str]) -> None:
    """Status 2."""
    assert len(box.bad("inbox", *words, status=2).splitlines()) == 1
