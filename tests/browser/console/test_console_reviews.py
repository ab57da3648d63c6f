"""The queue of reviews on a real gateway: a case is decided with a reason, and letters are tried again."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import Deployment
from tests.browser.console.looked import looks, shot
from tests.browser.console.steered import appeal, dialog, hostile_is_text, letter, press

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


async def test_two_pairs_of_eyes(console_page: ConsolePage, deployment: Deployment) -> None:
    """What leads to the top of the ladder needs two people: the first cannot be the second, another can."""
    number = appeal(deployment, "default-3", "document", "liveness")
    async with console_page(Role.ADMIN, "reviews", refusals=True) as page:
        await press(page, f"Open case {number}")
        box = dialog(page)
        await expect(box).to_contain_text("An approval clears chargeback")
        await hostile_is_text(page)
        await press(box, "Approve")
        await expect(box).to_contain_text("Say why: somebody will ask.")
        await box.get_by_label("Reason").fill("seen the bank's letter")
        await press(box, "Approve")
        await expect(box).to_contain_text("That was you: somebody else has to look at it now.")
        await expect(box.get_by_role("button", name="Approve as the second")).to_be_disabled()
    async with console_page(Role.ANALYST, f"reviews?case={number}") as page:
        box = dialog(page)
        await expect(box).to_contain_text("You are the second pair of eyes.")
        await shot(page, "reviews-second")
        await box.get_by_label("Reason").fill("so have I")
        await press(box, "Approve as the second")
        await expect(box).to_contain_text("It was approved.")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name=f"Open case {number}", exact=True)).to_have_count(0)
        await press(page, "Decided")
        await expect(page.get_by_role("row").filter(has_text="default-3")).to_contain_text("approved")
    found = await deployment.ask("GET", f"/reviews/{number}")
    assert (found["state"], found["first"], found["second"]) == ("approved", "admin_token", "token:night-analyst")
    assert [one["state"] for one in (await deployment.ask("GET", "/accounts/default-3"))["falls"]] == ["cleared"]


async def test_one_declines(console_page: ConsolePage, deployment: Deployment) -> None:
    """By keyboard: from the list to the decision."""
    number = appeal(deployment, "default-4")
    async with console_page(Role.ANALYST, "reviews") as page:
        await page.get_by_role("button", name=f"Open case {number}", exact=True).focus()
        await page.keyboard.press("Enter")
        await dialog(page).get_by_label("Reason").focus()
        await page.keyboard.type("no such card")
        await page.keyboard.press("Tab")
        await expect(dialog(page).get_by_role("button", name="Decline")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(dialog(page)).to_contain_text("It was declined.")
    assert (await deployment.ask("GET", f"/reviews/{number}"))["reason"] == "no such card"


async def test_a_letter_is_tried_again(console_page: ConsolePage, deployment: Deployment) -> None:
    """It leaves the failed ones, and waits; markup in it is text."""
    number = letter(deployment, "evt_console")
    async with console_page(Role.ANALYST, "reviews") as page:
        await hostile_is_text(page)
        await shot(page, "reviews")
        await press(page, f"Try letter {number} again")
        await expect(page.locator(".toast")).to_contain_text(f"Letter {number} is worked off again")
        await expect(page.get_by_role("button", name=f"Try letter {number} again", exact=True)).to_have_count(0)


async def test_who_may_not_judge_sees_nothing(console_page: ConsolePage) -> None:
    """Neither in the navigation, nor by the address."""
    async with console_page(Role.OPERATOR, "reviews") as page:
        await expect(page.get_by_role("main")).to_contain_text("Not for this role")
        await expect(page.get_by_role("link", name="Reviews")).to_have_count(0)


async def test_everybody_can_read_it(console_page: ConsolePage, deployment: Deployment) -> None:
    """axe finds nothing, in both themes and at phone width, of the list as of a case."""
    number = appeal(deployment, "default-2")
    letter(deployment, "evt_looks")
    async with console_page(Role.ADMIN, "reviews") as page:
        await expect(page.get_by_role("button", name=f"Open case {number}", exact=True)).to_be_visible()
        found = await looks(page, "reviews-list")
        await page.get_by_role("button", name=f"Open case {number}", exact=True).click()
        await expect(dialog(page)).to_contain_text("What the owner has written")
        found += await looks(page, "reviews-case")
        await dialog(page).get_by_label("Reason").fill("put back")
        await press(dialog(page), "Decline")
        await expect(dialog(page)).to_contain_text("It was declined.")
    assert found == []
