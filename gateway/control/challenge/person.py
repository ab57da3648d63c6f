"""The page itself: what is asked and why, the answer to it, and the button of a member who is signed in."""

from __future__ import annotations

import logging
import secrets as random
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.directory import DirectoryUnavailable
from gateway.accounts.secrets import Secrets
from gateway.challenges.desk import SHOWN_FIELD, Browser, Desk, Proof, Seen
from gateway.challenges.ladder import Step
from gateway.control.challenge import words
from gateway.control.challenge.back import BACK, local
from gateway.control.challenge.program import Programs, seconds
from gateway.control.challenge.views import Views, Way, hosts
from gateway.control.owner import forms
from gateway.control.owner.sessions import Session, Sessions

log = logging.getLogger(__name__)


LARGEST: Final = 24 * 1024
"""Bytes of a form: an answer of RESPONSE_AT_MOST, and what else is in it."""


class Members(NamedTuple):
    """Who can be signed in. Without a durable directory nobody can."""

    sessions: Sessions
    secrets: Secrets


class Person:
    def __init__(
        self,
        views: Views,
        desk: Desk,
        programs: Programs,
        members: Members | None,
        client: Callable[[web.Request], str],
    ) -> None:
        self._views = views
        self._desk = desk
        self._programs = programs
        self._members = members
        self._client = client

    async def page(self, request: web.Request) -> web.Response:
        """What is asked. Raises BadChallenge, Unavailable."""
        self._programs.paced(request)
        token = request.match_info["token"]
        back = local(request.query.get(BACK, ""))
        seen = await self._desk.seen(token)
        return await self._page(request, token, seen, back, done=request.query.get("done") == "1")

    async def _page(
        self,
        request: web.Request,
        token: str,
        seen: Seen,
        back: str,
        *,
        done: bool = False,
        problem: str = "",
        status: int = 200,
    ) -> web.Response:
        if seen.status == "passed":
            return self._passed(request, back, done=done)
        if seen.status != "open":
            return self._views.says(request, words.STATES[seen.status], *([Way(back, "Try again")] if back else []))
        if seen.widget is None:
            again = Way(self._views.path(token, to=back), "Try again")
            return self._views.says(request, words.NOBODY, again, *self._door())
        session = await self._session(request)
        here = self._views.place
        response = self._views.page(
            request,
            "challenge.html",
            status=status,
            widget=self._views.shaped(seen.widget, token),
            seen=seen,
            known=not seen.subject.startswith("address="),
            # An account that a token names may hold half of a surrogate pair, which no page can.
            name=seen.subject.removeprefix("address=").encode("utf-8", "replace").decode(),
            work=seen.challenge.step is Step.WORK,
            session=session,
            form_token=self._form_token(session),
            may_vouch=session is not None and _may_vouch(session, seen),
            members=self._members is not None,
            others=hosts(seen.widget),
            shown=(SHOWN_FIELD, seen.shown),
            problem=problem,
            back=back,
            action=self._views.path(token),
            sign_in=self._views.path(token, "/sign-in"),
            state=self._views.path(token, "/status"),
            puzzle=self._views.path(token, "/puzzle"),
            go=self._views.path(token, to=back, done=True),
            account=here.path("/sign-in"),
        )
        if not request.cookies.get(here.door):
            here.keep(response, here.door, random.token_urlsafe(24))
        return response

    def _passed(self, request: web.Request, back: str, *, done: bool) -> web.Response:
        """Only who has just passed is taken back by itself: where a clearance does not hold, a browser would go round
        and round.
        """
        if not back:
            return self._views.says(request, words.PASSED)
        on = Way(back, "Go on")
        return self._views.says(request, words.GOING if done else words.PASSED_BACK, on, go=back if done else "")

    # -- the answer ---------------------------------------------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.Response:
        """A form with what the widget gave. The token is all that it takes: who has it, may pass it.

        Raises BadChallenge, Unavailable, HTTPException.
        """
        token = request.match_info["token"]
        form = await self._form(request)
        proof = await self._desk.prove(token, form, self._browser(request))
        return await self._after(request, token, proof, local(form.get(BACK, "")))

    async def vouch(self, request: web.Request) -> web.Response:
        """The button of a member. Raises as `answer`; 403 where nobody is signed in, or not with all rights."""
        token = request.match_info["token"]
        form = await self._form(request)
        session = await self._session(request)
        if self._members is None or session is None or not session.owner:
            raise web.HTTPForbidden
        if not forms.believed(self._members.secrets, _holder(session), form.get(forms.TOKEN, "")):
            raise web.HTTPForbidden
        proof = await self._desk.vouch(token, session.account)
        return await self._after(request, token, proof, local(form.get(BACK, "")))

    async def _after(self, request: web.Request, token: str, proof: Proof, back: str) -> web.Response:
        if proof.status == "passed":
            # Not to `back` itself: where that leads on to another host, `form-action` would end it here.
            return web.Response(status=303, headers={"Location": self._views.path(token, to=back, done=True)})
        if proof.status == "farmed":
            said = words.FARMED if self._members is not None else words.FARMED_ALONE
            again = Way(self._views.path(token, to=back), "Back to the check")
            return self._views.says(request, said, *self._door(), again)
        seen = await self._desk.seen(token)
        problem, status = _PROBLEMS.get(proof.reason) or _PROBLEMS.get(proof.status, (words.WRONG, 422))
        response = await self._page(request, token, seen, back, problem=problem, status=status)
        if proof.status == "paced":
            response.headers["Retry-After"] = seconds(proof.retry_after)
        return response

    async def _form(self, request: web.Request) -> Mapping[str, str]:
        """From a page of ours, as far as the browser says. Raises HTTPException."""
        if not self._views.place.ours(request):
            raise web.HTTPForbidden
        return await forms.read(request, LARGEST)

    def _browser(self, request: web.Request) -> Browser:
        here = self._views.place
        return Browser(
            self._client(request),
            request.headers.get("User-Agent", ""),
            request.cookies.get(here.door, ""),
            urlsplit(here.origin(request)).hostname or "",
        )

    # -- members ------------------------------------------------------------------------------------------------------

    async def _session(self, request: web.Request) -> Session | None:
        """Who is signed in. Where that cannot be asked, nobody is: the check itself does not need it."""
        if self._members is None:
            return None
        try:
            return await self._members.sessions.find(request.cookies.get(self._views.place.cookie, ""))
        except (SQLAlchemyError, DirectoryUnavailable) as error:
            log.warning("who is signed in could not be asked: %s", type(error).__name__)
            return None

    def _form_token(self, session: Session | None) -> str:
        if self._members is None or session is None:
            return ""
        return forms.form_token(self._members.secrets, _holder(session))

    def _door(self) -> tuple[Way, ...]:
        return (Way(self._views.place.path("/sign-in"), "Sign in"),) if self._members is not None else ()


_PROBLEMS: Final[Mapping[str, tuple[str, int]]] = {
    "empty": (words.EMPTY, 422),
    "wrong": (words.WRONG, 422),
    "paced": (words.SLOW, 429),
    "away": (words.ANOTHER, 503),
    "unavailable": (words.UNAVAILABLE.text, 503),
}


def _may_vouch(session: Session, seen: Seen) -> bool:
    """A key, or a link that a key was answered with, says nothing about who holds it: those who stole it have both."""
    return session.owner and session.account == seen.subject


def _holder(session: Session) -> str:
    return f"session {session.token}"
