"""The stand-in as an aiohttp application: six APIs, the page of a person, and what tests drive it with.

POST /standin/sessions/{provider}/{id}/{state}   the session comes to be in that state, and its webhook goes out;
                                                 content, if any: {"number", "country", "alpha2", "expires", "reason"}
POST /standin/dispute                            {"customer", "fingerprint"}: a payment, and its dispute
POST /standin/behaviour                          any of `world.Behaviour`
POST /standin/release[?backwards=1]              what was held goes out
GET  /standin/sessions, /standin/deliveries
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, fields, replace
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from gateway.demo.served import listening
from gateway.demo.verification import page, stripe
from gateway.demo.verification.delivery import DIALECTS, Post
from gateway.demo.verification.dialect import Handler, Json, Refused, answer, read_json
from gateway.demo.verification.world import STATES, Behaviour, Charge, Document, Session, Settings, World, fresh

_DECIDED = {"approve": "approved", "decline": "declined", "again": "retry"}
_OVER = frozenset({"approved", "declined", "expired", "reversed"})

Served = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StandIn:
    """One that serves. `address` is set once it does."""

    def __init__(self, settings: Settings) -> None:
        self.world = World(settings)
        self.post = Post(self.world)
        self.address = ""

    def act(
        self, provider: str, reference: str, state: str, document: Document | None = None, reason: str = ""
    ) -> None:
        """The session comes to be in that state, and its webhook goes out. Raises KeyError for an unknown one."""
        session = self.world.sessions[provider, reference]
        if document is not None:
            session.document = document
        if state == "retry":
            session.attempt += 1
        session.state, session.reason, session.changed_at = state, reason, self.world.now()
        self.post.tell(session)

    def dispute(self, customer: str, fingerprint: str) -> Charge:
        """A payment of that customer with that card, which a bank takes back."""
        paid = Charge(fresh("ch_"), customer, fingerprint)
        self.world.charges[paid.id] = paid
        self.post.send("stripe", stripe.dispute(self.world, paid))
        return paid

    def application(self) -> web.Application:
        app = web.Application(client_max_size=1024 * 1024)
        for dialect in DIALECTS.values():
            for (method, path), handler in dialect.ROUTES.items():
                app.router.add_route(method, path, self._api(handler))
        app.router.add_get("/verify/{token}", self._show)
        app.router.add_post("/verify/{token}", self._decide)
        app.router.add_post("/standin/sessions/{provider}/{id}/{state}", self._act)
        app.router.add_post("/standin/dispute", self._dispute)
        app.router.add_post("/standin/behaviour", self._behave)
        app.router.add_post("/standin/release", self._release)
        app.router.add_get("/standin/sessions", self._sessions)
        app.router.add_get("/standin/deliveries", self._deliveries)
        return app

    def _api(self, handler: Handler) -> Served:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self.world.behaviour.down:
                return answer({"error": "unavailable"}, 503)
            try:
                return await handler(self.world, request)
            except Refused as refusal:
                return answer({"error": {"message": refusal.code}}, refusal.status)

        return handle

    async def _show(self, request: web.Request) -> web.Response:
        session = self.world.by_token(request.match_info["token"])
        if session is None:
            return web.Response(status=404, text="This link is not known.")
        shown = page.over(session) if session.state in _OVER else page.form(session)
        return web.Response(text=shown, content_type="text/html", headers={"Cache-Control": "no-store"})

    async def _decide(self, request: web.Request) -> web.Response:
        session = self.world.by_token(request.match_info["token"])
        if session is None:
            return web.Response(status=404, text="This link is not known.")
        form = await request.post()
        action, number = str(form.get("action", "")), str(form.get("number", "")).strip()
        if action not in page.ACTIONS:
            return web.Response(status=400, text="There is no such answer.")
        if session.state not in _OVER and action != "leave":
            document = replace(session.document, number=number) if number else session.document
            if action != "again":
                self.act(session.provider, session.id, "submitted", document)
            self.act(session.provider, session.id, _DECIDED[action], document)
        back = session.back or request.query.get("redirect-uri", "")
        if urlsplit(back).scheme not in {"http", "https"}:
            return web.Response(text=page.over(session), content_type="text/html")
        return web.Response(status=303, headers={"Location": back + _returning(session, back)})

    async def _act(self, request: web.Request) -> web.Response:
        state, wanted = request.match_info["state"], (request.match_info["provider"], request.match_info["id"])
        session = self.world.sessions.get(wanted)
        if session is None or state not in STATES:
            return answer({"error": "no such session or state"}, 404)
        told = await read_json(request) if request.can_read_body else {}
        known = {field.name for field in fields(Document)}
        document = replace(session.document, **{name: str(value) for name, value in told.items() if name in known})
        self.act(*wanted, state, document, str(told.get("reason", "")))
        return answer(_seen(session))

    async def _dispute(self, request: web.Request) -> web.Response:
        told = await read_json(request)
        paid = self.dispute(str(told.get("customer", "")), str(told.get("fingerprint", "")))
        return answer({"charge": paid.id})

    async def _behave(self, request: web.Request) -> web.Response:
        told = await read_json(request)
        known = {field.name: type(getattr(self.world.behaviour, field.name)) for field in fields(Behaviour)}
        if set(told) - set(known):
            return answer({"error": f"known are {', '.join(known)}"}, 400)
        for name, value in told.items():
            setattr(self.world.behaviour, name, known[name](value))
        return answer(asdict(self.world.behaviour))

    async def _release(self, request: web.Request) -> web.Response:
        return answer({"released": self.post.release(backwards="backwards" in request.query)})

    async def _sessions(self, _request: web.Request) -> web.Response:
        return answer({"sessions": [_seen(session) for session in self.world.sessions.values()]})

    async def _deliveries(self, _request: web.Request) -> web.Response:
        return answer(self.post.as_json())


def _seen(session: Session) -> Json:
    return {"provider": session.provider, "id": session.id, "ours": session.ours, "state": session.state}


def _returning(session: Session, back: str) -> str:
    """What a provider adds to the address that the person returns to."""
    added = {
        "persona": {"inquiry-id": session.id, "reference-id": session.ours},
        "didit": {"verificationSessionId": session.id, "status": session.state.capitalize()},
    }.get(session.provider)
    return f"{'&' if '?' in back else '?'}{urlencode(added)}" if added else ""


@asynccontextmanager
async def serving(settings: Settings, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[StandIn]:
    """Serve while the context lasts."""
    standin = StandIn(settings)
    async with standin.post, listening(standin.application(), host, port) as standin.address:
        yield standin
