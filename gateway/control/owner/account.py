"""The page of an account, the way to a provider and back, appeals, and the way out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from gateway.accounts.directory import Directory, DirectoryUnavailable, NotLoaded
from gateway.accounts.ladder import Ladder
from gateway.accounts.sql.database import Database
from gateway.control.owner import known, words
from gateway.control.owner.doors import session_of
from gateway.control.owner.forms import Problem, read
from gateway.control.owner.known import Known
from gateway.control.owner.overview import Gives, Overview, Ways, overview
from gateway.control.owner.sessions import Session
from gateway.control.owner.suspicion import Suspicions
from gateway.control.owner.views import NOT_OURS, OWNER_ONLY, Next, Views
from gateway.pace import Pace
from gateway.verification.desk import LONGEST_STATEMENT, Declined, Desk
from gateway.verification.provider import ProviderUnavailable

log = logging.getLogger(__name__)

BEGUN: Final = 20
"""Times an hour that an account may ask a provider for a way in. What costs money the desk bounds itself."""
PAUSES: Final = (3,) * 10 + (10,) * 9
"""Seconds after which the waiting page looks again by itself, time after time: two minutes in all."""


class Account:
    def __init__(
        self,
        views: Views,
        database: Database,
        directory: Directory,
        desk: Desk | None,
        ladder: Callable[[], Ladder | None],
        gives: Gives,
        suspicions: Suspicions,
        *,
        mail: bool,
    ) -> None:
        self._views = views
        self._database = database
        self._directory = directory
        self._desk = desk
        self._ladder = ladder
        self._gives = gives
        self._suspicions = suspicions
        self._mail = mail
        self._begun = Pace(BEGUN, 3600.0, views.now)

    async def page(self, request: web.Request) -> web.Response:
        """All of it."""
        session = await session_of(self._views, request)
        return await self._page(request, session)

    async def _page(
        self,
        request: web.Request,
        session: Session,
        *,
        problems: tuple[Problem, ...] = (),
        statement: str = "",
        status: int = 200,
    ) -> web.Response:
        found = await self.known(session.account)
        seen = self._seen(found)
        now = self._views.now()
        shown_keys = [key for key in found.keys if session.owner or key.prefix == session.key]
        return self._views.page(
            request,
            "account.html",
            session=session,
            status=status,
            problems=problems,
            away=bool(seen.notice and seen.notice.action),
            known=found,
            seen=seen,
            keys=shown_keys,
            now=now,
            statement=statement,
            longest=LONGEST_STATEMENT,
            ask=words.ASK,
            appeals=self._desk is not None
            and session.owner
            and (found.decided or bool(statement) or seen.suspicion is not None),
            asks=self._desk is not None and not found.filed and not found.suspended,
            mail=self._mail,
            done=_DONE.get(request.query.get("done", ""), "") if request.method in {"GET", "HEAD"} else "",
        )

    def _seen(self, found: Known) -> Overview:
        verify = self._desk is not None and not found.suspended and not found.filed
        people = frozenset() if self._desk is None else self._desk.by_hand
        ways = Ways(verify=verify, mail=self._mail, people=people)
        suspicion = self._suspicions.of(found)
        return overview(found, self._ladder(), self._views.now(), gives=self._gives, ways=ways, suspicion=suspicion)

    async def known(self, account: str) -> Known:
        """Of the directory in SQL, and what a file says besides."""
        now = self._views.now()
        found = await self._database.reading(lambda connection: known.read(connection, account, now))
        try:
            record = self._directory.account(account)
            if isinstance(record, NotLoaded):
                record = await self._directory.load_account(account)
        except DirectoryUnavailable:
            return found
        return known.with_record(found, record)

    # -- to a provider and back -----------------------------------------------------------------------------------

    async def verify(self, request: web.Request) -> web.Response:
        """Begin, or go on."""
        session = await session_of(self._views, request)
        await self._views.form(request, session)
        if self._desk is None:
            raise web.HTTPNotFound
        notice = self._seen(await self.known(session.account)).notice
        if notice is None or not notice.action:
            text = "There is nothing to verify just now."
            return await self._page(request, session, problems=(Problem("tier", text),), status=409)
        wait = self._begun.take(session.account)
        if wait:
            text = f"You have begun several times within the hour. Please wait {words.span(wait)} and try again."
            return await self._page(request, session, problems=(Problem("verify", text),), status=429)
        try:
            back = self._views.place.url(request, "/waiting")
            begun = await self._desk.begin(session.account, back, notice.kinds)
        except Declined as declined:
            return await self._page(request, session, problems=(Problem("verify", str(declined)),), status=409)
        except ProviderUnavailable as error:
            log.warning("a verification was not begun: %s", error)
            text = "The provider does not answer just now. Nothing was lost; please try again in a few minutes."
            return await self._page(request, session, problems=(Problem("verify", text),), status=503)
        if begun.url is None:
            return self._views.see("?done=begun")
        return web.Response(status=303, headers={"Location": begun.url})

    async def waiting(self, request: web.Request) -> web.Response:
        """Where a provider sends people back to: looks again by itself until something is known, or two minutes."""
        session = await session_of(self._views, request)
        found = await self.known(session.account)
        looked = request.query.get("look", "0")
        looks = int(looked) if looked.isascii() and looked.isdigit() and len(looked) < 4 else 0
        if found.case is None or not (found.case.open and found.case.state != "retry"):
            return self._views.see()
        again = self._views.place.path(f"/waiting?look={looks + 1}") if looks < len(PAUSES) else ""
        said = words.CASES[found.case.state]
        return self._views.page(
            request,
            "waiting.html",
            session=session,
            again=again,
            pause=PAUSES[looks] if again else 0,
            said=said,
            begun=found.case.state == "created",
            known=found,
        )

    # -- appeals --------------------------------------------------------------------------------------------------

    async def appeal(self, request: web.Request) -> web.Response:
        session = await self._views.session(request)
        if session is None:
            return await self._too_late(request)
        form = await self._views.form(request, session)
        if self._desk is None:
            raise web.HTTPNotFound
        # The button says nothing that its sender could have made up: whoever was sent here by a refusal may press it.
        button = form.get("about") == "use"
        if not session.owner and not button:
            raise web.HTTPForbidden(reason=OWNER_ONLY)
        statement = words.ASKED if button else form.get("statement", "").replace("\r\n", "\n")
        found = await self.known(session.account)
        suspected = not found.filed and self._suspicions.of(found) is not None
        try:
            await self._desk.appeal(session.account, statement, suspected=suspected)
        except Declined as declined:
            if button:
                wrong = (Problem("suspicion", str(declined)),)
                return await self._page(request, session, problems=wrong, status=409)
            wrong = (Problem("statement", str(declined)),)
            return await self._page(request, session, problems=wrong, statement=statement, status=422)
        return self._views.see("?done=appeal")

    async def _too_late(self, request: web.Request) -> web.Response:
        """The session ended while somebody wrote: what they wrote is given back."""
        if not self._views.place.ours(request):
            raise web.HTTPForbidden(reason=NOT_OURS)
        written = (await read(request)).get("statement", "")
        text = "Sessions end after half an hour without use. Copy what you wrote, sign in, and send it again."
        then = [Next(self._views.place.path("/sign-in"), "Sign in again")]
        return self._views.says(request, "You are signed out", text, status=403, then=then, quote=written)

    # -- the way out ----------------------------------------------------------------------------------------------

    async def sign_out(self, request: web.Request) -> web.Response:
        """`where=everywhere` for an owner: all sessions of the account."""
        session = await session_of(self._views, request)
        form = await self._views.form(request, session)
        everywhere = form.get("where") == "everywhere"
        if everywhere and not session.owner:
            raise web.HTTPForbidden(reason=OWNER_ONLY)
        if everywhere:
            await self._views.sessions.end_all(session.account)
        else:
            await self._views.sessions.end(session)
        response = self._views.see("/signed-out")
        self._views.place.drop(response, self._views.place.cookie)
        return response

    async def signed_out(self, request: web.Request) -> web.Response:
        text = "You may close this page, or sign in again."
        then = [Next(self._views.place.path("/sign-in"), "Sign in again")]
        return self._views.says(request, "You are signed out", text, then=then)


_DONE: Final[Mapping[str, str]] = {
    "appeal": "Your appeal has arrived. Somebody reads it, and this page shows what was decided.",
    "begun": "Your case has arrived. Somebody looks at it, and this page shows the result.",
    "revoked": "The key was revoked. It is refused from now on.",
}
"""Said at the top after something was done."""
