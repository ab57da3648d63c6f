"""The overview: live numbers, the map, who is busy; each leads on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console import made
from tests.browser.console.conftest import ConsolePage, FakePage
from tests.browser.console.deployment import Deployment
from tests.browser.console.fake import Fake
from tests.browser.console.looked import faults, looks

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


async def test_live(console_page: ConsolePage, deployment: Deployment) -> None:
    """What happens now is in the numbers a second later; the busiest account leads to its page."""
    async with console_page(Role.OPERATOR) as page:
        await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
        await expect(page.get_by_role("heading", name="Requests each second")).to_be_visible()
        await deployment.traffic(1)
        reasons = page.get_by_role("region", name="Refusals by reason")
        await expect(reasons.get_by_role("button", name=re.compile("_exceeded"))).not_to_have_count(0)
        where = page.get_by_role("region", name="Where requests come from", exact=True)
        await expect(where.get_by_role("link", name="Nigeria")).to_be_visible()
        busy = page.get_by_role("region", name="Who eats the capacity", exact=True)
        await busy.get_by_role("button", name="Requests", exact=True).first.click()
        await busy.get_by_role("link", name="default-1").click()
        await expect(page).to_have_url(f"{deployment.origin}/console/accounts/default-1")


async def test_longer_spans(console_page: ConsolePage, deployment: Deployment) -> None:
    """An hour and a day are asked of the gateway, and stand in the address."""
    async with console_page(Role.VIEWER) as page:
        await page.get_by_role("button", name="24 hours").click()
        await expect(page).to_have_url(f"{deployment.origin}/console/?span=24h")
        await expect(page.get_by_role("heading", name="Latency")).to_be_visible()
        assert await page.get_by_role("heading", name="Who eats the capacity").count() == 0


async def test_names_are_text(fake_page: FakePage) -> None:
    """What callers send is shown as they wrote it, wherever it stands, and is never markup."""
    async with fake_page() as page:
        await expect(page.get_by_role("link", name=made.HOSTILE)).to_have_count(3)
        await page.get_by_text("The same as a table").click()
        assert await page.evaluate("[window.broken, document.querySelectorAll('img[onerror]').length]") == [None, 0]


async def test_a_gateway_that_just_started(fake_page: FakePage, api: Fake) -> None:
    """Nothing yet is said in words; so is an answer that does not come."""
    empty = made.overview(1, 1, made.NOW)
    nothing: dict[str, Any] = {"times": [], "now": None, "reasons": {}, "entries": {}, "countries": {}, "models": {}}
    api.answers["/overview"] = empty | nothing | {"series": {}}
    api.feeds["/live/overview"] = made.silence
    async with fake_page(refusals=True) as page:
        await expect(page.get_by_text("No second has passed yet")).to_be_visible()
        api.answers["/overview"] = (503, {"error": "the gateway is starting"})
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("the gateway is starting")
        assert await faults(page) == []


async def test_for_everybody(fake_page: FakePage) -> None:
    """For screen readers and every eye, in both themes and on a phone."""
    async with fake_page() as page:
        await expect(page.get_by_role("heading", name="Models")).to_be_visible()
        assert await looks(page, "overview") == []
