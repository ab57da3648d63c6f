"""An issuer's JWKS address on loopback that can be slow, dead, wrong or rotating, and counts who comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

RSA_KEYS = {name: rsa.generate_private_key(65537, 2048) for name in ("one", "two")}
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def jwk(kid: str, key: RSAPrivateKey | None = None, **more: Any) -> dict[str, Any]:
    """The public half, as an issuer publishes it."""
    public = (key or RSA_KEYS[kid]).public_key()
    return {**json.loads(RSAAlgorithm.to_jwk(public)), "kid": kid, "use": "sig", **more}


def ec_jwk(kid: str) -> dict[str, Any]:
    return {**json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key())), "kid": kid}


class Issuer:
    """What it answers can be changed while it runs."""

    def __init__(self) -> None:
        self.keys: list[Mapping[str, Any]] = [jwk("one")]
        self.asked = 0
        self.status = 200
        self.delay = 0.0
        self.body: bytes | None = None
        self.redirect = ""
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        await asyncio.sleep(self.delay)
        if self.redirect and request.path == "/jwks":
            return web.Response(status=302, headers={"Location": self.redirect})
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return web.Response(status=self.status, body=body, content_type="application/json")


@asynccontextmanager
async def serve() -> AsyncIterator[Issuer]:
    issuer = Issuer()
    application = web.Application()
    application.router.add_get("/{path:.*}", issuer.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    issuer.address = f"http://{host}:{port}/jwks"
    try:
        yield issuer
    finally:
        await runner.cleanup()
