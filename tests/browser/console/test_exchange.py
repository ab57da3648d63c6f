"""One exchange: from the id that a caller got to who refused it, why, and what to do."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console import made
from tests.browser.console.conftest import ConsolePage, FakePage
from tests.browser.console.deployment import Deployment
from tests.browser.console.looked import looks

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]
REFUSED: Final = "0000000000000007"


async def test_why_was_i_refused(console_page: ConsolePage, deployment: Deployment) -> None:
    """The id of the answer, pasted, tells the entry that refused, the reason, and the way on; a wrong one says so."""
    answers = await asyncio.gather(*(deployment.chat("default-2", "NG") for _ in range(30)))
    refused = next(named for status, named in answers if status == 429)
    async with console_page(Role.OPERATOR, "exchanges", refusals=True) as page:
        await expect(page.get_by_label("Request id")).to_be_visible()
        await page.keyboard.press("/")
        await page.keyboard.type(f"  {refused} ")
        await page.keyboard.press("Enter")
        verdict = page.get_by_role("region", name="What happened")
        await expect(verdict).to_contain_text("was refused by quota")
        await expect(verdict).to_contain_text("What to do:")
        steps = page.locator(".step")
        await expect(page.locator(".step.bad")).to_contain_text(re.compile("quota(Denied|Throttled)"))
        await expect(steps.last).to_contain_text("The inference API never saw it")
        await expect(page.get_by_role("link", name="default-2")).to_have_attribute(
            "href", "/console/accounts/default-2"
        )
        await page.get_by_label("Request id").fill("nobody-had-this")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("No such exchange")).to_be_visible()


async def test_the_chain(fake_page: FakePage) -> None:
    """Each entry is a step in its order; the one that refused stands out, what is in shadow is dashed."""
    async with fake_page(f"exchanges/{REFUSED}") as page:
        await expect(page.locator(".step")).to_have_count(9)
        names = await page.locator(".step > div > b").all_text_contents()
        assert names[1:-1] == ["flood", "auth", "risk", "tiers", "rules", "quota", "after"]
        await expect(page.locator(".step.bad > div > b")).to_have_text("quota")
        await expect(page.locator(".step.shadow .shadowed")).to_contain_text("free-long-prompts")
        await expect(page.get_by_role("region", name="Who", exact=True)).to_contain_text(made.HOSTILE)
        assert await page.evaluate("[window.broken, document.querySelectorAll('img[onerror]').length]") == [None, 0]


async def test_for_everybody(fake_page: FakePage) -> None:
    """For screen readers and every eye, in both themes and on a phone."""
    async with fake_page(f"exchanges/{REFUSED}") as page:
        await expect(page.get_by_role("heading", name="Answered")).to_be_visible()
        assert await looks(page, "exchange") == []
