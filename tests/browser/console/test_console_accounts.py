"""Accounts on a real gateway: found, looked at live, helped and stopped."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import HOSTILE, Deployment
from tests.browser.console.looked import looks, shot
from tests.browser.console.steered import (
    WHY,
    appeal,
    dialog,
    hostile_is_text,
    overridden,
    overrides,
    press,
    put_back,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


async def test_who_eats_the_capacity_is_found(console_page: ConsolePage, deployment: Deployment) -> None:
    """From the busiest to their page, in two steps; and from an id, or how it begins."""
    for _ in range(6):
        await deployment.chat("pro-12", "US", max_tokens=400)
    async with console_page(Role.OPERATOR, "accounts", refusals=True) as page:
        await page.get_by_label("Busiest by").select_option("requests")
        busiest = page.get_by_role("table", name="Accounts that used most")
        await expect(busiest.get_by_role("link", name="pro-12", exact=True)).to_be_visible()
        await shot(page, "accounts")
        await busiest.get_by_role("link", name="pro-12", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("pro-12")
        await page.go_back()
        await page.get_by_role("searchbox", name="Account id").fill("free-1")
        await press(page, "List what begins so")
        listed = page.get_by_role("table", name="Accounts", exact=True)
        await expect(listed.get_by_role("link", name=re.compile(r"^free-1"))).to_have_text(["free-1", "free-10"])
        await page.get_by_role("searchbox", name="Account id").press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("free-1")


async def test_quotas_are_live(console_page: ConsolePage, deployment: Deployment) -> None:
    """What is used moves while one looks; the override that bites is named, and so is why another does not."""
    async with put_back(deployment):
        await overridden(deployment, "free-requests", {"account": "free-8"}, {"kind": "scale", "factor": 2})
        await overridden(deployment, "free-requests", {"tier": "free"}, {"kind": "scale", "factor": 3})
        async with console_page(Role.OPERATOR, "accounts/free-8", refusals=True) as page:
            quota = page.get_by_role("group", name="free-requests")
            await expect(quota).to_contain_text("40 requests every minute")
            await expect(quota).to_contain_text("× 2 for account free-8")
            await expect(quota.get_by_text("1 that does not bite")).to_be_visible()
            for _ in range(15):
                await deployment.chat("free-8")
            used = quota.get_by_role("meter", name="Used of free-requests")
            await expect(used).to_have_attribute("aria-valuetext", re.compile(r"^1\d"))


async def test_what_an_override_would_do(console_page: ConsolePage, deployment: Deployment) -> None:
    """A factor moves the bars, and nothing is set; from there to the dialog with that factor in it."""
    async with put_back(deployment), console_page(Role.OPERATOR, "accounts/pro-1", refusals=True) as page:
        await page.get_by_role("slider", name="All its limits times").fill("11")
        await expect(page.get_by_role("meter", name="pro-requests, times 5")).to_have_attribute(
            "aria-valuetext", re.compile(r"of 5,000$")
        )
        assert await overrides(deployment) == []
        await press(page, "Set it …")
        await expect(dialog(page).get_by_label("Times")).to_have_value("5")
        await expect(dialog(page).get_by_label("What will happen")).to_contain_text(
            "Account pro-1: every limit times 5"
        )


async def test_freeze_boost_and_suspend(console_page: ConsolePage, deployment: Deployment) -> None:
    """Each asks why, says what follows, and bites at once; each has its way back."""
    async with put_back(deployment), console_page(Role.OPERATOR, "accounts/pro-8", refusals=True) as page:
        await press(page, "Freeze")
        await expect(dialog(page).get_by_label("What will happen")).to_contain_text("Account pro-8: nothing passes.")
        await dialog(page).get_by_label("Reason").fill(WHY)
        await press(dialog(page), "Apply")
        await expect(dialog(page)).to_contain_text("In force on 2 of 2 workers")
        await press(dialog(page), "Done")
        assert (await deployment.chat("pro-8"))[0] == 429
        await expect(page.get_by_text("Frozen: nothing of it passes.")).to_be_visible()
        await page.locator(".toast").get_by_role("button", name="Undo").click()
        await expect(page.get_by_text("Frozen: nothing of it passes.")).to_have_count(0)
        assert (await deployment.chat("pro-8"))[0] == 200
        for name, follows in (("Suspend", "refused with 403"), ("Restore", "Its keys hold again at once")):
            await press(page, name)
            await expect(dialog(page)).to_contain_text(follows)
            await press(dialog(page), name)
            await expect(dialog(page)).to_contain_text("Say why")
            await dialog(page).get_by_label("Reason").fill(WHY)
            await press(dialog(page), name)
            await expect(dialog(page)).to_have_count(0)
            await expect(page.get_by_role("button", name="Restore" if name == "Suspend" else "Suspend")).to_be_visible()


async def test_usage_is_reset(console_page: ConsolePage, deployment: Deployment) -> None:
    """Of one limit: its buckets are full again, and the audit says who and why."""
    for _ in range(5):
        await deployment.chat("free-4")
    async with console_page(Role.OPERATOR, "accounts/free-4", refusals=True) as page:
        await press(page, "Reset usage of free-requests")
        await dialog(page).get_by_label("Reason").fill(WHY)
        await press(dialog(page), "Reset")
        await expect(page.locator(".toast")).to_contain_text("Reset: 1 bucket is full again.")
        lines = (await deployment.ask("GET", "/accounts/free-4/audit"))["audit"]
        assert (lines[0]["did"], lines[0]["detail"]["reason"]) == ("limit.reset", WHY)


async def test_a_key_is_revoked(console_page: ConsolePage, deployment: Deployment) -> None:
    """By its prefix, which is all that anybody sees of it; there is no way back, and it says so."""
    made = await deployment.ask("POST", "/accounts/default-4/keys", {"name": HOSTILE})
    assert (await deployment.chat("default-4", key=made["key"]))[0] == 200
    async with console_page(Role.ANALYST, "accounts/default-4", refusals=True) as page:
        await expect(page.get_by_text(made["key"])).to_have_count(0)
        await press(page, f"Revoke the key {made['prefix']}")
        await expect(dialog(page)).to_contain_text("there is no way back")
        await dialog(page).get_by_label("Reason").fill(WHY)
        await press(dialog(page), "Revoke")
        keys = page.get_by_role("table", name="Keys of the account, by prefix")
        await expect(keys.get_by_role("row").filter(has_text=made["prefix"])).to_contain_text("revoked")
        await expect(page.get_by_role("button", name="Boost")).to_have_count(0)
    assert (await deployment.chat("default-4", key=made["key"]))[0] == 401


async def test_whom_nobody_knows(console_page: ConsolePage) -> None:
    """A token may name an account that no directory has: its limits are shown all the same."""
    async with console_page(Role.OPERATOR, "accounts/nobody-here", refusals=True) as page:
        await expect(page.get_by_role("heading", name="Not in the directory")).to_be_visible()
        await expect(page.get_by_text("nobody knows an account nobody-here")).to_be_visible()


async def test_everybody_can_read_it(console_page: ConsolePage, deployment: Deployment) -> None:
    """axe finds nothing, in both themes and at phone width; what others have named is text."""
    appeal(deployment, "pro-2")
    async with put_back(deployment):
        await overridden(deployment, "pro-requests", {"account": "pro-2"}, {"kind": "scale", "factor": 2})
        async with console_page(Role.ADMIN, "accounts", refusals=True) as page:
            await expect(page.get_by_role("link", name="pro-2", exact=True).first).to_be_visible()
            found = await looks(page, "accounts")
        async with console_page(Role.ADMIN, "accounts/pro-2", refusals=True) as page:
            await expect(page.get_by_role("table", name="Exchanges, the newest first")).to_be_visible()
            await hostile_is_text(page)
            found += await looks(page, "account")
        async with console_page(Role.ADMIN, "accounts/pro-3", refusals=True, scheme="dark") as page:
            await expect(page.get_by_role("img", name=re.compile("pro-3 in the middle"))).to_be_visible()
            await shot(page, "account-dark")
    assert found == []
