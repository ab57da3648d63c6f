"""Cases in a browser: looked at, approved by two, rejected with marks, split, merged; markup is text."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from gateway.control.access.roles import Role
from tests.browser.chromium import BREACHES, PATIENCE, Watched, missing
from tests.browser.console.deployment import HOSTILE
from tests.browser.console.judged import Judged, judged
from tests.browser.console.looked import looks
from tests.browser.console.steered import WHY, dialog, hostile_is_text, press

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is one"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def port(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Judged]:
    """One for all: each test tells of its own clusters."""
    async with judged(tmp_path_factory.mktemp("judged") / "directory") as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, port: Judged) -> AsyncIterator[Page]:
    """Of the analyst ann, at a desk."""
    port.who, port.role = "token:ann", Role.ANALYST
    window = await browser.new_context()
    window.set_default_timeout(PATIENCE)
    await window.add_init_script(BREACHES)
    tab = await window.new_page()
    watched = Watched(tab, port.origin, refusals=True)
    yield tab
    assert watched.faults == []
    await window.close()


async def go(page: Page, port: Judged, path: str) -> None:
    await page.goto(f"{port.origin}/console/{path}")


async def decide(page: Page, name: str, confirm: str) -> None:
    await dialog(page).get_by_label("Reason").fill(WHY)
    await press(dialog(page), confirm)
    await expect(dialog(page)).to_have_count(0)


async def test_a_suspension_takes_two(page: Page, port: Judged) -> None:
    """From the list to the case; the first cannot be the second; another is, and it is done, and undone."""
    case = port.tell(300, name="c1")
    await go(page, port, "cases")
    await page.get_by_role("link", name=f"Case {case}", exact=True).click()
    would = page.get_by_role("region", name="What each action would do")
    await expect(would).to_contain_text("challenge: 295 accounts; 5 of tier pro stay at trace")
    await expect(page.get_by_role("region", name="The cluster")).to_contain_text(
        "The 150 that belong the most are drawn"
    )
    await press(page, "Approve …")
    await dialog(page).get_by_label("Suspend them").check()
    await press(dialog(page), "Approve")
    await expect(dialog(page)).to_contain_text("Say why: somebody will ask.")
    await decide(page, "Approve", "Approve")
    await expect(page.get_by_role("region", name="Standing")).to_contain_text("That was you")
    port.who = "token:bob"
    await page.reload()
    await press(page, "Approve as the second …")
    await expect(dialog(page)).to_contain_text("You are the second pair of eyes.")
    await decide(page, "Approve", "Approve as the second")
    await expect(page.get_by_role("region", name="Accounts", exact=True)).to_contain_text("299 suspended by it")
    await press(page, "Undo …")
    await decide(page, "Undo", "Take it back")
    await expect(page.get_by_role("region", name="Accounts", exact=True)).to_contain_text("299 restored")
    history = page.get_by_role("region", name="History")
    await expect(history).to_contain_text("approved (suspend) with 300 accounts")
    await history.get_by_label("Note").fill("asked the reseller")
    await press(history, "Keep the note")
    await expect(history).to_contain_text("token:bob noted")


async def test_reject_split_merge(page: Page, port: Judged) -> None:
    """Accounts are taken out, another case goes in, and of what it is known by one mark counts for nothing."""
    case, other = port.tell(40, name="c3", first=1000), port.tell(20, name="c4", first=1100)
    await go(page, port, f"cases/{case}")
    people = page.get_by_role("region", name="Accounts", exact=True)
    await people.get_by_label("Pick acc-01003").check()
    await people.get_by_role("button", name=re.compile("^Take 1 out")).click()
    await decide(page, "Split", "Take 1 out")
    await expect(people).to_contain_text("1 taken out")
    await press(page, "Merge …")
    await dialog(page).get_by_label("Number of the other case").fill(str(other))
    await decide(page, "Merge", "Merge")
    await expect(page.get_by_text("59 accounts that act as one")).to_be_visible()
    await press(page, "Reject …")
    await dialog(page).get_by_label(re.compile("one card")).uncheck()
    await decide(page, "Reject", "Reject")
    await expect(page.get_by_role("region", name="History")).to_contain_text("1 marks count for nothing")


async def test_the_picture_by_keyboard(page: Page, port: Judged) -> None:
    """One stop; arrows go from node to node and say what holds them; Enter opens an account."""
    case = port.tell(80, name="c5", first=2000)
    await go(page, port, f"cases/{case}")
    picture = page.locator(".cluster > svg")
    await expect(picture.locator("[tabindex='0']")).to_have_count(1)
    await picture.locator("[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowUp", "ArrowRight"):
        await page.keyboard.press(key)
    await expect(picture.locator("[tabindex='0']")).to_be_focused()
    await expect(page.locator(".picked-words")).to_contain_text(re.compile(r"acc-\d+|a template"))
    await page.get_by_text("The same as a table").click()
    await expect(page.get_by_role("table", name="What holds whom together")).to_contain_text("shows the template")


async def test_markup_is_text(page: Page, port: Judged) -> None:
    """Whatever the detector, or somebody who wrote a note, says."""
    case = port.tell(12, name="c6", first=3000, hostile=True)
    await go(page, port, f"cases/{case}")
    history = page.get_by_role("region", name="History")
    await history.get_by_label("Note").fill(HOSTILE)
    await press(history, "Keep the note")
    await expect(history.get_by_text(HOSTILE)).to_be_visible()
    await hostile_is_text(page)


async def test_who_looks_sees_nobody(page: Page, port: Judged) -> None:
    """A viewer has evidence and a picture without names, and nothing to decide."""
    case = port.tell(30, name="c7", first=4000)
    port.role = Role.VIEWER
    await go(page, port, f"cases/{case}")
    await expect(page.locator(".cluster > svg")).to_be_visible()
    assert "acc-04" not in await page.content()
    await expect(page.get_by_role("button", name="Approve …")).to_have_count(0)


async def test_a_case_of_25_000(page: Page, port: Judged) -> None:
    """Shows at once, with the strongest of them, and its accounts page by page; axe finds nothing, in any look."""
    case = port.tell(25_000, name="c8", first=10_000)
    await go(page, port, f"cases/{case}")
    await expect(page.locator(".cluster > svg .node")).to_have_count(152)
    await expect(page.get_by_text("page 1 of 1000")).to_be_visible()
    assert await looks(page, "case") == []
    await press(page, "Approve …")
    await expect(dialog(page)).to_contain_text("25000 accounts")
    assert await looks(page, "case-approve") == []
    await page.keyboard.press("Escape")
    port.detectors = [detector()]
    await go(page, port, "cases?state=all")
    await expect(page.get_by_role("region", name="The detector")).to_contain_text("41,234")
    await expect(page.get_by_role("link", name=f"Case {case}", exact=True)).to_be_visible()
    assert await looks(page, "cases") == []


def detector(**members: Any) -> dict[str, Any]:
    """What one says of itself."""
    return {
        "name": "here:1", "leader": True, "time": time.time(), "lag": 0.0, "rate": 212.4, "events": 9, "clusters": 3,
        "accounts": 41_234, "missed_seconds": 0.0, "levels": {"hold": 2, "observe": 1}, "kept": time.time() - 20.0,
    } | members  # fmt: skip


async def test_the_detector(page: Page, port: Judged) -> None:
    """Who tells, how far behind it is, what it holds and since when on disk; and that none tells, where none does."""
    port.detectors = [detector(lag=75.0, kept=0.0, name=HOSTILE), detector(name="there:2", leader=False)]
    await go(page, port, "cases")
    region = page.get_by_role("region", name="The detector")
    await expect(region).to_contain_text(f"{HOSTILE} tells; 1 follows, and would take over")
    for name, value in (
        ("Behind", "1 min 15 s"), ("Exchanges a second", "212"), ("Accounts it remembers", "41,234"),
        ("Clusters", "1 at observe, 2 at hold"), ("Kept on disk", "never yet"),
    ):  # fmt: skip
        term = region.locator("dl > div").filter(has=page.locator("dt", has_text=re.compile(f"^{name}$")))
        await expect(term.get_by_role("definition")).to_have_text(value)
    await hostile_is_text(page)
    port.detectors = [detector(leader=False)]
    await page.reload()
    await expect(region).to_contain_text("No detector tells")
    port.detectors = []
