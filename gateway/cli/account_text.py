"""An account as a terminal shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.cli.columns import aligned, indented, moment
from gateway.control.account_shown import Shown, when

_TIMES: Final = frozenset({"ends", "expires", "until"})
"""Of what the audit says beside who and what: Unix times."""


def page_text(found: Sequence[Shown]) -> str:
    """One line an account."""
    rows = [
        (
            one["id"], one["organisation"], one["tier"], one["keys"], moment(one["created"])[:10],
            "erased" if one["erased"] else "suspended" if one["suspended"] else "",
        )
        for one in found
    ]  # fmt: skip
    return aligned(("account", "organisation", "tier", "keys", "created", "state"), rows)


def text(found: Shown) -> str:
    """What is empty is left out."""
    parts = [_head(found)]
    parts += _block("evidence", found["evidence"], ("kind", "state", "provider", "obtained", "expires", "why", "by"))
    parts += _block("falls", found["falls"], ("reason", "state", "at", "until", "note", "by"))
    parts += _block("overrides", found["overrides"], ("name", "value", "expires", "reason", "by"))
    parts += _block("keys", found["keys"], ("prefix", "name", "state", "models", "features", "created", "expires"))
    parts += _block("verifications", found["verifications"], ("id", "provider", "kinds", "state", "updated"))
    parts += _block("reviews", found["reviews"], ("id", "subject", "state", "opened"))
    lines = [line | {"detail": details(line["detail"])} for line in found["audit"]]
    parts += _block("audit", lines, ("at", "who", "did", "detail"))
    return "\n\n".join(parts)


def details(found: Mapping[str, Any]) -> str:
    """What a line of the audit says beside who and what."""
    there = {name: value for name, value in found.items() if value not in ("", None, [], {})}
    return " ".join(f"{name}={_at(value) if name in _TIMES else _short(value)}" for name, value in there.items())


def _head(found: Shown) -> str:
    facts = {
        "account": f"{found['id']}{'  ' + found['name'] if found['name'] else ''}",
        "organisation": found["organisation"],
        "stands on": _standing(found["standing"]),
        "next": _next(found["standing"]),
        "assigned": found["tier"],
        "suspended": found["suspended"] and (found["suspended_for"] or "yes"),
        "erased": moment(found["erased"]),
        "created": moment(found["created"]),
        "e-mail": found["email_domain"],
        "signed up in": found["signup_country"],
        "pays from": found["billing_country"],
        "may sign in": found["members"] or "",
        "same identity": ", ".join(found["same_identity"]),
        "sign-up burst": found["signup_burst"] or "",
    }
    width = max(len(name) for name in facts)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in facts.items() if value)


def _standing(standing: Mapping[str, Any] | None) -> str:
    if standing is None:
        return ""
    said = [f"earned {standing['earned']}"]
    said += [f"fell for {standing['fell']}"] if standing["fell"] else []
    said += [f"nothing changes by itself before {moment(standing['until'])}"] if standing["until"] else []
    return f"{standing['tier']} ({', '.join(said)})"


def _next(standing: Mapping[str, Any] | None) -> str:
    if standing is None or not standing["next"]:
        return ""
    if not standing["missing"] and standing["fell"]:
        return f"{standing['next']} (all is shown; the fall for {standing['fell']} has to be cleared)"
    return f"{standing['next']} (missing: {', '.join(standing['missing']) or 'nothing'})"


def _block(title: str, found: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    """Columns that are empty in every row are left out."""
    if not found:
        return []
    there = [column for column in columns if any(one[column] for one in found)]
    rows = [[_cell(column, one[column]) for column in there] for one in found]
    return [f"{title}\n{indented(aligned(there, rows))}"]


def _cell(column: str, value: Any) -> Any:
    times = {"at", "created", "expires", "obtained", "opened", "until", "updated"}
    return moment(value) if column in times else value


def _at(value: Any) -> str:
    """The audit holds Unix times."""
    return moment(when(value)).replace(" ", "T") if isinstance(value, int | float) else _short(value)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}:{_short(part)}" for name, part in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
