"""What an answer is to: the one law for answers on our pages, and in the field of a request. Pure."""

from __future__ import annotations

import ipaddress
from typing import Literal, NamedTuple

from gateway.challenges.ladder import Held, Step
from gateway.challenges.token import Challenge

Status = Literal["open", "passed", "expired", "closed"]


class Standing(NamedTuple):
    """How a challenge stands. `closed` is one that was answered wrongly too often, made way for another one, or whose
    clearance is over.
    """

    status: Status
    expires: float
    """Unix time: of the clearance where it is passed, of the challenge otherwise."""


def standing(held: Held, challenge: Challenge, now: float) -> Standing:
    """By what the fleet holds of the challenge's subject under its rule."""
    for clearance in held.clearances:
        if clearance.id == challenge.id and clearance.expires > now:
            return Standing("passed", clearance.expires)
    if challenge.until <= now:
        return Standing("expired", challenge.until)
    for one in held.open:
        if one.id == challenge.id and one.until > now:
            return Standing("open", one.until)
    return Standing("closed", challenge.until)


def misfit(challenge: Challenge, rule: str, subject: str, key: str, network: str) -> str:
    """Why a challenge is none of this caller's under this rule; empty where it is. `key` is the prefix of the caller's
    key, `network` its scope by the rule's breadth (`gateway.challenges.scopes`).
    """
    if challenge.rule != rule:
        return "other_rule"
    if challenge.subject != subject:
        return "other_account"
    if challenge.key and challenge.key != key:
        return "other_key"
    if challenge.network and challenge.network != network:
        return "other_network"
    return ""


def kinds(step: Step, *, sign_in: bool) -> tuple[str, ...]:
    """How a challenge of that step can be passed, in the words of refusals and notices. `sign_in`: its subject is an
    account with pages for its owner.
    """
    own = "work" if step is Step.WORK else "captcha"
    return (own, "sign_in") if sign_in else (own,)


def neighbourhood(address: str) -> str:
    """What somebody who passes for many moves about in: a /24, or a /64. Empty where it is no address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        # A socket for both: all of IPv4 is one /64 there.
        found = found.ipv4_mapped
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 64), strict=False))
