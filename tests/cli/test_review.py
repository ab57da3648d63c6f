"""`tidegate review`: people decide, on a real SQLite file."""

from __future__ import annotations

import pytest

from gateway.accounts.sql import standing
from gateway.accounts.sql.database import Writing
from gateway.cli import review as commands
from gateway.verification import review
from tests.cli.directories import Folder


def appeal(folder: Folder, statement: str = "It was my card.") -> int:
    """Of acme, which has fallen."""

    def work(writing: Writing) -> int:
        standing.add_fall(writing, "acme", "chargeback")
        return review.open_review(writing, "acme", review.APPEAL, statement=statement)

    database = folder.database()
    try:
        return database.write("owner", work)
    finally:
        database.close()


def test_what_waits_is_listed_and_shown(acme: Folder) -> None:
    """The statement stands with its case alone; what steers a terminal does not reach one."""
    number = appeal(acme, "It was\x1b[2J my card.")

    listed = acme.well("review", "list")

    assert listed.splitlines()[0].split() == ["number", "account", "subject", "kinds", "state", "opened", "first"]
    assert listed.splitlines()[1].split()[:3] == [str(number), "acme", "appeal"]
    assert "my card" not in listed
    shown = acme.well("review", "show", str(number))
    assert "It was\ufffd[2J my card." in shown
    assert "\x1b" not in shown
    assert acme.data("review", "show", str(number))["state"] == "open"
    assert [one["number"] for one in acme.data("review", "list")] == [number]
    assert acme.data("account", "show", "acme")["reviews"][0]["id"] == number


def test_an_appeal_is_approved(acme: Folder) -> None:
    """What it was about is over, and nothing waits any more."""
    number = appeal(acme)

    said = acme.well("review", "approve", number, "--reason", "card found")

    assert said.endswith("acme is approved. The account stands on free; for known there is missing: email\n")

    assert [fall["state"] for fall in acme.data("account", "show", "acme")["falls"]] == ["cleared"]
    assert acme.data("review", "list") == []
    assert "it is approved already" in acme.bad("review", "approve", number, "--reason", "again")


def test_an_appeal_is_declined(acme: Folder) -> None:
    """By one person, with a reason."""
    number = appeal(acme)

    assert acme.well("review", "decline", number, "--reason", "no card").endswith("acme is declined\n")

    assert [fall["state"] for fall in acme.data("account", "show", "acme")["falls"]] == ["holds"]
    assert acme.data("review", "show", number)["reason"] == "no card"


def test_the_top_needs_a_second_person(acme: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one does not count twice, whoever the environment says it is."""
    for kind in ("email", "phone"):
        acme.well("account", "evidence", "acme", "add", kind, "--reason", "x")
    number = appeal(acme)

    assert "a second person has to approve it" in acme.well("review", "approve", number, "--reason", "fine")
    assert "a second person has to" in acme.bad("review", "approve", number, "--reason", "fine")
    monkeypatch.setattr(commands, "who", lambda: "cli:another")
    said = acme.well("review", "approve", number, "--reason", "seen")
    assert said.endswith("acme is approved. The account stands on pro\n")
    assert acme.data("account", "show", "acme")["standing"]["tier"] == "pro"


@pytest.mark.parametrize("words", [["show", "7"], ["approve", "7", "--reason", "x"], ["decline", "7", "--reason", "x"]],
                         ids=" ".join)  # fmt: skip
def test_a_case_that_there_is_not_is_one_sentence(acme: Folder, words: list[str]) -> None:
    """Status 1."""
    assert acme.bad("review", *words) == "there is no case 7 for review\n"


def test_a_decision_has_a_reason(acme: Folder) -> None:
    """Somebody will ask."""
    assert "it needs a reason" in acme.bad("review", "approve", appeal(acme), "--reason", " ")
