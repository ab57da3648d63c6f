"""Tokens of operators in the console."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import MAY, Role
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import Deployment
from tests.browser.console.looked import looks, shot

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


async def test_a_token_is_made_shown_once_and_revoked(deployment: Deployment, console_page: ConsolePage) -> None:
    """It works as soon as it is shown; the page keeps nothing of it; once revoked it holds no more."""
    async with console_page(Role.ADMIN, "operators") as page:
        await page.get_by_role("button", name="New token").click()
        await page.get_by_label("Name", exact=True).fill("made-by-hand")
        await page.get_by_label("Role", exact=True).select_option("viewer")
        await page.get_by_role("button", name="Make it").click()
        token = (await page.locator("#token").inner_text()).strip()
        await shot(page, "operators-made")
        bearer = {"Authorization": f"Bearer {token}"}
        async with deployment.http.get(f"{deployment.origin}/policies", headers=bearer) as answer:
            assert answer.status == 200
        await page.get_by_role("button", name="I have it").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert token not in await page.content()
        await page.get_by_role("button", name="Revoke made-by-hand").click()
        await page.get_by_label("Why").fill("a test")
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.get_by_role("row", name="made-by-hand")).to_contain_text("revoked")
        async with deployment.http.get(f"{deployment.origin}/policies", headers=bearer) as answer:
            assert answer.status == 401


async def test_who_may_what_can_be_read(deployment: Deployment, console_page: ConsolePage) -> None:
    """The table of roles is the one that the gateway goes by; axe-core has nothing to say."""
    await deployment.token(Role.VIEWER)
    async with console_page(Role.ADMIN, "operators") as page:
        await expect(page.get_by_text("night-viewer").first).to_be_visible()
        told = await page.evaluate(
            "import(document.querySelector('script[src]').src.replace('app.js', 'pages/operators_roles.js'))"
            ".then(({ MAY }) => MAY)"
        )
        assert {role: set(may) for role, may in told.items()} == {role: set(may) for role, may in MAY.items()}
        assert await looks(page, "operators") == []


async def test_tokens_are_for_whoever_governs(console_page: ConsolePage) -> None:
    """Another role is told that the page is not for it."""
    async with console_page(Role.OPERATOR, "operators") as page:
        await expect(page.get_by_text("Not for this role")).to_be_visible()
