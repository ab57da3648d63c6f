"""What every page is made with, and the frame around it: template, fields, errors as pages."""

from __future__ import annotations

import hashlib
import logging
import math
import secrets as random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import jinja2
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts.directory import DirectoryUnavailable
from gateway.accounts.secrets import Secrets
from gateway.control import look
from gateway.control.owner import forms, words
from gateway.control.owner.forms import Problem
from gateway.control.owner.place import Place
from gateway.control.owner.sessions import Session, Sessions

log = logging.getLogger(__name__)
HERE: Final = Path(__file__).parent / "templates"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action {targets}"
)
AWAY: Final = "'self' https: http:"
"""For the form that sends its owner on to a provider: Chromium holds redirects of a form to its form-action, too."""


class Next(NamedTuple):
    """A way on from a page that only says something."""

    href: str
    text: str


class Views:
    """How pages are made. `now` is Unix time."""

    def __init__(self, place: Place, secrets: Secrets, sessions: Sessions, now: Callable[[], float]) -> None:
        self.place = place
        self.sessions = sessions
        self.now = now
        self._secrets = secrets
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader([HERE, look.HERE]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters["moment"] = words.moment
        self._templates.filters["minute"] = words.minute
        self._templates.filters["stamp"] = words.stamp
        self._templates.globals["path"] = place.path
        self._templates.globals["inf"] = math.inf
        self._templates.globals["style"] = place.path(f"/style.css?{hashlib.sha256(look.STYLE).hexdigest()[:12]}")
        self._templates.globals["icon"] = place.path("/icon.svg")

    async def session(self, request: web.Request) -> Session | None:
        return await self.sessions.find(request.cookies.get(self.place.cookie, ""))

    def page(
        self,
        request: web.Request,
        template: str,
        *,
        session: Session | None = None,
        status: int = 200,
        problems: Sequence[Problem] = (),
        away: bool = False,
        **values: Any,
    ) -> web.Response:
        """A page with what each has. Whoever is not signed in gets a cookie for the forms on it."""
        door = request.cookies.get(self.place.door, "")
        fresh = not 20 <= len(door) <= 64
        if fresh:
            door = random.token_urlsafe(24)
        host = urlsplit(self.place.origin(request)).hostname or ""
        text = self._templates.get_template(template).render(
            session=session,
            token=forms.form_token(self._secrets, _holder(session, door)),
            problems=problems,
            wrong={problem.field: problem.text for problem in problems},
            host=host,
            **values,
        )
        response = web.Response(text=text, status=status, content_type="text/html")
        response.headers["Content-Security-Policy"] = POLICY.format(targets=AWAY if away else "'self'")
        if fresh and session is None:
            self.place.keep(response, self.place.door, door)
        return response

    def says(
        self,
        request: web.Request,
        title: str,
        text: str,
        *,
        session: Session | None = None,
        status: int = 200,
        then: Sequence[Next] = (),
        quote: str = "",
    ) -> web.Response:
        """A page that says one thing, and what to do next. `quote` is what somebody typed and would lose."""
        then = then or (Next(self.place.path(), "Go to your account"),)
        return self.page(
            request, "says.html", session=session, status=status, title=title, text=text, then=then, quote=quote
        )

    async def form(self, request: web.Request, session: Session | None) -> Mapping[str, str]:
        """A form from a page of ours. Raises HTTPException; 403 for one from elsewhere."""
        fields = await forms.read(request)
        holder = _holder(session, request.cookies.get(self.place.door, ""))
        if not self.place.ours(request) or not forms.believed(self._secrets, holder, fields.get(forms.TOKEN, "")):
            raise web.HTTPForbidden(reason=NOT_OURS)
        return fields

    def see(self, rest: str = "") -> web.Response:
        """On to one of our pages."""
        return web.Response(status=303, headers={"Location": self.place.path(rest)})


def _holder(session: Session | None, door: str) -> str:
    if session is not None:
        return f"session {session.token}"
    return f"door {door}" if door else ""


def border(views: Views) -> Any:
    """The middleware that makes every error a page, and puts the same fields on all."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = (
                web.Response(status=error.status, headers=error.headers)
                if error.status < 400
                else _error(views, request, error)
            )
        except (SQLAlchemyError, DirectoryUnavailable) as error:
            log.error("an owner's page was not served: %s", type(error).__name__)
            text = "We cannot look things up at the moment. Nothing was changed; please try again in a minute."
            response = views.says(request, "Please try again in a minute", text, status=503)
        for name, value in look.FIELDS.items():
            response.headers.setdefault(name, value)
        return response

    return handle


NOT_OURS: Final = "Not Ours"
SIGNED_OUT: Final = "Signed Out"
OWNER_ONLY: Final = "Owner Only"
"""Why a form is refused with 403: reason phrases, and keys of `_REFUSED`."""

_REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    NOT_OURS: (
        "Please send the form again",
        "It came from a page that is too old, or not from ours, or your browser has not sent our cookie. Nothing was "
        "changed. Go back, load the page again, and send the form once more.",
    ),
    SIGNED_OUT: (
        "You are signed out",
        "Sessions end after half an hour without use. Nothing was changed; please sign in again.",
    ),
    OWNER_ONLY: (
        "That needs the account's owner",
        "You came by a link or a key that shows the tier and lets you verify. For everything else sign in with a link "
        "that was sent to the address of the account's owner.",
    ),
}
_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    404: ("There is no such page", "The address may be incomplete. Your account's page is where everything begins."),
    405: ("That is not possible here", "This address does not answer to what your browser asked for."),
    408: ("The form did not arrive", "It took too long to come. Nothing was changed; please send it again."),
    413: ("That was too much text", "Nothing was changed. Please go back and shorten what you wrote."),
}


def _error(views: Views, request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    if error.status == 400:
        # Maybe for its Host: a page would have to name it.
        return web.Response(status=400, text=error.text)
    known = _REFUSED.get(error.reason) if error.status == 403 else _ERRORS.get(error.status)
    title, text = known or ("That did not work", "Nothing was changed. Please go back and try again.")
    response = views.says(request, title, text, status=error.status)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response
