"""What somebody wants of an override, checked all at once against the limits in force. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from gateway import quantities
from gateway.accounts.model import ACCOUNT_ID
from gateway.control.account_shapes import Wrong
from gateway.control.limits.rules import InForce
from gateway.control.limits.shapes import DAY, AgainShape, ChangeShape, NewShape, PreviewShape, ScopeShape
from gateway.overrides import written
from gateway.overrides.override import ALL_LIMITS, EVERYBODY, Kind, Scope
from gateway.overrides.written import Change
from gateway.policies.geo.countries import COUNTRIES
from gateway.policy import Measure
from gateway.rules.problems import did_you_mean

SHADOW_AT_MOST: Final = DAY
EXPIRES_AT_MOST: Final = 10 * 366 * DAY
UNCHANGED: Final = -1.0
"""For an end that nobody stated."""


class Meant(NamedTuple):
    limit: str
    scope: Scope
    change: Change
    expires: float
    """Unix time; inf for none, UNCHANGED where nobody said."""


class _Said:
    """What is wrong, by field: the first of each."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}

    def note(self, field: str, words: str) -> None:
        self.fields.setdefault(field, words)

    def note_wrong(self, wrong: written.Wrong) -> None:
        self.note(wrong.field, wrong.what)


def of_new(asked: NewShape, rules: InForce, now: float) -> Meant:
    """Raises Wrong with every field that is."""
    said = _Said()
    scope = scope_of(asked.scope, said.note)
    found = _meant(asked.limit, scope, asked.change, asked, rules, now, said)
    return found._replace(expires=math.inf) if found.expires == UNCHANGED else found


def of_again(
    asked: AgainShape | PreviewShape, limit: str, scope: Scope, expires: float, rules: InForce, now: float
) -> Meant:
    """Another change, or another end, of one that is there. Raises Wrong."""
    said = _Said()
    if asked.limit is not None and asked.limit != limit:
        said.note("limit", f"is {limit} and stays so: set another override for another limit")
    if asked.scope is not None and scope_of(asked.scope, said.note) != scope:
        said.note("scope", "stays as it is: set another override for somebody else")
    if asked.change is None:
        said.note("change", "is needed")
        raise Wrong(said.fields)
    return _meant(limit, scope, asked.change, asked, rules, now, said, until_now=expires)


def scope_of(asked: ScopeShape, note: Callable[[str, str], None]) -> Scope:
    """As far as it can be read; what is wrong is noted."""
    document = {name: value for name, value in asked.model_dump().items() if value not in ("", (), None)}
    if asked.accounts:
        document["accounts"] = list(asked.accounts)
    try:
        found = written.scope_of(document)
    except written.Wrong as wrong:
        note(wrong.field, wrong.what)
        return EVERYBODY
    if found.country and found.country not in COUNTRIES:
        note("scope.country", f"no country has the code {found.country}")
    for field, names in (("scope.account", (found.account,)), ("scope.accounts", found.accounts)):
        bad = next((name for name in names if name and not _is_account(name)), None)
        if bad is not None:
            note(field, f"no account can be called `{bad[:64]}`")
    return found


def _is_account(name: str) -> bool:
    return _ACCOUNT(name) is not None


def _meant(
    limit: str,
    scope: Scope,
    asked: ChangeShape,
    ends: NewShape | AgainShape | PreviewShape,
    rules: InForce,
    now: float,
    said: _Said,
    until_now: float = math.inf,
) -> Meant:
    measure = _measure(limit, rules, said)
    change = _change(asked, measure, said)
    expires = _expires(ends, now, said)
    if change is not None and not said.fields:
        end = until_now if expires == UNCHANGED else expires
        if end <= now:
            said.note("expires", "its end has passed: state another")
        try:
            written.check(limit, scope, change, end, measure)
        except written.Wrong as wrong:
            said.note_wrong(wrong)
        _prudent(limit, scope, change, end, now, said, confirmed=ends.confirm)
    if said.fields or change is None:
        raise Wrong(said.fields)
    return Meant(limit, scope, change, expires)


def _measure(limit: str, rules: InForce, said: _Said) -> Measure | None:
    if limit == ALL_LIMITS:
        return None
    measure = rules.measure(limit)
    if measure is None:
        names = [one.name for one in rules.limits]
        there = did_you_mean(limit, names) or f": there are {', '.join(names)}" if names else ": there are none"
        said.note("limit", f"the rules in force have no limit `{limit[:64]}`{there}")
    return measure


def _change(asked: ChangeShape, measure: Measure | None, said: _Said) -> Change | None:
    document: dict[str, object] = {"kind": asked.kind}
    for name, value in (("capacity", asked.capacity), ("refill", asked.refill)):
        if value is not None:
            _put(document, name, lambda value=value: amount(value, measure), said)  # type: ignore[misc]  # default
    if asked.every is not None:
        _put(document, "every", lambda: seconds(asked.every), said)
    if asked.factor is not None:
        document["factor"] = asked.factor
    if said.fields.keys() & {f"change.{name}" for name in ("capacity", "refill", "every")}:
        return None
    try:
        return written.change_of(document)
    except written.Wrong as wrong:
        said.note_wrong(wrong)
        return None


def _put(document: dict[str, object], name: str, read: Callable[[], float], said: _Said) -> None:
    try:
        document[name] = read()
    except ValueError as error:
        said.note(f"change.{name}", str(error))


def amount(value: float | str, measure: Measure | None) -> float:
    """As files have it, or a plain number, in the limit's unit. Raises ValueError."""
    if measure is Measure.SPEND:
        if isinstance(value, str) and not value.startswith("$"):
            value = f"${value}"
        return quantities.money(value)
    return float(quantities.count(value))


def seconds(value: float | str | None) -> float:
    """Raises ValueError."""
    if isinstance(value, str):
        return quantities.duration(value)
    return float(value or 0.0)


def _expires(asked: NewShape | AgainShape | PreviewShape, now: float, said: _Said) -> float:
    stated = asked.model_fields_set
    if asked.lasts is not None and asked.expires is not None:
        said.note("lasts", "is stated beside `expires`: state either")
    if asked.lasts is not None:
        try:
            lasts = seconds(asked.lasts)
        except ValueError as error:
            said.note("lasts", str(error))
            return math.inf
        if lasts <= 0:
            said.note("lasts", "must be above 0")
        return _bounded(now + lasts, "lasts", now, said)
    if asked.expires is None:
        return math.inf if stated & {"expires", "lasts"} else UNCHANGED
    if asked.expires <= now:
        said.note("expires", "has passed already")
    return _bounded(asked.expires, "expires", now, said)


def _bounded(expires: float, field: str, now: float, said: _Said) -> float:
    if expires > now + EXPIRES_AT_MOST:
        said.note(field, "is more than ten years away: leave it out for no end")
    return expires


def _prudent(
    limit: str, scope: Scope, change: Change, expires: float, now: float, said: _Said, *, confirmed: bool
) -> None:
    """What is allowed by the letter, and is too much to happen by mistake."""
    whoever = _is_everybody(scope)
    gives = change.kind is Kind.UNLIMITED or (change.kind is Kind.SCALE and change.factor > 1.0)
    if gives and whoever and math.isinf(expires):
        said.note("expires", "more for everybody needs an end: state `lasts` or `expires`")
    if change.kind is Kind.SHADOW and expires - now > SHADOW_AT_MOST:
        said.note("expires", "shadow lasts 24 hours at most: nothing is refused meanwhile")
    if change.kind is Kind.FREEZE and limit == ALL_LIMITS and whoever and not confirmed:
        said.note("confirm", "this refuses everything for everybody: say `confirm: true` if it is meant")


def _is_everybody(scope: Scope) -> bool:
    """Also where a pattern of models means each of them."""
    return replace(scope, model="") == EVERYBODY and set(scope.model) <= {"*", "?"}


_ACCOUNT: Final = re.compile(ACCOUNT_ID).match
