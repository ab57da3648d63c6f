"""Live decisions: filtered in the address, held when looked at, and smooth however many come."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage, FakePage
from tests.browser.console.deployment import HOSTILE, Deployment
from tests.browser.console.fake import Fake
from tests.browser.console.looked import looks

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]
FRAMES: Final = """(seconds) => new Promise((done) => {
  const gaps = [];
  let last = performance.now();
  const end = last + seconds * 1000;
  const frame = (now) => { gaps.push(now - last); last = now; now < end ? requestAnimationFrame(frame) : done(gaps); };
  requestAnimationFrame(frame);
})"""


async def test_from_a_refusal_to_its_trail(console_page: ConsolePage, deployment: Deployment) -> None:
    """A refusal comes by itself, a filter leaves the others out and stands in the address, a row leads to its trail."""
    async with console_page(Role.OPERATOR, "decisions") as page:
        await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
        await page.get_by_label("Action").select_option("refused")
        await page.get_by_label("Account").fill("default-1")
        await expect(page).to_have_url(f"{deployment.origin}/console/decisions?action=refused&account=default-1")
        await deployment.traffic(2)
        rows = page.locator("tbody tr.refused")
        await expect(rows.first).to_contain_text("_exceeded")
        assert await page.locator("tbody tr:not(.refused):not(.space)").count() == 0
        await rows.first.get_by_role("link").first.click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Exchange ")
        await page.go_back()
        await expect(page.get_by_label("Account")).to_have_value("default-1")


async def test_held(fake_page: FakePage) -> None:
    """`p` holds the list: what is read stays in its place, what comes is counted; `p` again lets it go on."""
    async with fake_page("decisions") as page:
        first = page.locator("tbody tr:not(.space)").first.get_by_role("link").first
        await expect(first).to_be_visible()
        await page.keyboard.press("p")
        await expect(page.get_by_text("Held by you")).to_be_visible()
        shown = await first.get_attribute("title")
        await expect(page.get_by_text("waiting")).to_contain_text("1,")
        assert await first.get_attribute("title") == shown
        await page.keyboard.press("p")
        await expect(first).not_to_have_attribute("title", shown or "")
        async with page.expect_download() as waiting:
            await page.get_by_role("button", name="CSV").click()
        kept = await (await waiting.value).path()
        text = kept.read_bytes()
        assert text.startswith(b"Time,Action,Status,Account,Model")
        assert text.count(b"\r\n") > 1000


async def test_filters_are_asked_for(fake_page: FakePage, api: Fake) -> None:
    """Every filter of the address goes to the gateway; one that cannot be right is said, and not asked for."""
    async with fake_page("decisions?country=de&model=m-*&status=4xx&reason=a%26b&tier=pro") as page:
        await expect(page.get_by_label("Country")).to_have_value("de")
        await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
        asked = [parse_qs(urlsplit(path).query) for _, path in api.asked if path.startswith("/live/decisions")]
        # Not the last: the page of a test before may have asked again meanwhile.
        wanted = {"country": ["DE"], "model": ["m-*"], "status": ["4xx"], "reason": ["a&b"], "tier": ["pro"]}
        assert wanted in asked
        await page.get_by_label("Country").fill("DEU")
        await expect(page.get_by_text("Two letters, such as DE.")).to_be_visible()
        await page.get_by_role("button", name="Clear all").click()
        await expect(page).to_have_url(f"{api.origin}/console/decisions")


@pytest.mark.timing
async def test_smooth(fake_page: FakePage) -> None:
    """1,000 a second: most frames come in time, and no more than two hundred rows are in the document."""
    async with fake_page("decisions") as page:
        await expect(page.locator(".rate")).to_have_text("1,000")
        gaps = sorted((await page.evaluate(FRAMES, 3))[2:])
        held, rows = await page.locator(".feed-line b").nth(1).text_content(), await page.locator("tbody tr").count()
    rate, late = len(gaps) / sum(gaps) * 1000, gaps[int(len(gaps) * 0.95)]
    print(
        f"{rate:.1f} frames/s, p95 {late:.1f} ms, longest {gaps[-1]:.1f} ms; {held} held, {rows} rows in the document"
    )
    assert rows < 200
    assert rate > 30  # 60 where a core is free; a machine that runs all tests at once has none


async def test_models_are_text(console_page: ConsolePage, deployment: Deployment) -> None:
    """A model that is markup is shown as it was written."""
    async with console_page(Role.ANALYST, "decisions") as page:
        await page.get_by_label("Search").fill("onerror")
        await deployment.chat("pro-2", "FR", model=HOSTILE)
        await expect(page.locator("tbody td.c-model").first).to_have_text(HOSTILE)
        assert await page.evaluate("[window.broken, document.querySelectorAll('img[onerror]').length]") == [None, 0]


async def test_for_everybody(fake_page: FakePage) -> None:
    """For screen readers and every eye, in both themes and on a phone."""
    async with fake_page("decisions") as page:
        await expect(page.locator("tbody tr").nth(9)).to_be_visible()
        await page.keyboard.press("p")
        assert await looks(page, "decisions") == []
