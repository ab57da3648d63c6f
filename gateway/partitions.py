"""What has a bucket of its own: the dimensions that limits are keyed on, and how a partition is spelled."""

from __future__ import annotations

import ipaddress
from typing import Final, Literal

from gateway.policy import Context, Principal

Dimension = Literal["account", "organisation", "key", "tier", "model", "client_address", "network", "country"]

TAG_ORDER: Final = ("account", "organisation", "key", "client_address", "network", "country", "tier", "model")
"""The dimension that decides where a bucket lives comes first: buckets of one account are taken from in one script."""
NOBODY: Final = Principal(account="")


def partition(per: tuple[Dimension, ...], context: Context) -> tuple[str, str]:
    """Tag and partition of the buckets with these dimensions (`policy.Bucket`)."""
    principal = context.principal or NOBODY
    values = [f"{dimension}={_value(dimension, context, principal)}" for dimension in TAG_ORDER if dimension in per]
    return values[0], ",".join(values) if len(values) > 1 else values[0]


def _value(dimension: str, context: Context, principal: Principal) -> str:
    match dimension:
        case "account" | "organisation" | "key" | "tier":
            return str(getattr(principal, dimension))
        case "model":
            return context.ask.model
        case "client_address":
            return context.client_address
        case "network":
            return _network(context.client_address)
        case _:
            return context.location.country


def _network(address: str) -> str:
    """The /24 or /56 of an address: what one household or office usually has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 56), strict=False))
