"""What a file of accounts holds, a row an account: checked by hand and fast, and told what is wrong by line and field.

A row is an object. Only `id` must be there:

    {"id": "acme", "organisation": "acme-inc", "name": "", "tier": "", "created": "2026-01-31T00:00:00Z",
     "email_domain": "acme.example", "signup_country": "DE", "billing_country": "DE", "suspended": false,
     "evidence": {"email": 1767225600}, "links": {"phone": "+49 30 1"}, "keys": [{"name": "ci"}]}

Times are Unix seconds, or ISO 8601 with an offset. A link's value is hashed as it is read and goes no further; one that
was exported has `secret` and `digest` in its place. A key of a name alone is minted; one with `prefix`, `digest` and
`pepper` is taken as it is, if the directory has that secret. A member is an e-mail address, hashed as well. `evidence`,
`links`, `falls`, `overrides`, `members` and `verifications` may be lists of objects with the columns of their tables.
A row with `"record": "organisation"` is one.

In CSV the first line names the columns; `evidence.KIND`, `links.KIND` and `key` (a name) are columns of their own,
lists stand in their cells as JSON, and an empty cell says nothing. The laws are those of `gateway.accounts.model`.
"""

from __future__ import annotations

import datetime as dt
import re
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sql

from gateway.accounts.evidence import FALLS, KINDS, LINKS
from gateway.accounts.model import ACCOUNT_ID, TIER, Feature
from gateway.accounts.sql import tables

RECORD: Final = "record"
"""The member that says what a row is; an account where it is not there."""
LONGEST_TEXT: Final = 64 * 1024
"""Characters."""
LATEST: Final = 1e11
"""Unix time: what is above are milliseconds by mistake."""
FEATURES: Final = frozenset(typing.get_args(Feature))

Check = Callable[[Any], Any]
"""Gives the value as the table has it. Raises ValueError, whose text never holds the value: it may identify."""


class Problem(NamedTuple):
    """What is wrong with a row."""

    line: int
    field: str
    """Empty for the row itself."""
    said: str


class Shape(NamedTuple):
    """A table as a file states it."""

    table: sql.Table
    checks: Mapping[str, Check]
    """Column -> how it is checked, in the order of staging."""
    defaults: Mapping[str, Any]
    """Of every column; REQUIRED where there is none, NOW for the moment of the import."""
    required: tuple[str, ...]
    same: tuple[str, ...]
    """Columns by which one that is there already is known again."""
    known: tuple[str, ...]
    """The same among those of one account."""


REQUIRED: Final = object()
NOW: Final = object()


def _matching(pattern: str, said: str, *, empty: bool = False) -> Check:
    matches = re.compile(pattern.removesuffix("$").removeprefix("^")).fullmatch

    def check(value: Any) -> str:
        if type(value) is str and (matches(value) or (empty and not value)):
            return value
        raise ValueError(said)

    return check


def _one_of(words: Collection[str]) -> Check:
    said = f"must be one of {', '.join(sorted(words))}"

    def check(value: Any) -> str:
        if type(value) is str and value in words:
            return value
        raise ValueError(said)

    return check


def text(value: Any) -> str:
    if type(value) is str and len(value) <= LONGEST_TEXT and "\0" not in value:
        return value
    raise ValueError(f"must be text of at most {LONGEST_TEXT} characters, without NUL")


def moment(value: Any) -> float:
    """Unix seconds, or ISO 8601 with an offset."""
    if type(value) is str:
        try:
            at = dt.datetime.fromisoformat(value)
        except ValueError:
            at = None
        value = at.timestamp() if at is not None and at.tzinfo is not None else None
    if (type(value) is float or type(value) is int) and 0 <= value < LATEST:
        return float(value)
    raise ValueError("must be a time: Unix seconds, or as 2026-01-31T00:00:00Z")


def _maybe(value: Any) -> float | None:
    return None if value is None else moment(value)


def _flag(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise ValueError("must be true or false")


def _count(value: Any) -> int:
    if type(value) is int and 0 <= value < 2**31:
        return value
    raise ValueError("must be a whole number from 0 on")


def _hash(value: Any) -> bytes:
    if type(value) is str and len(value) == 64:
        try:
            found = bytes.fromhex(value)
        except ValueError:
            found = b""
        if len(found) == 32:  # fromhex passes over spaces.
            return found
    raise ValueError("must be 64 hexadecimal digits")


def _words(allowed: frozenset[str] | None = None) -> Check:
    """Texts, as the JSON that the tables have."""

    def check(value: Any) -> str:
        if type(value) is not list or not all(type(one) is str and 0 < len(one) <= 256 for one in value):
            raise ValueError("must be a list of texts")
        if allowed is not None and not allowed.issuperset(value):
            raise ValueError(f"must be a list of {', '.join(sorted(allowed))}")
        return orjson.dumps(sorted(set(value))).decode()

    return check


_ID: Final = _matching(ACCOUNT_ID, "must be 1 to 128 printable ASCII characters without space, comma, = and braces")
_ID_OR_NONE: Final = _matching(ACCOUNT_ID, "must be as an account's id", empty=True)
_TIER: Final = _matching(TIER, "must be a tier's name: a lower-case letter, then also digits, _ and -", empty=True)
_COUNTRY: Final = _matching(r"[A-Z]{2}", "must be ISO 3166-1 alpha-2, in capitals", empty=True)
_DOMAIN: Final = _matching(r"[a-z0-9.-]{1,253}", "must be a domain, in lower case", empty=True)
_WORD: Final = _matching(r"[^\0]{1,64}", "must be 1 to 64 characters")
_NAME: Final = _matching(r"[^\0]{1,128}", "must be 1 to 128 characters")
_PREFIX: Final = _matching(r"[0-9A-Za-z]{8,12}", "must be the 8 to 12 letters and digits of a key's public part")

_Columns = Mapping[str, tuple[Check, Any]]


def _shape(table: sql.Table, columns: _Columns, same: tuple[str, ...]) -> Shape:
    return Shape(
        table,
        checks={name: check for name, (check, _) in columns.items()},
        defaults={name: default for name, (_, default) in columns.items()},
        required=tuple(name for name, (_, default) in columns.items() if default is REQUIRED),
        same=same,
        known=tuple(name for name in same if name != "account"),
    )


ACCOUNT: Final = _shape(
    tables.accounts,
    {
        "id": (_ID, REQUIRED),
        "organisation": (_ID_OR_NONE, ""),
        "name": (text, ""),
        "tier": (_TIER, ""),
        "suspended": (_flag, False),
        "suspended_for": (text, ""),
        "created": (moment, NOW),
        "email_domain": (_DOMAIN, ""),
        "signup_country": (_COUNTRY, ""),
        "billing_country": (_COUNTRY, ""),
        "signup_burst": (_count, 0),
    },
    ("id",),
)
ORGANISATION: Final = _shape(
    tables.organisations,
    {
        "id": (_ID, REQUIRED),
        "name": (text, ""),
        "suspended": (_flag, False),
        "created": (moment, NOW),
    },
    ("id",),
)
PARTS: Final[Mapping[str, Shape]] = {
    "keys": _shape(
        tables.keys,
        {
            "prefix": (_PREFIX, REQUIRED),
            "name": (_NAME, REQUIRED),
            "digest": (_hash, REQUIRED),
            "pepper": (_WORD, REQUIRED),
            "models": (_words(), "[]"),
            "features": (_words(FEATURES), "[]"),
            "created": (moment, NOW),
            "expires": (_maybe, None),
            "revoked": (_maybe, None),
            "replaces": (text, ""),
        },
        ("prefix",),
    ),
    "evidence": _shape(
        tables.evidence,
        {
            "kind": (_one_of(KINDS), REQUIRED),
            "provider": (text, ""),
            "reference": (text, ""),
            "obtained": (moment, NOW),
            "expires": (_maybe, None),
            "withdrawn": (_maybe, None),
            "why": (text, ""),
            "by": (text, ""),
        },
        ("account", "kind", "provider", "reference", "obtained"),
    ),
    "falls": _shape(
        tables.falls,
        {
            "reason": (_one_of(FALLS), REQUIRED),
            "note": (text, ""),
            "by": (text, ""),
            "at": (moment, NOW),
            "until": (_maybe, None),
            "cleared": (_maybe, None),
        },
        ("account", "reason", "at"),
    ),
    "overrides": _shape(
        tables.overrides,
        {
            "name": (_WORD, REQUIRED),
            "value": (text, REQUIRED),
            "reason": (text, ""),
            "by": (text, ""),
            "created": (moment, NOW),
            "expires": (_maybe, None),
            "withdrawn": (_maybe, None),
        },
        ("account", "name", "created"),
    ),
    "links": _shape(
        tables.links,
        {
            "kind": (_one_of(LINKS), REQUIRED),
            "secret": (_WORD, REQUIRED),
            "digest": (_hash, REQUIRED),
            "seen": (moment, NOW),
            "source": (text, ""),
        },
        ("account", "kind", "digest"),
    ),
    "members": _shape(
        tables.members,
        {
            "secret": (_WORD, REQUIRED),
            "digest": (_hash, REQUIRED),
            "role": (_WORD, "owner"),
            "created": (moment, NOW),
        },
        ("account", "digest"),
    ),
    "verifications": _shape(
        tables.verifications,
        {
            "id": (_WORD, REQUIRED),
            "provider": (_WORD, REQUIRED),
            "kinds": (_words(frozenset(KINDS)), "[]"),
            "state": (_WORD, REQUIRED),
            "reference": (text, ""),
            "reason": (text, ""),
            "created": (moment, NOW),
            "updated": (moment, NOW),
            "stated": (moment, 0.0),
        },
        ("id",),
    ),
}
"""Member of a row -> what it holds. Reviews, sessions and the inbox stay where they are."""

STATED: Final[Mapping[str, int]] = {name: 1 << index for index, name in enumerate(ACCOUNT.checks)}
"""Column of an account -> its bit among those that a row stated."""

_CSV_NUMBERS: Final = re.compile(r"\d[\d.e+-]{0,31}")
_CSV_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
_CSV_DEEP: Final = frozenset(PARTS)


def from_cells(header: list[str], cells: list[str]) -> dict[str, Any]:
    """A line of CSV as the object that JSON would hold. Raises ValueError."""
    if len(cells) != len(header):
        raise ValueError(f"has {len(cells)} cells where the first line names {len(header)}")
    row: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        if not cell:
            continue
        part, dot, kind = name.partition(".")
        if dot and part in {"evidence", "links"}:
            _within(row, part, name)[kind] = _number(cell) if part == "evidence" else cell
        elif name == "key":
            row.setdefault("keys", []).append({"name": cell})
        elif name in _CSV_DEEP:
            if name in row:
                raise ValueError(f"states {name} in more than one way")
            row[name] = _deep(name, cell)
        elif name == "suspended":
            row[name] = _CSV_FLAGS.get(cell.lower(), cell)
        elif name in {"created", "signup_burst"}:
            row[name] = _number(cell)
        else:
            row[name] = cell
    return row


def _within(row: dict[str, Any], part: str, name: str) -> dict[str, Any]:
    inner = row.setdefault(part, {})
    if type(inner) is not dict:
        raise ValueError(f"states {name} in more than one way")
    return inner


def _deep(name: str, cell: str) -> Any:
    try:
        return orjson.loads(cell)
    except orjson.JSONDecodeError:
        raise ValueError(f"{name} must be JSON") from None


def _number(cell: str) -> str | int | float:
    """What a cell says of a time or a count; itself where that is no number."""
    if cell.isdigit() and len(cell) < 16:
        return int(cell)
    try:
        return float(cell) if _CSV_NUMBERS.fullmatch(cell) else cell
    except ValueError:
        return cell
