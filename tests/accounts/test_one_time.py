"""Tokens of one-time links: anybody may write one, and only ours are read."""

from __future__ import annotations

import base64
import json

import pytest

from gateway.accounts import one_time
from gateway.accounts.one_time import BadToken, Scope
from gateway.accounts.secrets import Secrets

SECRETS = Secrets({"s1": b"x" * 32})


def token(*stated: object) -> str:
    """As ours, signed by nobody."""
    return base64.urlsafe_b64encode(json.dumps(stated).encode() + bytes(one_time.MAC)).decode().rstrip("=")


def test_what_was_made_is_read() -> None:
    """It states what it was made for, until it ends."""
    made = one_time.make(SECRETS, "acme", Scope.VERIFY, 100.0)
    assert one_time.read(SECRETS, made, 99.0)[:3] == ("acme", Scope.VERIFY, 100.0)
    with pytest.raises(BadToken, match="expired"):
        one_time.read(SECRETS, made, 100.0)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (("s1", "acme", "verify", 100, "m", ""), "forged"),
        (("s2", "acme", "verify", 100, "m", ""), "forged"),
        ((["s1"], "acme", "verify", 100, "m", ""), "malformed"),
        (({}, "acme", "verify", 100, "m", ""), "malformed"),
        (("s1", "acme", ["verify"], 100, "m", ""), "malformed"),
        (("s1", "acme", "verify", {}, "m", ""), "malformed"),
        (("s1",), "malformed"),
    ],
    ids=["unsigned", "of no secret", "a list", "an object", "scope", "end", "short"],
)
def test_what_is_none_of_ours(stated: tuple[object, ...], reason: str) -> None:
    """Whatever its members are, it is a BadToken and no crash."""
    with pytest.raises(BadToken, match=reason):
        one_time.read(SECRETS, token(*stated), 0.0)
