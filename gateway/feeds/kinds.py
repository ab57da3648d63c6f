"""What a list may hold."""

from __future__ import annotations

import enum


class ListKind(enum.StrEnum):
    """Decides how its lines are read, and what may be looked up in it."""

    NETWORKS = "networks"
    """Addresses and CIDR networks, v4 and v6; asked for `client.address`."""
    ASNS = "asns"
    """Numbers of autonomous systems, such as 64496 or AS64496; asked for `client.asn`."""
    COUNTRIES = "countries"
    """ISO 3166-1 alpha-2."""
    ACCOUNTS = "accounts"
    """Ids, as in the directory."""
    DOMAINS = "domains"
    """Domains of e-mail addresses, with all below them; asked for `account.email_domain`."""
