"""Signing in with an identity provider: to it, and back from it (OpenID Connect, authorization code, PKCE).

What a sign-in has to remember goes with the browser in a cookie, sealed by a key of this process: whoever starts many
takes no memory, and who comes back with another browser than went there is not let in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode

from aiohttp import web
from pydantic import ConfigDict, StringConstraints

from gateway.control.access import pages
from gateway.control.access.content import query
from gateway.control.access.idp import Provider, Unsure, Untrue
from gateway.control.access.notes import Note
from gateway.control.access.origin import is_secure
from gateway.control.access.roles import MAY, Role
from gateway.control.access.sign_in import CONSOLE, SessionApi
from gateway.control.access.tokens import Bearer
from gateway.control.account_changes import ACTOR
from gateway.control.account_shapes import Shape
from gateway.control.operations import Operation, Operator

log = logging.getLogger(__name__)

WITHIN: Final = 600.0
"""Seconds from going there to coming back."""
COOKIE: Final = "tidegate_oidc"
BACK: Final = "/session/oidc/back"
SPENT: Final = 1024
"""Sign-ins that came back and are remembered, so that none comes back twice."""
_SAFE: Final = re.compile(r"/console(?=/)(?:[A-Za-z0-9_~%=&?+#-]|\.(?!\.)|/(?!/))*")
"""A place of the console: nothing that a browser could take for another host."""


class ToShape(Shape):
    to: Annotated[str, StringConstraints(max_length=512)] = ""
    """Where in the console to arrive."""


class BackShape(Shape):
    """What a provider sends along: some send more."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)
    code: Annotated[str, StringConstraints(max_length=4096)] = ""
    state: Annotated[str, StringConstraints(max_length=256)] = ""
    error: Annotated[str, StringConstraints(max_length=256)] = ""
    iss: Annotated[str, StringConstraints(max_length=512)] = ""


class _Flow(NamedTuple):
    """One sign-in under way."""

    state: str
    nonce: str
    verifier: str
    to: str
    expires: float


class OidcApi:
    def __init__(
        self, provider: Provider, sessions: SessionApi, note: Note, now: Callable[[], float], url: str
    ) -> None:
        """`url` is where browsers find the console: the provider is told to send people back there."""
        self._provider = provider
        self._sessions = sessions
        self._note = note
        self._now = now
        self._url = url
        self._key = secrets.token_bytes(32)
        self._spent: OrderedDict[str, None] = OrderedDict()

    def operations(self) -> list[Operation]:
        errors = {503: "The identity provider cannot be asked."}
        return [
            Operation(
                "GET", "/session/oidc", self.go, None, "Sign in with the identity provider.",
                query=ToShape, status=303, media="text/html", errors=errors,
            ),
            Operation(
                "GET", BACK, self.back, None, "Back from the identity provider.",
                query=BackShape, status=303, media="text/html",
                errors={400: "This is no sign-in that began in this browser.", 403: "No role.", **errors},
            ),
        ]  # fmt: skip

    async def go(self, request: web.Request) -> web.StreamResponse:
        wanted = query(request, ToShape).to
        to = wanted if _SAFE.fullmatch(wanted) else CONSOLE
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        flow = _Flow(state, nonce, verifier, to, self._now() + WITHIN)
        try:
            places = await self._provider.places()
        except Unsure as error:
            return _away(error)
        settings = self._provider.settings
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        stated = {
            "response_type": "code",
            "client_id": settings.client_id,
            "redirect_uri": self._url + BACK,
            "scope": " ".join(dict.fromkeys(("openid", *settings.scopes))),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        there = f"{places.authorization}{'&' if '?' in places.authorization else '?'}{urlencode(stated)}"
        answer = web.Response(status=303, headers={"Location": there})
        secure = is_secure(request, self._url)
        # Lax: it has to come along when the provider sends the browser back.
        answer.set_cookie(
            self._name(request), self._seal(flow), path="/", httponly=True, samesite="Lax", secure=secure,
            max_age=int(WITHIN),
        )  # fmt: skip
        return answer

    async def back(self, request: web.Request) -> web.StreamResponse:
        came, flow = query(request, BackShape), self._flow(request)
        if flow is None or not hmac.compare_digest(came.state.encode(), flow.state.encode()):
            return self._ended(request, "This sign-in did not begin here", "Begin again from the console.", 400)
        if came.error or not came.code:
            return self._ended(request, "You are not signed in", "The identity provider has not let you in.", 400)
        if came.iss and came.iss != self._provider.settings.issuer:
            # RFC 9207: an answer of another provider than was asked.
            self._spend(flow)
            return self._refused(request, "it came from another provider")
        self._spend(flow)
        try:
            token = await self._provider.exchange(came.code, flow.verifier, self._url + BACK)
            claims = await self._provider.claims(token, flow.nonce)
        except Unsure as error:
            return _away(error)
        except Untrue as error:
            return self._refused(request, str(error))
        return self._arrived(request, claims, flow.to)

    def _arrived(self, request: web.Request, claims: dict[str, Any], to: str) -> web.StreamResponse:
        name, role = _name_of(claims), self._role(claims)
        if role is None:
            self._note(name, "sign_in.refused", "console", way="oidc", why="no role")
            return self._ended(
                request, "You have no role here",
                f"{name.removeprefix('oidc:')} is known, but nothing that the identity provider says of you earns "
                "a role. Ask whoever keeps this gateway's tidegate.yaml (operators.oidc.roles).", 403,
            )  # fmt: skip
        named, _ = self._sessions.begin(request, Bearer(None, Operator(name, role)), "oidc")
        answer = self._sessions.arrive(request, named, to)
        self._forget(request, answer)
        return answer

    def _role(self, claims: dict[str, Any]) -> Role | None:
        """The one that may most of those that are earned."""
        value: Any = claims
        for part in self._provider.settings.claim.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        several = value if isinstance(value, list) else [value]
        stated = {one for one in several if isinstance(one, str)}
        earned = [role for role in Role if stated & set(self._provider.settings.roles.get(str(role), ()))]
        return max(earned, key=lambda role: len(MAY[role]), default=None)

    def _refused(self, request: web.Request, why: str) -> web.Response:
        log.warning("nobody is signed in by the identity provider: %s", why)
        # Anybody can come back with anything: one line of the audit for each would let strangers fill it.
        self._sessions.failed(request)
        return self._ended(request, "You are not signed in", "What came back is not to be believed. Begin again.", 400)

    def _ended(self, request: web.Request, title: str, sentence: str, status: int) -> web.Response:
        answer = pages.said(title, sentence, status=status)
        self._forget(request, answer)
        return answer

    def _forget(self, request: web.Request, answer: web.StreamResponse) -> None:
        secure = is_secure(request, self._url)
        answer.del_cookie(self._name(request), path="/", httponly=True, samesite="Lax", secure=secure)

    def _name(self, request: web.Request) -> str:
        return f"__Host-{COOKIE}" if is_secure(request, self._url) else COOKIE

    def _seal(self, flow: _Flow) -> str:
        text = base64.urlsafe_b64encode(json.dumps(flow).encode()).decode()
        return f"{text}.{hmac.new(self._key, text.encode(), 'sha256').hexdigest()}"

    def _flow(self, request: web.Request) -> _Flow | None:
        """That of this browser, if it is ours, not over, and did not come back before."""
        text, _, seal = request.cookies.get(self._name(request), "").partition(".")
        expected = hmac.new(self._key, text.encode("utf-8", "surrogateescape"), "sha256").hexdigest()
        if not hmac.compare_digest(seal.encode("utf-8", "surrogateescape"), expected.encode()):
            return None
        flow = _Flow(*json.loads(base64.urlsafe_b64decode(text)))
        return flow if self._now() < flow.expires and flow.state not in self._spent else None

    def _spend(self, flow: _Flow) -> None:
        self._spent[flow.state] = None
        while len(self._spent) > SPENT:
            self._spent.popitem(last=False)


def _name_of(claims: dict[str, Any]) -> str:
    """For the audit. A mail's address only where the provider has verified it: elsewhere people choose it."""
    mail = claims.get("email") if claims.get("email_verified") is True else None
    stated = mail if isinstance(mail, str) and 0 < len(mail) <= 64 else claims["sub"]
    plain = ACTOR.sub("_", stated)[:64]
    if plain == stated:
        return f"oidc:{plain}"
    # Two people must not be one in the audit.
    return f"oidc:{plain[:48]}~{hashlib.sha256(stated.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def _away(error: Unsure) -> web.Response:
    log.error("the identity provider cannot be asked: %s", error)
    return pages.said(
        "The identity provider cannot be asked", "Try again shortly, or sign in with a token.", status=503
    )
