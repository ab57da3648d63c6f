"""Looking at cases: pages, pictures, previews, and what is veiled from whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.campaigns.verdict import Level, Verdict
from gateway.control.access.roles import Role
from gateway.control.cases.shapes import AccountsShown, CaseShown, CasesShown, GraphShown, PreviewShown, VerdictShown
from tests.accounts.sql.case_world import AT, cluster
from tests.control.cases.conftest import BOB, Port


async def test_what_is_open_is_listed(port: Port) -> None:
    """The surest first, page by page; with counts of all states."""
    numbers = [port.tell(replace(cluster(12, name=f"c{score}"), score=float(score))) for score in (6, 12, 9)]
    status, found = await port.ask("GET", "/cases?limit=2")
    _, rest = await port.ask("GET", f"/cases?limit=2&skip={found['next']}")
    assert status == 200
    shown = CasesShown.model_validate(found).cases + CasesShown.model_validate(rest).cases
    assert [one.id for one in shown] == [numbers[1], numbers[2], numbers[0]]
    assert [one.level for one in shown] == ["challenge", "trace", "trace"]
    assert rest["next"] is None
    assert found["counts"] == {"open": 3, "approved": 0, "rejected": 0, "merged": 0, "closed": 0}


@pytest.mark.parametrize(
    ("query", "clusters"),
    [("level=challenge", ["c12"]), ("level=trace&sort=accounts", ["c9", "c6"]), ("state=approved", []),
     ("state=all&sort=opened&limit=1&skip=2", ["c6"])],
)  # fmt: skip
async def test_which_are_listed(port: Port, query: str, clusters: list[str]) -> None:
    """By state and by the level that the rules in force say; in each order."""
    for score in (6, 9, 12):
        port.tell(replace(cluster(6 + score, name=f"c{score}"), score=float(score)))
    _, found = await port.ask("GET", f"/cases?{query}")
    assert [one["cluster"] for one in found["cases"]] == clusters


@pytest.mark.parametrize("query", ["state=x", "level=high", "sort=by", "limit=0", "limit=501", "skip=-1", "nothing=1"])
async def test_a_wrong_query_is_said(port: Port, query: str) -> None:
    """One field, one sentence."""
    status, found = await port.ask("GET", f"/cases?{query}")
    assert status == 422
    assert list(found["fields"]) == [query.partition("=")[0]]


async def test_a_case_has_its_evidence_and_nobody(port: Port) -> None:
    """Evidence against its caps, marks with hashes alone, hours, models; no account is named."""
    case = port.tell(cluster())
    async with port.http.get(f"/cases/{case}", headers={"X-Who": BOB, "X-Role": "viewer"}) as answer:
        found = CaseShown.model_validate(await answer.json())
        assert answer.headers["ETag"] == f'"{found.revision}"'
        assert "acc-" not in await answer.text()
    assert {one.family: one.cap for one in found.families}["content"] == 6.0
    assert found.kinds == 3
    assert found.marks[0].sample == ["00ff" * 4, "01fe" * 4]
    assert len(found.timeline) == 72
    assert (found.members, found.level, found.most) == ({"in": 300}, "challenge", "verify")


@pytest.mark.parametrize("what", ["", "/graph", "/accounts", "/preview", "/history"])
async def test_there_is_no_such_case(port: Port, what: str) -> None:
    """Whatever stands in the place of its number."""
    for number in ("0", "99", "x", "-1", "1e3", "9" * 40, "%20", "1;2"):
        status, found = await port.ask("GET", f"/cases/{number}{what}")
        assert status == 404
        assert "error" in found


async def test_the_picture_is_the_same_each_time(port: Port) -> None:
    """Of the strongest 150, with places between 0 and 1; whoever may not see people sees numbers."""
    case = port.tell(cluster(300))
    _, first = await port.ask("GET", f"/cases/{case}/graph")
    port.tell(cluster(300, at=AT + 10.0))
    _, again = await port.ask("GET", f"/cases/{case}/graph")
    assert first == again
    graph = GraphShown.model_validate(first)
    assert (graph.accounts, graph.drawn, len(graph.nodes)) == (300, 150, 152)
    assert {one.kind for one in graph.edges} == {"content", "payment", "turns"}
    assert all(0 <= node.x <= 1 and 0 <= node.y <= 1 for node in graph.nodes)
    _, veiled = await port.ask("GET", f"/cases/{case}/graph", role=Role.VIEWER)
    assert veiled["veiled"] is True
    assert "acc-" not in str(veiled)
    assert [(one["x"], one["y"]) for one in veiled["nodes"]] == [(one.x, one.y) for one in graph.nodes]


async def test_accounts_come_page_by_page(port: Port) -> None:
    """With tier, verification and where they are known; the level is that of the verdict in force."""
    case = port.tell(cluster(30))
    verdict = Verdict("acc-00010", "c1", 11.0, (("links", 4.0), ("content", 5.0)), most=Level.VERIFY, expires=AT + 999)
    port.verdicts.say(verdict)
    port.verdicts.say(verdict._replace(account="acc-00014"))
    port.verdicts.say(verdict._replace(account="acc-00015", expires=AT))
    found: list[Any] = []
    after = ""
    while True:
        _, page = await port.ask("GET", f"/cases/{case}/accounts?limit=7&after={after}")
        found += AccountsShown.model_validate(page).accounts
        if not page["next"]:
            break
        after = page["next"]
    assert [one.account for one in found] == [f"acc-{number:05}" for number in range(30)]
    by = {one.account: one for one in found}
    assert (by["acc-00009"].known, by["acc-00009"].tier, by["acc-00009"].verification) == ("file", "pro", 2)
    assert (by["acc-00010"].tier, by["acc-00010"].verification, by["acc-00010"].level) == ("pro", 1, "trace")
    assert (by["acc-00014"].level, by["acc-00015"].level, by["acc-00016"].level) == ("challenge", None, None)
    assert by["acc-00019"].suspended
    assert by["acc-00020"].known == "token"


async def test_what_each_action_would_do(port: Port) -> None:
    """Counted by tier and verification, in one sentence each; nothing is done."""
    case = port.tell(cluster(300))
    before = port.audit()
    _, found = await port.ask("GET", f"/cases/{case}/preview", role=Role.VIEWER)
    preview = PreviewShown.model_validate(found)
    assert preview.rules.said == "challenge: 295 accounts; 5 of tier pro stay at trace"
    assert (preview.suspend.accounts, preview.suspend.verified, preview.suspend.needs_second) == (298, 1, True)
    assert preview.suspend.left_out == {
        "in accounts.yaml, which only its own file can change": 1, "suspended already": 1,
    }  # fmt: skip
    assert [(one.tier, one.accounts, one.level) for one in preview.tiers] == [
        ("default", 295, "challenge"), ("pro", 5, "trace"),
    ]  # fmt: skip
    assert port.audit() == before


async def test_rules_that_say_nothing(port: Port) -> None:
    """Where no entry speaks of clusters, or it is in shadow, the preview says that nothing happens."""
    case = port.tell(cluster(30))
    rules = port.rules[0]
    assert rules is not None
    port.rules[0] = rules._replace(shadow=True)
    _, found = await port.ask("GET", f"/cases/{case}/preview")
    assert found["rules"]["accounts"] == 0
    assert "in shadow" in found["rules"]["said"]
    port.rules[0] = None
    _, found = await port.ask("GET", f"/cases/{case}/preview")
    assert "say nothing of clusters" in found["rules"]["said"]
    _, found = await port.ask("GET", f"/cases/{case}")
    assert found["level"] is None


async def test_an_account_and_its_case(port: Port) -> None:
    """The verdict in force, and where it is judged; of one that nobody speaks of, nothing."""
    case = port.tell(cluster(30))
    port.verdicts.say(Verdict("acc-00003", "c1", 11.0, (("links", 4.0),), ("cards",), 30, expires=AT + 999, since=AT))
    _, found = await port.ask("GET", "/accounts/acc-00003/verdict")
    verdict = VerdictShown.model_validate(found)
    assert (verdict.case, verdict.score, verdict.evidence, verdict.size) == (case, 11.0, ["cards"], 30)
    _, found = await port.ask("GET", "/accounts/acc-00004/verdict")
    assert (found["case"], found["score"], found["level"]) == (case, None, None)
    _, found = await port.ask("GET", "/accounts/nobody/verdict")
    assert (found["case"], found["score"]) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"account": 1}',
        b'["acc-00003","c1","11",[],[],1,5,0,1e10,1]',
        b'["acc-00003","c1",11,[],[],1,99,0,1e10,1]',
        b'["acc-00003","c1",11,[],[],1,5,0,32503680000.0,1]',
    ],
)
async def test_a_verdict_that_nobody_can_read(port: Port, text: bytes) -> None:
    """Is none: the page shows what else is known."""
    port.verdicts.of["acc-00003"] = text
    status, found = await port.ask("GET", "/accounts/acc-00003/verdict")
    assert (status, found["score"]) == (200, None)
