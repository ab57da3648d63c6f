"""The admin port's challenges: who is held, and how a person ends it. JSON in, JSON out.

All of it needs the admin token, what only looks as well: it is about people.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.sql.database import Database
from gateway.challenges.interface import Escalations, Unavailable
from gateway.control.account_changes import by
from gateway.control.account_shapes import Wrong, checked
from gateway.control.accounts import ACTOR, WHO, Handler
from gateway.control.challenges_shown import LiftShape, ListShape, NotHeld, TermsOf, lift, listed, noted, rows, shown

AWAY: Final = "Redis cannot be asked just now, so nobody knows who is held: try again"
NOT_NOTED: Final = "it is lifted, but the audit cannot be written just now: ask again, so that it says who and why"


class ChallengesApi:
    """`add_to` is for `gateway.control.admin.application`, as that of `AccountsApi`."""

    def __init__(
        self,
        redis: Any,
        escalations: Escalations,
        database: Database | None,
        terms: Callable[[], TermsOf],
        now: Callable[[], float],
    ) -> None:
        """`redis` is a `redis.asyncio` client (`gateway.stores.redis.client`), which stays the caller's to close;
        `terms` are those of the rules in force; without a `database` there is no audit of accounts to be written to.
        """
        self._redis = redis
        self._escalations = escalations
        self._database = database
        self._terms = terms
        self._now = now

    def add_to(self, app: web.Application) -> None:
        """Its routes."""
        for method, path, handler in (
            ("GET", "/challenges", self.list),
            ("GET", "/challenges/{id}", self.show),
            ("POST", "/challenges/{id}/lift", self.lift),
        ):
            app.router.add_route(method, path, _bordered(handler))

    async def list(self, request: web.Request) -> web.Response:
        """`?step=&limit=`: from which step on, `slow` if not stated. `there` counts all of them."""
        asked = checked(ListShape, _query(request))
        now, terms = self._now(), self._terms()
        found = listed(await rows(self._redis, now), asked.step, terms, now)
        held = [shown(row, terms, now) for row in found[: asked.limit]]
        return _json({"challenges": held, "there": len(found)})

    async def show(self, request: web.Request) -> web.Response:
        """404 where nothing is held of it."""
        return await self._shown(request.match_info["id"])

    async def lift(self, request: web.Request) -> web.Response:
        """`{"reason": …, "to": "observe", "rule": "ENTRY/NAME"}`: 200 with what is held now."""
        subject, asked = request.match_info["id"], checked(LiftShape, await _content(request))
        found = await rows(self._redis, self._now(), subject)
        rules = await lift(self._escalations, found, subject, asked, self._terms())
        if self._database is not None:
            who = by(WHO, request.headers.get(ACTOR, ""))
            await self._database.writing(who, lambda writing: noted(writing, subject, asked, rules))
        return await self._shown(subject, lifted=rules)

    async def _shown(self, subject: str, **more: Any) -> web.Response:
        now, terms = self._now(), self._terms()
        found = listed(await rows(self._redis, now, subject), "observe", terms, now)
        if not found and not more:
            raise NotHeld(f"nothing is held of `{subject}`")
        return _json({"account": subject, "challenges": [shown(row, terms, now) for row in found], **more})


def _bordered(handler: Handler) -> Handler:
    """What callers can do wrong, and servers that are away, as answers."""

    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Wrong as wrong:
            return _json({"error": "some fields are wrong", "fields": wrong.fields}, 422)
        except NotHeld as error:
            return _json({"error": str(error)}, 404)
        except Unavailable:
            return _json({"error": AWAY}, 503)
        except SQLAlchemyError:
            return _json({"error": NOT_NOTED}, 503)

    return answer


async def _content(request: web.Request) -> object:
    content = await request.read()
    try:
        return orjson.loads(content) if content.strip() else {}
    except ValueError:
        raise Wrong({"": "the content must be JSON"}) from None


def _query(request: web.Request) -> dict[str, Any]:
    """A number as JSON has it, where it is one."""
    found: dict[str, Any] = dict(request.query)
    limit = found.get("limit", "")
    if limit.isascii() and limit.isdecimal() and len(limit) < 10:
        found["limit"] = int(limit)
    return found


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    """Kept by nobody on the way: it is about people."""
    try:
        body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # An account that a token names may hold half of a surrogate pair: it must not hide all others.
        body = json.dumps(content).encode() + b"\n"
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
