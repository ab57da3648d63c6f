"""Rules in the console: written wrongly and told so, written well and in force, taken back, and by two at once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from gateway.control.access.roles import Role
from tests.browser.chromium import missing
from tests.browser.console.conftest import ConsolePage
from tests.browser.console.deployment import HOSTILE, Deployment
from tests.browser.console.looked import looks, shot

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]
RULES = "/policies/files/rules.yaml"
REFUSES = '\n  - name: console-test\n    when: account.id == "pro-7"\n    action: deny\n    reason: console_test\n'


@pytest_asyncio.fixture(loop_scope="session")
async def kept(deployment: Deployment) -> AsyncIterator[Deployment]:
    """The rules are again what they were, whatever a journey did."""
    before = await deployment.ask("GET", RULES)
    yield deployment
    now = await deployment.ask("GET", RULES)
    if now["text"] != before["text"]:
        await save(deployment, before["text"])
    else:
        await deployment.ask("POST", "/policies/reload")


async def save(deployment: Deployment, text: str) -> None:
    """As somebody else does."""
    now = await deployment.ask("GET", RULES)
    match = {"If-Match": f'"{now["digest"]}"'}
    await deployment.ask("PUT", RULES, {"text": text, "reason": "somebody else"}, **match)


async def opened(page: Page) -> None:
    await expect(page.locator(".cm-content")).to_contain_text("Who may do what")


async def append(page: Page, text: str) -> None:
    """At the end of the file, as keys would: the editor's own indenting is not what is tested."""
    await page.locator(".cm-content").click()
    await page.keyboard.press("Control+End")
    await page.keyboard.insert_text(text)


async def save_by_dialog(page: Page, reason: str) -> None:
    await page.get_by_role("button", name="Save …").click()
    await page.get_by_label("Why").fill(reason)
    await page.get_by_role("button", name="Save and put into force").click()


async def test_a_rule_is_written_marked_saved_and_taken_back(kept: Deployment, console_page: ConsolePage) -> None:
    """Wrong: its line is marked, and the list leads there. Right: both workers refuse by it. Rolled back: it passes."""
    assert (await kept.chat("pro-7"))[0] == 200
    async with console_page(Role.AUTHOR, "rules") as page:
        await opened(page)
        await append(page, REFUSES.replace("account.id", "acount.id"))
        wrong = page.get_by_role("list", name="Problems")
        await expect(wrong).to_contain_text("did you mean `account.id`")
        await expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
        await expect(page.get_by_text("✕ would be refused")).to_be_visible()
        await shot(page, "rules-wrong")
        place = wrong.get_by_role("button").first
        line = int((await place.inner_text()).split(":")[1])
        await place.click()
        await expect(page.locator(".cm-activeLineGutter").first).to_have_text(str(line))
        await page.keyboard.press("Control+z")
        await append(page, REFUSES)
        await expect(page.get_by_text("✓ could be in force")).to_be_visible()
        await save_by_dialog(page, f"a journey {HOSTILE}")
        await expect(page.locator(".notice.ok .tag.ok")).to_have_count(2)
        assert [(await kept.chat("pro-7"))[0] for _ in range(6)] == [403] * 6
        await page.get_by_role("tab", name="History").click()
        await page.get_by_role("button", name=re.compile("^Go back to generation")).first.click()
        await expect(page.locator("dialog .minus, dialog .plus").first).to_be_visible()
        await page.locator("dialog").get_by_role("button", name="Go back").click()
        await expect(page.get_by_text("The files on the disk are set aside")).to_be_visible()
        await shot(page, "rules-set-aside")
        assert [(await kept.chat("pro-7"))[0] for _ in range(6)] == [200] * 6


async def test_who_saves_second_is_told_and_loses_nothing(kept: Deployment, console_page: ConsolePage) -> None:
    """Both changes are shown, are put together where they touch other lines, and are saved then."""
    text = (await kept.ask("GET", RULES))["text"]
    async with console_page(Role.AUTHOR, "rules", refusals=True) as page:
        await opened(page)
        await append(page, "\n# mine\n")
        await save(kept, f"# theirs\n{text}")
        await save_by_dialog(page, "second")
        dialog = page.get_by_role("dialog", name="Somebody saved this file meanwhile")
        await expect(dialog.locator(".plus")).to_have_count(2)
        await shot(page, "rules-conflict")
        await dialog.get_by_role("button", name="Put both together").click()
        await save_by_dialog(page, "both")
        await expect(page.locator(".notice.ok")).to_be_visible()
    saved = (await kept.ask("GET", RULES))["text"]
    assert saved.startswith("# theirs\n") and saved.rstrip().endswith("# mine")


async def test_the_editor_is_left_by_keys_and_completes(kept: Deployment, console_page: ConsolePage) -> None:
    """Escape, then Tab; keys of a rule by its shape, variables within a condition. What is not saved is kept."""
    async with console_page(Role.AUTHOR, "rules") as page:
        await opened(page)
        await expect(page.locator(".editor[data-completes]")).to_be_visible()
        await append(page, "\n  - name: completed\n    when: account.ti")
        await page.keyboard.press("Control+Space")
        await expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("account.tier")
        await shot(page, "rules-completion")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Tab")
        inside = "document.activeElement.closest('.cm-editor') !== null"
        assert not await page.evaluate(inside)
        await page.get_by_role("link", name="Lists and feeds").click()
        await page.get_by_role("link", name="Rules", exact=True).click()
        await expect(page.get_by_text("unsaved").first).to_be_visible()
        await expect(page.locator(".cm-content")).to_contain_text("completed")


async def test_a_rollout_keeps_what_was_written(kept: Deployment, console_page: ConsolePage) -> None:
    """By a dialog that changes the text; tests and replay go by what is written, not by what is saved."""
    async with console_page(Role.ADMIN, "rules") as page:
        await opened(page)
        await page.get_by_role("button", name="Rollout …").click()
        await page.locator("dialog select").select_option("free-long-prompts")
        await page.locator("dialog").get_by_role("button", name="25%").click()
        await shot(page, "rules-rollout")
        await page.get_by_role("button", name="Write it").click()
        await page.locator(".cm-content").click()
        await page.keyboard.press("Control+End")
        await expect(page.locator(".cm-content")).to_contain_text("rollout: 25%")
        await expect(page.locator(".cm-content")).to_contain_text("mode: enforce")
        await page.get_by_role("tab", name="Tests").click()
        await expect(page.get_by_text(re.compile(r"all \d+ passed|of \d+ failed"))).to_be_visible()
        await shot(page, "rules-tests")
        await page.get_by_role("tab", name="Replay").click()
        await page.get_by_role("button", name="Replay").click()
        await expect(page.get_by_text(re.compile("exchanges of .* accounts")).first).to_be_visible()
        await shot(page, "rules-replay")


async def test_every_part_can_be_read(deployment: Deployment, console_page: ConsolePage) -> None:
    """By axe-core, in both themes and at phone width."""
    async with console_page(Role.ADMIN, "rules") as page:
        await opened(page)
        await expect(page.get_by_text("✓ could be in force")).to_be_visible()
        assert await looks(page, "rules-files") == []
        for tab, shown in (
            ("Tests", re.compile("passed$")),
            ("Shadow and rollout", "free-long-prompts"),
            ("History", "in force"),
        ):
            await page.get_by_role("tab", name=tab).click()
            await expect(page.get_by_role("tabpanel").get_by_text(shown).first).to_be_visible()
            assert await looks(page, f"rules-{tab.split()[0].lower()}") == []


async def test_who_only_looks_sees_no_files(console_page: ConsolePage) -> None:
    """What is in force, what is in shadow, and nothing to change it with."""
    async with console_page(Role.VIEWER, "rules") as page:
        await expect(page.get_by_role("tab")).to_have_text(["Shadow and rollout", "History"])
        await expect(page.get_by_text("free-long-prompts").first).to_be_visible()
        await expect(page.get_by_role("button", name=re.compile("Rollout|Go back"))).to_have_count(0)
