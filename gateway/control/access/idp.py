"""An identity provider, as OpenID Connect Core 1.0 has it: where it is (Discovery 1.0), a code for an ID token, and
what in that token is to be believed.

The codes' flow with PKCE (RFC 7636, S256). Algorithms are ours to choose (RFC 8725, section 3.1); its keys come from
its own address (`gateway.feeds.signing_keys`).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import aiohttp
import jwt
from jwt.exceptions import PyJWTError

from gateway.feeds.signing_keys import KeysAtAddress, KeysUnavailable, unsafe_address
from gateway.rules.gateway_file import OidcFile

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LARGEST: Final = 256 * 1024
"""Bytes of an answer."""
WITHIN: Final = 5.0
"""Seconds for one."""
KEPT: Final = 3600.0
"""Seconds for which it is known where it is."""
LEEWAY: Final = 60.0
"""Seconds by which clocks may differ."""
MAX_AGE: Final = 600.0
"""Seconds: an ID token was made for this sign-in, so it is new."""


class Unsure(Exception):
    """The provider cannot be asked, or does not speak as it should. The text is for the log."""


class Untrue(Exception):
    """What came is not what the provider says of whoever signs in. The text is for the log."""


class Settings(NamedTuple):
    issuer: str
    client_id: str
    client_secret: str
    """Empty for a public client: PKCE is what proves it."""
    scopes: tuple[str, ...]
    claim: str
    """In which the ID token says what somebody is: text, or a list of it."""
    roles: Mapping[str, Collection[str]]
    """Role -> values of the claim that earn it."""


def settings(file: OidcFile | None) -> Settings | None:
    """As tidegate.yaml has them."""
    if file is None:
        return None
    secret = file.client_secret.get_secret_value() if file.client_secret is not None else ""
    return Settings(
        file.issuer,
        file.client_id,
        secret,
        file.scopes,
        file.claim,
        {str(role): values for role, values in file.roles.items()},
    )


class Places(NamedTuple):
    authorization: str
    token: str
    by_post: bool
    """Whether the client's secret goes into the content, since the provider takes it in no other way."""
    keys: KeysAtAddress


class Provider:
    """One of them. `now` is Unix time in seconds."""

    def __init__(self, settings: Settings, now: Callable[[], float]) -> None:
        self.settings = settings
        self._now = now
        self._places: Places | None = None
        self._since = 0.0
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        if self._places is not None:
            await self._places.keys.close()

    async def places(self) -> Places:
        """Raises Unsure."""
        async with self._turn:
            if self._places is not None and 0.0 <= self._now() - self._since < KEPT:
                return self._places
            found = await self._ask("GET", f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.settings.issuer:
                raise Unsure(f"it calls itself {str(found.get('issuer'))[:200]!r}")
            authorization, token, keys = (
                _place(found, name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
            )
            methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
            before = self._places
            self._places = Places(
                authorization, token, "client_secret_basic" not in methods, KeysAtAddress(keys, self._now)
            )
            self._since = self._now()
        if before is not None:
            await before.keys.close()
        return self._places

    async def exchange(self, code: str, verifier: str, back: str) -> str:
        """The ID token for a code. Raises Unsure, Untrue."""
        places, settings = await self.places(), self.settings
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        fields: dict[str, str] = {}
        if settings.client_secret and not places.by_post:
            # Both are form-encoded before they are put together (RFC 6749, section 2.3.1).
            both = f"{quote(settings.client_id, safe='')}:{quote(settings.client_secret, safe='')}"
            fields["Authorization"] = f"Basic {base64.b64encode(both.encode()).decode()}"
        else:
            form["client_id"] = settings.client_id
            if settings.client_secret:
                form["client_secret"] = settings.client_secret
        found = await self._ask("POST", places.token, form, fields)
        token = found.get("id_token")
        if not isinstance(token, str):
            raise Untrue("there is no ID token in the answer")
        return token

    async def claims(self, token: str, nonce: str) -> dict[str, Any]:
        """What the token says, proved (OpenID Connect Core 1.0, section 3.1.3.7). Raises Unsure, Untrue."""
        places = await self.places()
        try:
            header = jwt.get_unverified_header(token)
            named = header.get("kid", "")
            if header.get("alg") not in ALGORITHMS or not isinstance(named, str) or len(named) > 256:
                raise Untrue("the algorithm or the key's id is not allowed")
            key = await places.keys.fetch(named)
            if key is None:
                raise Untrue("it is signed with no key of the provider")
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[one for one in ALGORITHMS if one in key.algorithms],
                audience=self.settings.client_id,
                issuer=self.settings.issuer,
                options={
                    "require": ["iss", "aud", "exp", "iat", "sub"],
                    # By datetime.now(): below it is done by the clock that we were given.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except KeysUnavailable as error:
            raise Unsure(str(error)) from None
        except (PyJWTError, ValueError, RecursionError) as error:
            raise Untrue(type(error).__name__) from None
        self._judge(claims, nonce)
        return claims

    def _judge(self, claims: Mapping[str, Any], nonce: str) -> None:
        now = self._now()
        stated = claims.get("nonce")
        if not isinstance(stated, str) or not hmac.compare_digest(stated.encode(), nonce.encode()):
            raise Untrue("it was made for another sign-in")
        ends, made = claims["exp"], claims["iat"]
        if not all(isinstance(time, int | float) and not isinstance(time, bool) for time in (ends, made)):
            raise Untrue("its times are no numbers")
        if ends <= now - LEEWAY or not now - MAX_AGE - LEEWAY <= made <= now + LEEWAY:
            raise Untrue("it is over, or not of now")
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
            raise Untrue("it is for several, and does not say for whom it was made")
        if claims.get("azp", self.settings.client_id) != self.settings.client_id:
            raise Untrue("it was made for another client")
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise Untrue("it does not say of whom it is")

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None, fields: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """An object. No redirect is followed: what is asked for stands in the configuration, or in what it answers."""
        if unsafe := unsafe_address(url):
            raise Unsure(unsafe)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **(fields or {})}
        timeout = aiohttp.ClientTimeout(total=WITHIN)
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
                ) as session,
                session.request(method, url, data=form, headers=headers, allow_redirects=False) as answer,
            ):
                content = await answer.content.read(LARGEST + 1)
                while len(content) <= LARGEST and (more := await answer.content.read(LARGEST + 1 - len(content))):
                    content += more
                if len(content) > LARGEST:
                    raise Unsure(f"{url} answers more than {LARGEST} bytes")
                if answer.status == 400 and method == "POST":
                    raise Untrue("the provider does not know the code")
                if answer.status != 200:
                    raise Unsure(f"{url} answers {answer.status}")
                found = json.loads(content)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            raise Unsure(f"{url}: {error or type(error).__name__}") from None
        if not isinstance(found, dict):
            raise Unsure(f"{url} answers no object")
        return found


def _place(found: Mapping[str, Any], name: str) -> str:
    """Raises Unsure."""
    stated = found.get(name)
    if not isinstance(stated, str) or unsafe_address(stated):
        raise Unsure(f"its {name} is no address that is safe")
    return stated
