"""Health: what is wrong in plain words, and everything side by side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from gateway.control.access.roles import Role
from gateway.control.console import Console
from tests.browser.chromium import missing, tab
from tests.browser.console import made
from tests.browser.console.conftest import ConsolePage, shot
from tests.browser.console.fake import Fake, fake
from tests.browser.console.looked import LOOKS, faults

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]
PACKED: Final = Console()


@pytest_asyncio.fixture(loop_scope="session")
async def api() -> AsyncIterator[Fake]:
    """The port, with two workers that are well."""
    async with fake(PACKED) as one:
        made.fill(one)
        yield one


async def test_as_it_is(console_page: ConsolePage) -> None:
    """A viewer sees both workers, with the same rules, and that Redis and the directory are there."""
    async with console_page(Role.VIEWER, "health") as page:
        workers = page.get_by_role("region", name="Workers", exact=True)
        await expect(workers.get_by_role("row")).to_have_count(3)
        await expect(workers).to_contain_text("All go by the same rules and overrides")
        await expect(page.get_by_role("region", name="Redis", exact=True)).to_contain_text("noeviction")
        await expect(page.get_by_role("region", name="Directory", exact=True)).to_contain_text("SQLite")


async def test_unwell(browser: Browser, api: Fake) -> None:
    """The gravest first, with what to do; a worker by older rules is marked; when it is over, it is said by itself."""
    api.answers["/health"] = made.unwell()
    async with tab(browser, api.origin) as page:
        await page.goto(f"{api.origin}/console/health")
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


@pytest.mark.parametrize(("scheme", "size"), LOOKS)
async def test_for_everybody(browser: Browser, api: Fake, scheme: Any, size: tuple[int, int]) -> None:
    """For screen readers and every eye, in both themes and on a phone."""
    async with tab(browser, api.origin, size=size, scheme=scheme) as page:
        await page.goto(f"{api.origin}/console/health")
        await expect(page.get_by_role("heading", name="Rules and log")).to_be_visible()
        assert await faults(page) == []
        await shot(page, f"health-{scheme}-{size[0]}")
