"""One deployment and one browser for all pages of the console. `console_page(role)` is a tab that is signed in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from gateway.control.access.roles import Role
from tests.browser.chromium import DESK, PATIENCE, chromium, tab
from tests.browser.console.deployment import Deployment
from tests.browser.console.deployment import deployment as deployed
from tests.journeys.harness import scratch

SHOTS: Final = "TIDEGATE_SHOTS"
"""An environment variable: the folder that screenshots are kept in; without it there are none."""

ConsolePage = Callable[..., AbstractAsyncContextManager[Page]]


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


@pytest.fixture
def console_page(browser: Browser, deployment: Deployment) -> ConsolePage:
    """`async with console_page(Role.VIEWER, "limits", scheme="dark") as page`: a tab in which nothing may happen that
    `tests.browser.chromium.Watched` forbids.
    """

    @contextlib.asynccontextmanager
    async def opened(
        role: Role | str = Role.ADMIN,
        path: str = "",
        *,
        size: tuple[int, int] = DESK,
        scheme: Literal["light", "dark"] = "light",
        refusals: bool = False,
    ) -> AsyncIterator[Page]:
        async with tab(browser, deployment.origin, size=size, scheme=scheme, refusals=refusals) as page:
            await sign_in(page, deployment, Role(role))
            await page.goto(f"{deployment.origin}/console/{path}")
            yield page

    return opened


async def sign_in(page: Page, deployment: Deployment, role: Role) -> None:
    """By the API, in the tab's own context: the cookie is what stays."""
    token = await deployment.token(role)
    answer = await page.context.request.post(f"{deployment.origin}/session", data={"token": token})
    assert answer.ok, await answer.text()


async def shot(page: Page, name: str) -> None:
    """A screenshot of the whole page, where somebody wants them."""
    folder = os.environ.get(SHOTS, "")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)
