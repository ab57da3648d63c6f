"""Every variable that a condition may read. This table is its reference, too.

A missing value is the empty value of its type: "" / 0 / false / []. `missing` says when that happens.
Readers are called once an exchange and condition: they look, and compute next to nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.expressions.values import Type, clamped, microseconds
from gateway.expressions.vocabulary import (
    COUNTRY,
    DATE,
    DIALECT,
    DOMAIN,
    EVIDENCE,
    FALL,
    FEATURE,
    HOUR,
    METHOD,
    NETWORK_KIND,
    ROUTE,
    WEEKDAY,
    Vocabulary,
)
from gateway.policy import Context, Principal

NOBODY = Principal(account="", tier="")
"""Stands for the principal of an exchange whose caller nobody has identified."""

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Variable:
    """One name, and what it means."""

    name: str
    type: Type
    read: Callable[[Context], Any]
    doc: str
    missing: str = ""
    """When it is the empty value of its type; empty where it always has a value."""
    volatile: bool = False
    """Different for nearly every exchange: nothing is worth remembering by it."""
    vocabulary: Vocabulary | None = None
    """What its value can be, where that is known."""


def _age(context: Context) -> int:
    created = (context.principal or NOBODY).profile.created
    return max(0, microseconds(context.now) - microseconds(created)) if created else 0


def _output_cap(context: Context) -> int:
    cap = context.ask.output_cap
    return 0 if cap is None else clamped(cap)


def _hour(context: Context) -> int:
    return microseconds(context.now) // _HOUR % 24


def _weekday(context: Context) -> int:
    return (microseconds(context.now) // _DAY + 3) % 7 + 1  # 1970-01-01 was a Thursday.


def _date(context: Context) -> str:
    return dt.date.fromordinal(microseconds(context.now) // _DAY + _EPOCH_ORDINAL).isoformat()


_UNKNOWN_CALLER = "nobody was identified"
_TEXT, _NUMBER, _TRUTH, _TEXTS = Type.TEXT, Type.NUMBER, Type.TRUTH, Type.TEXTS

_ACCOUNT = (
    Variable(
        "account.id", _TEXT, lambda c: (c.principal or NOBODY).account, "Its id in the directory.", _UNKNOWN_CALLER
    ),
    Variable(
        "account.organisation",
        _TEXT,
        lambda c: (c.principal or NOBODY).organisation,
        "The organisation that it belongs to.",
        f"it belongs to none, or {_UNKNOWN_CALLER}",
    ),
    Variable("account.tier", _TEXT, lambda c: (c.principal or NOBODY).tier, "Its plan, such as free.", _UNKNOWN_CALLER),
    Variable(
        "account.created",
        Type.TIME,
        lambda c: microseconds((c.principal or NOBODY).profile.created),
        "When it was made.",
        'unknown: it is then timestamp("1970-01-01T00:00:00Z"); ask account.has_created',
    ),
    Variable(
        "account.has_created",
        _TRUTH,
        lambda c: (c.principal or NOBODY).profile.created != 0,
        "It is known when it was made, so that account.created and account.age mean something.",
    ),
    Variable(
        "account.age",
        Type.DURATION,
        _age,
        "How long ago it was made.",
        'unknown when it was made: it is then duration("0s"), as if it were new; ask account.has_created',
        volatile=True,
    ),
    Variable(
        "account.email_domain",
        _TEXT,
        lambda c: (c.principal or NOBODY).profile.email_domain,
        "Of its owner's address, in lower case.",
        "unknown",
        vocabulary=DOMAIN,
    ),
    Variable(
        "account.signup_country",
        _TEXT,
        lambda c: (c.principal or NOBODY).profile.signup_country,
        "Where it was made, as ISO 3166-1 alpha-2.",
        "unknown",
        vocabulary=COUNTRY,
    ),
    Variable(
        "account.billing_country",
        _TEXT,
        lambda c: (c.principal or NOBODY).profile.billing_country,
        "Where it pays from, as ISO 3166-1 alpha-2.",
        "unknown",
        vocabulary=COUNTRY,
    ),
    Variable(
        "account.verification",
        _NUMBER,
        lambda c: clamped((c.principal or NOBODY).profile.verification),
        "How far its owner was verified: each step of the ladder is one more.",
        f"not verified, or {_UNKNOWN_CALLER}",
    ),
    Variable(
        "account.evidence",
        _TEXTS,
        lambda c: frozenset([one.kind for one in (c.principal or NOBODY).profile.evidence]),
        "What it has shown of its owner, whether a ladder still counts it or not.",
        f"it has shown nothing, or {_UNKNOWN_CALLER}",
        vocabulary=EVIDENCE,
    ),
    Variable(
        "account.falls",
        _TEXTS,
        lambda c: frozenset([fall.reason for fall in (c.principal or NOBODY).profile.falls]),
        "Reasons for which it fell.",
        f"there are none, or {_UNKNOWN_CALLER}",
        vocabulary=FALL,
    ),
    Variable(
        "account.identity",
        _TEXT,
        lambda c: (c.principal or NOBODY).profile.identity,
        "Accounts with the same have the same person or company behind them.",
        f"nobody knows of another, or {_UNKNOWN_CALLER}",
    ),
    Variable(
        "account.signup_burst",
        _NUMBER,
        lambda c: clamped((c.principal or NOBODY).profile.signup_burst),
        "How many accounts signed up from the same place, or with the same e-mail domain, within a day of it.",
        f"unknown, or {_UNKNOWN_CALLER}",
    ),
    Variable(
        "account.known",
        _TRUTH,
        lambda c: c.principal is not None,
        "A credential proved who is asking.",
    ),
)

_KEY = (
    Variable(
        "key.id", _TEXT, lambda c: (c.principal or NOBODY).key, "Of the API key.", "the caller came without a key"
    ),
    Variable(
        "key.models",
        _TEXTS,
        lambda c: (c.principal or NOBODY).models,
        "Models that the key is for.",
        "it is for all models",
    ),
    Variable(
        "key.features",
        _TEXTS,
        lambda c: (c.principal or NOBODY).features,
        "Features that the key is for.",
        "it is for all features",
        vocabulary=FEATURE,
    ),
    Variable(
        "claims",
        Type.CLAIMS,
        lambda c: (c.principal or NOBODY).claims,
        "Claims of the caller's JSON Web Token. A claim that is not there is a failure: ask has(claims.plan) first.",
        "the caller came without a token",
        volatile=True,
    ),
)

_REQUEST = (
    Variable("request.method", _TEXT, lambda c: c.method, "In capital letters.", vocabulary=METHOD),
    Variable("request.path", _TEXT, lambda c: c.path, "Without the query."),
    Variable(
        "request.route",
        _TEXT,
        lambda c: c.ask.route,
        "The dialect's name of it, such as chat.completions; other for one that it does not know.",
        vocabulary=ROUTE,
    ),
    Variable("request.dialect", _TEXT, lambda c: c.ask.dialect, "Which API it speaks.", vocabulary=DIALECT),
    Variable("request.model", _TEXT, lambda c: c.ask.model, "The model that it asks for.", "it names none"),
    Variable("request.streaming", _TRUTH, lambda c: c.ask.streaming, "It asks for a stream."),
    Variable("request.features", _TEXTS, lambda c: c.ask.features, "What it uses.", "it uses none", vocabulary=FEATURE),
    Variable(
        "request.input_tokens",
        _NUMBER,
        lambda c: clamped(c.ask.input_tokens),
        "Tokens of input, as estimated.",
        volatile=True,
    ),
    Variable(
        "request.output_cap",
        _NUMBER,
        _output_cap,
        "The most output tokens that the answer can have.",
        "not capped; ask request.has_output_cap",
        volatile=True,
    ),
    Variable("request.has_output_cap", _TRUTH, lambda c: c.ask.output_cap is not None, "It caps its output tokens."),
    Variable("request.items", _NUMBER, lambda c: clamped(c.ask.items), "Requests in it: more than one for a batch."),
)

_CLIENT = (
    Variable("client.address", _TEXT, lambda c: c.client_address, "IPv4 or IPv6. Ask it of a list of networks."),
    Variable(
        "client.country",
        _TEXT,
        lambda c: c.location.country,
        "ISO 3166-1 alpha-2, by the geo databases.",
        "no database knows the address",
        vocabulary=COUNTRY,
    ),
    Variable(
        "client.asn",
        _NUMBER,
        lambda c: clamped(c.location.asn),
        "The autonomous system of the address.",
        "no database knows the address",
    ),
    Variable(
        "client.network_kinds",
        _TEXTS,
        lambda c: c.location.network_kinds,
        "What the address belongs to, where that is no ordinary access line.",
        "an ordinary line, or no database knows the address",
        vocabulary=NETWORK_KIND,
    ),
    Variable("client.private", _TRUTH, lambda c: c.location.private, "Not an address of the public internet."),
    Variable(
        "client.ja4",
        _TEXT,
        lambda c: c.ja4,
        "The TLS fingerprint, as a trusted hop states it.",
        "no such hop states it",
    ),
)

_FINDINGS = (
    Variable("risk.score", _NUMBER, lambda c: clamped(c.weight), "Suspicion that entries before this one have added."),
    Variable("captcha.passed", _TRUTH, lambda c: c.captcha, "The caller has passed a challenge."),
    Variable("tags", _TEXTS, lambda c: c.tags, "Tags that entries before this one have set.", "there are none"),
)

_TIME = (
    Variable("time.now", Type.TIME, lambda c: microseconds(c.now), "When the request was complete.", volatile=True),
    Variable("time.hour", _NUMBER, _hour, "0 to 23, UTC.", vocabulary=HOUR),
    Variable("time.weekday", _NUMBER, _weekday, "1 (Monday) to 7 (Sunday), UTC.", vocabulary=WEEKDAY),
    Variable("time.date", _TEXT, _date, "Such as 2026-11-22, UTC.", vocabulary=DATE),
)

VARIABLES: Mapping[str, Variable] = {
    variable.name: variable for variable in (*_ACCOUNT, *_KEY, *_REQUEST, *_CLIENT, *_FINDINGS, *_TIME)
}

ROOTS = frozenset(name.partition(".")[0] for name in VARIABLES) | {"lists"}
"""The first words of all names."""
