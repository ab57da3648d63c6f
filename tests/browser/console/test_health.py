"""Health: what is wrong in plain words, and everything side by side."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console import made
from tests.browser.console.conftest import ConsolePage, FakePage
from tests.browser.console.fake import Fake
from tests.browser.console.looked import faults, looks, shot

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


async def test_as_it_is(console_page: ConsolePage) -> None:
    """A viewer sees both workers, with the same rules, and that Redis and the directory are there."""
    async with console_page(Role.VIEWER, "health") as page:
        workers = page.get_by_role("region", name="Workers", exact=True)
        await expect(workers.get_by_role("row")).to_have_count(3)
        await expect(workers).to_contain_text("All go by the same rules and overrides")
        await expect(page.get_by_role("region", name="Redis", exact=True)).to_contain_text("noeviction")
        await expect(page.get_by_role("region", name="Directory", exact=True)).to_contain_text("SQLite")


async def test_unwell(fake_page: FakePage, api: Fake) -> None:
    """The gravest first, with what to do; a worker by older rules is marked; when it is over, it is said by itself."""
    api.answers["/health"] = made.unwell()
    async with fake_page("health") as page:
        verdict = page.get_by_role("region", name="Verdict")
        await expect(verdict).to_contain_text("1 thing to see to at once")
        await expect(verdict.get_by_role("listitem").first).to_contain_text("What to do: see whether it runs.")
        await expect(page.get_by_role("region", name="Workers", exact=True)).to_contain_text("They do not agree yet")
        await expect(page.get_by_role("complementary", name="Alarms")).to_contain_text("Redis does not answer")
        await expect(page.get_by_role("region", name="Redis", exact=True)).to_contain_text(made.HOSTILE)
        assert await page.evaluate("window.broken") is None
        assert await faults(page) == []
        await shot(page, "health-unwell")
        api.answers["/health"] = made.health()
        await expect(verdict).to_contain_text("All is well.")


async def test_for_everybody(fake_page: FakePage) -> None:
    """For screen readers and every eye, in both themes and on a phone."""
    async with fake_page("health") as page:
        await expect(page.get_by_role("heading", name="Rules and log")).to_be_visible()
        assert await looks(page, "health") == []
