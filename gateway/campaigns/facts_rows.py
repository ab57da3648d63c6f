"""What is known of accounts, as rows of a file: the ACCOUNTS of a backtest. docs/events.md is its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from gateway.campaigns import rows
from gateway.campaigns.facts import AccountFacts

LINKS: Final = ("document", "payment", "customer", "device", "phone", "email", "signup_address")
"""Columns of link attributes: a string, or a list of them. Any value will do: it is hashed when it is read."""
NETWORK: Final = "signup_network"
"""A column as well, for whom `signup_address` is a network already: the same kind of link."""
TRUSTED: Final = "trusted"
"""A column: who vouches for an account says so in one word. It counts as a contract."""


def facts_of(row: Mapping[str, Any]) -> AccountFacts:
    """A row of a file. Raises ValueError, which names the member."""
    found: dict[str, Any] = {}
    links: set[tuple[str, str]] = set()
    for name, value in row.items():
        if value is None:
            continue
        try:
            if name in _READ:
                found[name] = _READ[name](value)
            elif name in LINKS or name == NETWORK:
                links.update(_links(name, value))
            elif name == "links":
                links.update(_stated(value))
            elif name == TRUSTED and rows.truth(value):
                found["contract"] = True
        except ValueError as error:
            raise ValueError(f"“{name}” {error}") from None
    if not found.get("account"):
        raise ValueError("“account” is missing")
    if not found.get("email_domain"):
        found["email_domain"] = _domain(row.get("email"))
    if row.get("contract") is not None and rows.truth(row["contract"]):
        found["contract"] = True
    return AccountFacts(**found, links=tuple(sorted(links)))


def link_of(kind: str, value: str) -> tuple[str, str]:
    """A link of a file: the hash is of this kind alone, spaces at the ends and case apart."""
    bare = value.strip().casefold()
    if kind in {"signup_address", NETWORK}:
        kind, bare = "signup_address", _network(bare)
    digest = blake2b(bare.encode("utf-8", "surrogatepass"), digest_size=8, key=kind.encode()).hexdigest()
    return kind, digest


def _links(kind: str, value: object) -> list[tuple[str, str]]:
    values = rows.items(value) if not isinstance(value, (str, int)) else [value]
    return [link_of(kind, said) for item in values if item is not None and (said := rows.text(item)).strip()]


def _stated(value: object) -> list[tuple[str, str]]:
    """{"payment": "…"} or [["payment", "…"], …]."""
    if isinstance(value, Mapping):
        return [link for kind, said in value.items() if said is not None for link in _links(_kind(kind), said)]
    found: list[tuple[str, str]] = []
    for item in rows.items(value):
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise ValueError("must hold pairs of a kind and a value")
        found += _links(_kind(item[0]), item[1])
    return found


def _kind(kind: object) -> str:
    if kind not in LINKS and kind != NETWORK:
        raise ValueError(f"must be of these kinds: {', '.join(LINKS)}")
    return str(kind)


def _network(value: str) -> str:
    """The /24 or /56 of an address; what is none stays."""
    try:
        if "/" in value:
            return str(ip_network(value, strict=False))
        address = ip_address(value)
    except ValueError:
        return value
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ip_network((address, 56 if address.version == 6 else 24), strict=False))


def _domain(email: object) -> str:
    return email.rpartition("@")[2].strip().casefold() if isinstance(email, str) and "@" in email else ""


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "account": rows.text,
    "organisation": rows.text,
    "created": rows.instant,
    "tier": rows.text,
    "verification": rows.whole,
    "paid": rows.number,
    "email_domain": rows.text,
    "signup_country": rows.text,
    "path": rows.text,
    "contract": rows.truth,
    "cleared": rows.instant,
}
