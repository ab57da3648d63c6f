"""Lists over the operators' port: what is in them, who reads them, and who may see that."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.control.access.roles import Role
from tests.control.rules_files.world import RULES, Worked, worked


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Worked]:
    async with worked(tmp_path) as made:
        yield made


async def test_lists_say_how_old_they_are_and_who_reads_them(here: Worked) -> None:
    """One past its `stale_after` is stale; readers by the rules in force, with their lines."""
    os.utime(here.folder / "lists/office.txt", (1_000_000_000, 1_000_000_000))
    await here.save("rules.yaml", RULES + "  - {name: doubt, when: account.id in lists.suspected, action: deny}\n")
    status, answer = await here.ask("GET", "/lists", role=Role.VIEWER)
    rows = {row["name"]: row for row in answer["lists"]}
    assert status == 200 and rows["office"]["stale"] and rows["office"]["stale_after"] == 86400
    assert (rows["suspected"]["kind"], rows["suspected"]["entries"], rows["suspected"]["stale"]) == (
        "accounts",
        2,
        False,
    )
    [reader] = rows["suspected"]["readers"]
    assert (reader["path"], reader["what"]) == ("rules.yaml", "doubt") and rows["office"]["readers"] == []


@pytest.mark.parametrize(
    ("name", "q", "found", "contains"),
    [
        ("office", "192.0.2.7", [], True),
        ("office", "192.0", ["192.0.2.0/24"], False),
        ("office", "198.51.100.1", [], False),
        ("suspected", "acme", ["acme-corp"], False),
        ("suspected", "acme-corp", ["acme-corp"], True),
        ("suspected", "", ["acme-corp", "strange-one"], None),
    ],
)
async def test_search_finds_entries_and_asks_as_a_rule_would(
    here: Worked, name: str, q: str, found: list[str], contains: bool | None
) -> None:
    """An address is in a list by a network that holds it."""
    status, answer = await here.ask("GET", f"/lists/{name}?q={q}")
    assert status == 200 and [row["text"] for row in answer["found"]] == found and answer["contains"] is contains


async def test_entries_of_accounts_are_for_whoever_may_see_people(here: Worked) -> None:
    """403 for the others, with nothing of the list in it; networks may be seen by all."""
    for role in (Role.VIEWER, Role.AUTHOR):
        status, answer = await here.ask("GET", "/lists/suspected?q=a", role=role)
        assert status == 403 and "acme" not in str(answer)
    assert (await here.ask("GET", "/lists/suspected?q=a", role=Role.ANALYST))[0] == 200
    assert (await here.ask("GET", "/lists/office?q=1", role=Role.VIEWER))[0] == 200
    assert (await here.ask("GET", "/lists/nobody"))[0] == 404


async def test_a_list_is_fetched_on_demand(here: Worked, tmp_path: Path) -> None:
    """And what failed is said; one without a source is told so. The audit has a line of each."""
    (tmp_path / "drop.txt").write_text("203.0.113.0/24\n")
    (here.folder / "feeds.yaml").write_text(
        "lists:\n  dropped: {kind: networks, source: {file: ../drop.txt}}\n"
        "  office: {kind: networks, path: lists/office.txt}\n"
    )
    why = {"reason": "an outage"}
    status, answer = await here.ask("POST", "/lists/dropped/refresh", why)
    assert (status, answer.get("outcome"), answer.get("entries")) == (200, "updated", 1), answer
    assert (await here.ask("POST", "/lists/office/refresh", why))[0] == 409
    (tmp_path / "drop.txt").unlink()
    status, answer = await here.ask("POST", "/lists/dropped/refresh", why)
    assert status == 502 and "stays in use" in answer["error"]
    assert [note[3]["outcome"] for note in here.notes] == ["updated", "failed"]
    assert (await here.ask("POST", "/lists/dropped/refresh", why, role=Role.VIEWER))[0] == 403
