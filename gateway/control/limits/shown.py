"""Overrides and their history as they are shown, and who may see which. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from gateway.accounts.sql.overrides import Past, Row
from gateway.control.access.roles import MAY, Permission
from gateway.control.limits.rules import InForce
from gateway.control.limits.words import diff, diff_words, said
from gateway.control.operations import OPERATOR
from gateway.overrides.override import ALL_LIMITS, Override
from gateway.overrides.written import Wrong, document_of

Shown = dict[str, Any]


def sees_people(request: web.Request) -> bool:
    """Whether accounts that overrides name are for this caller."""
    operator = request.get(OPERATOR)
    return operator is not None and Permission.PEOPLE in MAY[operator.role]


def of_row(row: Row, rules: InForce | None, now: float) -> Shown:
    """As shapes.OverrideShown."""
    try:
        found: Override | None = row.override
        words = said(row.override, None if rules is None else limit_of(rules, row.limit), now)
    except Wrong as wrong:
        found, words = None, f"cannot be read, and does not hold: {wrong}"
    if row.withdrawn is not None:
        state = "withdrawn"
    elif row.expired(now):
        state = "expired"
    else:
        state = "in force" if found is not None else "unreadable"
    document = row.document()
    for name in ("scope", "change"):
        if not isinstance(document[name], dict):
            document[name] = {}
    return document | {"state": state, "without_limit": is_without(row.limit, rules), "said": words}


def of_override(override: Override, rules: InForce, now: float) -> Shown:
    """The same of one that holds."""
    return document_of(override) | {
        "withdrawn": None,
        "state": "in force",
        "without_limit": is_without(override.limit, rules),
        "said": said(override, limit_of(rules, override.limit), now),
    }


def is_without(limit: str, rules: InForce | None) -> bool:
    """Whether the rules in force have no such limit."""
    return rules is not None and limit != ALL_LIMITS and rules.of(limit) is None


def limit_of(rules: InForce, name: str) -> Any:
    found = rules.of(name)
    return None if found is None else found.limit


def of_past(past: Past) -> Shown:
    """As shapes.PastShown."""
    differs = diff(past.before, past.after)
    words = {"set": "set", "change": "changed", "withdraw": "taken back", "undo": "undone"}.get(past.did, past.did)
    return {
        "revision": past.revision,
        "override": past.override,
        "at": past.at,
        "who": past.who,
        "did": past.did,
        "reason": past.reason,
        "before": None if past.before is None else dict(past.before),
        "after": None if past.after is None else dict(past.after),
        "diff": differs,
        "said": f"{words}: {diff_words(differs)}",
    }


def names_accounts(document: Any) -> bool:
    """Whether a row, or what was one, is for accounts that it names."""
    scope = document.get("scope") if isinstance(document, dict) else None
    # What cannot be read may name somebody.
    return bool(scope.get("account") or scope.get("accounts")) if isinstance(scope, dict) else document is not None


def is_about(document: Any, account: str) -> bool:
    scope = document.get("scope")
    return isinstance(scope, dict) and (scope.get("account") == account or account in scope.get("accounts", ()))


def for_caller(found: Iterable[Shown], request: web.Request) -> tuple[list[Shown], int]:
    """Those that are for this caller, and how many are not."""
    every = list(found)
    if sees_people(request):
        return every, 0
    kept = [one for one in every if not names_accounts(one)]
    return kept, len(every) - len(kept)
