"""Deciding cases: who may, on what they have seen, what becomes of it, and what is left in the audit."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.accounts.sql import accounts, cases
from gateway.campaigns.ruling import Ruled
from gateway.control.access.roles import Permission
from gateway.control.cases.decisions_api import DecisionsApi
from gateway.control.cases.looking_api import LookingApi
from gateway.control.cases.shapes import DecidedShown
from gateway.control.jobs import Jobs
from tests.accounts.sql.case_world import AT, cluster
from tests.control.cases.conftest import ANN, BOB, WHY, Port

TEMPLATE = "t" + "0f" * 8


async def test_a_hundred_and_more_take_two(port: Port) -> None:
    """One wants it, another says the same, and a job does it: all but who is elsewhere; each account is told of."""
    case = port.tell(cluster(300))
    status, found = await port.decide(case, "approve", {"action": "suspend"})
    assert (status, found["waits"], found["job"]) == (200, True, "")
    assert (found["case"]["state"], found["case"]["wanted"], found["case"]["you_were_first"]) == (
        "open",
        "suspend",
        True,
    )
    assert port.suspended() == {"acc-00019"}
    status, found = await port.decide(case, "approve", {"action": "suspend"})
    assert (status, found["error"]) == (409, f"{ANN} has said so already: a second person has to")
    status, found = await port.decide(case, "approve", {"action": "suspend"}, by=BOB)
    DecidedShown.model_validate(found)
    assert (status, found["waits"], found["case"]["state"]) == (200, False, "approved")
    assert await port.done(found["job"], BOB) == {"case": case, "did": "suspend", "accounts": 299, "of_file": 1}
    assert len(port.suspended()) == 299
    [line] = port.audit("case.approve")
    assert (line[0], line[2]["first"], line[2]["action"], line[2]["reason"]) == (BOB, ANN, "suspend", "ticket 7")
    assert len(port.audit("account.suspend")) == 299
    _, there = await port.ask("GET", f"/cases/{case}")
    assert (there["to_do"], there["members"]) == (0, {"in": 1, "suspended": 299})


async def test_a_suspension_is_undone(port: Port) -> None:
    """By a job, for all but who was suspended for something else; the case is open again."""
    case = port.tell(cluster(30))
    _, found = await port.decide(case, "approve", {"action": "suspend"})
    await port.done(found["job"])
    status, found = await port.decide(case, "undo", by=BOB)
    assert (status, found["case"]["state"]) == (200, "open")
    assert (await port.done(found["job"], BOB))["accounts"] == 29
    assert port.suspended() == {"acc-00019"}
    status, found = await port.decide(case, "undo")
    assert status == 409


async def test_what_was_ended_goes_on(port: Port) -> None:
    """A job that was cancelled, or for which there was no turn, is gone on with; nothing is done twice."""
    case = port.tell(cluster(30))
    full = Jobs(port.clock, waiting=0)
    kept, port.jobs.start = port.jobs.start, full.start  # type: ignore[method-assign]
    status, found = await port.decide(case, "approve", {"action": "suspend"})
    assert (status, found["job"], found["case"]["to_do"]) == (200, "", 29)
    status, _ = await port.ask("POST", f"/cases/{case}/carry-out")
    assert status == 429
    port.jobs.start = kept  # type: ignore[method-assign]
    status, found = await port.ask("POST", f"/cases/{case}/carry-out")
    assert status == 202
    assert (await port.done(found["job"]))["accounts"] == 29
    assert len(port.audit("account.suspend")) == 29, "and one was suspended before"


async def test_who_joined_later_is_not_meant(port: Port) -> None:
    """A decision is on what its author has seen."""
    case = port.tell(cluster(30))
    port.tell(cluster(40, at=AT + 10.0))
    _, found = await port.decide(case, "approve", {"action": "suspend", "seen": AT})
    assert (await port.done(found["job"]))["accounts"] == 29


async def test_to_verify_lets_accounts_fall(port: Port) -> None:
    """Nobody is suspended."""
    case = port.tell(cluster(30))
    _, found = await port.decide(case, "approve", {"action": "verify"})
    assert (await port.done(found["job"]))["accounts"] == 29
    assert len(port.audit("fall.add")) == 29
    assert port.suspended() == {"acc-00019"}


async def test_rejected_evidence_is_learned(port: Port) -> None:
    """The marks that were named, for as long as was said."""
    case = port.tell(cluster(300))
    status, found = await port.decide(case, "reject", {"marks": [TEMPLATE], "days": 30})
    assert (status, found["case"]["state"]) == (200, "rejected")
    [ruling] = port.database.read(lambda it: cases.rulings_after(it, 0))
    assert (ruling.ruled, ruling.marks, ruling.until) == (Ruled.REJECTED, (TEMPLATE,), port.clock.at + 30 * 86_400.0)
    [line] = port.audit("case.reject")
    assert line[2]["marks"] == [TEMPLATE]


async def test_split_merge_reopen_note(port: Port) -> None:
    """Each leaves its line, and the history tells them in words, the newest first."""
    case, other = port.tell(cluster(30)), port.tell(cluster(20, name="c2", first=50))
    await port.decide(case, "split", {"accounts": ["acc-00003"]})
    status, found = await port.decide(case, "merge", {"other": other})
    assert (status, found["case"]["accounts"]) == (200, 49)
    await port.decide(case, "reject")
    status, found = await port.decide(case, "reopen")
    assert (status, found["case"]["state"]) == (200, "open")
    status, _ = await port.ask("POST", f"/cases/{case}/notes", {"text": "asked the reseller\nno answer yet"})
    assert status == 201
    _, found = await port.ask("GET", f"/cases/{case}/history")
    assert {one["did"] for one in found["lines"]} == {
        "note", "case.open", "case.split", "case.merge", "case.reject", "case.reopen",
    }  # fmt: skip
    said = {one["did"]: one["words"] for one in found["lines"]}
    assert said["case.split"] == "1 accounts taken out: acc-00003: ticket 7"
    assert said["case.merge"] == f"took in case {other}: ticket 7"
    assert said["note"] == "asked the reseller\nno answer yet"


@pytest.mark.parametrize(
    ("what", "content", "status", "field"),
    [
        pytest.param("approve", {"action": "ban"}, 422, "action", id="an action that there is not"),
        pytest.param("approve", {"reason": " "}, 422, "reason", id="no reason"),
        pytest.param("approve", {"reason": "x" * 257}, 422, "reason", id="a huge reason"),
        pytest.param("approve", {"seen": -1}, 422, "seen", id="seen before the epoch"),
        pytest.param("reject", {"marks": ["t" + "aa" * 8]}, 422, "marks", id="a mark of another case"),
        pytest.param("reject", {"marks": [7]}, 422, "marks.0", id="a mark that is none"),
        pytest.param("reject", {"days": 4000}, 422, "days", id="for too long"),
        pytest.param("split", {"accounts": []}, 422, "accounts", id="nobody is taken out"),
        pytest.param("split", {"accounts": ["acc-00400"]}, 422, "accounts", id="an account of another case"),
        pytest.param("split", {"accounts": ["<script>alert(1)</script>"]}, 422, "accounts", id="markup as an account"),
        pytest.param("split", {"accounts": ["acc-00001"] * 5001}, 422, "accounts", id="too many at once"),
        pytest.param("merge", {"other": 99}, 404, "", id="into it, one that is not there"),
        pytest.param("merge", {"other": 1}, 422, "other", id="into itself"),
        pytest.param("merge", {"other": "1"}, 422, "other", id="a number as text"),
        pytest.param("reopen", {}, 409, "", id="what is open"),
        pytest.param("undo", {}, 409, "", id="what was never done"),
        pytest.param("notes", {"text": "x" * 4001}, 422, "text", id="a huge note"),
        pytest.param("notes", {"text": "\x1b[2J"}, 422, "text", id="a note that steers a terminal"),
        pytest.param("notes", {"text": "a\u202eb"}, 422, "text", id="a note that is read backwards"),
        pytest.param("notes", {"text": ""}, 422, "text", id="an empty note"),
        pytest.param("carry-out", None, 409, "", id="what was never decided"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said(port: Port, what: str, content: Any, status: int, field: str) -> None:
    """In one clear error, and nothing is done."""
    case = port.tell(cluster(30))
    before = port.audit()
    stated = content if what in ("notes", "carry-out") else WHY | content
    answered, found = await port.ask("POST", f"/cases/{case}/{what}", stated, match=1)
    assert answered == status
    assert [name for name in found.get("fields", {}) if name.startswith(field)] if field else "error" in found
    assert port.audit() == before
    assert not port.database.read(lambda it: cases.rulings_after(it, 0))


@pytest.mark.parametrize("what", ["approve", "reject", "split", "merge", "reopen", "undo"])
async def test_nobody_decides_over_anothers_head(port: Port, what: str) -> None:
    """Without the revision that was seen, or with an older one, nothing is decided; what it is now comes along."""
    case = port.tell(cluster(30))
    stated: dict[str, dict[str, Any]] = {"split": {"accounts": ["acc-00001"]}, "merge": {"other": 9}}
    content = WHY | stated.get(what, {})
    status, _ = await port.ask("POST", f"/cases/{case}/{what}", content)
    assert status == 428
    status, found = await port.ask("POST", f"/cases/{case}/{what}", content, match=7)
    assert (status, found["current"]["id"], found["current"]["state"]) == (412, case, "open")


async def test_the_detectors_news_are_no_decision(port: Port) -> None:
    """Who looks at a case that grows meanwhile can still decide it."""
    case = port.tell(cluster(30))
    port.tell(cluster(31, at=AT + 10.0))
    status, _ = await port.ask("POST", f"/cases/{case}/approve", WHY | {"action": "rules"}, match=1)
    assert status == 200


async def test_what_is_decided_stays_so(port: Port) -> None:
    """Until somebody reopens it."""
    case = port.tell(cluster(30))
    await port.decide(case, "approve")
    for what in ("approve", "reject"):
        status, found = await port.decide(case, what)
        assert (status, found["error"]) == (409, "it is approved already: reopen it to decide once more")


async def test_an_owner_can_appeal(port: Port) -> None:
    """What a case suspended is over by the directory's own way: restored by somebody, the undoing leaves it alone."""
    case = port.tell(cluster(30))
    _, found = await port.decide(case, "approve", {"action": "suspend"})
    await port.done(found["job"])
    port.database.write("token:desk", lambda writing: accounts.restore(writing, "acc-00003", "appeal 1"))
    port.database.write("token:desk", lambda writing: accounts.suspend(writing, "acc-00004", "chargeback"))
    _, found = await port.decide(case, "undo")
    await port.done(found["job"])
    assert port.suspended() == {"acc-00019", "acc-00004"}


def test_deciding_is_for_who_judges() -> None:
    """Every change needs the permission of the review desk; looking at accounts that to see people."""
    nothing: Any = None
    assert {one.needs for one in DecisionsApi(nothing).operations()} == {Permission.JUDGE}
    assert {one.path for one in LookingApi(nothing).operations() if one.needs is Permission.PEOPLE} == {
        "/cases/{id}/accounts", "/cases/{id}/history", "/accounts/{id}/verdict",
    }  # fmt: skip
