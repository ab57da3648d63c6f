"""What the pages for steering are tried on: overrides, cases and challenges of a deployment, made and put back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

from playwright.async_api import Locator, Page, expect

from gateway.accounts.sql import standing, tables
from gateway.accounts.sql.database import Writing
from gateway.app.configuration import read_configuration
from gateway.rules.directory_file import open_directory
from gateway.verification import review
from tests.browser.console.deployment import HOSTILE, Deployment

T = TypeVar("T")
WHY: Final = "TICKET-7"


async def overrides(deployment: Deployment) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await deployment.ask("GET", "/overrides"))["overrides"]
    return found


async def overridden(deployment: Deployment, limit: str, scope: dict[str, Any], change: dict[str, Any]) -> Any:
    """One that is set, by the API, with a reason that is markup."""
    content = {"limit": limit, "scope": scope, "change": change, "lasts": 600, "reason": HOSTILE}
    return (await deployment.ask("POST", "/overrides", content))["override"]


@contextlib.asynccontextmanager
async def put_back(deployment: Deployment) -> AsyncIterator[None]:
    """Whatever is set inside is taken back at the end."""
    try:
        yield
    finally:
        for one in await overrides(deployment):
            tag = {"If-Match": str(one["revision"])}
            await deployment.ask("DELETE", f"/overrides/{one['id']}", {"reason": "put back"}, **tag)


def write(deployment: Deployment, work: Callable[[Writing], T]) -> T:
    """In the directory, as the gateway's own doors would."""
    database, _ = open_directory(read_configuration(deployment.gateway.config), time.time)
    try:
        return database.write("test", work)
    finally:
        database.close()


def appeal(deployment: Deployment, account: str, *shown: str) -> int:
    """A case, of an account that has shown some kinds of evidence, and has fallen."""

    def work(writing: Writing) -> int:
        for kind in shown:
            standing.add_evidence(writing, account, kind)
        standing.add_fall(writing, account, "chargeback", HOSTILE)
        return review.open_review(writing, account, review.APPEAL, statement=HOSTILE)

    return write(deployment, work)


def letter(deployment: Deployment, event: str) -> int:
    """Of a provider, which nobody could work off."""
    row = {
        "provider": "checks", "event": event, "digest": b"d" * 32, "kind": HOSTILE, "state": "approved",
        "reference": "ses_1", "stated": 0.0, "received": time.time(), "attempts": 8, "dead": time.time(),
        "outcome": HOSTILE,
    }  # fmt: skip

    def work(writing: Writing) -> int:
        made = writing.connection.execute(tables.inbox.insert().values(row))
        return int(made.inserted_primary_key[0])  # type: ignore[index]  # One row was inserted.

    return write(deployment, work)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


async def press(where: Page | Locator, name: str) -> None:
    await where.get_by_role("button", name=name, exact=True).click()


async def hostile_is_text(page: Page) -> None:
    """Markup stands on the page as it was written, and nothing of it ran."""
    await expect(page.get_by_text(HOSTILE).first).to_be_visible()
    assert await page.evaluate("window.broken") is None
    assert await page.locator("main img, dialog img").count() == 0
