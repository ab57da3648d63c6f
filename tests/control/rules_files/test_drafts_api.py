"""What may be asked of a draft, and of rules that are not enforced yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.control.access.roles import Role
from gateway.control.rules_files import draft
from gateway.rehearsal.rehearsal import Rehearsal
from tests.control.rules_files.world import RULES, Worked, lay, worked


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Worked]:
    async with worked(tmp_path) as made:
        yield made


@pytest.mark.timing
async def test_the_shipped_policies_are_checked_in_less_than_a_second(tmp_path: Path) -> None:
    """As somebody types, in the process that is there already."""
    async with worked(tmp_path, shipped=True, processes=True) as here:
        await here.ask("POST", "/policies/check", {"files": {}})
        began = time.perf_counter()
        status, answer = await here.ask("POST", "/policies/check", {"files": {"auth.yaml": "api_keys: true\n"}})
        assert status == 200 and time.perf_counter() - began < 1.0
        assert answer["chain"][0] == {"name": "flood", "kind": "quota", "on_failure": "deny"}


async def test_a_draft_of_several_files_is_checked_as_one(here: Worked) -> None:
    """A new entry and its file together; alone, either is wrong. Nothing is written."""
    chain = (here.folder / "chain.yaml").read_text() + "  - {name: quota, kind: quota, on_failure: deny}\n"
    _, answer = await here.ask("POST", "/policies/check", {"files": {"chain.yaml": chain}})
    assert not answer["ok"] and answer["problems"][0]["path"] == "chain.yaml"
    quota = "limits:\n  - {name: r, measure: requests, per: [account], capacity: 1, refill: 1, every: 1m}\n"
    _, answer = await here.ask("POST", "/policies/check", {"files": {"chain.yaml": chain, "quota.yaml": quota}})
    assert answer["ok"] and answer["chain"][-1]["name"] == "quota"
    assert not (here.folder / "quota.yaml").exists()
    status, answer = await here.ask("POST", "/policies/check", {"files": {"../x.yaml": ""}})
    assert status == 422 and "files.../x.yaml" in answer["fields"]


async def test_tests_say_what_was_expected_and_what_came(here: Worked) -> None:
    """Per test, with the line; a folder that is wrong runs none."""
    status, answer = await here.ask("POST", "/policies/test", {"files": {}})
    assert status == 200 and answer["ok"] and answer["passed"] == 1
    files = {"rules.yaml": RULES.replace('== "KP"', '== "NO"')}
    _, answer = await here.ask("POST", "/policies/test", {"files": files})
    [test] = answer["tests"]
    assert (test["passed"], test["path"], test["line"]) == (False, "tests/basic.yaml", 2)
    assert {"key": "decision", "expected": "deny", "got": "allow"} in test["differences"]
    _, answer = await here.ask("POST", "/policies/test", {"files": {"rules.yaml": "rules: 5\n"}})
    assert not answer["ok"] and answer["tests"] == [] and answer["problems"][0]["path"] == "rules.yaml"


async def test_words_are_those_of_the_files_and_of_conditions(here: Worked) -> None:
    """Keys with their meaning, variables with their line of doc, names that the files have given."""
    _, answer = await here.ask("GET", "/policies/words")
    rule = answer["models"]["RuleConfig"]["keys"]
    assert {"name", "when", "action", "rollout"} <= {key["name"] for key in rule}
    assert next(key for key in rule if key["name"] == "when")["doc"].startswith("The condition")
    assert answer["files"]["kind: rules"] == "RulesConfig" and answer["kinds_of"]["rules.yaml"] == "rules"
    assert any(one["name"] == "account.tier" and one["doc"] for one in answer["variables"])
    assert answer["names"]["lists"] == ["office", "suspected"] and answer["names"]["rules"] == ["embargo", "long"]
    # A draft on the disk that is wrong leaves the names of what is in force.
    (here.folder / "rules.yaml").write_text("rules: 5\n")
    assert (await here.ask("GET", "/policies/words"))[1]["names"]["rules"] == ["embargo", "long"]


async def test_a_share_is_written_into_the_text(here: Worked) -> None:
    """And saved by nobody."""
    asked = {"text": RULES, "name": "long", "share": 0.1}
    status, answer = await here.ask("POST", "/policies/share", asked)
    assert status == 200 and "rollout: 10%" in answer["text"] and "# by law" in answer["text"]
    status, answer = await here.ask("POST", "/policies/share", asked | {"name": "nobody"})
    assert status == 422 and "nobody" in answer["error"]


async def test_shadow_counts_live_and_says_whose_only_to_who_may_see(here: Worked) -> None:
    """Each rule that is not enforced for all, with what the workers have counted."""
    here.snapshots.extend(
        [
            {"matched": [["rules", "long", "deny", "denied", False, 3], ["rules", "embargo", "deny", "x", True, 2]]},
            {"matched": [["rules", "long", "deny", "rule_denied", False, 4]]},
        ]
    )  # fmt: skip
    status, answer = await here.ask("GET", "/policies/shadow?since=1h", role=Role.VIEWER)
    [row] = answer["rules"]
    assert status == 200 and (row["rule"], row["mode"], row["path"], row["line"]) == ("long", "shadow", "rules.yaml", 6)
    assert row["live"] == {"enforced": 0, "shadow": 7}
    assert "exchange_log" in answer["log"]["error"] and answer["people"] is False


async def test_two_generations_differ_by_lines(here: Worked) -> None:
    """Of the history, or the disk against what is in force; lists and tests are no part of either."""
    await here.save("rules.yaml", RULES.replace("8000", "4000"))
    _, answer = await here.ask("GET", "/policies/diff?from=1&to=2")
    [one] = answer["files"]
    assert (one["path"], one["added"], one["removed"]) == ("rules.yaml", 1, 1)
    assert "+    when: request.input_tokens > 4000" in one["lines"]
    assert (await here.ask("GET", "/policies/diff"))[1]["files"] == []
    (here.folder / "rules.yaml").write_text(RULES)
    assert [one["path"] for one in (await here.ask("GET", "/policies/diff"))[1]["files"]] == ["rules.yaml"]
    assert (await here.ask("GET", "/policies/diff?from=9"))[0] == 404
    assert (await here.ask("GET", "/policies/diff?from=../../etc"))[0] == 404


async def test_a_replay_without_a_log_says_what_to_do(here: Worked) -> None:
    """The job fails with a sentence."""
    answer = await ended(here, {"files": {}})
    assert answer["state"] == "failed" and "exchange_log" in answer["error"]


async def ended(here: Worked, asked: dict[str, Any], role: Role = Role.ADMIN) -> dict[str, Any]:
    status, answer = await here.ask("POST", "/policies/replay", asked, role=role)
    assert status == 202, answer
    for _ in range(400):
        _, found = await here.ask("GET", f"/jobs/{answer['job']}", role=role)
        if found["state"] not in ("waiting", "running"):
            return dict(found)
        await asyncio.sleep(0.05)
    raise AssertionError("the job does not end")


def test_rules_in_force_are_asked_with_the_lists_of_the_folder(tmp_path: Path) -> None:
    """A whole has no lists beside its rules: what is in force is laid over the folder, and can be asked."""
    folder = lay(tmp_path)
    whole = tmp_path / "whole"
    whole.mkdir()
    for name in ("chain.yaml", "auth.yaml", "rules.yaml", "feeds.yaml"):
        (whole / name).write_bytes((folder / name).read_bytes())
    (folder / "rules.yaml").write_text("rules: 5\n")
    with Rehearsal(draft.lay(folder, draft.texts_of(whole), tmp_path / "work"), data=tmp_path) as rehearsal:
        assert [entry.name for entry in rehearsal.ruleset.entries] == ["auth", "rules"]
