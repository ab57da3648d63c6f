"""What is known of an account beyond its exchanges, from the directory or from the file of a backtest."""

from __future__ import annotations

from typing import NamedTuple


class AccountFacts(NamedTuple):
    """Empty, 0 and () mean unknown."""

    account: str
    organisation: str = ""
    """Who pays: its accounts are one party, and are never held against each other."""
    created: float = 0.0
    """Unix time."""
    tier: str = ""
    verification: int = 0
    """Kinds of evidence (`accounts.evidence.IN_PERSON`) that hold, or steps of the ladder; 0 is not verified."""
    paid: float = 0.0
    """US dollars of invoices that were paid."""
    email_domain: str = ""
    signup_country: str = ""
    path: str = ""
    """By which way it signed up: such as education, startup, research, reseller; empty for the usual one."""
    contract: bool = False
    """Somebody signed for it: a licensed reseller, an enterprise."""
    links: tuple[tuple[str, str], ...] = ()
    """(kind of `accounts.evidence.LINKS`, keyed hash): what it may have in common with others."""
    cleared: float = 0.0
    """Unix time until which a person has cleared it: an appeal was heard, or a case rejected."""
