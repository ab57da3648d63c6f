"""JSON Web Tokens (RFC 7519), checked as RFC 8725 asks: the issuer decides algorithms and keys, never the token.

PyJWT verifies the signature, `iss` and `aud`; what has to do with time is judged in `rule`, by the exchange's clock.
`jku`, `x5u`, `jwk` and `x5c` in a token's header are not looked at; PyJWT refuses a `crit` that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from jwt.exceptions import InvalidAudienceError, PyJWTError

from gateway.feeds.signing_keys import KeysAtAddress, KeysFile, KeySource, SigningKey
from gateway.policies.auth import rule
from gateway.policies.auth.config import Issuer
from gateway.policy import Decision

MAX_TOKEN = 8 * 1024
"""Bytes. A token is read before it is believed, so a stranger chooses how much there is to read."""
_MAX_KID = 256


class Trusted(NamedTuple):
    """An issuer that is named in the config, and where its keys are."""

    config: Issuer
    keys: KeySource


class Claimed(NamedTuple):
    """A token that says it is of a trusted issuer. Nothing of it is proved."""

    raw: bytes
    issuer: Trusted
    kid: str


class Verified(NamedTuple):
    """A token whose signature, issuer and audience are right."""

    issuer: Issuer
    claims: Mapping[str, Any]
    expires: float
    """Unix time at which it ends, leeway included."""
    until: float
    """Unix time at which it has to be verified again: no later than `expires`."""


def trust(issuers: tuple[Issuer, ...], now: Callable[[], float]) -> dict[str, Trusted]:
    """`iss` -> issuer. Raises OSError or ValueError where a file is no key set, or an address is not safe."""
    return {issuer.issuer: Trusted(issuer, _source(issuer, now)) for issuer in issuers}


def _source(issuer: Issuer, now: Callable[[], float]) -> KeySource:
    if issuer.keys_file is not None:
        return KeysFile(Path(issuer.keys_file))
    return KeysAtAddress(str(issuer.jwks_url), now, max_age=issuer.keys_max_age)


def read(raw: bytes, trusted: Mapping[str, Trusted]) -> Claimed | Decision:
    """Whose token it says it is. What cannot be read, or names what its issuer does not use, ends here."""
    if len(raw) > MAX_TOKEN:
        return rule.refuse("invalid_credentials", f"token of {len(raw)} bytes")
    try:
        parts = jwt.decode_complete(raw, options={"verify_signature": False})
    except (PyJWTError, ValueError, RecursionError) as error:
        return rule.refuse("invalid_credentials", f"no token: {type(error).__name__}")
    header, issuer = parts["header"], parts["payload"].get("iss")
    known = trusted.get(issuer) if isinstance(issuer, str) else None
    if known is None:
        return rule.refuse("unknown_issuer")
    if header.get("alg") not in known.config.algorithms:
        return rule.refuse("invalid_credentials", "algorithm is not allowed")
    kid = header.get("kid", "")
    if not isinstance(kid, str) or len(kid) > _MAX_KID:
        return rule.refuse("invalid_credentials", "kid is no key id")
    return Claimed(raw, known, kid)


def verify(claimed: Claimed, key: SigningKey | None, now: float) -> Verified | Decision:
    """Prove it with the key that it names."""
    config = claimed.issuer.config
    if key is None:
        return rule.refuse("invalid_credentials", "kid is not of the issuer")
    allowed = [algorithm for algorithm in config.algorithms if algorithm in key.algorithms]
    if not allowed:
        return rule.refuse("invalid_credentials", "algorithm does not fit the key")
    audience = [config.audience] if isinstance(config.audience, str) else list(config.audience)
    try:
        claims = jwt.decode(
            claimed.raw,
            key.key,
            algorithms=allowed,
            audience=audience,
            issuer=config.issuer,
            options={
                "require": ["iss", "aud", "exp"],
                # By datetime.now(): rule.judge_times does it by the clock of the exchange.
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "enforce_minimum_key_length": True,
            },
        )
    except InvalidAudienceError:
        return rule.refuse("invalid_credentials", "token is for another audience")
    except (PyJWTError, ValueError, RecursionError) as error:
        return rule.refuse("invalid_credentials", type(error).__name__)
    expires = rule.judge_times(claims, now, config.leeway, config.max_age)
    if isinstance(expires, Decision):
        return expires
    return Verified(config, claims, expires, min(expires, now + config.keys_max_age))
