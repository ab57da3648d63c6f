"""Lists, feeds and geo databases over the operators' port: how old they are, who reads them, what is in them.

    GET /lists    GET /lists/{name}?q=&limit=    POST /lists/{name}/refresh

A list of accounts is about people: its entries need PEOPLE, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field, StringConstraints

from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Reason, Shape, checked
from gateway.control.operations import Operation, who
from gateway.control.rules_files.answers import bordered, content_of, failed, may, told
from gateway.control.rules_files.saving import Deployment, Note, Rules
from gateway.control.rules_files.workshop import Workshop
from gateway.feeds.kinds import ListKind
from gateway.feeds.sources import DatabaseFeed, FeedSet, ListFeed
from gateway.feeds.update import World, update
from gateway.rules.check import check
from gateway.rules.feeds_file import FeedsFile
from gateway.rules.problems import Problems
from gateway.rules.read import read
from gateway.rules.ruleset import FEEDS

WITHIN: Final = 60.0
"""Seconds to read all lists."""
KEPT: Final = 10.0
"""Seconds for which a look is good for others, unless the rules change."""
MOST: Final = 200
"""Entries of an answer."""

Failing = Callable[[], Mapping[str, str]]


class SearchQuery(Shape):
    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=256)] = ""
    """A part of an entry; an address or a domain is also looked up, as a rule would."""
    limit: Annotated[int, Field(ge=1, le=MOST)] = 50


class RefreshShape(Shape):
    reason: Reason


class ListsApi:
    """`failing` is what the last fetches failed of (gateway.feeds.refresher.Refresher.failing); `world` is what a fetch
    needs, None where nothing is fetched from here; `note` takes a line for the audit.
    """

    def __init__(
        self,
        deployment: Deployment,
        workshop: Workshop,
        rules: Rules,
        failing: Failing,
        world: World | None,
        note: Note,
        now: Callable[[], float],
    ) -> None:
        self._deployment = deployment
        self._workshop = workshop
        self._rules = rules
        self._failing = failing
        self._world = world
        self._note = note
        self._now = now
        self._kept: tuple[float, str, dict[str, Any]] | None = None
        self._refreshing = asyncio.Lock()

    def operations(self) -> list[Operation]:
        unknown = {404: "There is no list of that name."}
        return bordered(
            [
                Operation("GET", "/lists", self.list, Permission.LOOK, "Lists, geo databases and signing keys."),
                Operation(
                    "GET", "/lists/{name}", self.search, Permission.LOOK, "Entries of a list; whether one is in it.",
                    query=SearchQuery, errors=unknown,
                ),
                Operation(
                    "POST", "/lists/{name}/refresh", self.refresh, Permission.WRITE, "Fetch a list or database now.",
                    content=RefreshShape,
                    errors=unknown | {409: "It has no source.", 429: "One is fetched already.", 502: "It failed."},
                ),
            ]
        )  # fmt: skip

    async def list(self, _: web.Request) -> web.Response:
        kept, digest = self._kept, self._rules.in_force.digest
        if kept is None or kept[1] != digest or self._now() - kept[0] > KEPT:
            found = await self._workshop.ask(self._question("lists"), WITHIN)
            kept = self._kept = (self._now(), digest, found)
        failing = self._failing()
        rows = [row | {"error": failing.get(f"{row['what']} {row['name']}", "")} for row in kept[2]["lists"]]
        return told(kept[2] | {"lists": rows, "looked": kept[0]})

    async def search(self, request: web.Request) -> web.Response:
        asked = query(request, SearchQuery)
        name = request.match_info["name"]
        question = self._question("search", name=name, wanted=asked.q, most=asked.limit)
        found = await self._workshop.ask(question, WITHIN)
        if not found["kind"]:
            return failed(f"there is no list `{name[:80]}` in feeds.yaml", 404)
        if found["kind"] == ListKind.ACCOUNTS and not may(request, Permission.PEOPLE):
            return failed("this list names accounts: whoever sees it needs to be allowed to see people, too", 403)
        return told(found | {"name": name, "q": asked.q})

    async def refresh(self, request: web.Request) -> web.Response:
        """What came of it. A list that is new is in force within a second: the files are watched."""
        asked = checked(RefreshShape, await content_of(request))
        name, world = request.match_info["name"], self._world
        feed = await asyncio.to_thread(self._feed, name)
        if feed is None:
            return failed(f"there is no list or database `{name[:80]}` in feeds.yaml", 404)
        if feed.source is None or world is None:
            return failed(f"`{name}` is not fetched: its entries are in the folder of the policies", 409)
        if self._refreshing.locked():
            return failed("another one is being fetched: try again in a moment", 429)
        async with self._refreshing:
            done = await update(feed, world)
        self._kept = None
        self._note(who(request), "lists.refresh", name, reason=asked.reason, outcome=done.what, entries=done.entries)
        if done.what == "failed":
            return failed(f"`{name}` was not fetched: {done.detail}; what was there before stays in use", 502)
        return told({"name": name, "outcome": done.what, "entries": done.entries, "detail": done.detail})

    def _feed(self, name: str) -> DatabaseFeed | ListFeed | None:
        path = self._deployment.policies / FEEDS
        try:
            feeds = check(read(path), FeedsFile).plain() if path.exists() else FeedSet()
        except Problems:
            return None
        return next((feed for feed in feeds.all() if feed.name == name), None)

    def _question(self, do: str, **more: Any) -> dict[str, Any]:
        return self._deployment.question(do, in_force=str(self._rules.in_force.folder / "policies"), **more)
