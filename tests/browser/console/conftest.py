"""One deployment, one stand-in of the API and one browser for all pages of the console.

`console_page(role)` is a tab that is signed in to the deployment, `fake_page()` one of the stand-in `api`. Tabs of one
role share what the browser has fetched and its cookie, as those of an operator do: only the first loads the console.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from gateway.control.access.roles import Role
from gateway.control.console import Console
from tests.browser.chromium import BREACHES, DESK, PATIENCE, Watched, chromium
from tests.browser.console import made
from tests.browser.console.deployment import Deployment
from tests.browser.console.deployment import deployment as deployed
from tests.browser.console.fake import Fake, fake
from tests.journeys.harness import scratch

ConsolePage = Callable[..., AbstractAsyncContextManager[Page]]
FakePage = Callable[..., AbstractAsyncContextManager[Page]]
Theme = Literal["light", "dark"]


class Windows:
    """Of one browser, by whose they are."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._open: dict[str, BrowserContext] = {}

    async def of(self, whose: str) -> tuple[BrowserContext, bool]:
        """And whether it was just opened."""
        if found := self._open.get(whose):
            return found, False
        made = await self._browser.new_context()
        made.set_default_timeout(PATIENCE)
        await made.add_init_script(BREACHES)
        self._open[whose] = made
        return made, True

    @contextlib.asynccontextmanager
    async def tab(
        self, window: BrowserContext, origin: str, size: tuple[int, int], scheme: Theme, refusals: bool
    ) -> AsyncIterator[Page]:
        page = await window.new_page()
        watched = Watched(page, origin, refusals=refusals)
        try:
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            await page.emulate_media(color_scheme=scheme)
            yield page
            assert watched.faults == []
        finally:
            await page.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def deployment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """Whoever changes what others look at (rules, limits of all) puts it back."""
    with scratch(tmp_path_factory, "console") as folder:
        async with deployed(folder) as made:
            yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One process for all files of this folder."""
    expect.set_options(timeout=PATIENCE)
    async with chromium() as one:
        yield one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def windows(browser: Browser) -> Windows:
    """They are closed with their browser."""
    return Windows(browser)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def standin() -> AsyncIterator[Fake]:
    """One port for all: another would be another origin, and load the console anew."""
    async with fake(Console()) as one:
        yield one


@pytest.fixture
def api(standin: Fake) -> Fake:
    """With a busy afternoon behind it, whatever a test before made of it."""
    standin.role = Role.ADMIN
    for kept in (standin.answers, standin.feeds, standin.asked):
        kept.clear()
    made.fill(standin)
    return standin


@pytest.fixture
def fake_page(windows: Windows, api: Fake) -> FakePage:
    """`async with fake_page("health") as page`."""

    @contextlib.asynccontextmanager
    async def opened(
        path: str = "", *, size: tuple[int, int] = DESK, scheme: Theme = "light", refusals: bool = False
    ) -> AsyncIterator[Page]:
        window, _ = await windows.of("standin")
        async with windows.tab(window, api.origin, size, scheme, refusals) as page:
            await page.goto(f"{api.origin}/console/{path}")
            yield page

    return opened


@pytest.fixture
def console_page(windows: Windows, deployment: Deployment) -> ConsolePage:
    """`async with console_page(Role.VIEWER, "limits", scheme="dark") as page`: a tab in which nothing may happen that
    `tests.browser.chromium.Watched` forbids.
    """

    @contextlib.asynccontextmanager
    async def opened(
        role: Role | str = Role.ADMIN,
        path: str = "",
        *,
        size: tuple[int, int] = DESK,
        scheme: Theme = "light",
        refusals: bool = False,
    ) -> AsyncIterator[Page]:
        window, new = await windows.of(role)
        if new:
            await sign_in(window, deployment, Role(role))
        async with windows.tab(window, deployment.origin, size, scheme, refusals) as page:
            await page.goto(f"{deployment.origin}/console/{path}")
            yield page

    return opened


async def sign_in(window: BrowserContext, deployment: Deployment, role: Role) -> None:
    """By the API: the cookie is what stays."""
    token = await deployment.token(role)
    answer = await window.request.post(f"{deployment.origin}/session", data={"token": token})
    assert answer.ok, await answer.text()
