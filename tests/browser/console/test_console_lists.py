"""Lists in the console."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import Deployment
from tests.browser.console.looked import looks

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


async def test_lists_and_their_entries(deployment: Deployment, console_page: ConsolePage) -> None:
    """Each with its age and readers; an entry is found. Axe-core has nothing to say."""
    async with console_page(Role.ADMIN, "lists") as page:
        await expect(page.get_by_role("meter").first).to_be_visible()
        await expect(page.get_by_role("link", name="blocked", exact=True)).to_be_visible()
        assert await looks(page, "lists") == []
        await page.get_by_role("button", name="Search in disposable_domains").click()
        await page.get_by_label("Look for").fill("mailinator.com")
        await expect(page.get_by_text(re.compile("is in the list that is in force|is not in the list"))).to_be_visible()
        assert await looks(page, "lists-search") == []
        # The first empties the field, as browsers do.
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_whose_accounts_are_suspected_is_not_for_all(console_page: ConsolePage) -> None:
    """A viewer sees that there is such a list, and cannot look into it."""
    async with console_page(Role.VIEWER, "lists") as page:
        await expect(page.get_by_text("suspected_accounts").first).to_be_visible()
        await expect(page.get_by_role("button", name="Search in suspected_accounts")).to_have_count(0)
        await expect(page.get_by_role("button", name="Search in disposable_domains")).to_be_visible()
