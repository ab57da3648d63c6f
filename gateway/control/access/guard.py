"""The guard: who asks, and whether they may. It stands before every handler of the operators' port."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final, NamedTuple

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from gateway.control.access.answers import Refused
from gateway.control.access.notes import Failures
from gateway.control.access.origin import is_elsewhere, is_ours, is_own_name
from gateway.control.access.roles import MAY, Permission
from gateway.control.access.routes import SAFE
from gateway.control.access.sessions import Session, Sessions, is_same
from gateway.control.access.tokens import Bearer, Tokens
from gateway.control.access.tries import Tries
from gateway.control.operations import OPERATOR, Operation, Operator

log = logging.getLogger(__name__)

COOKIE: Final = "tidegate_session"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"
"""Where the browser came by https: no other name of the host, and no page without TLS, sets it (RFC 6265bis, 4.1.3)."""
CSRF: Final = "X-Tidegate-Csrf"
PROBES: Final = ("/healthz", "/readyz", "/metrics")
"""Asked by any name: probes and scrapers have theirs, and no line of a file stands there."""
LONGEST: Final = 512
"""Bytes of a token."""
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="tidegate admin"'}
NAMES: Final = (
    "ask by address, or as localhost, or by the address in `operators.url`, or with a token: by this name anybody's "
    "page could ask"
)
NO_TOKENS: Final = "no token is set: put admin_token into tidegate.yaml, and start again"
NOT_KNOWN: Final = "who you are is kept in the directory, which cannot be asked just now: try again"


ASKER: Final = web.RequestKey("asker", Bearer)
"""By what the operator of a request is known; `id` None where it is another's word (OIDC)."""
PROVED: Final = web.AppKey("proved", set[web.RequestHandler])
"""Connections by which somebody has proved who they are."""
DENIED: Final = 1.0
"""Seconds: that somebody unknown wanted a change is told no more often."""


class Found(NamedTuple):
    """A session, and the cookie's value that named it."""

    named: str
    session: Session


class Guard:
    """Of one port."""

    def __init__(
        self,
        tokens: Tokens,
        sessions: Sessions,
        tries: Tries,
        failures: Failures,
        *,
        url: str,
        now: Callable[[], float],
        denied: Callable[[str], None],
    ) -> None:
        """`denied` is told the path of a change that somebody unknown wanted."""
        self.tokens = tokens
        self.sessions = sessions
        self.tries = tries
        self.failures = failures
        self.url = url
        """Where browsers find the console, if not by an address."""
        self._now = now
        self._denied = denied
        self._told = -DENIED

    async def __call__(self, request: web.Request, operation: Operation) -> None:
        bears = "Authorization" in request.headers
        if not bears and operation.path not in PROBES and not is_own_name(request.host, self.url):
            raise Refused(421, NAMES)
        if operation.needs is None:
            if request.method not in SAFE and is_elsewhere(request):
                raise Refused(403, "another site's page has asked for this")
            return
        operator = await self.bearer(request) if bears else await self.signed_in(request)
        if operator is None:
            self._tell(request)
            raise Refused(401, self._unknown(bears), headers=CHALLENGE)
        if not bears and request.method not in SAFE:
            check_meant(request, operator)
        if (proved := request.app.get(PROVED)) is not None:
            proved.add(request.protocol)
        may(operator, operation.needs)
        request[OPERATOR] = operator

    def _tell(self, request: web.Request) -> None:
        now = self._now()
        if request.method not in SAFE and not 0.0 <= now - self._told < DENIED:
            self._told = now
            self._denied(request.path)

    async def anybody(self, request: web.Request) -> Operator | None:
        """Who it is, where anybody may ask; None where nobody says."""
        return await self.bearer(request) if "Authorization" in request.headers else await self.signed_in(request)

    async def bearer(self, request: web.Request) -> Operator | None:
        """By the Authorization field. Raises Refused (429, 503)."""
        stated = request.headers.getall("Authorization", [])
        scheme, _, token = stated[0].partition(" ") if len(stated) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            return None
        found = await self.try_token(request, token.strip())
        if found is None:
            return None
        request[ASKER] = found
        return found.operator

    async def try_token(self, request: web.Request, text: str) -> Bearer | None:
        """Whose token it is. Raises Refused: 429 where too many were wrong, 503 where nobody knows."""
        token, client = text.encode("utf-8", "surrogateescape"), client_of(request)
        counted = not self.tokens.was_right(token)
        if counted and (wait := self.tries.take(client)):
            seconds = str(math.ceil(wait))
            raise Refused(429, f"too many wrong tokens: try again in {seconds} s", headers={"Retry-After": seconds})
        try:
            found = await self.tokens.find(token) if 0 < len(token) <= LONGEST else None
        except SQLAlchemyError:
            self._give_back(client, counted)
            raise Refused(503, NOT_KNOWN, headers={"Retry-After": "1"}) from None
        if found is not None:
            self._give_back(client, counted)
        elif counted:
            self.failures.add(client)
        return found

    def _give_back(self, client: str, counted: bool) -> None:
        if counted:
            self.tries.give_back(client)

    async def signed_in(self, request: web.Request) -> Operator | None:
        """By the cookie."""
        found = await self.session(request)
        if found is None:
            return None
        session = found.session
        request[ASKER] = Bearer(session.token, session.operator, session.expires)
        return session.operator

    async def session(self, request: web.Request) -> Found | None:
        """The one session that the request's cookies name, with its role as it is now. Cookies that name none, which
        pages of a neighbour's port may have set, change nothing; two that name one each are a trick.
        """
        there = [Found(named, one) for named in cookies(request) if (one := self.sessions.find(named)) is not None]
        if len({id(one.session) for one in there}) != 1:
            return None
        found = there[0]
        if found.session.token is None:
            return found
        try:
            bearer = await self.tokens.by_id(found.session.token)
        except SQLAlchemyError:
            return found  # Whoever is signed in when the directory goes away is who has to see to it.
        if bearer is None:
            self.sessions.end(found.named)
            return None
        before = found.session.operator
        found.session.operator = Operator(bearer.operator.name, bearer.operator.role, before.csrf)
        return found

    def _unknown(self, bears: bool) -> str:
        if not self.tokens.any:
            return NO_TOKENS
        return "this token is unknown, or holds no more" if bears else "sign in, or send Authorization: Bearer TOKEN"


def may(operator: Operator, needs: Permission) -> None:
    """Raises Refused, which says who would."""
    if needs in MAY[operator.role]:
        return
    roles = [str(role) for role, granted in MAY.items() if needs in granted]
    said = f"the role {operator.role} may not do this: {' or '.join(roles)} may"
    raise Refused(403, said, needs=str(needs), roles=roles)


def cookies(request: web.Request) -> list[str]:
    """The values that a browser has sent for a session, the safer name first; each once.

    Read from the field itself: a mapping of cookies has one of each name, and which one is the sender's choice.
    """
    found: dict[str, list[str]] = {SECURE_COOKIE: [], COOKIE: []}
    for field in request.headers.getall("Cookie", []):
        for part in field.split(";"):
            name, _, value = part.strip().partition("=")
            if name in found:
                found[name].append(value.strip('"'))
    return list(dict.fromkeys([*found[SECURE_COOKIE], *found[COOKIE]]))[:8]


def client_of(request: web.Request) -> str:
    """The address of who is connected; empty over a unix socket. What a field says of it proves nothing."""
    return request.remote or "unix"


def check_meant(request: web.Request, operator: Operator) -> None:
    """That our own page has asked, and not one elsewhere by this browser's cookie. Raises Refused."""
    if not is_ours(request):
        raise Refused(403, "this was not asked by the console's own page")
    if not is_same(request.headers.get(CSRF, ""), operator.csrf):
        raise Refused(403, f"the field {CSRF} is needed, with what GET /session says")
