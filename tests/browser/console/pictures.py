"""The pictures of docs/console.md, of a deployment that is busy: made in the folder that TIDEGATE_SHOTS names.

Not one of the tests: `TIDEGATE_SHOTS=docs/console pytest tests/browser/console/pictures.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from gateway.control.access.roles import Role
from gateway.tasks import spawn
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import Deployment
from tests.browser.console.judged import judged
from tests.browser.console.looked import PHONE, SHOTS, shot
from tests.browser.console.steered import WHY, dialog, press, put_back

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()) or SHOTS not in os.environ, reason=missing() or f"{SHOTS} names no folder"),
]
SIZE: Final = (1280, 860)
WRONG: Final = '\n  - name: night\n    when: acount.tier == "free"\n    action: deny\n    reason: night\n'


@contextlib.asynccontextmanager
async def busy(deployment: Deployment) -> AsyncIterator[None]:
    """Callers go on until the end."""

    async def call() -> None:
        while True:
            await deployment.traffic(1)

    task = spawn(call(), "callers")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_pictures(console_page: ConsolePage, deployment: Deployment) -> None:
    """Each of a page at work, light and dark in turn; nothing of it is made up."""
    async with put_back(deployment), busy(deployment):
        async with console_page(Role.OPERATOR, "decisions", size=SIZE, scheme="dark") as page:
            await expect(page.locator("tbody tr.refused").first).to_be_visible()
            await expect(page.locator("tbody tr:not(.space)").nth(20)).to_be_visible()
            await page.keyboard.press("p")
            await shot(page, "decisions", whole=False)
            refused = page.locator("tbody tr.refused").filter(has_text="default-1")
            await refused.first.get_by_role("link").first.click()
            await page.emulate_media(color_scheme="light")
            await expect(page.get_by_role("heading", name="Answered")).to_be_visible()
            await shot(page, "exchange", whole=False)
        async with console_page(Role.OPERATOR, "limits", size=SIZE) as page:
            await press(page, "Change a limit")
            await dialog(page).get_by_role("radio", name="Boost", exact=True).check()
            await dialog(page).get_by_label("Limit", exact=True).select_option("free-requests")
            await dialog(page).get_by_label("Reason").fill(WHY)
            await press(dialog(page), "Preview")
            await expect(dialog(page).get_by_label("By the last 24 hours")).to_contain_text("requests in the last 24")
            await dialog(page).hover()
            await page.mouse.wheel(0, -350)
            await shot(page, "limit", whole=False)
        async with console_page(Role.OPERATOR, "accounts/default-1", size=SIZE, scheme="dark", refusals=True) as page:
            await expect(page.get_by_role("table", name="Exchanges, the newest first")).to_be_visible()
            await shot(page, "account", whole=False)
        async with console_page(Role.ADMIN, "rules", size=SIZE) as page:
            await expect(page.locator(".cm-content")).to_contain_text("Who may do what")
            await page.locator(".cm-content").click()
            await page.keyboard.press("Control+End")
            await page.keyboard.insert_text(WRONG)
            wrong = page.get_by_role("list", name="Problems")
            await expect(wrong).to_contain_text("did you mean `account.tier`")
            await shot(page, "rules", whole=False)
            await page.get_by_role("tab", name="Shadow and rollout").click()
            await page.emulate_media(color_scheme="dark")
            await expect(page.get_by_role("tabpanel").get_by_text("free-long-prompts").first).to_be_visible()
            await shot(page, "shadow", whole=False)
        async with console_page(Role.ADMIN, "audit", size=SIZE) as page:
            await press(page, "Verify")
            await expect(page.get_by_text("Nobody changed the audit")).to_be_visible()
            await shot(page, "audit", whole=False)
        async with console_page(Role.OPERATOR, size=(1280, 1150)) as page:
            where = page.get_by_role("region", name="Where requests come from", exact=True)
            await expect(where.get_by_role("link", name="Nigeria")).to_be_visible()
            reasons = page.get_by_role("region", name="Refusals by reason")
            await expect(reasons.get_by_role("button", name=re.compile("_exceeded"))).not_to_have_count(0)
            await shot(page, "overview", whole=False)
            await page.emulate_media(color_scheme="dark")
            await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
            await shot(page, "phone", whole=False)
        async with console_page(Role.OPERATOR, "limits", size=SIZE, scheme="dark") as page:
            await press(page, "Freeze a model …")
            await dialog(page).get_by_role("textbox", name="Model").fill("m-large")
            await dialog(page).get_by_label("Reason").fill(WHY)
            await press(dialog(page), "Whom does it hit?")
            await dialog(page).get_by_role("button", name=re.compile("^Freeze m-large for 1 h")).click()
            await expect(dialog(page)).to_contain_text("In force on 2 of 2 workers")
            await press(dialog(page), "Done")
            await expect(page.get_by_role("complementary", name="Alarms")).to_contain_text("Frozen: model m-large")
            await shot(page, "incident", whole=False)


async def test_a_case(browser: Browser, tmp_path: Path) -> None:
    """A cluster that was made by hand, as an analyst sees it."""
    async with judged(tmp_path / "directory") as port:
        case = port.tell(300)
        window = await browser.new_context(viewport={"width": 1440, "height": 1180})
        page = await window.new_page()
        await page.goto(f"{port.origin}/console/cases/{case}")
        await expect(page.locator(".cluster > svg .node").first).to_be_visible()
        await expect(page.get_by_text("stay at trace")).to_be_visible()
        await shot(page, "case", whole=False)
        await window.close()
