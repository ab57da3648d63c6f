"""Signing in and out with a browser: a session for a token, or by a link that works once."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field, StringConstraints

from gateway.control.access import cookie, pages
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import content
from gateway.control.access.guard import ASKER, LONGEST, Guard, check_meant, client_of, cookies
from gateway.control.access.links import LASTS, Links
from gateway.control.access.notes import Note
from gateway.control.access.origin import base
from gateway.control.access.roles import MAY, Permission, Role
from gateway.control.access.sessions import Session
from gateway.control.access.tokens import Bearer
from gateway.control.account_shapes import Shape
from gateway.control.operations import Operation, Operator
from gateway.quantities import Duration

CONSOLE: Final = "/console/"


class TokenShape(Shape):
    token: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)] = Field(repr=False)
    """That of tidegate.yaml, or one of an operator."""


class LinkShape(Shape):
    lasts: Annotated[Duration, Field(ge=1, le=LASTS)] = LASTS


class SessionAnswer(Shape):
    """Who is signed in."""

    name: str
    role: Role
    permissions: list[Permission]
    csrf: str
    """To be sent in X-Tidegate-Csrf with whatever changes something; empty for a bearer."""
    expires: float | None
    """Unix time, unless something is asked for before; null for a bearer."""


class LinkAnswer(Shape):
    url: str
    expires: float


class SessionApi:
    """`begin` and `end` are how others (OIDC) sign in."""

    def __init__(self, guard: Guard, links: Links, note: Note, ways: tuple[str, ...]) -> None:
        """`ways` to sign in are told to who is not: `token`, `oidc`."""
        self._guard = guard
        self._links = links
        self._note = note
        self._ways = list(ways)

    def operations(self) -> list[Operation]:
        tries = {429: "Too many wrong tokens came from here."}
        wrong = {401: "The token is unknown.", 415: "It is no JSON.", **tries}
        link = "/session/links/{token}"
        return [
            Operation(
                "POST", "/session", self.sign_in, None, "Sign in with a token.",
                content=TokenShape, answer=SessionAnswer, errors=wrong,
            ),
            Operation(
                "GET", "/session", self.show, None, "Who is signed in.",
                answer=SessionAnswer, errors={401: "Nobody is.", **tries},
            ),
            Operation("DELETE", "/session", self.sign_out, None, "Sign out."),
            Operation(
                "POST", "/session/links", self.make_link, Permission.GOVERN, "A link that signs in once.",
                content=LinkShape, answer=LinkAnswer, status=201,
            ),
            Operation("GET", link, self.show_link, None, "The page of a link: it spends nothing.", media="text/html"),
            Operation(
                "POST", link, self.open_link, None, "Sign in by a link.",
                status=303, media="text/html", errors={410: "The link was used, or is over."},
            ),
        ]  # fmt: skip

    async def sign_in(self, request: web.Request) -> web.Response:
        asked = await content(request, TokenShape)
        bearer = await self._guard.try_token(request, asked.token.strip())
        if bearer is None:
            raise Refused(401, "this token is unknown, or holds no more", ways=self._ways)
        named, session = self.begin(request, bearer, "token")
        answer = said(_shown(session.operator, session.ends))
        cookie.put(request, answer, named, self._guard.url)
        return answer

    async def show(self, request: web.Request) -> web.Response:
        operator = await self._guard.anybody(request)
        if operator is None:
            raise Refused(401, "nobody is signed in", ways=self._ways)
        if not operator.csrf:
            return said(_shown(operator, None))
        found = await self._guard.session(request)
        return said(_shown(operator, found.session.ends if found is not None else None))

    async def sign_out(self, request: web.Request) -> web.Response:
        found = await self._guard.session(request)
        if found is not None:
            check_meant(request, found.session.operator)
            self._guard.sessions.end(found.named)
            self._note(found.session.operator.name, "sign_out", "console")
        answer = said({"signed_out": found is not None})
        cookie.take(request, answer, self._guard.url)
        return answer

    async def make_link(self, request: web.Request) -> web.Response:
        """201 with the address: whoever opens it is whom this request's token names."""
        asked, asker = await content(request, LinkShape), request[ASKER]
        named, expires = self._links.make(asker, asked.lasts)
        self._note(asker.operator.name, "sign_in.link", "console", expires=expires)
        return said({"url": f"{base(request, self._guard.url)}/session/links/{named}", "expires": expires}, 201)

    async def show_link(self, _: web.Request) -> web.Response:
        """A page with a button: what fetches a link to look at it (a preview, a mail's filter) signs nobody in. It
        does not say whether the link holds: that is for who opens it.
        """
        return pages.asked("Sign in to Tidegate", "This link signs you in to the console, once.", "Sign in")

    async def open_link(self, request: web.Request) -> web.StreamResponse:
        bearer = self._links.spend(request.match_info["token"])
        if bearer is not None and bearer.id is not None:
            bearer = await self._guard.tokens.by_id(bearer.id)
        if bearer is None:
            self.failed(request)
            return pages.said("This link is over", "It was used, or its time is over. Ask for a new one.", status=410)
        named, _session = self.begin(request, bearer, "link")
        return self.arrive(request, named, CONSOLE)

    def failed(self, request: web.Request) -> None:
        """For the audit, which has few lines of what strangers try."""
        self._guard.failures.add(client_of(request))

    def begin(self, request: web.Request, bearer: Bearer, way: str) -> tuple[str, Session]:
        """A new session, with a new name: one that somebody has set before is worth nothing. Older ones of this browser
        end.
        """
        for before in cookies(request):
            self._guard.sessions.end(before)
        named, session = self._guard.sessions.open(bearer.operator, bearer.id, bearer.expires)
        self._note(bearer.operator.name, "sign_in", "console", way=way, role=str(bearer.operator.role))
        return named, session

    def arrive(self, request: web.Request, named: str, to: str) -> web.StreamResponse:
        """To the console, signed in. The browser's next question must not be another POST."""
        answer = web.Response(status=303, headers={"Location": to})
        cookie.put(request, answer, named, self._guard.url)
        return answer


def _shown(operator: Operator, expires: float | None) -> dict[str, Any]:
    return {
        "name": operator.name,
        "role": str(operator.role),
        "permissions": sorted(str(one) for one in MAY[operator.role]),
        "csrf": operator.csrf,
        "expires": expires,
    }
