"""The console's frame: signing in, the ways to pages, the keys, what is said when something is wrong."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, Route, expect

from gateway.control.access.roles import MAY, Permission, Role
from tests.browser.chromium import missing, settled, tab
from tests.browser.console import made
from tests.browser.console.conftest import FakePage, sign_in
from tests.browser.console.deployment import ADMIN_TOKEN, Deployment
from tests.browser.console.fake import Fake
from tests.browser.console.looked import PHONE, faults, looks, shot

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]
NEEDS: Final = {"Overview": "look", "Decisions": "people", "Health": "look", "Reviews": "judge", "Operators": "govern"}


async def heading(page: Page, text: str | re.Pattern[str]) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text(text)


async def test_in_and_out(browser: Browser, deployment: Deployment) -> None:
    """A token signs in; a wrong one is told of where it was written; whoever signs out sees nothing more."""
    async with tab(browser, deployment.origin, refusals=True) as page:
        await page.goto(f"{deployment.origin}/console/health")
        await heading(page, "Sign in to Tidegate")
        token = page.get_by_label("Token")
        await expect(token).to_be_focused()
        await page.keyboard.type("tg_op_wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator(".error")).to_contain_text("token")
        await expect(token).to_have_attribute("aria-invalid", "true")
        await page.keyboard.type(ADMIN_TOKEN)
        await page.keyboard.press("Enter")
        await heading(page, "Health")
        cookies = await page.context.cookies()
        assert [(one["httpOnly"], one["sameSite"]) for one in cookies] == [(True, "Strict")]
        assert await page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
        await page.reload()
        await heading(page, "Health")
        await page.get_by_role("button", name="Sign out").click()
        await heading(page, "Sign in to Tidegate")
        await page.reload()
        await heading(page, "Sign in to Tidegate")


@pytest.mark.parametrize("role", list(Role))
async def test_pages_by_role(fake_page: FakePage, api: Fake, role: Role) -> None:
    """The navigation has what the role may look at; an address of anything else says that it is not for it."""
    api.role = role
    async with fake_page("health", refusals=True) as page:
        await heading(page, "Health")
        links = await page.get_by_role("navigation").get_by_role("link").all_text_contents()
        for title, needs in NEEDS.items():
            assert (title in links) is (Permission(needs) in MAY[role]), title
        await page.goto(f"{api.origin}/console/operators")
        if Permission.GOVERN in MAY[role]:
            await expect(page.get_by_text("Not for this role")).to_have_count(0)
        else:
            await expect(page.get_by_text("Not for this role")).to_be_visible()
            await expect(page.get_by_role("main")).to_contain_text(f"the role {role}")


async def test_by_keyboard(fake_page: FakePage) -> None:
    """Keys lead to pages, to the filter and to help; the focus goes along, and a screen reader is told."""
    async with fake_page("health") as page:
        await heading(page, "Health")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="To the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#main")).to_be_focused()
        await page.keyboard.type("gd")
        await heading(page, "Decisions")
        await expect(page).to_have_title("Decisions · Tidegate")
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
        await expect(page.locator("#spoken")).to_have_text("Decisions")
        await page.keyboard.press("/")
        await expect(page.get_by_label("Search")).to_be_focused()
        await page.keyboard.type("g?o")
        await heading(page, "Decisions")
        await page.keyboard.press("Escape")
        await expect(page.get_by_label("Search")).not_to_be_focused()
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        await page.keyboard.press("g")
        await page.keyboard.press("o")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await heading(page, "Decisions")
        await page.go_back()
        await heading(page, "Health")


async def test_where_nothing_is(fake_page: FakePage) -> None:
    """An address that no page has says so, and leads back."""
    async with fake_page("no/such/page") as page:
        await heading(page, "No such page")
        await page.get_by_role("link", name="To the overview").click()
        await heading(page, "Overview")


async def test_what_everybody_has_to_know(fake_page: FakePage, api: Fake) -> None:
    """A freeze, a shadow of everything, files that are refused: on every page, in words, as text."""
    freeze = {"id": 1, "limit": "*", "scope": {"model": made.HOSTILE}, "by": made.HOSTILE, "reason": "incident"}
    shadow = {
        "id": 2,
        "limit": "*",
        "scope": {},
        "by": "ann",
        "reason": "",
        "expires": 4e9,
        "change": {"kind": "shadow"},
    }
    api.answers["/overrides"] = {"revision": 43, "overrides": [freeze | {"change": {"kind": "freeze"}}, shadow]}
    api.answers["/policies"] = {"generation": 7, "files": "refused", "shown": [f"rules.yaml:3: {made.HOSTILE}"]}
    async with fake_page("health") as page:
        alarms = page.get_by_role("complementary", name="Alarms")
        await expect(alarms).to_contain_text("The rules on disk are refused")
        await expect(alarms).to_contain_text(f"Frozen: model {made.HOSTILE}")
        await expect(alarms).to_contain_text("Everything is in shadow")
        await expect(page.locator(".versions")).to_contain_text("43")
        assert await page.evaluate("window.broken") is None
        assert await faults(page) == []
        await shot(page, "alarms")


async def test_while_the_gateway_is_away(fake_page: FakePage, api: Fake) -> None:
    """A proxy's page is told in words, and tried again by a button; a session that is over leads to the way in."""

    async def away(route: Route) -> None:
        await route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")

    async with fake_page("exchanges", refusals=True) as page:
        await expect(page.get_by_role("table")).to_be_visible()
        await page.route(re.compile(r"/exchanges/"), away)
        await page.get_by_label("Request id").fill("abc")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("alert")).to_contain_text("The gateway answered 502")
        await page.unroute(re.compile(r"/exchanges/"))
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("main")).to_contain_text("No such exchange")
        api.answers["/exchanges/abc"] = (401, {"error": "sign in"})
        await page.get_by_role("button", name="Look again").click()
        await heading(page, "Sign in to Tidegate")


MOVES: Final = """() => {
  document.querySelectorAll("*").forEach((one) => getComputedStyle(one).color);
  return document.getAnimations().length;
}"""


async def test_for_who_wants_less_motion(fake_page: FakePage) -> None:
    """Nothing moves, and another theme is there at once: no colour is on its way from one to the other."""
    async with fake_page("health") as page:
        await heading(page, "Health")
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        await settled(page)
        await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        assert await page.evaluate(MOVES) == 0
        assert await faults(page) == []


SIZES: Final = """() => Object.fromEntries(performance.getEntries()
  .filter((one) => one.entryType === "navigation" || one.name.includes("/static/"))
  .map((one) => [one.name.split("/").slice(5).join("/"), one.encodedBodySize]))"""


@pytest.mark.timing
async def test_fast(browser: Browser, deployment: Deployment) -> None:
    """The first paint within a second of asking, the frame within 60 KB; what a page alone needs comes with it."""
    async with tab(browser, deployment.origin) as page:
        await sign_in(page.context, deployment, Role.VIEWER)
        await page.goto(f"{deployment.origin}/console/health")
        await heading(page, "Health")
        paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        sizes: dict[str, Any] = await page.evaluate(SIZES)
    print(f"first contentful paint {paint:.0f} ms, {sum(sizes.values())} bytes in {len(sizes)} files")
    assert paint < 1000
    assert sum(sizes.values()) < 60_000
    assert not any("world" in name or "editor" in name for name in sizes)


async def test_sign_in_for_everybody(fake_page: FakePage, api: Fake) -> None:
    """The way in, and the navigation of a phone, for screen readers and every eye."""
    api.role = None
    async with fake_page(refusals=True) as page:
        await heading(page, "Sign in to Tidegate")
        assert await looks(page, "sign-in") == []
        await page.get_by_label("Token").fill(api.token)
        await page.keyboard.press("Enter")
        await heading(page, "Overview")
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await page.get_by_role("button", name="Pages").click()
        await expect(page.get_by_role("navigation")).to_be_visible()
        assert await faults(page) == []
        await page.get_by_role("link", name="Health").click()
        await expect(page.get_by_role("navigation")).to_be_hidden()
