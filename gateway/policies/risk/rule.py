"""What speaks against a key in a network, and what that weighs. Pure; times in seconds, `now` is Unix time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from gateway.feeds.networks import Use
from gateway.policy import ALLOW, NO_TAGS, Action, Decision, Facts, Match

NEW_NETWORK = "new_network"
KEY_SHARED = "key_shared"
REFUSED = "refused"


class Sign(NamedTuple):
    """Something that speaks against an exchange."""

    rule: str
    """The part of the YAML."""
    weight: int
    note: str
    """For the log and for a person who asks."""


class Settling(NamedTuple):
    """As `config.NewNetwork`."""

    weight: int
    settles: float
    remember: float
    moves: float


class Sharing(NamedTuple):
    """As `config.KeyShared`."""

    networks: int
    within: float
    weight: int


class Standing(NamedTuple):
    """Of one key in one network."""

    signs: tuple[Sign, ...]
    until: float
    """Unix time at which it may change with nothing seen; `inf` for never."""


def standing(
    uses: Mapping[str, Use], network: str, now: float, settling: Settling | None, sharing: Sharing | None
) -> Standing:
    """By what is known of the key; `uses` may, or may not, hold the network itself."""
    signs: list[Sign] = []
    until = math.inf
    if settling is not None:
        home = home_of(uses, network, now, settling)
        if home:
            signs.append(Sign(NEW_NETWORK, settling.weight, f"{network} is new for a key that is at home in {home}"))
            until = began(uses, network, now, settling) + settling.settles
    if sharing is not None:
        count = shared(uses, network, now, sharing)
        if count >= sharing.networks:
            signs.append(Sign(KEY_SHARED, sharing.weight, f"in use from {count} networks at once"))
            oldest = min((use.last for use in uses.values() if use.last >= now - sharing.within), default=now)
            until = min(until, oldest + sharing.within)
    return Standing(tuple(signs), max(until, now))


def began(uses: Mapping[str, Use], network: str, now: float, settling: Settling) -> float:
    """When the network was first used; now, if it was not, or so long ago that it is forgotten."""
    use = uses.get(network)
    return use.first if use is not None and use.last >= now - settling.remember else now


def home_of(uses: Mapping[str, Use], network: str, now: float, settling: Settling) -> str:
    """Where the key is at home, if that speaks against it here; empty where nothing does.

    - Somebody has passed a challenge here, or the network has been in use for `settles`: nothing.
    - A home is a network that had been in use for `settles` when the key was first used here. So a new key may come
      from anywhere at first: from a laptop, then from the servers for which it was made.
    - Of a home that was left `moves` before, and not used since, the owner has moved here.
    """
    here = uses.get(network)
    if here is not None and here.vouched and here.last >= now - settling.remember:
        return ""
    first = began(uses, network, now, settling)
    if now - first >= settling.settles:
        return ""
    homes = [
        (use.last, name)
        for name, use in uses.items()
        if name != network
        and use.last >= now - settling.remember
        and first - use.first >= settling.settles
        and use.last > first - settling.moves
    ]
    return max(homes)[1] if homes else ""


def shared(uses: Mapping[str, Use], network: str, now: float, sharing: Sharing) -> int:
    """From how many networks the key is in use, this one among them."""
    recent = [name for name, use in uses.items() if use.last >= now - sharing.within]
    return len(recent) + (network not in recent)


def decision(signs: tuple[Sign, ...]) -> Decision:
    """What they come to. Nothing is refused."""
    if not signs:
        return ALLOW
    return Decision(
        Action.ALLOW,
        note="; ".join([sign.note for sign in signs]),
        facts=Facts(weight=sum(sign.weight for sign in signs)),
        matches=tuple([Match(sign.rule, "weigh") for sign in signs]),
    )


def both(one: Decision, other: Decision) -> Decision:
    """Two that allow, in one: what they weigh adds up, and what they take."""
    found = [said.facts for said in (one, other) if said.facts is not None]
    return Decision(
        Action.ALLOW,
        note=f"{one.note}; {other.note}",
        facts=Facts(weight=sum(facts.weight for facts in found), tags=NO_TAGS.union(*[facts.tags for facts in found])),
        takes=one.takes + other.takes,
        matches=one.matches + other.matches,
    )
