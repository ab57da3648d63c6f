"""An identity provider as a real server on loopback: OpenID Connect with PKCE, and every lie that one could tell."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urlencode

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec

CLIENT: Final = "tidegate console"
SECRET: Final = "a secret: with / and +"


@dataclass
class StandinIdp:
    """Whoever comes is signed in at once, as `claims` say."""

    now: Callable[[], float]
    url: str = ""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "groups": ["staff", "oncall"]})
    lie: dict[str, Any] = field(default_factory=dict)
    """What the ID token says instead."""
    sign: Callable[[dict[str, Any]], str] | None = None
    discovery: dict[str, Any] = field(default_factory=dict)
    """What is said instead of where it is."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: int = 0
    """The status that its token endpoint answers."""

    async def configuration(self, _: web.Request) -> web.Response:
        found = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        return web.json_response(found | self.discovery)

    async def authorize(self, request: web.Request) -> web.Response:
        """A code at once, sent back with the state."""
        stated = dict(request.query)
        assert stated["response_type"] == "code" and stated["code_challenge_method"] == "S256"
        assert stated["client_id"] == CLIENT and "openid" in stated["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = stated
        back = urlencode({"code": code, "state": stated["state"], "iss": self.url, "session_state": "more"})
        return web.Response(status=302, headers={"Location": f"{stated['redirect_uri']}?{back}"})

    async def token(self, request: web.Request) -> web.Response:
        """An ID token for a code: once, for the client that proves itself, and for who has the verifier."""
        form = await request.post()
        self.asked.append(str(form["code"]))
        if self.broken:
            return web.Response(status=self.broken)
        named = base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        client, _, secret = named.partition(":")
        if (unquote(client), unquote(secret)) != (CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        stated = self.codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if stated is None or stated["code_challenge"] != challenge or stated["redirect_uri"] != form["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(self.now())
        said = {
            "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": stated["nonce"],
            **self.claims, **self.lie,
        }  # fmt: skip
        said = {name: value for name, value in said.items() if value is not None}
        made = self.sign(said) if self.sign else jwt.encode(said, self.key, "ES256", headers={"kid": "k1"})
        return web.json_response({"id_token": made, "access_token": "x", "token_type": "Bearer"})

    async def keys(self, _: web.Request) -> web.Response:
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return web.json_response({"keys": [public | {"kid": "k1", "use": "sig"}]})


@contextlib.asynccontextmanager
async def standin(now: Callable[[], float]) -> AsyncIterator[StandinIdp]:
    idp = StandinIdp(now)
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", idp.configuration)
    app.router.add_get("/authorize", idp.authorize)
    app.router.add_post("/token", idp.token)
    app.router.add_get("/keys", idp.keys)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server()
    idp.url = f"http://127.0.0.1:{server.port}"
    yield idp
    await server.close()
