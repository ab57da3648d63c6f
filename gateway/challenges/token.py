"""A challenge as its caller has it: signed text in an address, made and read without asking anybody.

base64url (RFC 4648, section 5, no padding) of: format, length and id of the secret, what is stated, MAC. The MAC is
HMAC-SHA256 over all before it, cut to 128 bits (RFC 2104, section 5), and looked at before anything that is stated.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import struct
from typing import Final, NamedTuple

from gateway.accounts.secrets import Secrets
from gateway.challenges.ladder import Step

PURPOSE: Final = "challenge"
LONGEST: Final = 4096
"""Characters of a token. A challenge has some 150; more only where an issuer's accounts have very long names."""
MAC: Final = 16
_FORMAT: Final = 1
_LEAST: Final = 2 + MAC
_SHAPE: Final = struct.Struct(">BdHHHHH")
"""Step, end, lengths of the five texts."""


class Challenge(NamedTuple):
    """What a token states: where to look, and what it was when it was put."""

    id: str
    rule: str
    subject: str
    step: Step
    key: str
    network: str
    until: float
    """Unix time."""


class BadChallenge(Exception):
    """It is none of ours, or it is over. `reason` is malformed, forged or expired."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Tokens:
    """By the directory's secrets: the newest signs, all are believed."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._name = secrets.newest
        newest = self._name.encode()
        if len(newest) > 255:
            raise ValueError("the id of a secret is too long for a token")
        self._head = bytes((_FORMAT, len(newest))) + newest

    def make(self, challenge: Challenge) -> str:
        """For an address: letters, digits, - and _. The same for the same challenge, while the newest secret is.

        Raises ValueError for a challenge whose texts are too long together.
        """
        # A subject that an issuer names may hold half of a surrogate pair: JSON can write one.
        texts = [
            text.encode("utf-8", "surrogatepass")
            for text in (challenge.id, challenge.rule, challenge.subject, challenge.key, challenge.network)
        ]
        if sum(map(len, texts)) > LONGEST // 2:
            raise ValueError("too long for a token")
        stated = self._head + _SHAPE.pack(challenge.step, challenge.until, *map(len, texts)) + b"".join(texts)
        whole = stated + self._secrets.sign(PURPOSE, stated, self._name)[:MAC]
        return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()

    def read(self, token: str, now: float) -> Challenge:
        """Raises BadChallenge. That it is expired is found last: `expired` ones are ours."""
        challenge = self._believed(_decoded(token))
        if not now < challenge.until:
            raise BadChallenge("expired")
        return challenge

    def _believed(self, whole: bytes) -> Challenge:
        begin = 2 + whole[1]
        if whole[0] != _FORMAT or len(whole) < begin + _SHAPE.size + MAC:
            raise BadChallenge("malformed")
        secret = whole[2:begin].decode("utf-8", "replace")
        if secret not in self._secrets:
            raise BadChallenge("forged")
        if not hmac.compare_digest(self._secrets.sign(PURPOSE, whole[:-MAC], secret)[:MAC], whole[-MAC:]):
            raise BadChallenge("forged")
        try:
            return _stated(whole[begin:-MAC])
        except ValueError:
            raise BadChallenge("malformed") from None


def _decoded(token: str) -> bytes:
    try:
        if len(token) > LONGEST:
            raise ValueError("too long")
        text = token.encode("ascii")
        whole = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise BadChallenge("malformed") from None
    # One challenge has one token: no other spelling of the last bits, nor the alphabet of plain base64.
    if len(whole) < _LEAST or base64.urlsafe_b64encode(whole).rstrip(b"=") != text:
        raise BadChallenge("malformed")
    return whole


def _stated(content: bytes) -> Challenge:
    """Of content that we have signed. Raises ValueError where another release of ours did."""
    step, until, *lengths = _SHAPE.unpack_from(content)
    texts, begin = [], _SHAPE.size
    for length in lengths:
        texts.append(content[begin : begin + length].decode("utf-8", "surrogatepass"))
        begin += length
    if begin != len(content) or not math.isfinite(until):
        raise ValueError("not as it is made here")
    name, rule, subject, key, network = texts
    return Challenge(name, rule, subject, Step(step), key, network, until)
