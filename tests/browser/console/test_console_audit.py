"""The audit in the console."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import HOSTILE, Deployment
from tests.browser.console.looked import looks

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


async def test_lines_are_read_and_verified(deployment: Deployment, console_page: ConsolePage) -> None:
    """What somebody wrote as a reason is text, whatever it is; the chain is looked at, and its head told."""
    await deployment.ask("POST", "/accounts/pro-9/suspend", {"reason": HOSTILE})
    await deployment.ask("POST", "/accounts/pro-9/restore", {"reason": "a test"})
    async with console_page(Role.ADMIN, "audit") as page:
        await expect(page.get_by_text(HOSTILE).first).to_be_visible()
        await page.get_by_role("button", name="Verify").click()
        await expect(page.get_by_text("Nobody changed the audit")).to_be_visible()
        assert await page.evaluate("window.broken") is None
        assert await looks(page, "audit") == []


async def test_lines_are_filtered_by_address(deployment: Deployment, console_page: ConsolePage) -> None:
    """A link from elsewhere leads to the lines of one operator, or of one account; the fields say so."""
    await deployment.ask("POST", "/accounts/pro-8/suspend", {"reason": "of pro-8"})
    await deployment.ask("POST", "/accounts/pro-8/restore", {"reason": "of pro-8"})
    async with console_page(Role.OPERATOR, "audit?subject=pro-8") as page:
        await expect(page.get_by_label("To what")).to_have_value("pro-8")
        rows = page.locator("tbody tr")
        await expect(rows.filter(has_text="of pro-8")).to_have_count(2)
        count = await rows.count()
        await expect(page.get_by_role("button", name="Verify")).to_have_count(0)
        async with page.expect_download() as started:
            await page.get_by_role("link", name="Export with links").click()
        assert (await started.value).suggested_filename == "audit.jsonl"
        await page.get_by_role("button", name="All", exact=True).click()
        await expect(rows).not_to_have_count(count)
