"""What every page of the console has to be: readable by a screen reader, in both themes, at phone width."""

from __future__ import annotations

from typing import Any, Final, Literal

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # ships no types
from playwright.async_api import Page

PHONE: Final = (390, 844)
DESK: Final = (1440, 900)
LOOKS: Final[tuple[tuple[Literal["light", "dark"], tuple[int, int]], ...]] = (
    ("light", DESK),
    ("dark", DESK),
    ("light", PHONE),
)
"""Theme, and size of the window."""


async def faults(page: Page) -> list[str]:
    """What axe-core has found, and whether the page is wider than its window."""
    found: dict[str, Any] = (await Axe().run(page)).response
    said = [
        f"{one['id']}: {one['help']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"][:3]
    ]
    width = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return said + ([f"wider than the window by {width} px"] if width > 0 else [])
