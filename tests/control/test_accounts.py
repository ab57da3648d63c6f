"""The admin port's accounts: how other systems feed the directory. Against a real SQLite file, over real HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from gateway.accounts import one_time
from gateway.accounts.keys import digest
from gateway.accounts.ladder import IdentityLimit, Ladder, Rung
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import keys, tables, visits
from gateway.accounts.sql.database import Change, Database
from gateway.control import admin
from gateway.control.access.access import Access
from gateway.control.account_shown import when
from gateway.control.accounts import AccountsApi
from tests import schema
from tests.control.fakes import World, world

TOKEN: Final = "sixteen bytes at least"
BEARER: Final = {"Authorization": f"Bearer {TOKEN}"}
SECRETS: Final = Secrets({"s1": b"0123456789abcdef" * 2})
LADDER: Final = Ladder((Rung("free"), Rung("known", frozenset({"email"})), Rung("pro", frozenset({"email", "phone"}))))
LIMITS: Final = {"payment": IdentityLimit(1, 90 * 86400.0)}
WHY: Final = {"reason": "ticket 7"}


@dataclass
class Port:
    """A client of the port, and what is behind it."""

    http: TestClient[web.Request, web.Application]
    database: Database
    clock: list[float]
    heard: list[Change]
    live: World

    async def ask(self, method: str, path: str, content: Any = None, /, **fields: str) -> tuple[int, dict[str, Any]]:
        headers = BEARER | {name.replace("_", "-"): value for name, value in fields.items()}
        async with self.http.request(method, URL(path, encoded=True), json=content, headers=headers) as answer:
            return answer.status, await answer.json()

    def audit(self, subject: str) -> list[tuple[str, str]]:
        rows = self.database.read(
            lambda connection: connection.execute(
                tables.audit.select().where(tables.audit.c.subject == subject).order_by(tables.audit.c.id)
            ).all()
        )
        return [(row.who, row.did) for row in rows]


async def opened(folder: Path, token: str) -> Port:
    clock, heard = [1_800_000_000.0], list[Change]()
    database = Database("sqlite:///directory.db", lambda: clock[0], folder, heard.append)
    schema.lay(database)
    live = world(folder)
    api = AccountsApi(
        database, SECRETS, lambda: LADDER, lambda: LIMITS, lambda token: f"https://api.example.com/open#{token}"
    )
    access = Access(token=token, database=database, secrets=SECRETS, now=lambda: clock[0])
    client = TestClient(TestServer(admin.application(api.operations(), access)))
    await client.start_server()
    return Port(client, database, clock, heard, live)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    made = await opened(tmp_path, TOKEN)
    yield made
    await made.http.close()
    made.database.close()


@pytest.fixture
async def acme(port: Port) -> Port:
    """With one account."""
    assert (await port.ask("POST", "/accounts", {"id": "acme"}))[0] == 201
    return port


async def test_an_account_is_made_with_its_first_key(port: Port) -> None:
    """One call of a sign-up system; the key is in that answer and nowhere else."""
    asked = {
        "id": "acme", "organisation": "acme-inc", "name": "Acme", "email_domain": "acme.example",
        "signup_country": "NO", "created": "2026-11-01T00:00:00Z",
        "key": {"name": "production", "models": ["m-large"], "features": ["tools"]},
    }  # fmt: skip

    status, made = await port.ask("POST", "/accounts", asked)

    assert status == 201
    _, again = await port.ask("GET", "/accounts/acme")
    assert {name: value for name, value in made.items() if name not in {"key", "prefix"}} == again
    (kept,) = again["keys"]
    assert (kept["prefix"], kept["state"], kept["models"], kept["features"]) == (
        made["prefix"], "active", ["m-large"], ["tools"],
    )  # fmt: skip
    assert again["created"] == "2026-11-01T00:00:00Z"
    assert made["key"] not in str(again)
    stored = port.database.read(lambda connection: connection.execute(tables.keys.select()).one())
    assert stored.digest == digest(SECRETS.key(keys.PEPPER), made["key"].encode())
    assert port.heard == [Change(1, ("acme",))]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/accounts"), ("GET", "/accounts/acme"), ("GET", "/%61ccounts/acme"),
     ("GET", "/accounts/acme/audit"), ("GET", "/accounts/acme/keys"), ("POST", "/accounts"), ("DELETE", "/keys/k")],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}], ids=["none", "wrong"])
async def test_looking_needs_the_token_as_well(acme: Port, method: str, path: str, headers: dict[str, str]) -> None:
    """It is about people: whoever reaches the port sees rules and metrics, and no account."""
    async with acme.http.request(method, URL(path, encoded=True), headers=headers) as answer:
        assert answer.status == 401
        assert "acme" not in await answer.text()


async def test_without_a_token_there_are_no_accounts(tmp_path: Path) -> None:
    """A gateway that has none shows none."""
    port = await opened(tmp_path, "")
    async with port.http.get("/accounts", headers=BEARER) as answer:
        assert answer.status == 401
    await port.http.close()
    port.database.close()


@pytest.mark.parametrize(
    ("method", "path", "content", "fields"),
    [
        pytest.param(
            "POST", "/accounts",
            {"id": "a b", "tier": "Pro!", "organisation": "{}", "signup_country": "norway", "email_domain": "a@b",
             "name": "x\u001b[2J", "nmae": "x", "created": "2026-11-01", "key": {"features": ["flying"], "expires": 5}},
            {"id", "tier", "organisation", "signup_country", "email_domain", "name", "nmae", "created",
             "key.features.0", "key.expires"},
            id="account",
        ),
        pytest.param("POST", "/accounts", {}, {"id"}, id="no-id"),
        pytest.param("POST", "/accounts", [], {""}, id="a-list"),
        pytest.param("PATCH", "/accounts/acme", {"reason": "x"}, {""}, id="nowhere"),
        pytest.param("PATCH", "/accounts/acme", {"tier": "pro"}, {"reason"}, id="no-reason"),
        pytest.param("PATCH", "/accounts/acme", {"tier": "", "lasts": "7d", "reason": "x"}, {""}, id="no-tier-lasts"),
        pytest.param("PATCH", "/accounts/acme", {"tier": "pro", "lasts": 7, "reason": "x"}, {"lasts"}, id="no-unit"),
        pytest.param("POST", "/accounts/acme/suspend", {"reason": "  "}, {"reason"}, id="blank-reason"),
        pytest.param("POST", "/accounts/acme/evidence", {"kind": "passport"}, {"kind", "reason"}, id="evidence"),
        pytest.param(
            "POST", "/accounts/acme/evidence", {"kind": "email", "reference": "a@b.example", "reason": "x"},
            {"reference"}, id="an-address-as-reference",
        ),
        pytest.param("POST", "/accounts/acme/falls/tripped", {"lasts": "0s"}, {"fall", "lasts"}, id="fall"),
        pytest.param(
            "POST", "/accounts/acme/links", {"links": [{"kind": "e-mail", "value": ""}, {"kind": "phone"}]},
            {"links.0.kind", "links.0.value", "links.1.value"}, id="links",
        ),
        pytest.param("POST", "/accounts/acme/link", {"lasts": "30d"}, {"lasts"}, id="too-long-a-link"),
        pytest.param("GET", "/accounts?tier=X&limit=0&suspended=maybe&x=1", None, {"tier", "limit", "suspended", "x"},
                     id="page"),
        pytest.param("POST", "/accounts/%20/evidence", {"kind": "email", "reason": "x"}, {"id"}, id="id-in-the-path"),
    ],
)  # fmt: skip
async def test_every_wrong_field_is_named_at_once(
    acme: Port, method: str, path: str, content: Any, fields: set[str]
) -> None:
    """422, and nothing is changed."""
    before = acme.audit("acme")

    status, said = await acme.ask(method, path, content)

    assert (status, set(said["fields"])) == (422, fields)
    assert all(text and "Input" not in text for text in said["fields"].values())
    assert acme.audit("acme") == before


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("GET", "/accounts/nobody", None),
        ("GET", "/accounts/nobody/keys", None),
        ("GET", "/accounts/nobody/audit", None),
        ("PATCH", "/accounts/nobody", {"tier": "pro", "reason": "x"}),
        ("PATCH", "/accounts/nobody", {"tier": "pro", "lasts": "1d", "reason": "x"}),
        ("POST", "/accounts/nobody/suspend", WHY),
        ("POST", "/accounts/nobody/restore", WHY),
        ("POST", "/accounts/nobody/keys", {}),
        ("POST", "/accounts/nobody/link", {}),
        ("DELETE", "/accounts/acme/evidence/email", WHY),
        ("DELETE", "/accounts/acme/falls/analyst", WHY),
        ("DELETE", "/keys/abcdefghij", WHY),
        ("POST", "/keys/abcdefghij/rotate", {}),
    ],
)
async def test_what_there_is_not_is_404(acme: Port, method: str, path: str, content: Any) -> None:
    """With a sentence that says what is not there."""
    status, said = await acme.ask(method, path, content)

    assert (status, list(said)) == (404, ["error"])


async def test_the_same_account_twice_is_409(acme: Port) -> None:
    """A sign-up that is tried again hurts nobody."""
    assert (await acme.ask("POST", "/accounts", {"id": "acme", "key": {}}))[0] == 409
    assert (await acme.ask("GET", "/accounts/acme"))[1]["keys"] == []


async def test_what_is_no_json_is_422(acme: Port) -> None:
    """It is said, and nothing breaks."""
    async with acme.http.post("/accounts", data=b"{", headers=BEARER) as answer:
        assert (answer.status, (await answer.json())["fields"]) == (422, {"": "the content must be JSON"})


async def test_nothing_was_obtained_in_the_future(port: Port) -> None:
    """It would never end, and hide what is shown later: it counts from now."""
    future = {"kind": "email", "obtained": "9999-01-01T00:00:00Z", "reason": "a clock that is wrong"}

    _, said = await port.ask("POST", "/accounts/jwt-1/evidence", future)

    assert said["evidence"][0]["obtained"] == when(port.database.now())


async def test_evidence_moves_an_account_up_and_down(port: Port) -> None:
    """A system that only knows tokens need not make the account first; the answer says where it stands now."""
    email = {"kind": "email", "expires": "2027-06-01T00:00:00Z", "reference": "signup-7", "reason": "answered"}

    status, said = await port.ask("POST", "/accounts/jwt-1/evidence", email)

    assert (status, said["standing"]["tier"], said["standing"]["missing"]) == (201, "known", ["phone"])
    assert said["standing"]["until"] == "2027-06-01T00:00:00Z"
    await port.ask("POST", "/accounts/jwt-1/evidence", {"kind": "phone", "reason": "answered"})
    status, said = await port.ask("POST", "/accounts/jwt-1/falls/chargeback", {"lasts": "7d", "reason": "case 9"})
    assert (status, said["standing"]["tier"], said["standing"]["fell"]) == (201, "free", "chargeback")
    assert said["standing"]["earned"] == "pro"
    _, said = await port.ask("DELETE", "/accounts/jwt-1/falls/chargeback", {"reason": "paid"})
    assert said["standing"]["tier"] == "pro"
    _, said = await port.ask("DELETE", "/accounts/jwt-1/evidence/phone", {"reason": "number sold"})
    assert said["standing"]["tier"] == "known"
    assert [one["state"] for one in said["evidence"]] == ["holds", "withdrawn"]
    assert port.database.read(lambda c: c.execute(tables.version.select()).one().version) == 5


async def test_a_tier_for_a_while_ends_by_itself(acme: Port) -> None:
    """An override stands before what was assigned, and what is assigned for good replaces it."""
    await acme.ask("PATCH", "/accounts/acme", {"tier": "known", "reason": "contract"})
    _, said = await acme.ask("PATCH", "/accounts/acme", {"tier": "pro", "lasts": "7d", "reason": "trial"})
    assert (said["tier"], said["standing"]["tier"], said["overrides"][0]["value"]) == ("known", "pro", "pro")

    acme.clock[0] += 7 * 86400.0
    _, said = await acme.ask("GET", "/accounts/acme")
    assert (said["standing"]["tier"], said["overrides"]) == ("known", [])

    await acme.ask("PATCH", "/accounts/acme", {"tier": "pro", "lasts": "7d", "reason": "trial"})
    _, said = await acme.ask("PATCH", "/accounts/acme", {"tier": "", "organisation": "o", "reason": "over"})
    assert (said["standing"]["tier"], said["overrides"], said["organisation"]) == ("free", [], "o")


async def test_suspension_has_a_reason_and_an_end(acme: Port) -> None:
    """Both stand in the audit."""
    _, said = await acme.ask("POST", "/accounts/acme/suspend", {"reason": "case 12"})
    assert (said["suspended"], said["suspended_for"]) == (True, "case 12")
    _, said = await acme.ask("POST", "/accounts/acme/restore", {"reason": "sorry"})
    assert (said["suspended"], said["suspended_for"]) == (False, "")
    _, said = await acme.ask("GET", "/accounts/acme/audit")
    assert [(line["did"], line["detail"].get("reason")) for line in said["audit"][:2]] == [
        ("account.restore", "sorry"),
        ("account.suspend", "case 12"),
    ]


async def test_keys_are_made_rotated_and_revoked(acme: Port) -> None:
    """The old one holds through the overlap; the new one has its name and scopes."""
    status, first = await acme.ask("POST", "/accounts/acme/keys", {"name": "ci", "models": ["m-small"]})
    assert status == 201
    status, second = await acme.ask("POST", f"/keys/{first['prefix']}/rotate", {"overlap": "1h"})
    assert (status, second["key"] == first["key"]) == (201, False)

    def states(said: dict[str, Any]) -> dict[str, str]:
        return {one["prefix"]: one["state"] for one in said["keys"]}

    _, said = await acme.ask("GET", "/accounts/acme/keys")
    assert states(said) == {first["prefix"]: "active", second["prefix"]: "active"}
    assert {tuple(one["models"]) for one in said["keys"]} == {("m-small",)}
    acme.clock[0] += 3600.0
    status, told = await acme.ask("DELETE", f"/keys/{second['prefix']}", {"reason": "leaked"})
    assert (status, told["account"]) == (200, "acme")
    _, said = await acme.ask("GET", "/accounts/acme/keys")
    assert states(said) == {first["prefix"]: "expired", second["prefix"]: "revoked"}


async def test_links_are_kept_as_hashes_alone(acme: Port, tmp_path: Path) -> None:
    """Neither the answer, nor the audit, nor any byte of the database has what identifies, or a plain hash of it."""
    value = "4929123456781234"

    status, said = await acme.ask(
        "POST", "/accounts/acme/links", {"links": [{"kind": "payment", "value": value}], "source": "billing"}
    )

    assert (status, said) == (201, {"account": "acme", "over_limit": [], "same_identity": []})
    _, shown = await acme.ask("GET", "/accounts/acme")
    acme.database.engine.dispose()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("directory.db*"))
    plain = hashlib.sha256(value.encode())
    for known in (value.encode(), plain.digest(), plain.hexdigest().encode()):
        assert known not in content
    assert value not in str(shown)
    assert ("admin_token", "link.add") in acme.audit("acme")


async def test_one_card_behind_many_organisations_lowers_the_last(port: Port) -> None:
    """Who brings it over the limit falls. Who had it before does not, however often billing says so again."""
    card = {"links": [{"kind": "payment", "value": "pm_1"}], "source": "billing"}
    for account, organisation in (("a", "one"), ("b", "one"), ("c", "two"), ("d", "")):
        await port.ask("POST", "/accounts", {"id": account, "organisation": organisation})

    told = [(await port.ask("POST", f"/accounts/{account}/links", card))[1] for account in "abcd"]

    assert [said["over_limit"] for said in told] == [[], [], ["payment"], ["payment"]]
    assert told[3]["same_identity"] == ["a", "b", "c"]
    again = [(await port.ask("POST", f"/accounts/{account}/links", card))[1] for account in "abcd"]
    assert [said["over_limit"] for said in again] == [[], [], [], []]
    shown = [(await port.ask("GET", f"/accounts/{account}"))[1] for account in "abcd"]
    assert [[fall["reason"] for fall in said["falls"]] for said in shown] == [[], [], ["identity"], ["identity"]]
    port.clock[0] += 91 * 86400.0
    await port.ask("POST", "/accounts", {"id": "e", **card})
    assert (await port.ask("GET", "/accounts/e"))[1]["falls"] == []


async def test_sign_ups_that_come_together_are_counted(port: Port) -> None:
    """From one network, or with one domain; but for domains at which everybody has an address."""
    network = [{"kind": "signup_address", "value": "192.0.2.0/24"}]
    for index in range(3):
        await port.ask("POST", "/accounts", {"id": f"n{index}", "links": network})
        await port.ask("POST", "/accounts", {"id": f"d{index}", "email_domain": "campaign.example"})
        await port.ask("POST", "/accounts", {"id": f"g{index}", "email_domain": "gmail.com"})

    burst = {one: (await port.ask("GET", f"/accounts/{one}0"))[1]["signup_burst"] for one in "ndg"}

    assert burst == {"n": 2, "d": 2, "g": 0}


async def test_a_wrong_link_is_not_said_back(acme: Port) -> None:
    """What identifies stands in no answer, also where its field is wrong."""
    value = "4929123456781234" * 40
    _, said = await acme.ask("POST", "/accounts/acme/links", {"links": [{"kind": "payment", "value": value}]})
    assert set(said["fields"]) == {"links.0.value"}
    assert "4929" not in str(said)


async def test_a_sign_in_link_is_the_owners(acme: Port) -> None:
    """It states scope and end, and its making stands in the audit, without it."""
    status, said = await acme.ask("POST", "/accounts/acme/link", {"lasts": "10m"})

    assert (status, said["scope"], said["expires"]) == (201, "owner", "2027-01-15T08:10:00Z")
    found = one_time.read(SECRETS, said["url"].partition("#")[2], acme.clock[0])
    assert (found.account, found.scope, found.expires) == ("acme", one_time.Scope.OWNER, acme.clock[0] + 600)
    assert acme.audit("acme")[-1] == ("admin_token", "link.make")


async def test_who_may_sign_in_is_kept_as_a_hash(acme: Port, tmp_path: Path) -> None:
    """Said twice it is one; the address stands nowhere, also where it is wrong."""
    for _ in range(2):
        said = await acme.ask("POST", "/accounts/acme/members", {"address": "kari@Owner.example"})
        assert said == (201, {"account": "acme"})
    _, shown = await acme.ask("GET", "/accounts/acme")
    assert shown["members"] == 1
    found = acme.database.read(lambda connection: visits.members_with(connection, SECRETS, "kari@owner.example"))
    assert list(found) == ["acme"]
    acme.database.engine.dispose()
    assert all(b"kari" not in path.read_bytes() for path in tmp_path.glob("directory.db*"))
    status, said_wrong = await acme.ask("POST", "/accounts/acme/members", {"address": "kari at example"})
    assert (status, set(said_wrong["fields"])) == (422, {"address"})
    assert "kari" not in str(said_wrong)
    assert (await acme.ask("POST", "/accounts/nobody/members", {"address": "a@example.com"}))[0] == 404


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("billing", "admin_token:billing"),
        ("  kari@example.com ", "admin_token:kari@example.com"),
        ("clerk:x y", "admin_token:clerk_x_y"),
        ("a" * 100, "admin_token:" + "a" * 64),
        ("", "admin_token"),
    ],
    ids=["plain", "address", "odd", "long", "empty"],
)
async def test_who_it_was_is_in_the_audit(acme: Port, stated: str, kept: str) -> None:
    """What the token proves stands first; whom its bearer names can never pass for another."""
    await acme.ask("POST", "/accounts/acme/suspend", WHY, X_Tidegate_Actor=stated)

    assert acme.audit("acme")[-1] == (kept, "account.suspend")


async def test_a_list_has_pages(port: Port) -> None:
    """By id, each account once, and with what was asked for alone."""
    for index in range(7):
        tier = "pro" if index % 2 else ""
        await port.ask("POST", "/accounts", {"id": f"a{index}", "tier": tier, "organisation": "o", "key": {}})
    await port.ask("POST", "/accounts/a3/suspend", WHY)

    async def ids(query: str) -> list[str]:
        found, after = [], ""
        while True:
            _, said = await port.ask("GET", f"/accounts?limit=2&after={after}{query}")
            found += [one["id"] for one in said["accounts"]]
            if said["next"] is None:
                return found
            after = said["next"]

    assert await ids("") == [f"a{index}" for index in range(7)]
    assert await ids("&tier=pro") == ["a1", "a3", "a5"]
    assert await ids("&tier=") == ["a0", "a2", "a4", "a6"]
    assert await ids("&suspended=true&organisation=o") == ["a3"]
    assert await ids("&organisation=x") == []
    _, said = await port.ask("GET", "/accounts?limit=1")
    assert (said["accounts"][0]["keys"], said["next"]) == (1, "a0")


async def test_any_id_that_there_is_can_be_asked(port: Port) -> None:
    """Ids have slashes, percent signs and question marks: in a path they are escaped."""
    await port.ask("POST", "/accounts", {"id": "org/a%2Fb?#"})
    status, said = await port.ask("GET", "/accounts/org%2Fa%252Fb%3F%23")
    assert (status, said["id"]) == (200, "org/a%2Fb?#")


async def test_a_database_that_is_away_is_503(acme: Port) -> None:
    """It is said, without what the driver says: that may name hosts."""
    acme.database.write("test", lambda writing: writing.connection.exec_driver_sql("DROP TABLE overrides"))

    status, said = await acme.ask("GET", "/accounts/acme")

    assert (status, said) == (503, {"error": "the directory cannot be asked just now: try again"})


async def test_what_is_told_is_kept_by_nobody(acme: Port) -> None:
    """No cache on the way may hold it."""
    async with acme.http.get("/accounts/acme", headers=BEARER) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
