"""What people wrote down -> an Exchange."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Final

from gateway import dialects
from gateway.accounts.file_directory import Snapshot
from gateway.campaigns.verdict import Family, Level, Verdict
from gateway.dialects.interface import Dialect, MalformedRequest
from gateway.policy import Ask, Context, Evidence, Facts, Fall, Location, Principal, Profile, note_facts
from gateway.rehearsal.exchange import Exchange
from gateway.rehearsal.given import MADE_UP_KEY, NOBODY_SPECIAL, USUAL_TIME, AccountGiven, Given
from gateway.rehearsal.places import Rollout
from gateway.rollout import share_of

KEYS: Final = {"none": "missing_credentials", "invalid": "invalid_credentials"} | {
    "expired": "expired_credentials",
    "revoked": "revoked_key",
}
"""Word for a key -> the reason for which auth refuses it."""

USUAL_MODEL: Final = "m-large"
USUAL_INPUT: Final = 10
SAID_BEFORE: Final = 86_400.0
"""Seconds before the request at which the detector said what it says, where that is not stated."""
TRIES: Final = 100_000
"""Accounts that are tried for one on the wanted side of a rollout: enough for a share of 0.1 %."""


def exchange_of(
    given: Given, accounts: Mapping[str, AccountGiven], rollouts: Mapping[str, Rollout], number: int = 0
) -> Exchange:
    """`rollouts` are those that `given` may name. Raises ValueError, in words for its author."""
    account = _account(given, accounts)
    fields = {name.lower().encode(): value.encode() for name, value in given.fields.items()}
    path = given.path.partition("?")[0]
    dialect = dialects.of(given.method, path, fields)
    refused = KEYS.get(given.key, "") if isinstance(given.key, str) else ""
    if account.suspended and not refused:
        refused = "suspended_account"
    principal = None if given.key == "none" else _on_its_side(_principal(account, given), given, rollouts)
    return Exchange(
        id=f"rehearsed-{number}",
        now=given.time.timestamp(),
        ask=_ask(given, dialect, path),
        principal=principal,
        refused=refused,
        address=given.address,
        location=_location(given),
        method=given.method,
        path=path,
        fields=fields,
        ja4=given.ja4,
        facts=Facts(weight=given.weight, tags=given.tags, captcha=given.captcha),
        verdict=_verdict(given, account, principal),
    )


def snapshot_of(accounts: Mapping[str, AccountGiven]) -> Snapshot:
    """For policies that look accounts up."""
    now = USUAL_TIME.timestamp()
    principals = {
        name: Principal(name, account.organisation, tier=account.tier, profile=_profile(account, now))
        for name, account in accounts.items()
    }
    return Snapshot({}, principals, frozenset(name for name, account in accounts.items() if account.suspended), {})


def _account(given: Given, accounts: Mapping[str, AccountGiven]) -> AccountGiven:
    if isinstance(given.account, AccountGiven):
        return given.account
    if given.account is None:
        return AccountGiven()
    return accounts[given.account].model_copy(update={"id": given.account})


def _principal(account: AccountGiven, given: Given) -> Principal:
    scopes = None if isinstance(given.key, str) else given.key
    made_up = "" if given.claims or given.key == "token" else MADE_UP_KEY
    return Principal(
        account=account.id or NOBODY_SPECIAL,
        organisation=account.organisation,
        key=scopes.name if scopes else made_up,
        tier=given.tier or account.tier,
        models=scopes.models if scopes else frozenset(),
        features=frozenset(scopes.features) if scopes else frozenset(),
        claims=given.claims,
        profile=_profile(account, given.time.timestamp()),
    )


def _profile(account: AccountGiven, now: float) -> Profile:
    return Profile(
        created=account.created.timestamp() if account.created else 0.0,
        email_domain=account.email_domain,
        signup_country=account.signup_country,
        billing_country=account.billing_country,
        verification=account.verification,
        evidence=_evidence(account, now),
        falls=tuple(Fall(reason) for reason in account.falls),
        identity=account.identity,
        signup_burst=account.signup_burst,
    )


def _evidence(account: AccountGiven, now: float) -> tuple[Evidence, ...]:
    shown = account.evidence
    if isinstance(shown, tuple):
        return tuple(Evidence(kind, now) for kind in shown)
    return tuple(Evidence(kind, at.timestamp()) for kind, at in shown.items())


def _verdict(given: Given, account: AccountGiven, principal: Principal | None) -> Verdict | None:
    """Under the id that the account has, which a `rollout` may have changed."""
    said = given.verdicts.get(account.id or NOBODY_SPECIAL)
    if said is None or principal is None:
        return None
    now = given.time.timestamp()
    families = sorted(((Family(name), nats) for name, nats in said.families.items()), key=lambda one: -one[1])
    return Verdict(
        principal.account,
        said.cluster,
        said.score,
        tuple(families),
        evidence=tuple(f"{family.value}: {nats:g}" for family, nats in families),
        size=said.size,
        most=Level[said.most.upper()],
        since=said.since.timestamp() if said.since is not None else now - SAID_BEFORE,
        expires=math.inf,
    )


def _location(given: Given) -> Location | None:
    if not given.placed:
        return None
    return Location(
        country=given.country or "",
        asn=given.asn or 0,
        network_kinds=frozenset(given.network_kinds or ()),
        latitude=given.latitude,
        longitude=given.longitude,
        radius=given.radius or 0.0,
        private=bool(given.private),
    )


def _ask(given: Given, dialect: Dialect, path: str) -> Ask:
    ask = _read(given, dialect, path)
    stated: dict[str, object] = {
        name: getattr(given, name)
        for name in ("model", "input_tokens", "output_cap", "streaming", "items")
        if getattr(given, name) is not None
    }
    if given.features is not None:
        stated["features"] = frozenset(given.features)
    return ask._replace(**stated)  # type: ignore[arg-type]  # names and types are those of the model


def _read(given: Given, dialect: Dialect, path: str) -> Ask:
    """What the dialect makes of the body; without one, of the smallest that it can read, with the usual values."""
    body: bytes
    if given.body is None:
        body = json.dumps({"model": USUAL_MODEL, "messages": [], "max_tokens": None}).encode()
    else:
        body = (given.body if isinstance(given.body, str) else json.dumps(given.body)).encode()
    try:
        ask = dialect.read(given.method, path, body)
    except MalformedRequest as malformed:
        raise ValueError(
            f"the edge would refuse it before any policy: {malformed.reason}: {malformed.detail}"
        ) from None
    if given.body is not None or not ask.model:
        return ask
    return ask._replace(input_tokens=USUAL_INPUT if ask.input_tokens else 0)


def _on_its_side(principal: Principal, given: Given, rollouts: Mapping[str, Rollout]) -> Principal:
    """The principal, under the first id that is on the wanted side of each rollout."""
    wanted = {name: side for name, side in given.rollout.items() if name not in given.enforced}
    if not wanted:
        return principal
    for number in range(TRIES):
        tried = dataclasses.replace(principal, account=f"{principal.account}-{number}") if number else principal
        context = Context("", 0.0, "", "", {}, "", Ask("", ""))
        note_facts(context, Facts(tried))
        sides = {
            name: "inside" if share_of(rollouts[name].key, context) < rollouts[name].share else "outside"
            for name in wanted
        }
        if sides == wanted:
            return tried
    said = " and ".join(f"{side} of `{rule}`" for rule, side in wanted.items())
    raise ValueError(f"no account is {said}: look at the shares")
