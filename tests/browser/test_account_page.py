"""The owner's pages as an owner has them: in Chromium, on a phone and at a desk, by keyboard, without script."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from gateway.accounts.one_time import Scope
from gateway.accounts.sql import keys, standing, tables
from gateway.campaigns.verdict import Family, Verdict
from gateway.policies.risk.campaigns import Response
from gateway.policies.risk.levels import CampaignsConfig
from gateway.verification.provider import State
from tests.browser.chromium import DESK, PHONE, missing, settled, tab
from tests.control.owner.world import DAY, World, gateway

AUDIT: Final = Path(__file__).with_name("audit.js").read_text(encoding="utf-8")
ACCOUNT: Final = "/tidegate/account"
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway with an account that has shown nothing but its address."""
    async with gateway(tmp_path) as made:
        made.account("acme", "ann@example.com", name="Acme Robotics", organisation="acme-group")
        made.write(standing.add_evidence, "acme", "email")
        yield made


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def tier(page: Page) -> str:
    heading = await page.get_by_role("heading", name="Your tier is").text_content()
    return (heading or "").rpartition(" ")[2]


async def test_from_a_link_to_a_tier(browser: Browser, world: World) -> None:
    """New account, link, page, provider, back, tier: with the mouse, and with no word to anybody else."""
    async with tab(browser, world.origin, world.checks.url) as page:
        await page.goto(world.link("acme", Scope.VERIFY))
        await expect(page.get_by_role("heading", level=1)).to_have_text("Open the page of your account")
        assert world.rows(tables.spent) == []
        await press(page, "Go on")
        assert await tier(page) == "free"
        await press(page, "Verify now")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Who are you?")
        await press(page, "approved")
        await expect(page).to_have_url(f"{world.origin}{ACCOUNT}")
        assert await tier(page) == "verified"
        await press(page, "Sign out")
        await expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
        await page.go_back()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in to your account")


async def test_without_script(browser: Browser, world: World) -> None:
    """The waiting page looks again by itself, and everything else works as well."""
    async with tab(browser, world.origin, world.checks.url, script=False) as page:
        await page.goto(f"{world.origin}{ACCOUNT}")
        await page.get_by_role("textbox", name="E-mail address").fill("ann@example.com")
        await press(page, "Send me a link")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Please look into your mailbox")
        await page.goto(await world.outbox.link())
        await press(page, "Go on")
        assert await tier(page) == "basic"
        await press(page, "Verify now")
        await press(page, "submitted")
        await expect(page.get_by_role("heading", level=1)).to_have_text("We are waiting for the provider")
        world.checks.decide("ses-1", State.APPROVED)
        await expect(page).to_have_url(f"{world.origin}{ACCOUNT}")
        assert await tier(page) == "verified"


FOCUSED: Final = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const shown = element.tagName === "BODY" || style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const name = element.labels?.length ? element.labels[0].textContent : element.textContent;
  return [name.trim().replace(/\\s+/g, " "), shown];
}"""


async def tab_to(page: Page, name: str) -> None:
    """As often as it takes; where the focus is has to be seen on the way."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        focused, shown = await page.evaluate(FOCUSED)
        assert shown, f"nobody sees that {focused!r} has the focus"
        if focused == name:
            return
    raise AssertionError(f"{name!r} is not reached")


async def test_by_keyboard(browser: Browser, world: World) -> None:
    """Tab, Enter and Space are enough, the focus is always seen, and a new key can be copied."""
    old = world.key("acme", "ci")
    async with tab(browser, world.origin, world.checks.url) as page:
        await page.goto(world.link("acme"))
        await page.keyboard.press("Tab")
        assert (await page.evaluate(FOCUSED))[0] == "Skip to content"
        await page.keyboard.press("Enter")
        await tab_to(page, "Go on")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Account Acme Robotics")
        await tab_to(page, "Verify now")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Who are you?")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{world.origin}{ACCOUNT}")
        await tab_to(page, f"Rotate or revoke the key ci {old.prefix}")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Key ci")
        await tab_to(page, "In a day")
        await page.keyboard.press("ArrowDown")
        await tab_to(page, "Make a new key")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your new key")
        await tab_to(page, "New key “ci”")
        marked = await page.evaluate("() => getSelection().toString()")
        assert re.fullmatch(r"tg_\w{10}_\w{40}", marked)
        assert world.rows(tables.keys, prefix=old.prefix)[0].expires == world.clock() + 7 * DAY


async def test_a_mistake_is_said_twice(browser: Browser, world: World) -> None:
    """At the top with a way to the field, and beside the field; what was typed is still there."""
    world.write(standing.add_fall, "acme", "detector")
    async with tab(browser, world.origin, size=PHONE, refusals=True) as page:
        await page.goto(f"{world.origin}{ACCOUNT}/sign-in")
        await page.get_by_role("textbox", name="E-mail address").fill("ann at example")
        await press(page, "Send me a link")
        assert await page.evaluate(AUDIT) == []
        field = page.get_by_role("textbox", name="E-mail address")
        await expect(field).to_have_value("ann at example")
        await expect(field).to_have_accessible_description(re.compile("Error: This is not an e-mail address"))
        await page.get_by_role("alert").get_by_role("link").click()
        await expect(field).to_be_focused()
        await page.goto(world.link("acme"))
        await press(page, "Go on")
        await page.get_by_label("Tell us what happened").fill("x" * 2001)
        await press(page, "Send appeal")
        await expect(page.get_by_label("Tell us what happened")).to_have_value("x" * 2001)
        assert await page.title() == "Error: Account acme – 127.0.0.1"
        assert await page.evaluate(AUDIT) == []


async def _many_states(world: World) -> dict[str, tuple[str, Scope, str]]:
    """Name -> account, scope and path of a page that looks different."""
    key = world.key("acme", "production with a very long name of its own")
    gone = world.key("acme", "gone")
    world.write(keys.revoke, gone.prefix)
    world.account("fallen")
    world.account("due")
    for account, ago in (("fallen", 10 * DAY), ("due", 350 * DAY)):
        for kind in ("email", "document", "liveness", "console"):
            obtained = world.clock() - (ago if kind == "document" else 0.0)
            world.write(standing.add_evidence, account, kind, obtained=obtained)
    world.write(standing.add_fall, "fallen", "chargeback")
    world.account("w" * 120)
    world.account("suspected")
    world.response = Response(CampaignsConfig.model_validate({"verify": {}}), "risk")
    families = ((Family.CONTENT, 6.0), (Family.LINKS, 8.0))
    world.verdicts.tell([Verdict("suspected", "c1", 14.0, families, expires=math.inf)])
    return {
        "owner": ("acme", Scope.OWNER, ""),
        "verify": ("acme", Scope.VERIFY, ""),
        "key": ("acme", Scope.OWNER, f"/keys/{key.prefix}"),
        "revoked-key": ("acme", Scope.OWNER, f"/keys/{gone.prefix}"),
        "fallen": ("fallen", Scope.OWNER, ""),
        "due": ("due", Scope.OWNER, ""),
        "suspected": ("suspected", Scope.OWNER, ""),
        "long-name": ("w" * 120, Scope.OWNER, ""),
        "sign-in": ("", Scope.VERIFY, "/sign-in"),
        "signed-out": ("", Scope.VERIFY, "/signed-out"),
    }


async def _faults(page: Page, name: str) -> dict[str, list[str]]:
    """Of the page that is open, on a phone and at a desk, light and dark."""
    found = {}
    for size in (PHONE, DESK):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await settled(page)
            found[f"{name}, {size[0]} px, {scheme}"] = await page.evaluate(AUDIT)
    return {name: faults for name, faults in found.items() if faults}


async def test_everybody_can_read_it(browser: Browser, world: World) -> None:
    """Names, order, labels, contrast of AA and room to hit: on a phone and at a desk, light and dark."""
    faults: dict[str, list[str]] = {}
    states = await _many_states(world)
    async with tab(browser, world.origin, world.checks.url) as page:
        for name, (account, scope, path) in states.items():
            await page.goto(f"{world.origin}{ACCOUNT}")
            if account:
                await page.goto(world.link(account, scope))
                faults |= await _faults(page, f"the link to {name}")
                await press(page, "Go on")
            if path:
                await page.goto(f"{world.origin}{ACCOUNT}{path}")
            faults |= await _faults(page, name)
            if name == "key":
                await press(page, "Make a new key")
                faults |= await _faults(page, "new key")
            if name == "suspected":
                await press(page, "Ask for a review")
                await expect(page.get_by_text("You have told us that this is wrong")).to_be_visible()
                faults |= await _faults(page, "asked for a review")
            if name == "verify":
                await press(page, "Verify now")
                await press(page, "submitted")
                faults |= await _faults(page, "waiting")
    assert faults == {}


async def test_the_audit_sees(browser: Browser) -> None:
    """What the other tests go by finds what is wrong."""
    page = await browser.new_page()
    await page.set_content(
        '<body><main><h1>a</h1><h3 style="color:#999">b</h3><input><button></button><a href="#no">x</a>'
        '<p style="width:5000px">wide</p></main>'
    )
    faults = " ".join(await page.evaluate(AUDIT))
    await page.close()
    for word in ("no lang", "no title", "not one header", "left out", "contrast 2.85", "no label", "no text", "nothing",
                 "inline", "wider"):  # fmt: skip
        assert word in faults
