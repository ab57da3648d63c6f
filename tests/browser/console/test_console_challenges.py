"""Who is held to challenges, on a real gateway with a real Redis; and a person who ends it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import expect

from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.ladder import Asked, Ladder, Open, Step, Weighed
from gateway.control.access.roles import Role
from gateway.stores.redis.client import client
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import HOSTILE, Deployment
from tests.browser.console.looked import looks, shot
from tests.browser.console.steered import WHY, dialog, hostile_is_text, press

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]
LADDER: Final = Ladder({Step.SLOW: 20.0, Step.WORK: 40.0, Step.CAPTCHA: 60.0})
RULE: Final = "captcha/main"


@contextlib.asynccontextmanager
async def held(deployment: Deployment, *subjects: str) -> AsyncIterator[None]:
    """As a worker would hold them: on the step captcha, with a challenge open."""
    redis = client(deployment.redis.tcp_url)
    escalations = RedisEscalations(redis, time.time, deadline=2.0)
    try:
        for subject in subjects:
            now = time.time()
            asked = Asked(Open("c1", Step.CAPTCHA, "", "asn=64496", now, now + 900))
            await escalations.change(RULE, subject, LADDER, Weighed(70.0), asked)
        yield
    finally:
        async for key in redis.scan_iter(match=b"tg:c:*"):
            await redis.delete(key)
        await redis.aclose()


async def test_who_is_held_is_let_go(console_page: ConsolePage, deployment: Deployment) -> None:
    """With a reason, down to a step; on the page of all as on that of the account; and it stands in the audit."""
    async with held(deployment, "free-5", "free-6"), console_page(Role.OPERATOR, "challenges", refusals=True) as page:
        row = page.get_by_role("row").filter(has_text="free-5")
        await expect(row).to_contain_text("captcha")
        await expect(row).to_contain_text("1 open")
        await shot(page, "challenges")
        await press(page, f"Lift {RULE} from free-5")
        box = dialog(page)
        await press(box, "Lift")
        await expect(box).to_contain_text("Say why")
        await box.get_by_label("Reason").fill(WHY)
        await press(box, "Lift")
        await expect(page.locator(".toast")).to_contain_text("free-5 stands on observe")
        await expect(row).to_have_count(0)
        await page.get_by_role("link", name="free-6").click()
        await press(page, f"Lift {RULE} from free-6")
        await dialog(page).get_by_label("Reason").fill(WHY)
        await press(dialog(page), "Lift")
        await expect(page.get_by_role("button", name=f"Lift {RULE} from free-6")).to_have_count(0)
        assert (await deployment.ask("GET", "/challenges"))["there"] == 0
        lines = (await deployment.ask("GET", "/accounts/free-6/audit"))["audit"]
        assert (lines[0]["did"], lines[0]["who"], lines[0]["detail"]["reason"]) == (
            "challenge.lift", "token:night-operator", WHY,
        )  # fmt: skip


async def test_filtered_by_the_step(console_page: ConsolePage, deployment: Deployment) -> None:
    """From which step on stands in the address; nobody above is told as what it is: good."""
    async with held(deployment, "free-5"), console_page(Role.ANALYST, "challenges") as page:
        await expect(page.get_by_role("row").filter(has_text="free-5")).to_be_visible()
        await page.get_by_label("From step").select_option("review")
        await expect(page.get_by_text("Nobody stands on the step review or above.")).to_be_visible()
        assert page.url.endswith("?step=review")


async def test_everybody_can_read_it(console_page: ConsolePage, deployment: Deployment) -> None:
    """axe finds nothing, in both themes and at phone width; an account that is called like markup is text."""
    subjects = (HOSTILE, "free-5", "network=198.51.100.0/24")
    async with held(deployment, *subjects), console_page(Role.ADMIN, "challenges") as page:
        await hostile_is_text(page)
        assert await looks(page, "challenges-held") == []
