"""The page of a challenge, in every state: what it says, where it leads, and who may answer it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy.exc import OperationalError

from gateway.accounts.one_time import Scope
from gateway.challenges.answers import Status
from gateway.challenges.desk import SHOWN_FIELD, Proof
from gateway.challenges.ladder import Step
from gateway.challenges.providers.contract import Widget
from gateway.control.challenge import words
from gateway.control.owner.sessions import Sessions
from tests.control.challenge.world import ROOT, Place, challenges

ELSEWHERE = "https://elsewhere.example"
PROVIDER = Widget(
    "div",
    {"class": "captcha", "data-sitekey": 'a"b'},
    (f"{ELSEWHERE}/api.js",),
    "captcha-response",
    {"script-src": (ELSEWHERE,), "frame-src": (ELSEWHERE,)},
)
ANSWER = {"altcha": "x", SHOWN_FIELD: "altcha.1.00"}


@pytest.mark.parametrize("step", [Step.WORK, Step.CAPTCHA], ids=str)
async def test_an_open_one_says_what_is_asked(place: Place, step: Step) -> None:
    """For which account, until when, with the widget, and not under which rule or from which network."""
    page = await place.get(place.desk.put(step=step))
    assert page.status == 200
    assert "<strong" in page.text and ">acme</strong>" in page.text
    assert 'datetime="2' in page.text
    assert f'<altcha-widget challenge="{ROOT}/open/puzzle"' in page.text
    assert "captcha/chat" not in page.text
    assert "64496" not in page.text
    assert (" data-work data" in page.text) is (step is Step.WORK)
    assert "needs JavaScript" in page.text
    assert "/tidegate/account/sign-in" in page.text


async def test_fields_of_every_page(place: Place) -> None:
    """Nothing is kept, framed, sniffed or told to others; the policy is strict; no other site may read it."""
    for path in (place.desk.put(), f"{ROOT}/nothing", f"{place.desk.put('p')}/puzzle", f"{ROOT}/open/status"):
        headers = (await place.get(path, headers={"Origin": ELSEWHERE})).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert not [name for name in headers if name.lower().startswith("access-control-")]
        if "html" in headers["Content-Type"]:
            assert "unsafe" not in headers["Content-Security-Policy"]
            assert headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_somebody_elses_widget(place: Place) -> None:
    """Its script and sources stand on its page alone, it learns our host and never the token, and we say who it is."""
    page = await place.get(place.desk.put(step=Step.CAPTCHA, widget=PROVIDER))
    assert f'<script src="{ELSEWHERE}/api.js" async defer></script>' in page.text
    assert 'data-sitekey="a&#34;b"' in page.text
    assert f"script-src 'self' {ELSEWHERE};" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert "loads it from elsewhere.example" in page.text
    assert "altcha/" not in page.text and "altcha-widget" not in page.text


@pytest.mark.parametrize(
    ("state", "status", "title"),
    [("passed", 200, "This check is passed"), ("expired", 410, "has run out"), ("closed", 410, "is closed")],
)
async def test_one_that_is_over(place: Place, state: Status, status: int, title: str) -> None:
    """What became of it, without a script; a browser has a way to where it was."""
    path = place.desk.put(status=state)
    page = await place.get(path)
    assert page.status == status
    assert title in page.text
    assert "<script" not in page.text
    assert 'href="/back/x?a=1"' in (await place.get(f"{path}?to=/back/x%3Fa=1")).text


async def test_only_who_has_just_passed_goes_on_by_itself(place: Place) -> None:
    """A clearance that does not hold for a browser sends nobody round and round."""
    path = place.desk.put(status="passed")
    assert "http-equiv" not in (await place.get(f"{path}?to=/back/")).text
    assert 'http-equiv="refresh" content="0; url=/back/"' in (await place.get(f"{path}?to=/back/&done=1")).text
    assert "http-equiv" not in (await place.get(f"{path}?done=1")).text


@pytest.mark.parametrize("token", ["nothing", "a" * 2000, "%22%3E%3Cscript%3E", "..%2f..%2fadmin", "%00", "%ff"])
async def test_one_that_is_none_of_ours(place: Place, token: str) -> None:
    """404 in kind words, which repeat nothing of it."""
    page = await place.get(f"{ROOT}/{token}")
    assert page.status == 404
    assert "There is no such check" in page.text
    assert "script" not in page.text


async def test_nobody_is_there_to_check(place: Place) -> None:
    """The provider is away, and no other is left: said, with a way to try again."""
    page = await place.get(f"{place.desk.put(step=Step.CAPTCHA, widget=None)}?to=/back/")
    assert page.status == 503
    assert page.headers["Retry-After"] == "30"
    assert f'href="{ROOT}/open?to=/back/"' in page.text


async def test_the_fleet_cannot_be_asked(place: Place) -> None:
    """503 for people and programs, and nothing is passed."""
    path = place.desk.put()
    place.desk.away = True
    page = await place.get(f"{path}?to=/back/")
    assert (page.status, page.headers["Retry-After"]) == (503, "5")
    assert f'href="{ROOT}/open?to=/back/"' in page.text
    assert (await place.post(path, ANSWER)).status == 503
    program = await place.get(f"{path}/status")
    assert (program.status, program.headers["Retry-After"]) == (503, "5")
    assert '"type": "unavailable"' in program.text


@pytest.mark.parametrize("back", ["", "/back/x?a=1&b=%20c", "/"])
async def test_passed_and_back(place: Place, back: str) -> None:
    """An answer that holds leads to a page of ours, and from there to where the browser was."""
    path = place.desk.put()
    place.desk.answers = [Proof("passed")]
    page = await place.post(path, {**ANSWER, "to": back})
    assert page.status == 303
    assert page.location == f"{path}?{f'to={quote(back)}&' if back else ''}done=1"
    after = await place.get(page.location)
    assert after.status == 200
    assert ("http-equiv" in after.text) is bool(back)
    if not back:
        assert "next request is answered" in after.text


@pytest.mark.parametrize("back", ["//elsewhere.example", ELSEWHERE, "/\\elsewhere.example", "javascript:alert(1)"])
@pytest.mark.parametrize("state", ["open", "passed", "expired"])
async def test_nobody_is_sent_elsewhere(place: Place, back: str, state: Status) -> None:
    """Neither by the address of a page, nor by what is posted to it."""
    path = place.desk.put(status=state, widget=None) if state == "open" else place.desk.put(status=state)
    page = await place.get(f"{path}?to={quote(back)}&done=1")
    assert "elsewhere" not in page.text and "javascript" not in page.text
    place.desk.put()
    place.desk.answers = [Proof("passed")]
    assert (await place.post(path, {**ANSWER, "to": back})).location == f"{path}?done=1"


@pytest.mark.parametrize(
    ("proof", "status", "said"),
    [
        (Proof("wrong", "forged"), 422, words.WRONG),
        (Proof("wrong", "empty"), 422, words.EMPTY),
        (Proof("away"), 503, words.ANOTHER),
        (Proof("unavailable"), 503, words.UNAVAILABLE.text),
        (Proof("paced", "too_many", 7.2), 429, words.SLOW),
        (Proof("closed"), 410, words.CLOSED.text),
        (Proof("farmed"), 403, words.FARMED.text),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, Proof) else None,
)
async def test_an_answer_that_does_not_hold(place: Place, proof: Proof, status: int, said: str) -> None:
    """Said in words, with another try where there is one; then a person has to press, and where they were is kept."""
    path = place.desk.put()
    place.desk.answers = [proof]
    page = await place.post(path, {**ANSWER, "to": "/back/"})
    assert page.status == status
    assert said in page.text
    if status not in {403, 410}:
        assert 'role="alert"' in page.text
        assert " data-asked" in page.text
        assert 'name="to" value="/back/"' in page.text
    assert page.headers.get("Retry-After") == ("8" if proof.status == "paced" else None)
    assert ("/tidegate/account/sign-in" in page.text) is (status != 410)


async def test_what_the_desk_is_told(place: Place) -> None:
    """The whole form, and of the browser its address, its name, our cookie and the host."""
    path = place.desk.put()
    place.desk.answers = [Proof("wrong", "forged")]
    visitor = place.owner.visitor()
    await visitor.get(f"{place.origin}{path}")
    await visitor.ask("POST", f"{place.origin}{path}", data=ANSWER, headers={"User-Agent": "Agent/1"})
    _, form, browser = place.desk.proved[0]
    assert form == ANSWER
    assert (browser.address, browser.agent, browser.host) == ("127.0.0.1", "Agent/1", "127.0.0.1")
    assert len(browser.cookie) == 32


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": ELSEWHERE}, 403),
        ({"Origin": "null"}, 303),
    ],
    ids=str,
)
async def test_forms_of_other_sites(place: Place, headers: dict[str, str], status: int) -> None:
    """What a browser says came from elsewhere is refused, and nothing is counted against anybody."""
    path = place.desk.put()
    place.desk.answers = [Proof("passed")]
    assert (await place.post(path, ANSWER, headers=headers)).status == status
    assert len(place.desk.proved) == (status == 303)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"data": {"altcha": "x" * 16_384}}, 303),
        ({"data": {"altcha": "x" * 30_000}}, 413),
        ({"data": b"a=b", "headers": {"Content-Type": "application/json"}}, 415),
        ({"data": b"\xff", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 400),
        ({"data": {f"a{number}": "b" for number in range(40)}}, 400),
    ],
    ids=["longest", "too-long", "json", "bytes", "many-fields"],
)
async def test_a_form_is_bounded(place: Place, values: dict[str, object], status: int) -> None:
    """In size, kind and number of fields."""
    path = place.desk.put()
    place.desk.answers = [Proof("passed")]
    assert (await place.ask("POST", path, **values)).status == status
    assert len(place.desk.proved) == (status == 303)


@pytest.mark.parametrize(
    ("method", "rest", "status", "allow"),
    [
        ("HEAD", "", 200, ""),
        ("HEAD", "/status?wait=25", 200, ""),
        ("OPTIONS", "", 405, "GET,HEAD,POST"),
        ("PUT", "", 405, "GET,HEAD,POST"),
        ("DELETE", "", 405, "GET,HEAD,POST"),
        ("POST", "/puzzle", 405, "GET,HEAD"),
        ("OPTIONS", "/puzzle", 405, "GET,HEAD"),
        ("POST", "/status", 405, "GET,HEAD"),
        ("GET", "/sign-in", 405, "POST"),
        ("GET", "/nothing", 404, ""),
    ],
)
async def test_methods(place: Place, method: str, rest: str, status: int, allow: str) -> None:
    """What an address does not answer to is said with what it does; HEAD waits for nothing and has no content."""
    answer = await place.ask(method, f"{place.desk.put()}{rest}")
    assert answer.status == status
    assert answer.headers.get("Allow", "") == allow
    if method == "HEAD":
        assert answer.text == ""


async def test_a_member_needs_no_check(place: Place) -> None:
    """Who is signed in as an owner of the account presses one button, and is taken back."""
    path = place.desk.put(step=Step.CAPTCHA)
    member = await place.owner.signed_in("acme")
    page = await member.get(f"{place.origin}{path}?to=/back/")
    assert "You are signed in as a member" in page.text
    done = await member.post(f"{place.origin}{path}/sign-in", {"to": "/back/"})
    assert (done.status, done.location) == (303, f"{path}?to=/back/&done=1")
    assert place.desk.vouched == [("open", "acme")]


@pytest.mark.parametrize(
    ("account", "scope"),
    [("beta", Scope.OWNER), ("acme", Scope.VERIFY), ("", Scope.OWNER)],
    ids=["another-account", "by-a-key", "nobody"],
)
async def test_who_is_no_member_has_no_button(place: Place, account: str, scope: Scope) -> None:
    """Who came by a key may have stolen it: only who was sent a link as an owner speaks for an account."""
    path = place.desk.put(step=Step.CAPTCHA)
    visitor = await place.owner.signed_in(account, scope) if account else place.owner.visitor()
    token = (await visitor.get()).token
    page = await visitor.get(f"{place.origin}{path}")
    assert "signed in as a member" not in page.text
    assert "/sign-in" in page.text
    if account != "beta":
        answer = await visitor.ask("POST", f"{place.origin}{path}/sign-in", data={"form": token})
        assert answer.status == 403
        assert place.desk.vouched == []


async def test_a_members_button_is_the_members(place: Place) -> None:
    """A form without the token of their page, or from another site, is refused."""
    path = place.desk.put()
    member = await place.owner.signed_in("acme")
    await member.get(f"{place.origin}{path}")
    url = f"{place.origin}{path}/sign-in"
    assert (await member.ask("POST", url, data={"form": "0" * 64})).status == 403
    assert (await member.post(url, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    assert place.desk.vouched == []
    assert (await member.post(url)).status == 303


async def test_without_a_directory_nobody_is_signed_in(tmp_path: Path) -> None:
    """The check is there all the same, and no page speaks of signing in."""
    async with challenges(tmp_path, members=False) as place:
        path = place.desk.put(step=Step.CAPTCHA)
        member = await place.owner.signed_in("acme")
        page = await member.get(f"{place.origin}{path}")
        assert page.status == 200
        assert "sign-in" not in page.text and "sign in" not in page.text
        assert (await member.post(f"{place.origin}{path}/sign-in")).status == 403
        place.desk.answers = [Proof("farmed")]
        assert "network of your own" in (await place.post(path, ANSWER)).text


async def test_a_directory_that_is_away_stops_no_check(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is signed in cannot be looked up: nobody is, and the page comes."""
    path = place.desk.put()
    member = await place.owner.signed_in("acme")

    async def find(*_: object) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(Sessions, "find", find)
    page = await member.get(f"{place.origin}{path}")
    assert page.status == 200
    assert "signed in as a member" not in page.text


async def test_an_address_instead_of_an_account(place: Place) -> None:
    """Nobody is known there: no account is named, and nobody could sign in to it."""
    page = await place.get(place.desk.put(subject="address=192.0.2.7"))
    assert "from the address" in page.text and "192.0.2.7" in page.text
    assert "sign-in" not in page.text


async def test_what_is_named_is_text(place: Place) -> None:
    """An account may be called anything."""
    page = await place.get(place.desk.put(subject="<b>&'\""))
    assert "&lt;b&gt;&amp;" in page.text
    assert "<b>" not in page.text


async def test_an_account_of_any_name_has_a_page(place: Place) -> None:
    """A token may name one with half of a surrogate pair: its people are not locked out by that."""
    page = await place.get(place.desk.put(subject="a\udc00b"))
    assert page.status == 200
    assert ">a?b</strong>" in page.text


async def test_behind_a_prefix(tmp_path: Path) -> None:
    """A proxy in front takes our paths apart by a prefix: each address on a page has it."""
    async with challenges(tmp_path, public_url="https://example.com/ai") as place:
        page = await place.get(f"{place.desk.put()}?to=/back/")
        for name in ("static/challenge.js", "open/status", "open?to=/back/", "static/style.css"):
            assert f'"/ai{ROOT}/{name}' in page.text
        assert f'"{ROOT}' not in page.text
