"""The trail of one exchange, from its event: who asked, what each entry said, how it ended, what that means. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.control.live.rows import REFUSALS
from gateway.history.columns import RULE
from gateway.wire.reasons import REASONS

WHO: Final = (
    "account", "organisation", "key", "tier", "assigned", "verification", "created", "email_domain", "signup_country",
    "billing_country", "evidence", "falls", "identity", "signup_burst",
)  # fmt: skip
WHERE: Final = (
    "client_address", "country", "asn", "network_kinds", "latitude", "longitude", "radius", "private", "ja4",
)  # fmt: skip
ASKED: Final = (
    "method", "path", "route", "dialect", "model", "streaming", "features", "input_tokens", "output_cap", "items",
    "generates",
)  # fmt: skip
REFUSED: Final[Mapping[str, str]] = {"deny": "denied", "challenge": "challenged", "throttle": "throttled"}
ADDED: Final = ("weight", "tags", "captcha")
ENDED: Final = ("status", "seconds", "decision_seconds", "delivered", "aborted", "reached")
TOKENS: Final = ("input", "output", "cached", "cache_creation", "reasoning")
ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "client_left": ("The caller went away before the answer was whole.", "Nothing is to be done, unless many do."),
    "cut": (
        "The quota of a running stream was used up, and its limit says `on_exhausted: cut`.",
        "Raise the limit, or let streams finish.",
    ),
}
"""What is no refusal: meaning, and what its reader can do."""

OVERRIDE: Final = re.compile(r"override ([0-9]{1,18})")
"""As `gateway.policies.quota.refusal` names the override that bit."""


def trail_of(row: Mapping[str, Any], entries: Sequence[str] = ()) -> dict[str, Any]:
    """`row` is an event by column; `entries` those of its rules in order, where they are known."""
    refused = row["action"] in REFUSALS or (row["action"] == "" and row["reason"] not in ENDS)
    return {
        "exchange": row["exchange"],
        "request_id": row["request_id"] or row["exchange"],
        "time": row["time"],
        "worker": row["worker"],
        "in_words": _words(row, refused=refused),
        "who": {name: row[name] for name in WHO},
        "from": {name: row[name] for name in WHERE},
        "asked": {name: row[name] for name in ASKED},
        "decision": {
            "refused": refused,
            "action": row["action"],
            "entry": row["entry"],
            **_reason(row["reason"]),
        },
        "trail": list(_steps(row, entries)),
        "added": {name: row[name] for name in ADDED},
        "answer": {name: row[name] for name in ENDED},
        "tokens": {name: row[f"usage_{name}"] for name in TOKENS},
        "rules": {"generation": row["generation"], "digest": row["digest"], "known": bool(entries)},
    }


def override_of(row: Mapping[str, Any]) -> int:
    """The number of the override whose numbers refused it; 0 where none did."""
    for entry, rule, *_, enforced in reversed(row["rules"]):
        if entry == row["entry"] and enforced and (named := OVERRIDE.fullmatch(rule)):
            return int(named[1])
    return 0


def _reason(reason: str) -> dict[str, Any]:
    if not reason:
        return {"reason": "", "meaning": "", "remedy": "", "page": ""}
    if known := REASONS.get(reason):
        page = f"/tidegate/reasons/{reason}"
        return {"reason": reason, "meaning": known.meaning, "remedy": known.remedy, "page": page}
    meaning, remedy = ENDS.get(
        reason, ("A reason of a rule or policy of your own.", "Look at the rule that is named in the trail.")
    )
    return {"reason": reason, "meaning": meaning, "remedy": remedy, "page": ""}


def _steps(row: Mapping[str, Any], entries: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One an entry. Where its rules are not known any more, those of which a rule applied."""
    matched: dict[str, list[dict[str, Any]]] = {}
    for rule in row["rules"]:
        said = dict(zip(RULE, rule, strict=True))
        entry = said.pop("entry")
        matched.setdefault(entry, []).append(said | {"mode": "enforced" if said["enforced"] else "shadow"})
    refuser = row["entry"]
    if refuser:
        matched.setdefault(refuser, [])
    names = [*entries, *(entry for entry in matched if entry not in entries)]
    # A short bucket refuses when all have been asked: who takes is asked once more, and nobody stands behind it.
    over = False
    for name in names:
        rules = matched.get(name, [])
        yield {"entry": name, "said": _said(row, name, rules, over=over), "rules": rules}
        over = over or name == refuser != ""


def _said(row: Mapping[str, Any], name: str, rules: Sequence[Mapping[str, Any]], *, over: bool) -> str:
    if row["action"] == "":
        return "not asked"
    if name == row["entry"]:
        return REFUSED.get(row["action"], "refused")
    if not rules:
        return "not reached" if over else "nothing applied"
    return "applied" if any(rule["enforced"] for rule in rules) else "in shadow: changed nothing"


def _words(row: Mapping[str, Any], *, refused: bool) -> str:
    """One sentence."""
    who = f"account {row['account']}" if row["account"] else "nobody known"
    what = f"{row['method']} {row['path']}" + (f" ({row['model']})" if row["model"] else "")
    if not refused:
        end = f", and ended early: {row['reason']}" if row["reason"] else ""
        return f"{what} of {who} was passed on and answered with {row['status']}{end}."
    if not row["entry"]:
        return f"{what} could not be read and was answered with {row['status']}: {row['reason']}."
    named = [
        rule[1] for rule in row["rules"] if rule[0] == row["entry"] and rule[4] and rule[2] in REFUSALS and rule[1]
    ]
    by = f"{row['entry']}/{named[-1]}" if named else row["entry"]
    return f"{what} of {who} was refused by {by} with {row['status']}: {row['reason']}."
