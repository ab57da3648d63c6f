"""The page of a challenge in Chromium: solved and back, by itself or by a press, on any screen and any line."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal

import pytest
import pytest_asyncio
from aiohttp import web
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, Route, expect

from gateway.accounts.one_time import Scope
from gateway.challenges import addresses
from gateway.challenges.desk import ALTCHA, Proof
from gateway.challenges.ladder import Step
from gateway.challenges.providers.contract import Widget
from gateway.control.challenge.pages import add_to
from tests.browser.chromium import DESK, PHONE, missing, settled, tab
from tests.challenges.counter import RULE, TERMS, Counter
from tests.control.challenge.world import ROOT, Place, challenges

AUDIT: Final = Path(__file__).with_name("audit.js").read_text(encoding="utf-8")
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
BACK: Final = "/back/x?a=1"
LARGE: Final = (320, 512)
"""A window of 640 by 1024 at 200 %."""

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """By the real clock: the widget looks whether a puzzle has run out."""
    async with challenges(tmp_path) as made:
        made.owner.clock.at = time.time()
        yield made


async def is_back(page: Page, place: Place, path: str = BACK) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text("You are back")
    assert page.url == place.origin + path
    assert place.visited[-1] == path


async def tick(page: Page) -> None:
    """As people do: somewhere on the words beside the box."""
    await page.locator("altcha-widget label").click()


async def test_work_asks_nobody_for_anything(browser: Browser, place: Place) -> None:
    """Challenged, solved, back: without a click, a request to anybody else, or a word in the console."""
    path = place.desk.put(step=Step.WORK)
    async with tab(browser, place.origin) as page:
        await page.goto(f"{place.origin}{path}?to={BACK}")
        await is_back(page, place)
        assert list(place.desk.statuses.values()) == ["passed"]
        # The way back is no trap: it does not lead here again by itself.
        await page.go_back()
        await expect(page.get_by_role("heading", level=1)).to_have_text("This check is passed")
        await page.get_by_role("link", name="Go on").click()
        await is_back(page, place)


async def test_a_person_presses(browser: Browser, place: Place) -> None:
    """Nothing happens before; then they are told that their program goes on."""
    path = place.desk.put(step=Step.CAPTCHA)
    async with tab(browser, place.origin, size=PHONE) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{place.origin}{path}")
        await expect(page.get_by_role("status")).to_contain_text("Tick the box")
        assert not [url for url in asked if url.endswith("/puzzle")]
        await tick(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("This check is passed")
        await expect(page.get_by_text("next request is answered")).to_be_visible()


FOCUSED: Final = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const shown = element.tagName === "BODY" || style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const name = element.labels?.length ? element.labels[0].textContent : element.textContent;
  return [name.trim().replace(/\\s+/g, " "), shown];
}"""


async def test_by_keyboard(browser: Browser, place: Place) -> None:
    """Tab and Space are enough, the focus is always seen, and the first stop skips what is before the content."""
    path = place.desk.put(step=Step.CAPTCHA)
    async with tab(browser, place.origin) as page:
        await page.goto(f"{place.origin}{path}?to={BACK}")
        await expect(page.get_by_role("status")).to_contain_text("Tick the box")
        reached = []
        while "I am here" not in reached:
            await page.keyboard.press("Tab")
            name, shown = await page.evaluate(FOCUSED)
            assert shown, f"nobody sees that {name!r} has the focus"
            reached.append(name)
            assert len(reached) < 10
        assert reached == ["Skip to content", "I am here"]
        await page.keyboard.press("Space")
        await is_back(page, place)


HEARD: Final = """() => {
  window.heard = [];
  const said = document.querySelector("#said");
  new MutationObserver(() => window.heard.push(said.textContent)).observe(said, { childList: true });
}"""


async def test_what_a_screen_reader_hears(browser: Browser, place: Place) -> None:
    """Each step once, in a live region that was there before; a mistake is an alert."""
    path = place.desk.put(step=Step.CAPTCHA)
    place.desk.answers = [Proof("wrong", "wrong")]
    async with tab(browser, place.origin, refusals=True) as page:
        await page.route("**/puzzle", lambda route: route.fulfill(status=503, json={}))
        await page.goto(f"{place.origin}{path}")
        await expect(page.get_by_role("status")).to_contain_text("Tick the box")
        await page.evaluate(HEARD)
        await tick(page)
        await expect(page.get_by_role("status")).to_contain_text("did not work")
        assert [text.partition(".")[0] for text in await page.evaluate("heard")] == [
            "Your browser is working",
            "That did not work",
        ]
        await page.unroute("**/puzzle")
        await tick(page)
        await expect(page.get_by_role("alert")).to_contain_text("not right")
        await expect(page).to_have_title(re.compile("^Error: "))


async def test_a_wrong_answer_is_not_repeated_by_itself(browser: Browser, place: Place) -> None:
    """Whatever made work wrong, five more of it would close the challenge: from then on a person presses."""
    path = place.desk.put(step=Step.WORK)
    place.desk.answers = [Proof("wrong", "wrong")]
    async with tab(browser, place.origin, refusals=True) as page:
        await page.goto(f"{place.origin}{path}?to={BACK}")
        await expect(page.get_by_role("alert")).to_contain_text("try once more")
        await expect(page.get_by_role("status")).to_contain_text("Tick the box")
        assert len(place.desk.proved) == 1
        await tick(page)
        await is_back(page, place)


async def test_nobody_goes_in_circles(browser: Browser, place: Place) -> None:
    """Passed and challenged again, at once and again: the fourth time it waits for a person."""
    async with tab(browser, place.origin) as page:
        for number in range(3):
            await page.goto(f"{place.origin}{place.desk.put(f'round-{number}')}?to={BACK}")
            await is_back(page, place)
        await page.goto(f"{place.origin}{place.desk.put('round-4')}?to={BACK}")
        await expect(page.get_by_role("status")).to_contain_text("Tick the box")
        await tick(page)
        await is_back(page, place)


@pytest.mark.parametrize("state", ["passed", "closed"])
async def test_settled_elsewhere(browser: Browser, place: Place, state: Literal["passed", "closed"]) -> None:
    """A program or a colleague was faster: the open page hears of it."""
    path = place.desk.put(step=Step.CAPTCHA)
    async with tab(browser, place.origin, refusals=True) as page:
        async with page.expect_request("**/status?wait=25"):
            await page.goto(f"{place.origin}{path}?to={BACK}")
        place.desk.settle("open", state)
        if state == "passed":
            await is_back(page, place)
        else:
            await expect(page.get_by_role("heading", level=1)).to_have_text("This check is closed")


async def test_who_is_not_waited_for_asks_with_pauses(browser: Browser, place: Place) -> None:
    """A gateway with which too many wait answers at once: its pages must not make it worse."""
    asked: list[str] = []

    async def at_once(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(json={"id": "id-open", "status": "open", "expires_at": "2026-11-22T12:00:00Z"})

    path = place.desk.put(step=Step.CAPTCHA)
    async with tab(browser, place.origin) as page:
        await page.route("**/status?wait=25", at_once)
        async with page.expect_request("**/status?wait=25"):
            await page.goto(f"{place.origin}{path}?to={BACK}")
        await page.wait_for_timeout(1000)
        assert len(asked) == 1


async def test_a_member_signs_in_instead(browser: Browser, place: Place) -> None:
    """In another tab; back on this page there is one button, and it leads back."""
    path = place.desk.put(step=Step.CAPTCHA)
    async with tab(browser, place.origin) as page:
        await page.goto(f"{place.origin}{path}?to={BACK}")
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="sign in instead").click()
        other = await opened.value
        await expect(other.get_by_role("heading", level=1)).to_have_text("Sign in to your account")
        await other.goto(place.owner.link("acme", Scope.OWNER))
        await other.get_by_role("button", name="Go on").click()
        await expect(other.get_by_role("heading", level=1)).to_contain_text("Acme Robotics")
        await other.close()
        # Without a screen no tab is ever hidden.
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await page.get_by_role("button", name="Let them go on").click()
        await is_back(page, place)
        assert place.desk.vouched == [("open", "acme")]


async def test_without_script(browser: Browser, place: Place) -> None:
    """It is said what is missing and what helps; nothing claims to load; a member's button works."""
    path = place.desk.put(step=Step.WORK)
    async with tab(browser, place.origin, script=False) as page:
        await page.goto(f"{place.origin}{path}?to={BACK}")
        await expect(page.get_by_text("needs JavaScript")).to_be_visible()
        await expect(page.get_by_text(f"{ROOT}/open/puzzle")).to_be_visible()
        await expect(page.get_by_text("is loading")).to_be_hidden()
        await page.goto(place.owner.link("acme", Scope.OWNER))
        await page.get_by_role("button", name="Go on").click()
        await page.goto(f"{place.origin}{path}?to={BACK}")
        await page.get_by_role("button", name="Let them go on").click()
        await is_back(page, place)


async def test_on_a_slow_line(browser: Browser, place: Place) -> None:
    """400 kbit/s and 400 ms: it says that it loads, less than 60 KiB come in all, and it ends."""
    path = place.desk.put(step=Step.WORK)
    async with tab(browser, place.origin) as page:
        line = await page.context.new_cdp_session(page)
        sizes: list[float] = []
        line.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        await line.send("Network.enable")
        await line.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000},
        )
        await page.goto(f"{place.origin}{path}?to={BACK}", wait_until="commit")
        await expect(page.get_by_role("status")).to_have_text("The check is loading.")
        await is_back(page, place)
        assert 40_000 < sum(sizes) < 60 * 1024


PROVIDER: Final = """
const box = document.querySelector(".captcha"), press = document.createElement("button");
press.type = "button";
press.textContent = "I am no robot";
press.addEventListener("click", () => {
  const answer = document.createElement("textarea");
  answer.name = "captcha-response";
  answer.hidden = true;
  answer.value = box.dataset.sitekey;
  box.append(answer);
});
box.append(press);
const waiting = document.createElement("input");
Object.assign(waiting, { type: "hidden", name: "captcha-response", value: ".UNSTARTED" });
box.append(waiting);
press.addEventListener("click", () => waiting.remove());
"""


SCORED: Final = """
window.scores = { ready: (then) => then(), execute: async (key, { action }) => `${key} ${action}` };
"""


@contextlib.asynccontextmanager
async def provider(text: str = PROVIDER) -> AsyncIterator[Widget]:
    """Somebody else, on another port."""

    async def script(_: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/api.js", script)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield Widget(
            "div",
            {"class": "captcha", "data-sitekey": "key"},
            (f"{origin}/api.js",),
            "captcha-response",
            {"script-src": (origin,)},
        )
    finally:
        await runner.cleanup()


async def test_somebody_elses_check(browser: Browser, place: Place) -> None:
    """Its answer is sent as soon as it stands in the form, and it is told our host and no more."""
    async with provider() as widget:
        path = place.desk.put(step=Step.CAPTCHA, widget=widget)
        place.desk.answers = [Proof("passed")]
        async with tab(browser, place.origin, *widget.sources["script-src"]) as page:
            async with page.expect_request("**/api.js") as asked:
                await page.goto(f"{place.origin}{path}?to={BACK}")
            assert (await (await asked.value).all_headers())["referer"] == f"{place.origin}/"
            await page.get_by_role("button", name="I am no robot").click()
            await is_back(page, place)
        assert place.desk.proved[0][1]["captcha-response"] == "key"


async def test_somebody_elses_score(browser: Browser, place: Place) -> None:
    """There is nothing to solve: a press asks the provider, and what it says is sent."""
    async with provider(SCORED) as widget:
        attributes = {"data-execute": "scores", "data-sitekey": "key", "data-action": "mark"}
        path = place.desk.put(step=Step.CAPTCHA, widget=widget._replace(attributes=attributes))
        place.desk.answers = [Proof("passed")]
        async with tab(browser, place.origin, *widget.sources["script-src"]) as page:
            await page.goto(f"{place.origin}{path}?to={BACK}")
            await page.get_by_role("button", name="Go on").click()
            await is_back(page, place)
        assert place.desk.proved[0][1]["captcha-response"] == "key mark"


@contextlib.asynccontextmanager
async def real(counter: Counter) -> AsyncIterator[str]:
    """The same pages with a desk as the gateway has it: its origin."""
    app = web.Application()
    add_to(app, desk=counter.desk, now=lambda: counter.now, public_url="")
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("step", [Step.WORK, Step.CAPTCHA], ids=lambda step: step.name.lower())
async def test_with_all_that_it_stands_on(browser: Browser, step: Step) -> None:
    """Real tokens, real work, real escalations: the widget's answer makes a clearance."""
    counter = Counter(now=time.time(), terms={RULE: TERMS._replace(providers=(ALTCHA,))})
    token = await counter.put(step=step)
    async with real(counter) as origin, tab(browser, origin) as page:
        await page.goto(origin + addresses.page(token))
        if step is Step.CAPTCHA:
            await tick(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("This check is passed")
        assert (await counter.desk.seen(token)).status == "passed"
        [clearance] = counter.escalations.held[RULE, "acme"].clearances
        assert clearance.step is step


async def _held(route: Route) -> None:
    """A puzzle that never comes."""


def _states(place: Place) -> dict[str, str]:
    """Every page there is -> its path."""
    put = place.desk.put
    away = Widget("div", {"class": "captcha"}, (), "captcha-response", {"frame-src": ("https://captcha.example",)})
    return {
        "work": put("work", step=Step.WORK),
        "captcha": put("captcha", step=Step.CAPTCHA),
        "address": put("address", step=Step.CAPTCHA, subject="address=2001:db8::1"),
        "long": put("long", step=Step.CAPTCHA, subject="w" * 120),
        "elsewhere": put("elsewhere", step=Step.CAPTCHA, widget=away),
        "passed": put("passed", status="passed"),
        "passed-back": put("passed-back", status="passed") + f"?to={BACK}",
        "expired": put("expired", status="expired"),
        "closed": put("closed", status="closed") + f"?to={BACK}",
        "forged": f"{ROOT}/forged",
        "nobody": put("nobody", step=Step.CAPTCHA, widget=None),
    }


THOROUGHLY: Final = {"captcha", "member"}
"""Seen by axe, which takes its time, on four screens; the others on two: a phone in the dark, a desk in the light."""


async def _faults(page: Page, name: str) -> dict[str, list[str]]:
    """Of the page that is open, on every screen, light and dark."""
    found = {}
    for size in (LARGE, PHONE, DESK):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await settled(page)
            faults = list(await page.evaluate(AUDIT))
            if size != LARGE and (name in THOROUGHLY or (size == PHONE) is (scheme == "dark")):
                violations = (await Axe().run(page)).response["violations"]
                faults += [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in violations]
            found[f"{name}, {size[0]} px, {scheme}"] = faults
    return {name: faults for name, faults in found.items() if faults}


async def test_everybody_can_read_it(browser: Browser, place: Place) -> None:
    """axe finds nothing, nor does our own list: in every state, large, on a phone, at a desk, light and dark."""
    faults: dict[str, list[str]] = {}
    async with tab(browser, place.origin, refusals=True) as page:
        await page.route(f"**{addresses.puzzle('work')}", _held)
        for name, path in _states(place).items():
            await page.goto(place.origin + path)
            if name in {"work", "captcha"}:
                await expect(page.get_by_role("checkbox")).to_be_attached()
            faults |= await _faults(page, name)
        for name, proof in {"wrong": Proof("wrong"), "farmed": Proof("farmed")}.items():
            place.desk.answers = [proof]
            await page.goto(place.origin + place.desk.put(name, step=Step.WORK))
            await expect(
                page.get_by_text("try once more" if name == "wrong" else "Please sign in instead")
            ).to_be_visible()
            faults |= await _faults(page, name)
        place.desk.away = True
        await page.goto(f"{place.origin}{ROOT}/work")
        faults |= await _faults(page, "unavailable")
        place.desk.away = False
        await page.goto(place.owner.link("acme", Scope.OWNER))
        await page.get_by_role("button", name="Go on").click()
        await page.goto(f"{place.origin}{ROOT}/captcha")
        await expect(page.get_by_role("button", name="Let them go on")).to_be_visible()
        faults |= await _faults(page, "member")
    assert faults == {}
