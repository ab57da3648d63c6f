"""What an account can show of its owner, and for what it can lose what that earned: words, never what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KINDS: Final[Mapping[str, str]] = {
    "email": "an e-mail address that its owner has answered from",
    "phone": "a phone number that its owner has answered from",
    "payment": "a payment instrument that was charged, or authorised",
    "document": "an identity document, looked at by a provider",
    "liveness": "a living face that belongs to the document",
    "registry": "an entry of the organisation in a public registry",
    "sanctions": "a sanctions screen without a hit",
    "console": "somebody has signed in to the account's page",
}
"""Kind -> what it is, for people. A ladder names these and no others."""

IN_PERSON: Final = ("document", "liveness", "registry")
"""Kinds that take a person, or an organisation that is on record: two of them are what an account is trusted for."""

FALLS: Final[Mapping[str, str]] = {
    "chargeback": "a payment was taken back",
    "reversal": "a provider has taken its approval back",
    "detector": "the account acts as part of a campaign",
    "analyst": "an analyst has lowered it",
    "identity": "its owner stands behind more accounts than one may",
}
"""Reason to fall -> what it is, for people."""

LINKS: Final[Mapping[str, str]] = {
    "document": "the number of an identity document",
    "payment": "a payment instrument, as its processor names it",
    "customer": "the account at the payment processor",
    "device": "a device, as its maker of fingerprints names it",
    "phone": "a phone number",
    "email": "an e-mail address",
    "email_domain": "the domain of an e-mail address",
    "signup_address": "the network of the address from which it signed up",
}
"""Kind of link attribute -> what it is. Kept as keyed hashes only (`gateway.accounts.secrets`)."""

IDENTIFYING: Final = ("document", "payment", "device", "phone")
"""Kinds of link that one person has, and two accounts that share one have the same person behind them."""
