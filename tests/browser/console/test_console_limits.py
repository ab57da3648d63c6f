"""The page of limits on a real gateway: what is changed there bites, says so, and is taken back."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from playwright.async_api import Page, expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import Deployment
from tests.browser.console.looked import looks, shot
from tests.browser.console.steered import WHY, dialog, hostile_is_text, overridden, overrides, press, put_back

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]
HELD: Final = "In force on 2 of 2 workers"


async def fill(page: Page, account: str, *, kind: str, limit: str = "free-requests", reason: str = WHY) -> None:
    """The dialog, for one account."""
    await press(page, "Change a limit")
    box = dialog(page)
    await box.get_by_role("radio", name=kind, exact=True).check()
    await box.get_by_label("Limit", exact=True).select_option(limit)
    await press(box, "Only for …")
    await box.get_by_role("textbox", name="account", exact=True).fill(account)
    await box.get_by_label("Reason").fill(reason)


async def test_a_change_bites_and_is_undone(console_page: ConsolePage, deployment: Deployment) -> None:
    """Said in words as it is typed, tried on the last day, applied: the next request is refused; undo lets it pass."""
    async with put_back(deployment), console_page(Role.OPERATOR, "limits") as page:
        assert (await deployment.chat("free-7"))[0] == 200
        await fill(page, "free-7", kind="Set numbers")
        box = dialog(page)
        await box.get_by_label("At most").fill("1")
        said = box.get_by_label("What will happen")
        await expect(said).to_contain_text("Account free-7: 1 request at most, 20 back every minute")
        await expect(said).to_contain_text("What was used stays counted.")
        await press(box, "Preview")
        await expect(box.get_by_label("By the last 24 hours")).to_contain_text("requests in the last 24 hours")
        await shot(page, "limits-preview")
        await press(box, "Apply")
        await expect(box).to_contain_text(HELD)
        await shot(page, "limits-applied")
        await press(box, "Done")
        (one,) = await overrides(deployment)
        assert (one["limit"], one["scope"], one["change"], one["by"], one["reason"]) == (
            "free-requests", {"account": "free-7"}, {"kind": "set", "capacity": 1.0}, "token:night-operator", WHY,
        )  # fmt: skip
        statuses = [(await deployment.chat("free-7"))[0] for _ in range(2)]
        assert statuses[-1] == 429
        await page.locator(".toast").get_by_role("button", name="Undo").click()
        await expect(page.locator(".toast").filter(has_text="Undone.")).to_contain_text(HELD)
        assert await overrides(deployment) == []
        assert (await deployment.chat("free-7"))[0] == 200
        await expect(page.get_by_text("Nothing is set beside the rules")).to_be_visible()


async def test_two_people_one_limit(console_page: ConsolePage, deployment: Deployment) -> None:
    """The second sees what the first has set beside what they wanted, and nothing is overwritten by chance."""
    async with put_back(deployment):
        await overridden(deployment, "pro-requests", {"account": "pro-9"}, {"kind": "scale", "factor": 2})
        name = "Change × 2 of pro-requests for account pro-9"
        async with (
            console_page(Role.ADMIN, "limits") as one,
            console_page(Role.OPERATOR, "limits", refusals=True) as two,
        ):
            for page, factor in ((one, "3"), (two, "5")):
                await press(page, name)
                await dialog(page).get_by_label("Times").fill(factor)
                await dialog(page).get_by_label("Reason").fill(f"factor {factor}")
            await press(dialog(one), "Apply")
            await expect(dialog(one)).to_contain_text(HELD)
            await press(dialog(two), "Apply")
            await expect(dialog(two).get_by_role("heading")).to_have_text("Somebody was faster")
            await expect(dialog(two).get_by_role("row", name="What × 3 × 5")).to_be_visible()
            assert [each["change"]["factor"] for each in await overrides(deployment)] == [3.0]
            await shot(two, "limits-two-people")
            await press(dialog(two), "Put mine instead")
            await expect(dialog(two)).to_contain_text(HELD)
            assert [each["change"]["factor"] for each in await overrides(deployment)] == [5.0]


async def test_undo_is_to_the_digit(console_page: ConsolePage, deployment: Deployment) -> None:
    """Of each row, with a reason; history shows each step."""
    async with put_back(deployment):
        made = await overridden(deployment, "pro-spend", {"tier": "pro"}, {"kind": "set", "capacity": 123.456789})
        tag = {"If-Match": str(made["revision"])}
        again = {"change": {"kind": "freeze"}, "reason": "storm"}
        await deployment.ask("PUT", f"/overrides/{made['id']}", again, **tag)
        async with console_page(Role.OPERATOR, "limits") as page:
            await press(page, "Undo the last change of frozen of pro-spend for tier pro")
            await press(dialog(page), "Undo")
            await expect(dialog(page)).to_contain_text("Say why")
            await dialog(page).get_by_label("Reason").fill(WHY)
            await press(dialog(page), "Undo")
            await expect(page.locator(".toast").filter(has_text="Undone.")).to_be_visible()
            (one,) = await overrides(deployment)
            assert (one["change"], one["expires"]) == ({"kind": "set", "capacity": 123.456789}, made["expires"])
            done = page.get_by_role("table", name="What was done to overrides").get_by_role("row")
            await expect(done.nth(1)).to_contain_text("undone")
            await expect(done.nth(2)).to_contain_text("frozen")


async def test_a_model_is_frozen_and_let_go(console_page: ConsolePage, deployment: Deployment) -> None:
    """It says in numbers whom it hits before it is on, is seen from afar, and ends when somebody ends it."""
    async with put_back(deployment), console_page(Role.OPERATOR, "limits") as page:
        assert (await deployment.chat("pro-5"))[0] == 200
        await press(page, "Freeze a model …")
        box = dialog(page)
        await box.get_by_role("textbox", name="Model").fill("m-large")
        await box.get_by_label("Reason").fill(WHY)
        await press(box, "Whom does it hit?")
        await expect(box.get_by_label("By the last 24 hours")).to_contain_text("more would have been refused")
        sure = box.get_by_role("button", name="Freeze m-large for 1 h")
        await expect(sure).to_contain_text("account")
        await shot(page, "limits-incident")
        await sure.click()
        await expect(box).to_contain_text(HELD)
        await press(box, "Done")
        assert (await deployment.chat("pro-5"))[0] == 429
        assert (await deployment.chat("pro-5", model="m-small"))[0] == 200
        await expect(page.locator(".grave-what")).to_have_text("Frozen: everybody asking for m-large")
        await shot(page, "limits-frozen")
        await press(page, "End: everybody asking for m-large")
        await dialog(page).get_by_label("Reason").fill("over")
        await press(dialog(page), "Take back")
        await expect(page.locator(".grave-what")).to_have_count(0)
        assert (await deployment.chat("pro-5"))[0] == 200


async def test_to_freeze_everybody_takes_a_word_more(console_page: ConsolePage, deployment: Deployment) -> None:
    """Nobody refuses everything by a slip of the hand."""
    async with put_back(deployment), console_page(Role.OPERATOR, "limits") as page:
        await press(page, "Change a limit")
        box = dialog(page)
        await box.get_by_role("radio", name="Freeze", exact=True).check()
        await box.get_by_label("Limit", exact=True).select_option("*")
        await box.get_by_label("Reason").fill(WHY)
        await press(box, "Apply")
        await expect(box).to_contain_text("Say that you mean it.")
        assert await overrides(deployment) == []
        await page.keyboard.press("Escape")
        await expect(box).to_have_count(0)


async def test_by_keyboard_alone(console_page: ConsolePage, deployment: Deployment) -> None:
    """From the page to a boost that is in force; the focus comes back to where it was."""
    async with put_back(deployment), console_page(Role.OPERATOR, "limits") as page:
        change = page.get_by_role("button", name="Change a limit")
        await change.focus()
        await page.keyboard.press("Enter")
        box = dialog(page)
        await expect(box.get_by_role("radio", name="Boost")).to_be_visible()
        await box.get_by_role("radio", name="Boost").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.type("pro-req")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await box.get_by_role("textbox", name="account", exact=True).focus()
        await page.keyboard.type("pro-11")
        await box.get_by_label("Reason").focus()
        await page.keyboard.type(WHY)
        await page.keyboard.press("Enter")
        await expect(box).to_contain_text(HELD)
        await page.keyboard.press("Escape")
        await expect(change).to_be_focused()
        (one,) = await overrides(deployment)
        assert (one["limit"], one["scope"]) == ("pro-requests", {"account": "pro-11"})
        assert one["change"] == {"kind": "scale", "factor": 2.0}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUTHOR])
async def test_who_may_not_tune_looks(console_page: ConsolePage, deployment: Deployment, role: Role) -> None:
    """No button that would be refused; overrides that name accounts are counted, and not shown."""
    async with put_back(deployment):
        await overridden(deployment, "free-spend", {"account": "free-3"}, {"kind": "unlimited"})
        async with console_page(role, "limits") as page:
            await expect(page.get_by_text(re.compile(r"\d more name accounts"))).to_be_visible()
            await expect(page.get_by_text("free-3")).to_have_count(0)
            for name in ("Change a limit", "Change free-spend", "Freeze a model …"):
                await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


async def test_everybody_can_read_it(console_page: ConsolePage, deployment: Deployment) -> None:
    """axe finds nothing, in both themes and at phone width, with the dialog as without; markup is text."""
    found: dict[str, Any] = {}
    async with put_back(deployment):
        await overridden(deployment, "free-requests", {"organisation": "globex"}, {"kind": "scale", "factor": 2})
        await overridden(deployment, "*", {"accounts": ["free-1", "free-2"]}, {"kind": "freeze"})
        async with console_page(Role.ADMIN, "limits") as page:
            await hostile_is_text(page)
            found["page"] = await looks(page, "limits")
            await fill(page, "free-9", kind="Boost")
            await press(dialog(page), "Preview")
            await expect(dialog(page).get_by_label("By the last 24 hours")).to_be_visible()
            found["dialog"] = await looks(page, "limits-dialog")
    assert found == {"page": [], "dialog": []}
