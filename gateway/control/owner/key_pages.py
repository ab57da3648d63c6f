"""The keys of an account: rotated with an overlap, or revoked. A new key is shown once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway.accounts.keys import MintedKey
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import keys
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Database, Writing
from gateway.control.owner import known
from gateway.control.owner.account import Account
from gateway.control.owner.doors import session_of
from gateway.control.owner.forms import Problem
from gateway.control.owner.known import Key
from gateway.control.owner.sessions import WHO, Session
from gateway.control.owner.views import OWNER_ONLY, Views

OVERLAPS: Final = {
    "0": "At once",
    "3600": "In an hour",
    "86400": "In a day",
    "604800": "In a week",
}
"""Seconds for which the old key holds -> words."""
USUAL: Final = "86400"


def overlaps_for(session: Session) -> Mapping[str, str]:
    """Who only bears a key may have found it: they do not cut its owner off before that can notice."""
    return {seconds: words for seconds, words in OVERLAPS.items() if session.owner or float(seconds) >= float(USUAL)}


class KeyPages:
    def __init__(self, views: Views, database: Database, secrets: Secrets, account: Account) -> None:
        self._views = views
        self._database = database
        self._secrets = secrets
        self._account = account

    async def page(self, request: web.Request) -> web.Response:
        """One key, and what can be done with it."""
        session = await session_of(self._views, request)
        return self._page(request, session, await self._key(request, session))

    def _page(
        self,
        request: web.Request,
        session: Session,
        key: Key,
        *,
        problems: tuple[Problem, ...] = (),
        chosen: str = USUAL,
        status: int = 200,
    ) -> web.Response:
        now, overlaps = self._views.now(), overlaps_for(session)
        return self._views.page(
            request,
            "key.html",
            session=session,
            status=status,
            problems=problems,
            key=key,
            holds=key.holds(now),
            overlaps=overlaps,
            chosen=chosen if chosen in overlaps else USUAL,
        )

    async def rotate(self, request: web.Request) -> web.Response:
        """The answer shows the new key: it is kept nowhere, so no redirect could."""
        session = await session_of(self._views, request)
        form = await self._views.form(request, session)
        key = await self._key(request, session)
        chosen = form.get("overlap", "")
        if chosen not in overlaps_for(session):
            wrong = (Problem("overlap", "Please choose how long the old key still works."),)
            return self._page(request, session, key, problems=wrong, status=422)
        try:
            minted = await self._database.writing(WHO, lambda writing: self._rotate(writing, session, key, chosen))
        except NoSuch as gone:
            return self._page(request, session, key, problems=(Problem("overlap", str(gone)),), status=409)
        ends = self._views.now() + float(chosen) if float(chosen) else 0.0
        return self._views.page(
            request,
            "new_key.html",
            session=session,
            key=key,
            minted=minted.key,
            ends=min(ends, key.expires) if key.expires else ends,
        )

    def _rotate(self, writing: Writing, session: Session, key: Key, chosen: str) -> MintedKey:
        """Looks again under the lock: of two that rotate at once one finds it rotated."""
        now = next((one for one in self._keys_of(writing, session) if one.prefix == key.prefix), None)
        if now is None or not now.holds(writing.now) or now.replaced_by:
            raise NoSuch("This key was rotated or revoked in the meantime. Go back to your account to see its keys.")
        return keys.rotate(writing, self._secrets, key.prefix, float(chosen))

    def _keys_of(self, writing: Writing, session: Session) -> tuple[Key, ...]:
        return known.read(writing.connection, session.account, writing.now).keys

    async def revoke(self, request: web.Request) -> web.Response:
        session = await session_of(self._views, request)
        form = await self._views.form(request, session)
        if not session.owner:
            raise web.HTTPForbidden(reason=OWNER_ONLY)
        key = await self._key(request, session)
        if form.get("sure") != "yes":
            wrong = (Problem("sure", "Please tick the box: whatever still uses this key stops working."),)
            return self._page(request, session, key, problems=wrong, status=422)
        if key.revoked is None:
            await self._database.writing(WHO, lambda writing: keys.revoke(writing, key.prefix, "by its owner"))
        return self._views.see("?done=revoked")

    async def _key(self, request: web.Request, session: Session) -> Key:
        """The key of the path. Raises HTTPForbidden where the session may not see it, HTTPNotFound where the account
        has none of that name: whose it is else is nobody's business.
        """
        prefix = request.match_info["prefix"]
        if not session.may_rotate(prefix):
            raise web.HTTPForbidden(reason=OWNER_ONLY)
        found = (await self._account.known(session.account)).keys
        key = next((key for key in found if key.prefix == prefix), None)
        if key is None:
            raise web.HTTPNotFound
        return key
