"""One browser for all pages of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.chromium import PATIENCE, chromium


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """To start it takes a second."""
    expect.set_options(timeout=PATIENCE)
    async with chromium() as one:
        yield one
