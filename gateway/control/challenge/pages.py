"""What is constructed for the pages of challenges, and every route."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.challenges.addresses import ROOT
from gateway.challenges.desk import Desk
from gateway.control.challenge.assets import Assets
from gateway.control.challenge.border import border
from gateway.control.challenge.person import Members, Person
from gateway.control.challenge.program import Programs
from gateway.control.challenge.views import Views
from gateway.control.owner.place import Place


def add_to(
    app: web.Application,
    *,
    desk: Desk,
    now: Callable[[], float],
    public_url: str,
    members: Members | None = None,
    client: Callable[[web.Request], str] | None = None,
) -> None:
    """Serve the pages of challenges under /tidegate/challenge.

    `members` are those of the owner's pages; without them nobody can be signed in. `client` says from which address a
    request came (its peer if not stated).
    """
    place = Place(public_url)
    assets = Assets(place.prefix)
    views = Views(place, assets)
    client = client or _peer
    programs = Programs(desk, client, now)
    person = Person(views, desk, programs, members, client)
    pages = web.Application(middlewares=[border(views)])
    pages.add_routes(
        [
            web.get("/static/{name:.+}", assets.serve),
            web.get("/{token}", person.page),
            web.post("/{token}", person.answer),
            web.get("/{token}/puzzle", programs.puzzle),
            web.get("/{token}/status", programs.status),
            web.post("/{token}/sign-in", person.vouch),
        ]
    )
    app.add_subapp(ROOT, pages)


def _peer(request: web.Request) -> str:
    return request.remote or ""
