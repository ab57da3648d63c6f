"""The account's page over real HTTP: what it lets whom do, and what it refuses."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from gateway.accounts.one_time import Scope
from gateway.accounts.sql import accounts, keys, standing, tables
from gateway.control.owner import forms
from gateway.control.owner.place import ROOT
from gateway.verification.provider import State
from tests.control.owner.world import DAY, World, gateway

MARKUP = '<img src=x onerror="alert(1)">&"\''


# -- what each may -------------------------------------------------------------------------------------------------


async def test_a_stranger_is_sent_to_the_door(world: World) -> None:
    """Pages lead to sign-in; forms are refused and change nothing."""
    stranger = world.visitor()
    key = world.key("acme")
    for path in ("", "/waiting", f"/keys/{key.prefix}"):
        assert (await stranger.get(path)).location == f"{ROOT}/sign-in"
    for path in ("/verify", "/appeal", "/sign-out", f"/keys/{key.prefix}/rotate", f"/keys/{key.prefix}/revoke"):
        page = await stranger.post(path, {"overlap": "0", "sure": "yes", "statement": "x"})
        assert page.status == 403
        assert "You are signed out" in page.text
    assert len(world.rows(tables.keys)) == 1
    assert world.rows(tables.keys)[0].revoked is None


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("/keys/{mine}/rotate", {"overlap": "0"}, id="rotate"),
        pytest.param("/keys/{mine}/revoke", {"sure": "yes"}, id="revoke"),
        pytest.param("/appeal", {"statement": "It was not me."}, id="appeal"),
        pytest.param("/sign-out", {"where": "everywhere"}, id="sign-out-everywhere"),
    ],
)
async def test_what_a_link_from_a_refusal_may_not(world: World, path: str, fields: Mapping[str, str]) -> None:
    """Whoever bears a key gets such links: they show and verify, and reach no key and no word of the owner's."""
    mine = world.key("acme")
    world.write(standing.add_fall, "acme", "chargeback")
    visitor = await world.signed_in("acme", Scope.VERIFY)
    page = await visitor.get()
    assert mine.prefix not in page.text
    assert "<textarea" not in page.text
    refused = await visitor.post(path.format(mine=mine.prefix), fields)
    assert refused.status == 403
    assert "That needs the account&#39;s owner" in refused.text
    assert (await visitor.get(f"/keys/{mine.prefix}")).status == 403
    assert [(row.revoked, row.expires) for row in world.rows(tables.keys)] == [(None, None)]
    assert world.rows(tables.reviews) == []
    assert len(world.rows(tables.sessions)) == 1


async def test_what_a_key_may(world: World) -> None:
    """Rotate itself, once, and with time for its owner to notice; not another one, and revoke none."""
    mine, hers = world.key("acme", "mine"), world.key("acme", "hers")
    visitor = world.visitor()
    await visitor.get("/sign-in")
    await visitor.post("/sign-in/key", {"key": mine.key})
    page = await visitor.get(f"/keys/{mine.prefix}")
    assert "Revoke this key" not in page.text
    assert (await visitor.post(f"/keys/{hers.prefix}/rotate", {"overlap": "0"})).status == 403
    assert (await visitor.post(f"/keys/{mine.prefix}/revoke", {"sure": "yes"})).status == 403
    assert "At once" not in page.text
    assert (await visitor.post(f"/keys/{mine.prefix}/rotate", {"overlap": "0"})).status == 422
    assert (await visitor.post(f"/keys/{mine.prefix}/rotate", {"overlap": "86400"})).status == 200
    assert (await visitor.post(f"/keys/{mine.prefix}/rotate", {"overlap": "86400"})).status == 409
    assert len(world.rows(tables.keys)) == 3


async def test_a_key_of_another_account(world: World) -> None:
    """To an owner it is as if it were not there."""
    world.account("other")
    hers = world.key("other")
    visitor = await world.signed_in("acme")
    await visitor.get()
    answers = [await visitor.get(f"/keys/{prefix}") for prefix in (hers.prefix, "nosuchkey")]
    answers += [await visitor.post(f"/keys/{prefix}/rotate", {"overlap": "0"}) for prefix in (hers.prefix, "nosuchkey")]
    answers += [await visitor.post(f"/keys/{prefix}/revoke", {"sure": "yes"}) for prefix in (hers.prefix, "nosuchkey")]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert [(row.revoked, row.expires) for row in world.rows(tables.keys)] == [(None, None)]


# -- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overlap", "lasts"), [("0", 0.0), ("3600", 3600.0), ("604800", 7 * DAY)])
async def test_rotating(world: World, overlap: str, lasts: float) -> None:
    """The new key is shown once and good at once; the old one holds for the overlap."""
    old = world.key("acme", "ci", models=["m-large"])
    visitor = await world.signed_in("acme")
    await visitor.get(f"/keys/{old.prefix}")
    page = await visitor.post(f"/keys/{old.prefix}/rotate", {"overlap": overlap})
    assert page.headers["Cache-Control"] == "no-store"
    new = next(row for row in world.rows(tables.keys) if row.replaces == old.prefix)
    assert f"tg_{new.prefix}_" in page.text
    assert (new.name, new.models) == ("ci", '["m-large"]')
    assert world.rows(tables.keys, prefix=old.prefix)[0].expires == world.clock() + lasts
    assert f"tg_{new.prefix}_…" in (await visitor.get()).text


async def test_two_rotate_at_once(world: World) -> None:
    """One key takes over from one key, however often the button is pressed."""
    old = world.key("acme")
    visitor = await world.signed_in("acme")
    await visitor.get()
    pages = await asyncio.gather(*(visitor.post(f"/keys/{old.prefix}/rotate", {"overlap": "3600"}) for _ in range(4)))
    assert sorted(page.status for page in pages) == [200, 409, 409, 409]
    assert len(world.rows(tables.keys)) == 2


async def test_revoking(world: World) -> None:
    """Only with the box ticked; then at once, and said at the top of the page."""
    key = world.key("acme")
    visitor = await world.signed_in("acme")
    await visitor.get(f"/keys/{key.prefix}")
    page = await visitor.post(f"/keys/{key.prefix}/revoke")
    assert page.status == 422
    assert 'href="#sure"' in page.text
    done = await visitor.post(f"/keys/{key.prefix}/revoke", {"sure": "yes"})
    assert "was revoked" in (await visitor.get(done.location.removeprefix(ROOT))).text
    assert world.rows(tables.keys)[0].revoked == world.clock()
    assert (await visitor.post(f"/keys/{key.prefix}/rotate", {"overlap": "0"})).status == 409
    assert "Made on" not in (await visitor.get()).text


@pytest.mark.parametrize("overlap", ["", "1", "-1", "1e9", "nan"])
async def test_an_overlap_that_is_none(world: World, overlap: str) -> None:
    """The page offers some, and takes no other."""
    key = world.key("acme")
    visitor = await world.signed_in("acme")
    await visitor.get()
    assert (await visitor.post(f"/keys/{key.prefix}/rotate", {"overlap": overlap})).status == 422
    assert len(world.rows(tables.keys)) == 1


# -- verification and appeals --------------------------------------------------------------------------------------


async def test_to_a_provider_and_back(world: World) -> None:
    """From free to verified: begun, waited for, resumed, approved, shown."""
    for kind in ("email", "console"):
        world.write(standing.add_evidence, "acme", kind)
    visitor = await world.signed_in("acme", Scope.VERIFY)
    assert "Verify now" in (await visitor.get()).text
    page = await visitor.post("/verify")
    assert (page.status, page.location) == (303, f"{world.checks.url}/ses-1")
    assert world.checks.visits["ses-1"][1] == f"{world.origin}{ROOT}/waiting"
    waiting = await visitor.get("/waiting")
    assert f'content="3; url={ROOT}/waiting?look=1"' in waiting.text
    assert "http-equiv" not in (await visitor.get("/waiting?look=19")).text
    assert "Resume verification" in (await visitor.get()).text
    assert (await visitor.post("/verify")).location == f"{world.checks.url}/ses-1"
    world.checks.decide("ses-1", State.APPROVED)
    assert (await visitor.get("/waiting")).location == ROOT
    text = (await visitor.get()).text
    assert '<strong class="name">verified</strong>' in text
    assert "Identity document" in text


async def test_a_provider_that_is_away(world: World) -> None:
    """The page comes back with a word, and nothing is lost."""
    world.checks.away = True
    visitor = await world.signed_in("acme", Scope.VERIFY)
    await visitor.get()
    page = await visitor.post("/verify")
    assert page.status == 503
    assert "does not answer just now" in page.text
    assert "Verify now" in page.text


@pytest.mark.parametrize("state", ["suspended", "without-desk", "top"])
async def test_nothing_to_verify(tmp_path: Path, state: str) -> None:
    """Where verification leads nowhere there is no button, and its address says so."""
    async with gateway(tmp_path, desk=state != "without-desk") as world:
        world.account("acme", tier="business" if state == "top" else "")
        if state == "suspended":
            world.write(accounts.suspend, "acme", "a note that is nobody's business")
        visitor = await world.signed_in("acme")
        page = await visitor.get()
        assert "Verify now" not in page.text
        assert "nobody" not in page.text
        assert (await visitor.post("/verify")).status == (404 if state == "without-desk" else 409)
        assert world.rows(tables.verifications) == []


async def test_an_appeal(world: World) -> None:
    """Stored as it was written, shown as open, and taken once; its words come back where it is not taken."""
    world.write(standing.add_fall, "acme", "detector", "note of an analyst")
    visitor = await world.signed_in("acme")
    page = await visitor.get()
    assert "unusual use" in page.text
    assert "note of an analyst" not in page.text
    assert "is stored with your account" in page.text
    long = f"{MARKUP} " + "x" * 2001
    refused = await visitor.post("/appeal", {"statement": long})
    assert refused.status == 422
    assert "&lt;img src=x" in refused.text
    assert "x" * 2001 in refused.text
    done = await visitor.post("/appeal", {"statement": "It was a load test.\r\nSorry!"})
    assert "has arrived" in (await visitor.get(done.location.removeprefix(ROOT))).text
    assert [row.statement for row in world.rows(tables.reviews)] == ["It was a load test.\nSorry!"]
    again = await visitor.post("/appeal", {"statement": "And another thing"})
    assert again.status == 422
    assert "And another thing" in again.text


async def test_a_suspended_account_appeals(world: World) -> None:
    """The page and the desk agree that it can."""
    world.write(accounts.suspend, "acme", "complaint 7")
    visitor = await world.signed_in("acme")
    page = await visitor.get()
    assert "send us an appeal" in page.text
    assert "complaint 7" not in page.text
    assert (await visitor.post("/appeal", {"statement": "It was not us."})).status == 303
    assert [row.statement for row in world.rows(tables.reviews)] == ["It was not us."]


async def test_an_appeal_that_came_too_late(world: World) -> None:
    """Whoever wrote for longer than the session lasted gets their words back."""
    world.write(standing.add_fall, "acme", "detector")
    visitor = await world.signed_in("acme")
    await visitor.get()
    world.clock.turn(3600.0)
    page = await visitor.post("/appeal", {"statement": f"A long story {MARKUP}"})
    assert page.status == 403
    assert "A long story &lt;img" in page.text
    assert world.rows(tables.reviews) == []


# -- forms from elsewhere ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "token", "status"),
    [
        pytest.param({}, None, 303, id="ours"),
        pytest.param({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, None, 303, id="as-browsers-send-it"),
        pytest.param({"Origin": "{origin}"}, None, 303, id="our-origin"),
        pytest.param({}, "", 403, id="no-token"),
        pytest.param({}, "0" * 64, 403, id="made-up-token"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, "\u00e9", 403, id="token-that-is-no-ascii"),
        pytest.param({"Origin": "https://evil.example"}, None, 403, id="foreign-origin"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, None, 403, id="cross-site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, None, 403, id="sibling"),
        pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "{origin}"}, None, 403, id="they-disagree"),
    ],
)
async def test_forms_from_elsewhere(world: World, headers: Mapping[str, str], token: str | None, status: int) -> None:
    """A form counts from a page of ours, with that page's token, and not from anywhere else."""
    visitor = await world.signed_in("acme")
    await visitor.get()
    sent = {name: value.format(origin=world.origin) for name, value in headers.items()}
    form = visitor.token if token is None else token
    page = await visitor.ask("POST", "/sign-out", data={"form": form}, headers=sent)
    assert page.status == status
    assert len(world.rows(tables.sessions)) == (1 if status == 403 else 0)


async def test_a_token_is_its_sessions_own(world: World) -> None:
    """The token of one session, or of a page before sign-in, is none for another."""
    victim, attacker = await world.signed_in("acme"), await world.signed_in("acme")
    await attacker.get()
    assert (await victim.ask("POST", "/sign-out", data={"form": attacker.token})).status == 403
    stranger = world.visitor()
    await stranger.get("/sign-in")
    assert (await victim.ask("POST", "/sign-out", data={"form": stranger.token})).status == 403
    assert len(world.rows(tables.sessions)) == 2


@pytest.mark.parametrize("path", ["/sign-in/key", "/sign-in/mail", "/link"])
async def test_nobody_is_signed_in_by_another_site(world: World, path: str) -> None:
    """Whoever verified in an account that somebody else put them into would vouch for a stranger."""
    minted = world.key("acme")
    fields = {"key": minted.key, "email": "ann@example.com", "link": world.token("acme")}
    attacker, victim = world.visitor(), world.visitor()
    await attacker.get("/sign-in")
    assert (await victim.ask("POST", path, data={"form": attacker.token} | fields)).status == 403
    await victim.get("/sign-in")
    page = await victim.post(path, fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert page.status == 403
    assert world.rows(tables.sessions) == []
    assert world.outbox.sent == []


# -- HTTP ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nothing-here", 404, id="unknown"),
        pytest.param("GET", "/", 404, id="slash"),
        pytest.param("GET", "/link/", 404, id="link-without-token"),
        pytest.param("POST", "/sign-in", 405, id="post-where-one-looks"),
        pytest.param("GET", "/verify", 405, id="look-where-one-posts"),
        pytest.param("PUT", "", 405, id="put"),
        pytest.param("DELETE", "/link/abc", 405, id="delete"),
        pytest.param("HEAD", "/sign-in", 200, id="head"),
        pytest.param("HEAD", "", 303, id="head-of-the-account"),
        pytest.param("GET", "/style.css", 200, id="style"),
        pytest.param("GET", "/icon.svg", 200, id="icon"),
    ],
)
async def test_every_answer_has_its_fields(world: World, method: str, path: str, status: int) -> None:
    """Also what is refused is a page, framed by nobody, with nothing of others in it, and without a referrer."""
    page = await world.visitor().ask(method, path)
    assert page.status == status
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert ("no-store" in page.headers["Cache-Control"]) is (path not in {"/style.css", "/icon.svg"})
    if status != 303:
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        if "no-store" in page.headers["Cache-Control"]:
            assert "frame-ancestors 'none'" in policy
    if status == 405:
        assert page.headers["Allow"]
    if status in {404, 405} and method != "HEAD":
        assert "<h1>" in page.text


async def test_a_form_is_never_unpacked(world: World) -> None:
    """A few KiB could become many MiB before anybody has looked at them."""
    visitor = world.visitor()
    await visitor.get("/sign-in")
    packed = gzip.compress(f"form={visitor.token}&key=tg_x".encode())
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    page = await visitor.ask("POST", "/sign-in/key", data=packed, headers=headers)
    assert (page.status, page.text) == (400, "The form cannot be read.\n")


async def test_reasons_are_as_they_were(world: World) -> None:
    """The pages beside ours keep their own fields."""
    page = await world.visitor().ask("GET", f"{world.origin}/tidegate/reasons")
    assert page.status == 200
    assert page.headers["Cache-Control"] == "public, max-age=3600"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        pytest.param(b"form=" + b"x" * forms.LARGEST, "application/x-www-form-urlencoded", 413, id="too-large"),
        pytest.param(b"{}", "application/json", 415, id="json"),
        pytest.param(b"x", "multipart/form-data; boundary=b", 415, id="multipart"),
        pytest.param(b"form=%FF&key=1", "application/x-www-form-urlencoded", 400, id="not-utf-8"),
        pytest.param("form=\u00e4".encode(), "application/x-www-form-urlencoded", 400, id="not-ascii"),
        pytest.param(b"&".join([b"a=1"] * 40), "application/x-www-form-urlencoded", 400, id="many-fields"),
    ],
)
async def test_forms_that_are_none(world: World, body: bytes, kind: str, status: int) -> None:
    """They are refused before anybody reads what they say; also where their length is not stated."""

    async def pieces() -> object:
        yield body

    visitor = world.visitor()
    await visitor.get("/sign-in")
    for data in (body, pieces()):
        try:
            page = await visitor.ask("POST", "/sign-in/key", data=data, headers={"Content-Type": kind})
        except aiohttp.ClientConnectionError:
            assert status == 413  # We had answered, and closed, before it was all sent.
        else:
            assert page.status == status


@pytest.mark.parametrize(
    "host", ["evil.example/x", "evil.example?x", "a b", "x@evil.example", "[::1", "evil.example:99999999", "<script>"]
)
async def test_a_host_that_is_none(tmp_path: Path, host: str) -> None:
    """Without public_url a request's own Host counts, and only if it is one."""
    async with gateway(tmp_path, public_url="", mailer=lambda _: None) as world:
        page = await world.visitor().get("/sign-in", headers={"Host": host})
        assert page.status == 400
        assert host not in page.text


async def test_a_host_that_somebody_else_chose(world: World) -> None:
    """Where public_url is stated no other Host gets into a link, a page, or the way back from a provider."""
    visitor = await world.signed_in("acme", Scope.VERIFY)
    page = await visitor.get("", headers={"Host": "evil.example"})
    assert "evil.example" not in page.text
    assert (await visitor.post("/verify", headers={"Host": "evil.example"})).status == 303
    assert world.checks.visits["ses-1"][1].startswith(world.origin)


async def test_names_are_text(world: World) -> None:
    """Whatever an account, a key or an organisation is called, it is shown and not obeyed."""
    world.account("odd", name=MARKUP, organisation=MARKUP)
    world.key("odd", MARKUP)
    visitor = await world.signed_in("odd")
    prefix = world.rows(tables.keys)[0].prefix
    for path in ("", f"/keys/{prefix}"):
        text = (await visitor.get(path)).text
        assert "<img" not in text
        assert "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;&amp;&#34;&#39;" in text


async def test_a_database_that_is_away(world: World) -> None:
    """A page says so, and nobody is signed out for it, also who came by a key."""
    visitor = world.visitor()
    await visitor.get("/sign-in")
    await visitor.post("/sign-in/key", {"key": world.key("acme").key})
    world.database.engine.dispose()
    path = Path(world.database.url.database or "")
    kept = path.rename(path.with_suffix(".away"))
    for rest in ("-wal", "-shm"):
        Path(f"{path}{rest}").unlink(missing_ok=True)
    path.mkdir()
    page = await visitor.get()
    assert page.status == 503
    assert "Please try again in a minute" in page.text
    assert "tidegate=" not in page.headers.get("Set-Cookie", "")
    path.rmdir()
    kept.rename(path)


async def test_forms_lead_away_from_one_page_alone(world: World) -> None:
    """Only the page that sends its owner on to a provider has forms that may lead elsewhere."""
    key = world.key("acme")
    visitor = await world.signed_in("acme")
    wide = [
        path
        for path in ("", f"/keys/{key.prefix}", "/signed-out", "/nothing-here")
        if (await visitor.get(path)).headers["Content-Security-Policy"].endswith("form-action 'self' https: http:")
    ]
    assert wide == [""]
    world.write(accounts.suspend, "acme", "test")
    assert (await visitor.get()).headers["Content-Security-Policy"].endswith("form-action 'self'")


async def test_an_account_that_was_erased(world: World) -> None:
    """A link that was made before opens nothing, and nothing is noted of whoever pressed its button."""
    erased = tables.accounts.update().where(tables.accounts.c.id == "acme").values(erased=world.clock())
    world.write(lambda writing: writing.connection.execute(erased))
    assert (await world.visitor().open(world.token("acme"))).status == 410
    assert world.rows(tables.evidence) == []


async def test_under_a_path_of_its_own(tmp_path: Path) -> None:
    """Where a proxy puts a path before us, links and forms have it."""
    async with gateway(tmp_path, public_url="https://example.com/api") as world:
        page = await world.visitor().get("/sign-in")
        assert 'action="/api/tidegate/account/sign-in/key"' in page.text
        assert 'href="/api/tidegate/account/style.css' in page.text


async def test_a_key_that_somebody_revoked_meanwhile(world: World) -> None:
    """The page of a key shows what is so now, and offers nothing that cannot be."""
    key = world.key("acme")
    visitor = await world.signed_in("acme")
    world.write(keys.revoke, key.prefix)
    page = await visitor.get(f"/keys/{key.prefix}")
    assert "It was revoked on" in page.text
    assert "<button" not in page.text.split("<main")[1]
