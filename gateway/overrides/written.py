"""Overrides as they are kept and told: canonical JSON, and what of it is refused.

The same scope is the same text, so that a database can compare it. Whatever is read is checked as what is written is: a
row that does not say what it should is `Wrong`, and is never guessed at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.overrides.override import ALL_LIMITS, EVERYBODY, Kind, Override, Scope
from gateway.policy import Measure

FACTOR_AT_MOST: Final = 1000.0
AMOUNT_AT_MOST: Final = 1e15
"""Beyond it a float does not hold every whole number."""
EVERY_AT_MOST: Final = 366 * 86_400.0
"""Seconds."""
TEXT_AT_MOST: Final = 256
REASON_AT_MOST: Final = 2000
CLUSTER_AT_MOST: Final = 10_000
"""Accounts in one scope."""

_FOR_ALL: Final = frozenset({Kind.FREEZE, Kind.UNLIMITED, Kind.SCALE, Kind.SHADOW})
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
_WORDS: Final = ("account", "organisation", "tier", "model", "country")


class Wrong(ValueError):
    """Says which field, and in words for people what is wrong with it."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}" if field else what)
        self.field = field
        self.what = what


@dataclass(frozen=True, slots=True)
class Change:
    """What an override does, without for whom and until when."""

    kind: Kind
    capacity: float | None = None
    refill: float | None = None
    every: float | None = None
    factor: float = 1.0


def scope_document(scope: Scope) -> dict[str, Any]:
    """What is stated, in one order."""
    found: dict[str, Any] = {word: getattr(scope, word) for word in _WORDS if getattr(scope, word)}
    if scope.accounts:
        found["accounts"] = sorted(scope.accounts)
    if scope.created_after:
        found["created_after"] = scope.created_after
    return found


def scope_text(scope: Scope) -> str:
    """Canonical: equal scopes are equal texts."""
    return orjson.dumps(scope_document(scope)).decode()


def scope_of(written: str | Mapping[str, Any]) -> Scope:
    """From its text, or what was read of it. Raises Wrong."""
    document = _document("scope", written)
    known = {*_WORDS, "accounts", "created_after"}
    for name in document:
        if name not in known:
            raise Wrong("scope", f"there is no `{name}` in a scope")
    words = {word: _text(f"scope.{word}", document.get(word, "")) for word in _WORDS}
    if words["country"] and _COUNTRY.fullmatch(words["country"]) is None:
        raise Wrong("scope.country", "is not a country of ISO 3166-1 alpha-2, such as NO")
    words["country"] = words["country"].upper()
    accounts = document.get("accounts", [])
    if not isinstance(accounts, list | tuple | set | frozenset) or len(accounts) > CLUSTER_AT_MOST:
        raise Wrong("scope.accounts", f"is a list of at most {CLUSTER_AT_MOST} accounts")
    cluster = frozenset(_text("scope.accounts", account) for account in accounts)
    if "" in cluster:
        raise Wrong("scope.accounts", "holds an empty name")
    if cluster and words["account"]:
        raise Wrong("scope.accounts", "is stated beside one account: state either")
    after = document.get("created_after", 0.0)
    if after != 0.0:
        after = _number("scope.created_after", after, 1e11)
    return Scope(**words, accounts=cluster, created_after=float(after))


def change_document(change: Change) -> dict[str, Any]:
    """What is stated, in one order."""
    found: dict[str, Any] = {"kind": change.kind.value}
    if change.kind is Kind.SET:
        for name in ("capacity", "refill", "every"):
            if getattr(change, name) is not None:
                found[name] = getattr(change, name)
    if change.kind is Kind.SCALE:
        found["factor"] = change.factor
    return found


def change_text(change: Change) -> str:
    return orjson.dumps(change_document(change)).decode()


def change_of(written: str | Mapping[str, Any]) -> Change:
    """From its text, or what was read of it. Raises Wrong."""
    document = _document("change", written)
    try:
        kind = Kind(document.get("kind", ""))
    except ValueError:
        raise Wrong("change.kind", f"is one of {', '.join(Kind)}") from None
    stated = {name: value for name, value in document.items() if name != "kind" and value is not None}
    allowed = {Kind.SET: {"capacity", "refill", "every"}, Kind.SCALE: {"factor"}}.get(kind, set())
    for name in stated:
        if name not in allowed:
            raise Wrong(f"change.{name}", f"is nothing that `{kind}` has")
    if kind is Kind.SET and not stated:
        raise Wrong("change", "`set` needs a capacity, a refill or an every")
    if kind is Kind.SCALE and "factor" not in stated:
        raise Wrong("change.factor", "`scale` needs it")
    most = {"every": EVERY_AT_MOST, "factor": FACTOR_AT_MOST}
    numbers = {name: _number(f"change.{name}", value, most.get(name, AMOUNT_AT_MOST)) for name, value in stated.items()}
    return Change(kind, **numbers)


def check(limit: str, scope: Scope, change: Change, expires: float, measure: Measure | None = None) -> None:
    """Whether these go together. `measure` is that of the limit, where the rules are known. Raises Wrong."""
    if not _text("limit", limit):
        raise Wrong("limit", f"is the name of a limit, or {ALL_LIMITS} for all")
    if limit == ALL_LIMITS and change.kind not in _FOR_ALL:
        raise Wrong("change.kind", "numbers are for one limit: name it, or scale all")
    if change.kind is Kind.SHADOW:
        if limit != ALL_LIMITS or scope != EVERYBODY:
            raise Wrong("scope", "shadow is for everybody, and all limits")
        if expires == math.inf:
            raise Wrong("expires", "shadow needs an end")
    if math.isnan(expires):
        raise Wrong("expires", "is a Unix time")
    if measure is Measure.CONCURRENCY and change.kind is Kind.SET:
        for name in ("refill", "every"):
            if getattr(change, name) is not None:
                raise Wrong(f"change.{name}", "concurrency has none: slots come back when exchanges end")
    if measure is not None and measure is not Measure.SPEND:
        for name in ("capacity", "refill"):
            amount = getattr(change, name)
            if amount is not None and not amount.is_integer():
                raise Wrong(f"change.{name}", "is a whole number, but for spend")


def clash(change: Change, held: str) -> str:
    """Why what is to be set cannot stand beside what holds for the same limit and scope; empty where it can.

    Shadow of everything is no change of limits, so it stands beside these: but for a freeze of everything, which would
    refuse nobody then, and nobody would be told.
    """
    try:
        other = change_of(held).kind
    except Wrong:
        return "holds for this limit and scope"
    if (change.kind is Kind.SHADOW) == (other is Kind.SHADOW):
        return "holds for this limit and scope"
    if other is Kind.FREEZE:
        return "freezes everything, and in shadow it would refuse nobody: take it back first, or change it to shadow"
    if change.kind is Kind.FREEZE:
        return "has everything in shadow, where a freeze refuses nobody: take it back first, or change it to a freeze"
    return ""


def document_of(override: Override) -> dict[str, Any]:
    """All of it, as JSON has it: no expiry is null."""
    return {
        "id": override.id,
        "revision": override.revision,
        "limit": override.limit,
        "scope": scope_document(override.scope),
        "change": change_document(change_in(override)),
        "reason": override.reason,
        "by": override.by,
        "created": override.created,
        "expires": None if override.expires == math.inf else override.expires,
    }


def override_of(document: Mapping[str, Any]) -> Override:
    """What `document_of` made, or a row whose scope and change are texts. Raises Wrong."""
    try:
        change = change_of(document["change"])
        scope = scope_of(document["scope"])
        limit, expires = document["limit"], document["expires"]
        expires = math.inf if expires is None else float(expires)
        check(limit, scope, change, expires)
        return Override(
            id=int(document["id"]),
            revision=int(document["revision"]),
            limit=limit,
            scope=scope,
            kind=change.kind,
            capacity=change.capacity,
            refill=change.refill,
            every=change.every,
            factor=change.factor,
            reason=str(document["reason"]),
            by=str(document["by"]),
            created=float(document["created"]),
            expires=expires,
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise Wrong("", f"it lacks something, or has it of another kind: {error!r}") from error
    except Wrong:
        raise
    except ValueError as error:
        raise Wrong("", str(error)) from error


def change_in(override: Override) -> Change:
    return Change(override.kind, override.capacity, override.refill, override.every, override.factor)


def in_words(override: Override, amount: Callable[[float], str] = "{:,.12g}".format) -> str:
    """What it does, in short, for a person: `override 17: x3`."""
    match override.kind:
        case Kind.SET:
            parts = [amount(override.capacity)] if override.capacity is not None else []
            parts += [f"{amount(override.refill)} back"] if override.refill is not None else []
            parts += [f"every {override.every:g} s"] if override.every is not None else []
            return f"override {override.id}: {', '.join(parts)}"
        case Kind.SCALE:
            return f"override {override.id}: x{override.factor:g}"
        case _:
            return f"override {override.id}: {override.kind}"


def _document(field: str, written: str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(written, str):
        try:
            written = orjson.loads(written)
        except ValueError:
            raise Wrong(field, "is not JSON") from None
    if not isinstance(written, Mapping):
        raise Wrong(field, "is not an object")
    return written


def _text(field: str, value: object, most: int = TEXT_AT_MOST) -> str:
    if not isinstance(value, str):
        raise Wrong(field, "is not a text")
    if len(value) > most or not value.isprintable() or value != value.strip():
        raise Wrong(field, f"is a text of at most {most} letters in one line, without space around it")
    return value


def _number(field: str, value: object, most: float) -> float:
    """Above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(field, "is not a number")
    if not 0.0 < value <= most:
        raise Wrong(field, f"is above 0, and at most {most:,.12g}; to let nothing pass, freeze")
    return float(value)
