"""The admin API's reviews and inbox: people decide, on a real SQLite file, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.ladder import Ladder
from gateway.accounts.sql import accounts, standing, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database, Writing
from gateway.control.access.border import border
from gateway.control.access.roles import Permission, Role
from gateway.control.operations import OPERATOR, Operator
from gateway.control.reviews_api import ReviewsApi
from gateway.control.reviews_shown import CaseShown, CasesShown, InboxShown, LetterShown
from gateway.testing import Clock
from gateway.verification import review
from gateway.verification.desk import Desk
from gateway.verification.inbox import Inbox
from gateway.verification.provider import State
from gateway.verification.review import Manual
from tests import schema
from tests.verification.fakes import ACCOUNT, LADDER, PROVIDER, event

NOW = 1_800_000_000.0
ANN, BOB = "token:ann", "token:bob"
PEOPLE = Manual("people", {"document", "registry"})
STATEMENT = "It was <b>my</b> card."


@dataclass
class Port:
    http: TestClient[web.Request, web.Application]
    database: Database
    clock: Clock

    async def ask(
        self, method: str, path: str, content: Any = None, *, by: str = ANN, actor: str = ""
    ) -> tuple[int, dict[str, Any]]:
        fields = {"X-Who": by} | ({"X-Tidegate-Actor": actor} if actor else {})
        async with self.http.request(method, path, json=content, headers=fields) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.json()

    async def decide(self, number: int, decision: str = "approve", **who: str) -> tuple[int, dict[str, Any]]:
        return await self.ask("POST", f"/reviews/{number}/decide", {"decision": decision, "reason": "seen"}, **who)

    def audit(self) -> list[tuple[str, str, dict[str, Any]]]:
        rows = self.database.read(lambda connection: connection.execute(tables.audit.select()).all())
        return [(row.who, row.did, orjson.loads(row.detail)) for row in rows]

    def appeal(self, account: str = ACCOUNT) -> int:
        """Of an account that has fallen."""

        def work(writing: Writing) -> int:
            standing.add_fall(writing, account, "chargeback")
            return review.open_review(writing, account, review.APPEAL, statement=STATEMENT)

        return self.database.write("owner", work)

    async def case(self, *kinds: str) -> int:
        ladder = Ladder(LADDER.rungs, dict.fromkeys(kinds, LADDER.proofs["registry"]))
        await Desk(self.database, {"people": PEOPLE}, lambda: ladder, self.clock).begin(ACCOUNT, "", kinds)
        return self.database.read(review.open_reviews)[-1].id


@web.middleware
async def _stated(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """As the guard: who a credential proved."""
    request[OPERATOR] = Operator(request.headers["X-Who"], Role.ANALYST)
    return await handler(request)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    clock = Clock(at=NOW)
    database = Database("sqlite:///directory.db", clock, tmp_path)
    schema.lay(database)
    database.write("cli:ann", lambda writing: accounts.create(writing, NewAccount(ACCOUNT)))
    app = web.Application(middlewares=[border, _stated])
    for one in ReviewsApi(database, lambda: LADDER).operations():
        app.router.add_route(one.method, one.path, one.handler)
    http = TestClient(TestServer(app))
    await http.start_server()
    yield Port(http, database, clock)
    await http.close()
    database.close()


def test_who_judges_alone_may_use_it(tmp_path: Path) -> None:
    """Reviews and letters are about people."""
    database = Database("sqlite:///directory.db", Clock(), tmp_path)

    assert {one.needs for one in ReviewsApi(database, lambda: None).operations()} == {Permission.JUDGE}

    database.close()


async def test_what_waits_is_listed_the_oldest_first(port: Port) -> None:
    """Without what owners have written; page by page."""
    numbers = [port.appeal() for _ in range(3)]

    status, found = await port.ask("GET", "/reviews?limit=2")
    _, rest = await port.ask("GET", f"/reviews?limit=2&after={found['next']}")

    assert status == 200
    shown = [one["number"] for one in CasesShown.model_validate(found).model_dump()["reviews"] + rest["reviews"]]
    assert (shown, rest["next"]) == (numbers, None)
    assert found["counts"] == {"open": 3, "seconded": 0, "approved": 0, "declined": 0}
    assert "card" not in str(found)


async def test_what_was_decided_is_listed_the_newest_first(port: Port) -> None:
    """And no longer waits."""
    numbers = [port.appeal() for _ in range(3)]
    for number in numbers:
        await port.decide(number, "decline")

    found = [(await port.ask("GET", f"/reviews?state={one}"))[1]["reviews"] for one in ("pending", "decided", "all")]

    assert [[one["number"] for one in each] for each in found] == [[], numbers[::-1], numbers[::-1]]
    _, page = await port.ask("GET", f"/reviews?state=decided&limit=1&after={numbers[2]}")
    assert [one["number"] for one in page["reviews"]] == [numbers[1]]


async def test_a_case_says_what_an_approval_leads_to(port: Port) -> None:
    """With the statement as it was written, and what it clears."""
    _, found = await port.ask("GET", f"/reviews/{port.appeal()}")

    shown = CaseShown.model_validate(found)
    assert (shown.statement, shown.clears, shown.gives, shown.needs_second) == (STATEMENT, ["chargeback"], [], False)
    assert (shown.you, shown.you_were_first, shown.opened) == (ANN, False, NOW)


async def test_a_case_says_what_the_provider_said(port: Port) -> None:
    """Its session and its letters, and nothing of anybody's documents."""
    number = await port.case("document")

    _, found = await port.ask("GET", f"/reviews/{number}")

    verification = CaseShown.model_validate(found).verification
    assert verification is not None
    assert (verification.provider, verification.state, found["gives"]) == ("people", "review", ["document"])
    inbox = Inbox(port.database, port.clock)
    await inbox.store(event(State.REVIEW, NOW, name="e1")._replace(reference=verification.reference), "people", b"x")
    await inbox.store(event(State.REVIEW, NOW, name="e2")._replace(reference=verification.reference), PROVIDER, b"x")
    _, found = await port.ask("GET", f"/reviews/{number}")
    assert [one["event"] for one in found["verification"]["letters"]] == ["e1"]


async def test_a_decision_stands_with_who_and_why(port: Port) -> None:
    """In the case and in the audit; what follows has followed."""
    number = port.appeal()

    status, done = await port.decide(number, actor="carol")

    assert (status, done["state"], done["first"], done["reason"]) == (200, "approved", ANN, "seen")
    decided = [line for line in port.audit() if line[1] == "review.decide"]
    assert decided == [("token:ann:carol", "review.decide", {"review": number, "state": "approved", "reason": "seen"})]
    assert "fall.clear" in [did for _, did, _ in port.audit()]
    status, said = await port.decide(number, "decline", by=BOB)
    assert (status, said) == (409, {"error": "it is approved already"})


@pytest.mark.parametrize("actor", ["", "bob", "token:bob"], ids=["none", "another", "like-a-token"])
async def test_the_top_needs_two_credentials(port: Port, actor: str) -> None:
    """A name that the same bearer states beside it makes no second person."""
    number = await port.case("registry")

    _, first = await port.ask("GET", f"/reviews/{number}")
    _, seconded = await port.decide(number)
    status, said = await port.decide(number, actor=actor)

    assert (first["needs_second"], seconded["state"], seconded["you_were_first"]) == (True, "seconded", True)
    assert (status, said["error"]) == (409, f"{ANN} has approved it already: a second person has to")
    _, other = await port.ask("GET", f"/reviews/{number}", by=BOB)
    assert other["you_were_first"] is False
    status, done = await port.decide(number, by=BOB)
    assert (status, done["state"], done["first"], done["second"]) == (200, "approved", ANN, BOB)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"decision": "approve"}, "reason"),
        ({"decision": "approve", "reason": " "}, "reason"),
        ({"decision": "maybe", "reason": "x"}, "decision"),
        ({"decision": "approve", "reason": "a\nb"}, "reason"),
        ({"decision": "approve", "reason": "x" * 257}, "reason"),
        ({"decision": "approve", "reason": "x", "by": "token:bob"}, "by"),
        ([], ""),
    ],
    ids=["no-reason", "blank", "no-decision", "two-lines", "long", "somebody-else", "no-object"],
)
async def test_what_is_wrong_is_said_by_field(port: Port, content: object, field: str) -> None:
    """And nothing is decided."""
    number = port.appeal()

    status, said = await port.ask("POST", f"/reviews/{number}/decide", content)

    assert (status, list(said["fields"])) == (422, [field])
    assert (await port.ask("GET", f"/reviews/{number}"))[1]["state"] == "open"


@pytest.mark.parametrize("number", ["7", "0", "-1", "x", "9" * 40, "%F0%9F%8C%8A", "%D9%A3"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/reviews/{}"), ("POST", "/reviews/{}/decide"), ("POST", "/inbox/{}/retry")]
)
async def test_what_is_not_there(port: Port, method: str, path: str, number: str) -> None:
    """404, whatever stands for a number."""
    content = {"decision": "approve", "reason": "x"} if method == "POST" else None

    status, said = await port.ask(method, path.format(number), content)

    assert (status, list(said)) == (404, ["error"])


@pytest.mark.parametrize(
    "query", ["/reviews?state=x", "/reviews?limit=0", "/reviews?limit=x", "/reviews?after=-1", "/inbox?state=x"]
)
async def test_a_query_is_checked(port: Port, query: str) -> None:
    """What is unknown finds nothing by chance."""
    assert (await port.ask("GET", query))[0] == 422


async def test_letters_are_listed_and_tried_again(port: Port) -> None:
    """What was not understood is not kept, so it cannot be."""
    box = Inbox(port.database, port.clock)
    await box.store(event(State.APPROVED, NOW, name="evt_1"), PROVIDER, b"d")
    await box.keep_unreadable(PROVIDER, b"e")
    port.database.write("clerk", _bury)

    _, dead = await port.ask("GET", "/inbox?state=dead")
    status, again = await port.ask("POST", "/inbox/1/retry", actor="carol")

    InboxShown.model_validate(dead)
    assert [(one["number"], one["state"]) for one in dead["letters"]] == [(2, "dead"), (1, "dead")]
    assert dead["counts"] == {"waiting": 0, "dead": 2}
    assert (status, LetterShown.model_validate(again).state, again["due"]) == (200, "waiting", NOW)
    assert port.audit()[-1][:2] == ("token:ann:carol", "inbox.retry")
    status, said = await port.ask("POST", "/inbox/2/retry")
    assert (status, "send it again" in said["error"]) == (409, True)
    _, waiting = await port.ask("GET", f"/inbox?state=waiting&provider={PROVIDER}&limit=1")
    assert [one["number"] for one in waiting["letters"]] == [1]


def _bury(writing: Writing) -> None:
    table = tables.inbox
    writing.connection.execute(table.update().where(table.c.id == 1).values(due=None, dead=NOW, outcome="gone"))


async def test_a_directory_that_is_away_is_said(port: Port) -> None:
    """503, and no stack of ours."""
    port.database.write("x", lambda writing: tables.inbox.drop(writing.connection))

    status, said = await port.ask("GET", "/inbox")

    assert (status, said) == (503, {"error": "the directory cannot be asked just now: try again"})
