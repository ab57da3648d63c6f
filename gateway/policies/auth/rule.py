"""The rule of auth, pure: fields, records and claims in, a Decision or an identity out.

A stranger learns nothing: who does not prove a credential gets one answer, word for word, whether its prefix exists or
not. That a key is expired, revoked or suspended is told to its holder alone.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from gateway.accounts.directory import KeyRecord
from gateway.accounts.model import ACCOUNT_ID, TIER
from gateway.policies.auth.config import Issuer
from gateway.policy import Action, Ask, Decision, Facts, Principal

_DETAILS = {
    "missing_credentials": "Send an API key as `Authorization: Bearer <key>` or `x-api-key: <key>`.",
    "ambiguous_credentials": "`Authorization` and `x-api-key` carry different credentials: send one.",
    "invalid_credentials": "The credential is not valid.",
    "expired_credentials": "The credential has expired.",
    "revoked_key": "The API key has been revoked.",
    "unknown_issuer": "The token's issuer is not accepted here.",
    "unknown_account": "The token is valid, but its account is not known here.",
    "suspended_account": "The account is suspended.",
    "model_not_in_scope": "The API key may not be used for this model.",
    "feature_not_in_scope": "The API key may not be used for this feature.",
    "directory_unavailable": "Accounts cannot be looked up at the moment.",
}
_ACCOUNT = re.compile(ACCOUNT_ID)
_TIER = re.compile(TIER)
_FORBIDDEN = frozenset({"unknown_account", "suspended_account", "model_not_in_scope", "feature_not_in_scope"})

REASONS = tuple(_DETAILS)
"""Every reason of this room: part of the API, explained in its README."""


def refuse(reason: str, note: str = "", detail: str = "") -> Decision:
    """401 for who is not known, 403 for who is known and may not. `note` may hold a key's prefix, never more of it."""
    status = 403 if reason in _FORBIDDEN else 401
    return Decision(Action.DENY, reason, detail or _DETAILS[reason], note, status)


def unavailable(note: str) -> Decision:
    """Nobody can say who it is just now: not the caller's fault, and soon over."""
    reason = "directory_unavailable"
    return Decision(Action.DENY, reason, _DETAILS[reason], note, 503, 1.0)


def admit(principal: Principal, note: str) -> Decision:
    """Yes, and who it is."""
    return Decision(Action.ALLOW, note=note, facts=Facts(principal=principal))


def credential(fields: Mapping[bytes, bytes]) -> bytes | Decision:
    """The one credential of a request, from `Authorization: Bearer` (RFC 6750, section 2.1) or `x-api-key`."""
    authorization = fields.get(b"authorization", b"").strip()
    api_key = fields.get(b"x-api-key", b"").strip()
    scheme, _, bearer = authorization.partition(b" ")
    bearer = bearer.strip()
    if not authorization:
        return api_key or refuse("missing_credentials")
    if scheme.lower() != b"bearer":
        return refuse("ambiguous_credentials" if api_key else "invalid_credentials", note="scheme is not Bearer")
    if not bearer:
        return api_key or refuse("missing_credentials")
    if api_key and api_key != bearer:
        return refuse("ambiguous_credentials")
    return bearer


def judge_key(record: KeyRecord | None, proved: bool, now: float) -> Decision:
    """The answer to an API key. `proved` says whether its digest is that of the record."""
    if record is None or not proved:
        return refuse("invalid_credentials")
    note = f"key {record.principal.key}"
    if record.revoked:
        return refuse("revoked_key", note)
    if record.expires is not None and now >= record.expires:
        return refuse("expired_credentials", note)
    if record.suspended:
        return refuse("suspended_account", note)
    return admit(record.principal, note)


def out_of_scope(principal: Principal, ask: Ask) -> Decision | None:
    """A refusal where the key is scoped and what is asked for lies outside.

    A scoped key may not take a route whose model, or whose features, we cannot read, if that route makes tokens: nobody
    knows what it asks.
    """
    models, features = principal.models, principal.features
    if models and ask.model not in models and (ask.model or ask.generates):
        return refuse("model_not_in_scope", f"key {principal.key}: model {ask.model!r}")
    if features and ask.generates and ask.route == "other":
        detail = "The API key may not be used on a route whose features are not known here."
        return refuse("feature_not_in_scope", f"key {principal.key}", detail)
    if features and not ask.features <= features:
        missing = ", ".join(sorted(ask.features - features))
        return refuse("feature_not_in_scope", f"key {principal.key}", f"The API key may not be used for: {missing}.")
    return None


def seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519, section 2). Raises ValueError where it is none; None where it is not there."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is no date")
    return float(value)


def judge_times(claims: Mapping[str, Any], now: float, leeway: float, max_age: float | None) -> Decision | float:
    """The Unix time until which a token with these claims holds, or the refusal. `exp` is required."""
    try:
        expires, begins, issued = (seconds(claims, name) for name in ("exp", "nbf", "iat"))
    except (ValueError, OverflowError) as error:
        return refuse("invalid_credentials", note=str(error))
    if expires is None:
        return refuse("invalid_credentials", note="no exp")
    until = expires + leeway
    if max_age is not None:
        if issued is None:
            return refuse("invalid_credentials", note="no iat, and max_age asks for it")
        until = min(until, issued + max_age + leeway)
    if now >= until:
        return refuse("expired_credentials")
    if begins is not None and now < begins - leeway:
        return refuse("invalid_credentials", note="nbf is in the future")
    if issued is not None and now < issued - leeway:
        return refuse("invalid_credentials", note="iat is in the future")
    return until


def account_of(claims: Mapping[str, Any], issuer: Issuer) -> str | Decision:
    """The account that a verified token speaks for."""
    said = claims.get(issuer.claims.account)
    account = f"{issuer.account_prefix}{said}"
    if not isinstance(said, str) or not said or not _ACCOUNT.fullmatch(account):
        return refuse("invalid_credentials", f"claim {issuer.claims.account} is no account")
    return account


def judge_token(
    claims: Mapping[str, Any], issuer: Issuer, account: str, known: Principal | None, suspended: bool
) -> Decision:
    """The answer to a verified token. `known` is its account in the directory; a claim that is named goes first."""
    note = f"token of {issuer.issuer} for {account}"
    if suspended:
        return refuse("suspended_account", note)
    if known is None and issuer.accounts == "known":
        return refuse("unknown_account", note)
    principal = known or Principal(account)
    names = issuer.claims
    organisation, tier = principal.organisation, principal.tier
    if names.organisation:
        organisation = claims.get(names.organisation, organisation)
    if names.tier:
        tier = claims.get(names.tier, tier)
    if organisation and not (isinstance(organisation, str) and _ACCOUNT.fullmatch(organisation)):
        return refuse("invalid_credentials", f"{note}: claim {names.organisation} is no organisation")
    if not isinstance(tier, str) or not _TIER.fullmatch(tier):
        return refuse("invalid_credentials", f"{note}: claim {names.tier} is no tier")
    kept = {name: claims[name] for name in names.keep if name in claims}
    return admit(dataclasses.replace(principal, organisation=organisation, tier=tier, claims=kept), note)
