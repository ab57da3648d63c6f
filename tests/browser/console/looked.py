"""What every page of the console has to be: readable by a screen reader, in both themes, at phone width."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Literal

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.async_api import Page

from tests.browser.chromium import settled

SHOTS: Final = "TIDEGATE_SHOTS"
"""An environment variable: the folder that pictures are kept in; without it there are none."""
PHONE: Final = (390, 844)
DESK: Final = (1440, 900)
LOOKS: Final[tuple[tuple[Literal["light", "dark"], tuple[int, int]], ...]] = (
    ("light", DESK),
    ("dark", DESK),
    ("light", PHONE),
)
"""Theme, and size of the window."""
EVERYTHING: Final[dict[str, Any]] = {"resultTypes": ["violations"]}
COLOURS: Final = EVERYTHING | {"runOnly": ["color-contrast", "link-in-text-block"]}
"""All that a theme changes."""
AXE: Final = Axe()
RUN: Final = "(options) => axe.run(document, options).then((found) => found.violations)"


async def faults(page: Page, options: dict[str, Any] = EVERYTHING) -> list[str]:
    """What axe-core has found, and whether the page is wider than its window."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.axe_script)
    found: list[dict[str, Any]] = await page.evaluate(RUN, options)
    said = [f"{one['id']}: {one['help']}: {node['html'][:160]}" for one in found for node in one["nodes"][:3]]
    width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return said + ([f"wider than the window by {width} px"] if width > 0 else [])


async def looks(page: Page, name: str = "") -> list[str]:
    """What is wrong with the page that is open, in both themes and at phone width; a picture of each by that name. It
    ends as it began: light, at a desk.
    """
    found = []
    for scheme, (width, height) in LOOKS:
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await settled(page)
        options = COLOURS if scheme == "dark" else EVERYTHING
        found += [f"{scheme}, {width} px: {fault}" for fault in await faults(page, options)]
        if name:
            await shot(page, f"{name}-{scheme}-{width}")
    await page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    return found


async def shot(page: Page, name: str, *, whole: bool = True) -> None:
    """A picture, where somebody wants them: of the whole page, or of what its window or a dialog in it shows."""
    folder = os.environ.get(SHOTS, "")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        whole = whole and await page.locator("dialog[open]").count() == 0
        await settled(page)
        await page.screenshot(path=f"{folder}/{name}.png", full_page=whole)
