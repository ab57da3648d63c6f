"""The admin port's challenges: who is held, and how a person ends it. On a real Valkey, over real HTTP."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from gateway.accounts.sql import tables
from gateway.accounts.sql.database import Database
from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.ladder import Asked, Event, Ladder, Lifted, Open, Passed, Step, Weighed
from gateway.challenges.terms import Terms
from gateway.control import admin
from gateway.control.access.access import Access
from gateway.control.challenges_admin import ChallengesApi
from gateway.stores.redis.client import client
from gateway.testing import Clock
from tests import schema
from tests.stores.conftest import valkey_url

__all__ = ["valkey_url"]

TOKEN: Final = "sixteen bytes at least"
BEARER: Final = {"Authorization": f"Bearer {TOKEN}"}
LADDER: Final = Ladder({Step.SLOW: 20.0, Step.WORK: 40.0, Step.CAPTCHA: 60.0})
NOW: Final = 1_800_000_000.0
NOBODY: Final = "redis://127.0.0.1:1"
WHY: Final = {"reason": "ticket 7"}
_count = itertools.count()


@dataclass
class Port:
    """A client of the port, what is behind it, and an account that no other test has."""

    http: TestClient[web.Request, web.Application]
    escalations: RedisEscalations
    database: Database
    account: str

    async def ask(self, method: str, path: str, content: Any = None, /, **fields: str) -> tuple[int, dict[str, Any]]:
        headers = BEARER | {name.replace("_", "-"): value for name, value in fields.items()}
        async with self.http.request(method, URL(path, encoded=True), json=content, headers=headers) as answer:
            return answer.status, await answer.json()

    async def hold(self, *events: Event, rule: str = "captcha/main") -> None:
        """As a worker would."""
        await self.escalations.change(rule, self.account, LADDER, *events)

    def audit(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        rows = self.database.read(lambda connection: connection.execute(tables.audit.select()).all())
        return [(row.who, row.did, row.subject, orjson.loads(row.detail)) for row in rows]


def terms(rule: str) -> Terms | None:
    return Terms(LADDER, {}, ("altcha",), 10, 86_400.0) if rule == "captcha/main" else None


async def opened(folder: Path, url: str) -> AsyncIterator[Port]:
    clock = Clock(at=NOW)
    database = Database("sqlite:///directory.db", clock, folder)
    schema.lay(database)
    redis = client(url)
    escalations = RedisEscalations(redis, clock, deadline=2.0)
    api = ChallengesApi(redis, escalations, database, lambda: terms, clock)
    access = Access(token=TOKEN, database=database, secrets=None, now=clock)
    http = TestClient(TestServer(admin.application(api.operations(), access)))
    await http.start_server()
    yield Port(http, escalations, database, f"acme-{next(_count)}")
    await http.close()
    await redis.aclose()
    database.close()


@pytest.fixture
async def port(tmp_path: Path, valkey_url: str) -> AsyncIterator[Port]:
    async for one in opened(tmp_path, valkey_url):
        yield one


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[Port]:
    """Without Redis."""
    async for one in opened(tmp_path, NOBODY):
        yield one


def put(step: Step) -> Asked:
    return Asked(Open("c1", step, "", "asn=64496", NOW, NOW + 900))


async def test_who_is_held_is_listed(port: Port) -> None:
    """From the step that is asked for, so many, and how many there are."""
    await port.hold(Weighed(70.0), put(Step.CAPTCHA))

    status, found = await port.ask("GET", "/challenges?limit=1000")
    (one,) = [one for one in found["challenges"] if one["account"] == port.account]
    assert status == 200
    assert (one["rule"], one["step"], one["suspicion"], one["since"]) == (
        "captcha/main", "captcha", 70.0, "2027-01-15T08:00:00Z",
    )  # fmt: skip
    assert [challenge["from"] for challenge in one["open"]] == ["asn=64496"]
    _, none = await port.ask("GET", "/challenges?step=review")
    assert none == {"challenges": [], "there": 0}


async def test_no_name_of_an_account_hides_the_others(port: Port) -> None:
    """A token may name one with half of a surrogate pair: JSON can write it."""
    await port.hold(Weighed(70.0))
    await port.escalations.change("captcha/main", f"{port.account}\udc00", LADDER, Weighed(70.0))

    status, found = await port.ask("GET", "/challenges?limit=1000")
    assert status == 200
    assert {port.account, f"{port.account}\udc00"} <= {one["account"] for one in found["challenges"]}
    await port.escalations.change("captcha/main", f"{port.account}\udc00", LADDER, Lifted(Step.OBSERVE))


async def test_one_is_shown(port: Port) -> None:
    """With what it has passed; 404 where nothing is held."""
    await port.hold(Weighed(45.0), put(Step.WORK))
    await port.hold(Passed("c1", 3600.0, 200))

    status, found = await port.ask("GET", f"/challenges/{port.account}")

    assert status == 200
    (clearance,) = found["challenges"][0]["clearances"]
    assert (clearance["step"], clearance["exchanges"], clearance["left"]) == ("work", 200, 200)
    assert clearance["expires"] == "2027-01-15T09:00:00Z"
    assert await port.ask("GET", "/challenges/nobody") == (404, {"error": "nothing is held of `nobody`"})


async def test_a_person_lifts(port: Port) -> None:
    """What is held is gone in the fleet, and the audit says who decided it, and why."""
    await port.hold(Weighed(70.0), put(Step.CAPTCHA))
    await port.hold(Weighed(70.0), rule="second/main")
    path = f"/challenges/{port.account}/lift"

    status, found = await port.ask(
        "POST", path, WHY | {"rule": "captcha/main", "to": "slow"}, X_Tidegate_Actor="support-bot"
    )
    assert (status, found["lifted"]) == (200, ["captcha/main"])
    assert {one["rule"]: one["step"] for one in found["challenges"]} == {
        "captcha/main": "slow", "second/main": "captcha",
    }  # fmt: skip

    status, found = await port.ask("POST", path, WHY)
    assert (status, sorted(found["lifted"]), found["challenges"]) == (200, ["captcha/main", "second/main"], [])
    first, second = port.audit()
    assert first == (
        "admin_token:support-bot", "challenge.lift", port.account,
        {"rules": ["captcha/main"], "to": "slow", "reason": "ticket 7"},
    )  # fmt: skip
    assert (second[0], second[3]["to"]) == ("admin_token", "observe")


@pytest.mark.parametrize(
    ("method", "path", "content", "fields"),
    [
        ("GET", "/challenges?step=high", None, {"step"}),
        ("GET", "/challenges?limit=many", None, {"limit"}),
        ("GET", "/challenges?after=a", None, {"after"}),
        ("POST", "/challenges/a/lift", {}, {"reason"}),
        ("POST", "/challenges/a/lift", WHY | {"to": "review"}, {"to"}),
        ("POST", "/challenges/a/lift", WHY | {"rule": "main"}, {"rule"}),
        ("POST", "/challenges/a/lift", WHY | {"tier": "pro"}, {"tier"}),
    ],
    ids=["step", "limit", "unknown", "no-reason", "to-review", "no-rule", "other"],
)
async def test_what_is_asked_wrongly_is_said(
    port: Port, method: str, path: str, content: Any, fields: set[str]
) -> None:
    """422, each wrong field with what is wrong with it; nothing is changed."""
    status, said = await port.ask(method, path, content)

    assert (status, set(said["fields"])) == (422, fields)
    assert port.audit() == []


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [("GET", "/challenges", None), ("GET", "/challenges/a", None), ("POST", "/challenges/a/lift", WHY)],
    ids=["list", "show", "lift"],
)
async def test_without_redis_nobody_knows(away: Port, method: str, path: str, content: Any) -> None:
    """503, which is no 404: nobody takes an outage for an account of which nothing is held."""
    status, said = await away.ask(method, path, content)

    assert status == 503
    assert "Redis" in said["error"]
    assert away.audit() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/challenges"), ("GET", "/challenges/a"), ("POST", "/challenges/a/lift")],
    ids=["list", "show", "lift"],
)
@pytest.mark.parametrize("stated", ["", "Bearer other"], ids=["none", "wrong"])
async def test_the_token_is_needed(port: Port, method: str, path: str, stated: str) -> None:
    """Also by who only looks: it is about people."""
    async with port.http.request(method, path, headers={"Authorization": stated} if stated else {}) as answer:
        assert answer.status in {401, 403}
