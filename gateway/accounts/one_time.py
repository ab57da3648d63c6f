"""Links that work once and expire: for the owner of an account, made without asking anybody.

A token states account, scope, end and a random number, and is signed. Making one costs some microseconds and no I/O,
so a refusal may hold one. That it works once is kept where it is opened: `spent` there is the token's `mark`.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hmac
import secrets as random
from typing import Final, NamedTuple

import orjson

from gateway.accounts.secrets import Secrets

PURPOSE: Final = "one-time"
LONGEST: Final = 1024
"""Characters of a token."""
MAC: Final = 32


class Scope(enum.StrEnum):
    """What who opens the link may do."""

    VERIFY = "verify"
    """See the tier and what is missing, and show it. Whoever bears a key gets such links."""
    OWNER = "owner"
    """All that an owner may: appeals and keys as well. Sent to an address that is known to be the owner's."""
    EMAIL = "email"
    """As OWNER, and it proves that its address is answered."""


class OneTime(NamedTuple):
    """What a token states."""

    account: str
    scope: Scope
    expires: float
    """Unix time."""
    mark: str
    """Unique."""
    value: str = ""
    """For EMAIL: the keyed hash of the address, in hex."""


class BadToken(Exception):
    """It is none of ours, or it is over. `reason` is malformed, forged or expired."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def make(secrets: Secrets, account: str, scope: Scope, expires: float, value: str = "") -> str:
    """A token for a URL."""
    stated = orjson.dumps([secrets.newest, account, scope, int(expires), random.token_hex(12), value])
    return base64.urlsafe_b64encode(stated + secrets.sign(PURPOSE, stated)).rstrip(b"=").decode()


def read(secrets: Secrets, token: str, now: float) -> OneTime:
    """Raises BadToken. Whether it was used before is for who opens it to see."""
    try:
        if len(token) > LONGEST:
            raise ValueError("too long")
        whole = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        stated, mac = whole[:-MAC], whole[-MAC:]
        secret, account, scope, expires, mark, value = orjson.loads(stated)
        if not isinstance(secret, str):
            raise TypeError("names no secret")
        found = OneTime(account, Scope(scope), float(expires), mark, value)
    except (ValueError, TypeError, binascii.Error):
        raise BadToken("malformed") from None
    if secret not in secrets or not hmac.compare_digest(mac, secrets.sign(PURPOSE, stated, secret)):
        raise BadToken("forged")
    if now >= found.expires:
        raise BadToken("expired")
    return found
