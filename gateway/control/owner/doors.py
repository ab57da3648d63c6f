"""The ways in: a one-time link, a key, an e-mail address to which a link is sent.

Opening a link shows a page with one button, and only the button spends it: scanners of mail and browsers that fetch
ahead open links, too.
"""

from __future__ import annotations

import hmac
import logging
import secrets as random
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from gateway.accounts import keys, one_time
from gateway.accounts.directory import Directory, DirectoryUnavailable, KeyRecord, NotLoaded
from gateway.accounts.one_time import BadToken, OneTime, Scope
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import visits
from gateway.accounts.sql.database import Database
from gateway.control.mail import Mailer, MailUnavailable, address
from gateway.control.owner import words
from gateway.control.owner.forms import Problem
from gateway.control.owner.place import link_path
from gateway.control.owner.sessions import Session
from gateway.control.owner.views import SIGNED_OUT, Next, Views
from gateway.pace import Pace, network
from gateway.tasks import spawn

log = logging.getLogger(__name__)

LASTS: Final = 30 * 60.0
"""Seconds for which a link in a mail can be opened."""
MAILS: Final = 3
"""To one address an hour."""
ASKED: Final = 20
"""Times an hour that one place may ask for mails."""
TRIED: Final = 30
"""Keys an hour that one place may show."""
HOUR: Final = 3600.0
LONGEST_KEY: Final = 256

_REFUSED: Final = "This key is not valid. Look whether it was copied whole; it begins with tg_."


_NO_LINK: Final = ("This link does not work", "It may have been cut off when it was copied.")
_DEAD: Final[Mapping[str, tuple[str, str]]] = {
    "used": (
        "This link was used already",
        "A link works once. If it was you, in this browser, you are still signed in. Otherwise get a new one.",
    ),
    "expired": ("This link has run out", "Links work for a short while only."),
}
"""Why a link is no good -> title, and what that means."""


class Doors:
    def __init__(
        self,
        views: Views,
        database: Database,
        secrets: Secrets,
        directory: Directory,
        mailer: Mailer | None,
        client: Callable[[web.Request], str],
    ) -> None:
        self._views = views
        self._database = database
        self._secrets = secrets
        self._directory = directory
        self._mailer = mailer
        self._client = client
        self._mails = Pace(MAILS, HOUR, views.now)
        self._asked = Pace(ASKED, HOUR, views.now)
        self._tried = Pace(TRIED, HOUR, views.now)
        self._no_pepper = random.token_bytes(32)
        self._no_digest = random.token_bytes(keys.DIGEST_SIZE)

    async def sign_in(self, request: web.Request) -> web.Response:
        """The page with both forms."""
        if await self._views.session(request) is not None:
            return self._views.see()
        return self._sign_in(request, ended=bool(request.cookies.get(self._views.place.cookie)))

    def _sign_in(
        self,
        request: web.Request,
        *,
        problems: tuple[Problem, ...] = (),
        typed: str = "",
        status: int = 200,
        ended: bool = False,
    ) -> web.Response:
        response = self._views.page(
            request,
            "sign_in.html",
            status=status,
            problems=problems,
            typed=typed,
            mail=self._mailer is not None,
            ended=ended,
        )
        if ended:
            self._views.place.drop(response, self._views.place.cookie)
        return response

    # -- a one-time link ------------------------------------------------------------------------------------------

    async def link(self, request: web.Request) -> web.Response:
        """What a link opens: nothing is spent yet."""
        token = request.match_info["token"]
        link = self._read(token)
        if not isinstance(link, OneTime):
            return self._dead(request, link)
        if await self._views.sessions.used(link):
            return self._dead(request, "used")
        return self._views.page(request, "link.html", link=link, token_of_link=token)

    async def open_link(self, request: web.Request) -> web.Response:
        """The button: the first who presses it is in."""
        form = await self._views.form(request, None)
        link = self._read(form.get("link", ""))
        if not isinstance(link, OneTime):
            return self._dead(request, link)
        before = await self._views.session(request)
        token = await self._views.sessions.open_by_link(link, before)
        return self._dead(request, "used") if token is None else self._welcome(token)

    def _read(self, token: str) -> OneTime | str:
        try:
            return one_time.read(self._secrets, token, self._views.now())
        except BadToken as bad:
            return bad.reason

    def _dead(self, request: web.Request, why: str) -> web.Response:
        title, text = _DEAD.get(why, _NO_LINK)
        place = self._views.place
        then = [Next(place.path(), "Go to your account"), Next(place.path("/sign-in"), "Sign in another way")]
        again = "Send your request to the API again and follow the link in its answer, or sign in another way."
        return self._views.says(request, title, f"{text} {again}", status=410 if why in _DEAD else 404, then=then)

    def _welcome(self, token: str) -> web.Response:
        place = self._views.place
        response = self._views.see()
        place.keep(response, place.cookie, token)
        place.drop(response, place.door)
        return response

    # -- a key ----------------------------------------------------------------------------------------------------

    async def show_key(self, request: web.Request) -> web.Response:
        """Who has a key may see the tier, verify, and rotate that key."""
        form = await self._views.form(request, None)
        wait = self._tried.take(network(self._client(request)))
        if wait:
            return self._wrong_key(request, f"That were many tries. Please wait {words.span(wait)}.", 429)
        key = form.get("key", "").strip()
        if not key:
            return self._wrong_key(request, "Please paste your key here.")
        try:
            record = await self._prove(key)
        except DirectoryUnavailable:
            return self._wrong_key(request, "We cannot look keys up at the moment. Please try again in a minute.", 503)
        if record is None:
            return self._wrong_key(request, _REFUSED)
        if record.revoked:
            return self._wrong_key(request, "This key has been revoked. Please use another one.")
        if record.suspended:
            return self._wrong_key(
                request,
                "The account of this key is suspended. Sign in with a link instead, and send us an appeal.",
                403,
            )
        if record.expires is not None and record.expires <= self._views.now():
            return self._wrong_key(request, "This key has expired. Please use another one.")
        before = await self._views.session(request)
        return self._welcome(await self._views.sessions.open_by_key(record, before))

    async def _prove(self, key: str) -> KeyRecord | None:
        """The record of a key, held as `auth` holds it: the same work whether its prefix exists or not."""
        try:
            credential = key.encode("ascii")
        except UnicodeEncodeError:
            return None
        prefix = keys.parse(credential) if len(credential) <= LONGEST_KEY else None
        if prefix is None:
            return None
        record = self._directory.find(prefix)
        if isinstance(record, NotLoaded):
            record = await self._directory.load(prefix)
        pepper = self._directory.pepper(record.pepper) if record is not None else None
        expected = record.digest if record is not None and pepper else self._no_digest
        proved = hmac.compare_digest(keys.digest(pepper or self._no_pepper, credential), expected)
        return record if proved and pepper is not None else None

    def _wrong_key(self, request: web.Request, text: str, status: int = 422) -> web.Response:
        return self._sign_in(request, problems=(Problem("key", text),), status=status)

    # -- an e-mail address ----------------------------------------------------------------------------------------

    async def ask_for_mail(self, request: web.Request) -> web.Response:
        """The same answer in the same time, whoever's address it is: what follows, follows later."""
        if self._mailer is None:
            raise web.HTTPNotFound
        form = await self._views.form(request, None)
        typed = form.get("email", "")
        try:
            to = address(typed)
        except ValueError:
            text = "This is not an e-mail address. It looks like name@example.com."
            return self._wrong_address(
                request, typed, text if typed.strip() else "Please type your e-mail address here."
            )
        name = self._secrets.hash("mail-pace", visits.normalised(to).lower()).digest.hex()
        wait = self._asked.take(network(self._client(request))) or self._mails.take(name)
        if wait:
            text = (
                "Links were asked for often. Please look into your mailbox, and into its spam folder, or wait "
                f"{words.span(wait)}."
            )
            return self._wrong_address(request, typed, text, 429)
        place = self._views.place
        spawn(self._send(self._mailer, to), name="a link by mail")
        text = (
            f"If {to} belongs to an account here, a link is on its way to it. It works once, for {words.span(LASTS)}. "
            "If nothing comes within a few minutes, look into the spam folder."
        )
        return self._views.says(
            request, "Please look into your mailbox", text, then=[Next(place.path("/sign-in"), "Back to sign-in")]
        )

    def _wrong_address(self, request: web.Request, typed: str, text: str, status: int = 422) -> web.Response:
        return self._sign_in(request, problems=(Problem("email", text),), typed=typed, status=status)

    async def _send(self, mailer: Mailer, to: str) -> None:
        public = self._views.place.public
        try:
            accounts = await self._database.reading(lambda found: visits.members_with(found, self._secrets, to))
            if not accounts:
                return
            ends = self._views.now() + LASTS
            lines = [
                f"{account}:\n{public}{link_path(one_time.make(self._secrets, account, Scope.EMAIL, ends, value))}\n"
                for account, value in accounts.items()
            ]
            await mailer.send(to, f"Your link to {urlsplit(public).hostname}", _mail(lines))
        except (MailUnavailable, ValueError) as error:
            log.error("a link was not sent: %s", error if isinstance(error, MailUnavailable) else "its address")
        except SQLAlchemyError as error:
            log.error("a link was not sent: %s", type(error).__name__)


def _mail(lines: list[str]) -> str:
    return (
        "Somebody, most likely you, asked for a link to sign in.\n\n"
        + "\n".join(lines)
        + f"\nA link works once, for {words.span(LASTS)}. If it was not you, do nothing: nobody gets in without it.\n"
    )


async def session_of(views: Views, request: web.Request) -> Session:
    """Who is signed in. Raises HTTPFound to the page where one signs in; 403 for a form."""
    session = await views.session(request)
    if session is None:
        if request.method in {"GET", "HEAD"}:
            raise web.HTTPSeeOther(views.place.path("/sign-in"))
        raise web.HTTPForbidden(reason=SIGNED_OUT)
    return session
