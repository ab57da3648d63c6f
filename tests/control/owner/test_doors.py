"""The ways in, over real HTTP: what opens, what does not, and what a stranger learns."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
import zlib
from pathlib import Path

import pytest
from aiohttp import web

from gateway.accounts import one_time
from gateway.accounts.directory import LASTING, KeyRecord
from gateway.accounts.file_directory import Snapshot
from gateway.accounts.keys import _base62, digest, mint
from gateway.accounts.one_time import Scope
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, tables, visits
from gateway.control.mail import MailUnavailable
from gateway.control.owner import doors
from gateway.control.owner.pages import add_to
from gateway.policy import Principal
from tests.control.owner.world import Outbox, World, gateway

SESSION = "tidegate"


# -- links ---------------------------------------------------------------------------------------------------------


async def test_a_look_spends_nothing(world: World) -> None:
    """GET and HEAD of a link may come from a scanner: whoever presses the button afterwards is in."""
    visitor, token = world.visitor(), world.token("acme")
    for method in ("GET", "HEAD", "GET"):
        assert (await visitor.ask(method, f"/link/{token}")).status == 200
    assert world.rows(tables.spent) == []
    assert (await visitor.open(token)).location == "/tidegate/account"
    assert "Acme Robotics" in (await visitor.get()).text


async def test_a_link_opens_once(world: World) -> None:
    """The second who comes is told so, on the page and at the button, and is not let in."""
    token = world.token("acme")
    late = world.visitor()
    await late.get(f"/link/{token}")
    await world.visitor().open(token)
    for page in (await late.post("/link", {"link": token}), await late.get(f"/link/{token}")):
        assert page.status == 410
        assert "This link was used already" in page.text
    assert (await late.get()).location == "/tidegate/account/sign-in"


async def test_of_many_at_once_one_is_in(world: World) -> None:
    """A link opens one session, however many press its button together."""
    token = world.token("acme")
    visitors = [world.visitor() for _ in range(8)]
    for visitor in visitors:
        await visitor.get(f"/link/{token}")
    pages = await asyncio.gather(*(visitor.post("/link", {"link": token}) for visitor in visitors))
    assert sorted(page.status for page in pages) == [303] + [410] * 7
    assert len(world.rows(tables.sessions)) == 1


def _forged(world: World) -> str:
    return world.token("acme")[:-8] + "AAAAAAAA"


def _of_another_secret(world: World) -> str:
    return one_time.make(Secrets({"s2": b"9" * 32}), "acme", Scope.OWNER, world.clock() + 900.0)


@pytest.mark.parametrize(
    ("make", "status", "words"),
    [
        pytest.param(lambda world: world.token("acme", lasts=-1.0), 410, "This link has run out", id="expired"),
        pytest.param(_forged, 404, "This link does not work", id="forged"),
        pytest.param(_of_another_secret, 404, "This link does not work", id="another-secret"),
        pytest.param(lambda world: "A" * 2000, 404, "This link does not work", id="too-long"),
        pytest.param(lambda world: "%3Cscript%3E", 404, "This link does not work", id="markup"),
        pytest.param(lambda world: world.token("acme")[:40], 404, "This link does not work", id="cut-off"),
    ],
)
async def test_a_link_that_is_none(world: World, make: object, status: int, words: str) -> None:
    """It gets one clear page with what to do next, also at the button, and no session."""
    assert callable(make)
    visitor, token = world.visitor(), make(world)
    await visitor.get("/sign-in")
    for page in (await visitor.get(f"/link/{token}"), await visitor.post("/link", {"link": token})):
        assert (page.status, words in page.text) == (status, True)
        assert "Sign in another way" in page.text
        assert "<script>" not in page.text
    assert world.rows(tables.sessions) == []


async def test_a_link_of_the_secret_before(world: World) -> None:
    """While a secret takes over, links that the older one signed still open."""
    old = one_time.make(Secrets({"s1": b"1" * 32}), "acme", Scope.OWNER, world.clock() + 900.0)
    assert (await world.visitor().open(old)).status == 303


async def test_an_account_that_only_tokens_name(world: World) -> None:
    """It has no row until its owner comes, and then sees what is known: the lowest tier."""
    visitor = await world.signed_in("from-a-token", Scope.VERIFY)
    page = await visitor.get()
    assert "from-a-token" in page.text
    assert re.search(r"Your tier is <strong[^>]*>free<", page.text)


@pytest.mark.parametrize(
    ("scope", "kinds"),
    [
        pytest.param(Scope.VERIFY, set(), id="verify"),
        pytest.param(Scope.OWNER, {"console"}, id="owner"),
        pytest.param(Scope.EMAIL, {"console", "email"}, id="email"),
    ],
)
async def test_what_signing_in_shows(world: World, scope: Scope, kinds: set[str]) -> None:
    """A link that whoever bears a key gets shows nothing of the owner; one that was mailed shows the address, too."""
    value = world.secrets.hash(visits.MEMBER, "ann@example.com").digest.hex()
    for _ in range(2):
        await world.visitor().open(world.token("acme", scope, value=value))
    assert sorted(row.kind for row in world.rows(tables.evidence)) == sorted(kinds)


async def test_an_address_that_is_a_member_no_more(world: World) -> None:
    """Whoever left has links in their mailbox: none of them opens."""
    value = world.secrets.hash(visits.MEMBER, "gone@example.com").digest.hex()
    page = await world.visitor().open(world.token("acme", Scope.EMAIL, value=value))
    assert page.status == 410
    assert world.rows(tables.evidence) == world.rows(tables.sessions) == []


async def test_an_address_that_was_hashed_by_an_older_secret(world: World) -> None:
    """After a rotation its links open as before, and show the address as before."""
    old = world.secrets.hashes(visits.MEMBER, "bob@example.com")[-1]
    values = {"account": "acme", "secret": old.secret, "digest": old.digest, "role": "owner", "created": 0.0}
    world.write(lambda writing: writing.connection.execute(tables.members.insert(), values))
    visitor = world.visitor()
    await visitor.get("/sign-in")
    await visitor.post("/sign-in/mail", {"email": "bob@example.com"})
    link = await world.outbox.link()
    await visitor.get(link)
    await visitor.post("/link", {"link": link.rsplit("/", 1)[1]})
    assert sorted(row.kind for row in world.rows(tables.evidence)) == ["console", "email"]


async def test_a_wider_session_stays_wide(world: World) -> None:
    """An owner who follows a refusal's link goes on as owner; one of another account does not."""
    world.account("other")
    visitor = await world.signed_in("acme", Scope.OWNER)
    await visitor.open(world.token("acme", Scope.VERIFY))
    assert [row.scope for row in world.rows(tables.sessions)] == ["owner"]
    await visitor.open(world.token("other", Scope.VERIFY))
    assert [(row.account, row.scope) for row in world.rows(tables.sessions)] == [("other", "verify")]


# -- sessions ------------------------------------------------------------------------------------------------------


async def test_no_session_is_fixed(world: World) -> None:
    """A cookie that somebody planted is never what a session hangs on, and the one before is over."""
    visitor = world.visitor()
    visitor.client.cookie_jar.update_cookies({SESSION: "planted"})
    page = await visitor.open(world.token("acme"))
    first = re.search(rf"{SESSION}=([^;]+)", str(page.headers.getall("Set-Cookie")))  # type: ignore[attr-defined]
    assert first and first[1] != "planted" and len(first[1]) >= 43
    await visitor.open(world.token("acme"))
    stale = world.visitor()
    stale.client.cookie_jar.update_cookies({SESSION: first[1]})
    assert (await stale.get()).status == 303
    assert first[1].encode() not in world.rows(tables.sessions)[0].digest


@pytest.mark.parametrize(
    ("public", "name", "secure"),
    [
        pytest.param("https://api.example.com", "__Host-tidegate", True, id="https"),
        pytest.param("http://127.0.0.1", "tidegate", False, id="http"),
    ],
)
async def test_cookies(tmp_path: Path, public: str, name: str, secure: bool) -> None:
    """No script reads them, no other site's form sends them, and behind https nothing else sees or sets them."""
    async with gateway(tmp_path, public_url=public) as world:
        world.account("acme")
        visitor, token = world.visitor(), world.token("acme")
        page = await visitor.get(f"/link/{token}")
        door = page.headers["Set-Cookie"]
        assert door.startswith(f"{name}-door=")
        carried = {"Cookie": door.partition(";")[0]}
        done = await visitor.post("/link", {"link": token}, headers=carried)
        assert done.status == 303
        for cookie in (door, done.headers["Set-Cookie"]):
            flags = {part.strip().lower() for part in cookie.split(";")[1:]}
            assert {"httponly", "samesite=lax", "path=/"} <= flags
            assert ("secure" in flags) is secure
            assert not any(flag.startswith(("domain", "max-age", "expires")) for flag in flags)
        assert done.headers["Set-Cookie"].startswith(f"{name}=")


@pytest.mark.parametrize(
    ("pauses", "there"),
    [
        pytest.param([29 * 60.0], True, id="used-within-half-an-hour"),
        pytest.param([31 * 60.0], False, id="idle"),
        pytest.param([20 * 60.0] * 5, True, id="kept-alive"),
        pytest.param([20 * 60.0] * 25, False, id="eight-hours"),
    ],
)
async def test_a_session_ends(world: World, pauses: list[float], there: bool) -> None:
    """After half an hour without use, and after eight hours all the same."""
    visitor = await world.signed_in("acme")
    for pause in pauses:
        world.clock.turn(pause)
        page = await visitor.get()
    assert (page.status == 200) is there


async def test_signing_out(world: World) -> None:
    """Here ends this session; everywhere ends all of the account, and of no other."""
    world.account("other")
    here, there, other = [await world.signed_in(name) for name in ("acme", "acme", "other")]
    await here.get()
    assert (await here.post("/sign-out")).location == "/tidegate/account/signed-out"
    assert [(await one.get()).status for one in (here, there, other)] == [303, 200, 200]
    here = await world.signed_in("acme")
    await here.get()
    await here.post("/sign-out", {"where": "everywhere"})
    assert [(await one.get()).status for one in (here, there, other)] == [303, 303, 200]


# -- keys ----------------------------------------------------------------------------------------------------------


async def test_a_key_lets_in(world: World) -> None:
    """Whoever has one sees the tier and that key, and no more."""
    mine, hers = world.key("acme", "mine"), world.key("acme", "hers")
    visitor = world.visitor()
    await visitor.get("/sign-in")
    assert (await visitor.post("/sign-in/key", {"key": f" {mine.key}\n"})).status == 303
    page = await visitor.get()
    assert mine.prefix in page.text
    assert hers.prefix not in page.text
    assert world.rows(tables.evidence) == []


@pytest.mark.parametrize(
    ("spoil", "status", "words"),
    [
        pytest.param("", 422, "paste your key", id="empty"),
        pytest.param("nonsense", 422, "not valid", id="malformed"),
        pytest.param("tg_\u00e4", 422, "not valid", id="not-ascii"),
        pytest.param("unknown", 422, "not valid", id="unknown-prefix"),
        pytest.param("forged", 422, "not valid", id="another-secret-of-that-prefix"),
        pytest.param("revoked", 422, "revoked", id="revoked"),
        pytest.param("expired", 422, "expired", id="expired"),
        pytest.param("suspended", 403, "suspended", id="suspended"),
    ],
)
async def test_a_key_that_does_not_hold(world: World, spoil: str, status: int, words: str) -> None:
    """As auth refuses it: who does not prove it learns nothing, its holder is told why. It is never shown again."""
    minted = world.key("acme", expires=world.clock() + 60.0)
    shown = {"unknown": mint().key, "forged": _same_prefix(minted.prefix)}.get(spoil, minted.key)
    if spoil == "revoked":
        world.write(keys.revoke, minted.prefix)
    elif spoil == "expired":
        world.clock.turn(61.0)
    elif spoil == "suspended":
        world.write(accounts.suspend, "acme", "test")
    elif spoil not in {"unknown", "forged"}:
        shown = spoil
    await asyncio.sleep(0)  # What was announced is heard.
    visitor = world.visitor()
    await visitor.get("/sign-in")
    page = await visitor.post("/sign-in/key", {"key": shown})
    assert page.status == status
    assert words in page.text
    assert not shown or shown not in page.text
    assert "<title>Error: " in page.text
    assert world.rows(tables.sessions) == []


def _same_prefix(prefix: str) -> str:
    """Well-formed, and of that prefix, as somebody would make it who has only seen a log."""
    body = f"tg_{prefix}_{'0' * 34}"
    return body + _base62(zlib.crc32(body.encode()))


async def test_a_session_ends_with_its_key(world: World) -> None:
    """Whoever came by a key is out when it is revoked."""
    minted = world.key("acme")
    visitor = world.visitor()
    await visitor.get("/sign-in")
    await visitor.post("/sign-in/key", {"key": minted.key})
    assert (await visitor.get()).status == 200
    world.write(keys.revoke, minted.prefix)
    await asyncio.sleep(0)
    assert (await visitor.get()).status == 303


async def test_a_key_of_a_file(tmp_path: Path) -> None:
    """Keys and accounts of accounts.yaml are good here, too, and the page says what the file says."""
    minted = mint()
    principal = Principal("filed", "org", key=minted.prefix, tier="business")
    record = KeyRecord(digest(b"p" * 32, minted.key.encode()), "p1", principal, cell=LASTING)
    account = dataclasses.replace(principal, key="")
    file = Snapshot({minted.prefix: record}, {"filed": account}, frozenset(), {"p1": b"p" * 32})
    async with gateway(tmp_path, file=file) as world:
        visitor = world.visitor()
        await visitor.get("/sign-in")
        assert (await visitor.post("/sign-in/key", {"key": minted.key})).status == 303
        page = await visitor.get()
        assert re.search(r"Your tier is <strong[^>]*>business<", page.text)
        assert "set up by hand" in page.text
        assert (await visitor.get(f"/keys/{minted.prefix}")).status == 404


async def test_many_tries(world: World) -> None:
    """Keys are not tried without end from one place."""
    visitor = world.visitor()
    await visitor.get("/sign-in")
    statuses = [(await visitor.post("/sign-in/key", {"key": "tg_x"})).status for _ in range(doors.TRIED + 1)]
    assert statuses == [422] * doors.TRIED + [429]
    world.clock.turn(doors.HOUR)
    assert (await visitor.post("/sign-in/key", {"key": "tg_x"})).status == 422


# -- mail ----------------------------------------------------------------------------------------------------------


async def test_a_link_by_mail(world: World) -> None:
    """It goes to the address that was typed, opens the account, and is evidence that the address is answered."""
    visitor = world.visitor()
    await visitor.get("/sign-in")
    page = await visitor.post("/sign-in/mail", {"email": " ann@Example.com "})
    assert page.status == 200
    link = await world.outbox.link()
    assert world.outbox.sent[0].to == "ann@Example.com"
    assert link.startswith(f"{world.origin}/tidegate/account/link/")
    await visitor.get(link)
    await visitor.post("/link", {"link": link.rsplit("/", 1)[1]})
    assert sorted(row.kind for row in world.rows(tables.evidence)) == ["console", "email"]


async def test_two_accounts_of_one_address(world: World) -> None:
    """One mail, with a link for each."""
    world.account("second", "ann@example.com")
    visitor = world.visitor()
    await visitor.get("/sign-in")
    await visitor.post("/sign-in/mail", {"email": "ann@example.com"})
    await world.outbox.link()
    assert len(world.outbox.sent) == 1
    assert world.outbox.sent[0].text.count("/tidegate/account/link/") == 2


async def test_a_stranger_learns_nothing(world: World) -> None:
    """An address that belongs to nobody gets the same page, and no mail."""
    texts = []
    for address in ("ann@example.com", "eve@example.com"):
        visitor = world.visitor()
        await visitor.get("/sign-in")
        page = await visitor.post("/sign-in/mail", {"email": address})
        texts.append((page.status, page.text.replace(address, "")))
    assert texts[0] == texts[1]
    await world.outbox.link()
    await asyncio.sleep(0.05)
    assert [mail.to for mail in world.outbox.sent] == ["ann@example.com"]


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "nonsense",
        "a@b",
        "a@b.example, c@d.example",
        "a@b.example\nBcc: c@d.example",
        "<script>@b.example",
        "ä@b.example",
    ],
    ids=["empty", "no-address", "no-dot", "two", "a-line-more", "markup", "not-ascii"],
)
async def test_no_address(world: World, typed: str) -> None:
    """What was typed stands in the field again, escaped, with a word beside it and at the top."""
    visitor = world.visitor()
    await visitor.get("/sign-in")
    page = await visitor.post("/sign-in/mail", {"email": typed})
    assert page.status == 422
    assert 'href="#email"' in page.text
    assert 'aria-describedby="email-hint email-wrong" aria-invalid="true"' in page.text
    assert "<script>" not in page.text
    assert world.outbox.sent == []


async def test_mails_are_few(world: World) -> None:
    """To one address a few an hour, whoever asks; and that is said alike to members and strangers."""
    for address in ("ann@example.com", "eve@example.com"):
        statuses = []
        for _ in range(doors.MAILS + 1):
            visitor = world.visitor()
            await visitor.get("/sign-in")
            statuses.append((await visitor.post("/sign-in/mail", {"email": address})).status)
        assert statuses == [200] * doors.MAILS + [429]
    world.clock.turn(doors.HOUR)
    visitor = world.visitor()
    await visitor.get("/sign-in")
    assert (await visitor.post("/sign-in/mail", {"email": "ann@example.com"})).status == 200


class _Broken:
    async def send(self, to: str, subject: str, text: str) -> None:
        raise MailUnavailable("the server answered 554")


async def test_mail_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page says the same, and the log says why, without the address."""
    caplog.set_level(logging.INFO)
    async with gateway(tmp_path, mailer=lambda _: _Broken()) as world:
        world.account("acme", "ann@example.com")
        visitor = world.visitor()
        await visitor.get("/sign-in")
        assert (await visitor.post("/sign-in/mail", {"email": "ann@example.com"})).status == 200
        async with asyncio.timeout(30.0):
            while "the server answered 554" not in caplog.text:
                await asyncio.sleep(0.01)
        assert "ann@" not in caplog.text


async def test_without_mail(tmp_path: Path) -> None:
    """The form is not there, and neither is what it posts to."""

    def nobody(_: Outbox) -> None:
        return None

    async with gateway(tmp_path, mailer=nobody) as world:
        visitor = world.visitor()
        assert 'type="email"' not in (await visitor.get("/sign-in")).text
        assert (await visitor.post("/sign-in/mail", {"email": "ann@example.com"})).status == 404


async def test_mail_needs_an_address_of_ours(world: World) -> None:
    """A mail's link never follows the Host field of whoever asked for it."""
    with pytest.raises(ValueError, match="public_url"):
        add_to(
            web.Application(),
            database=world.database,
            secrets=world.secrets,
            directory=world.directory,
            desk=None,
            ladder=lambda: None,
            now=world.clock,
            public_url="",
            mailer=world.outbox,
        )
