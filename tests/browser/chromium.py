"""The machine's own Chromium, and a tab of it that writes down what a page does behind the back of its reader."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

CHROMIUM: Final = Path("/usr/bin/chromium")
"""Debian's."""
PATIENCE: Final = 30_000.0
"""Milliseconds: a machine that runs all tests at once has other things to do."""
PHONE: Final = (360, 740)
DESK: Final = (1440, 900)


def missing() -> str:
    """Why there is no browser here; empty if there is one."""
    return "" if CHROMIUM.exists() else f"no {CHROMIUM}: install Debian's chromium"


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One process; what its tabs remember is apart."""
    async with async_playwright() as playwright:
        # Containers that run as root have no sandbox to offer; only our own pages are opened.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


BREACHES: Final = """addEventListener("securitypolicyviolation", (breach) =>
  console.error(`policy: ${breach.violatedDirective} ${breach.blockedURI} ${breach.sample}`))"""
"""Said in the console, where `Watched` hears it: not everything that a policy stops is said there by itself."""


class Watched:
    """What must not be: requests to others, errors in the console (a breach of the CSP is one), scripts that fail."""

    def __init__(self, page: Page, *origins: str, refusals: bool) -> None:
        self.page = page
        self.origins = set(origins)
        self.refusals = refusals
        self.faults: list[str] = []
        page.on("request", self._request)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if f"{parts.scheme}://{parts.netloc}" not in self.origins:
            self.faults.append(f"request: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if self.refusals and message.text.startswith("Failed to load resource: the server responded"):
            return
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")


SETTLED: Final = """async () => {
  const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));
  const ends = (one) => one.playState === "running" && one.effect.getComputedTiming().endTime !== Infinity;
  for (;;) {
    await frame();
    await frame();
    const moving = document.getAnimations().filter(ends);
    if (!moving.length) return;
    await Promise.allSettled(moving.map((one) => one.finished));
  }
}"""
"""What has ended may have begun something else: an inherited colour that changes is a change of everything below."""


async def settled(page: Page) -> None:
    """When it is drawn, and nothing on it is on its way any more: half of another theme has no contrast."""
    await page.evaluate(SETTLED)


@contextlib.asynccontextmanager
async def tab(
    browser: Browser,
    *origins: str,
    size: tuple[int, int] = DESK,
    scheme: Literal["light", "dark"] = "light",
    script: bool = True,
    refusals: bool = False,
) -> AsyncIterator[Page]:
    """A tab of its own, in which nothing of what `Watched` forbids has happened by the end. `refusals`: answers of
    4xx are what it is about, and Chromium's console calls them errors.
    """
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, java_script_enabled=script
    )
    context.set_default_timeout(PATIENCE)
    await context.add_init_script(BREACHES)
    page = await context.new_page()
    watched = Watched(page, *origins, refusals=refusals)
    try:
        yield page
        assert watched.faults == []
    finally:
        await context.close()
