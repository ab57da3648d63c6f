"""What is constructed for the owner's pages, and every route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from gateway.accounts.directory import Directory
from gateway.accounts.ladder import Ladder
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql.database import Database
from gateway.campaigns.verdict import Verdicts
from gateway.challenges.interface import Name
from gateway.challenges.ladder import Held
from gateway.control import look
from gateway.control.mail import Mailer
from gateway.control.owner.account import Account
from gateway.control.owner.doors import Doors
from gateway.control.owner.key_pages import KeyPages
from gateway.control.owner.overview import Gives
from gateway.control.owner.place import ROOT, Place
from gateway.control.owner.sessions import Sessions
from gateway.control.owner.suspicion import NOBODY, Suspicions
from gateway.control.owner.views import Views, border
from gateway.policies.risk.campaigns import Response
from gateway.verification.desk import Desk


def add_to(
    app: web.Application,
    *,
    database: Database,
    secrets: Secrets,
    directory: Directory,
    desk: Desk | None,
    ladder: Callable[[], Ladder | None],
    now: Callable[[], float],
    public_url: str,
    mailer: Mailer | None = None,
    quotas: Gives | None = None,
    client: Callable[[web.Request], str] | None = None,
    verdicts: Verdicts | None = None,
    response: Callable[[], Response | None] = lambda: None,
    held: Callable[[], Mapping[Name, Held]] = lambda: NOBODY,
) -> None:
    """Serve the pages of owners under /tidegate/account.

    `directory` is what auth holds, `quotas` says in words what a tier gives, `client` from which address a request
    came (its peer if not stated). Without `desk` nobody verifies or appeals here.
    `verdicts`, `response` and `held` are as `suspicion.Suspicions` has them.
    Raises ValueError for mail without `public_url`: a link in a mail must not follow a Host that a stranger chose.
    """
    if mailer is not None and not public_url:
        raise ValueError("links by mail need public_url: they cannot follow the Host field of whoever asks for one")
    place = Place(public_url)
    sessions = Sessions(database, secrets, directory)
    views = Views(place, secrets, sessions, now)
    doors = Doors(views, database, secrets, directory, mailer, client or _peer)
    suspicions = Suspicions(verdicts, response, held, now)
    mail = mailer is not None
    account = Account(views, database, directory, desk, ladder, quotas or _nothing, suspicions, mail=mail)
    keys = KeyPages(views, database, secrets, account)
    pages = web.Application(middlewares=[border(views)])
    pages.add_routes(
        [
            web.get("", account.page),
            web.get("/sign-in", doors.sign_in),
            web.post("/sign-in/key", doors.show_key),
            web.post("/sign-in/mail", doors.ask_for_mail),
            web.get("/link/{token}", doors.link),
            web.post("/link", doors.open_link),
            web.post("/verify", account.verify),
            web.get("/waiting", account.waiting),
            web.post("/appeal", account.appeal),
            web.get("/keys/{prefix}", keys.page),
            web.post("/keys/{prefix}/rotate", keys.rotate),
            web.post("/keys/{prefix}/revoke", keys.revoke),
            web.post("/sign-out", account.sign_out),
            web.get("/signed-out", account.signed_out),
            web.get("/style.css", _asset(look.STYLE, "text/css")),
            web.get("/icon.svg", _asset(look.ICON, "image/svg+xml")),
        ]
    )
    app.add_subapp(ROOT, pages)


def _asset(content: bytes, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(_: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=86400", "Content-Security-Policy": "default-src 'none'"}
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=headers)

    return serve


def _peer(request: web.Request) -> str:
    return request.remote or ""


def _nothing(_: str) -> Sequence[str]:
    return ()
