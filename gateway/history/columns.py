"""The schema of the exchange log. Columns are added at the end, with a new version; none is renamed or changes its
meaning. docs/exchange-log.md says what each means.
"""

from __future__ import annotations

import enum
from typing import Any, Final, NamedTuple

SCHEMA: Final = 3
"""The version that this code writes, and the newest that it reads."""

Event = tuple[Any, ...]
"""The values of an exchange, in the order of `EVENT`; what is stated once a segment is not in it."""


class Kind(enum.Enum):
    """What a column holds, and how an event in JSON states it."""

    ID = "string"
    """Different for each exchange."""
    WORD = "string, few"
    """One of few: kept as a dictionary."""
    WORDS = "list of string"
    COUNT = "int64"
    NUMBER = "double"
    FLAG = "bool"
    MOMENT = "timestamp, µs, UTC"
    """Unix time in seconds in an event."""
    RULES = "list of struct"


class Column(NamedTuple):
    """One column. `optional` ones may be null; in all others unknown is "", 0, false or []."""

    name: str
    kind: Kind
    optional: bool = False


COLUMNS: Final = (
    Column("schema", Kind.COUNT),
    Column("worker", Kind.WORD),
    Column("exchange", Kind.ID),
    Column("time", Kind.MOMENT),
    Column("generation", Kind.COUNT),
    Column("digest", Kind.WORD),
    Column("method", Kind.WORD),
    Column("path", Kind.WORD),
    Column("route", Kind.WORD),
    Column("dialect", Kind.WORD),
    Column("model", Kind.WORD),
    Column("streaming", Kind.FLAG),
    Column("features", Kind.WORDS),
    Column("input_tokens", Kind.COUNT),
    Column("output_cap", Kind.COUNT, optional=True),
    Column("items", Kind.COUNT),
    Column("generates", Kind.FLAG),
    Column("client_address", Kind.WORD),
    Column("country", Kind.WORD),
    Column("asn", Kind.COUNT),
    Column("network_kinds", Kind.WORDS),
    Column("latitude", Kind.NUMBER, optional=True),
    Column("longitude", Kind.NUMBER, optional=True),
    Column("radius", Kind.NUMBER),
    Column("private", Kind.FLAG),
    Column("ja4", Kind.WORD),
    Column("account", Kind.WORD),
    Column("organisation", Kind.WORD),
    Column("key", Kind.WORD),
    Column("tier", Kind.WORD),
    Column("created", Kind.MOMENT, optional=True),
    Column("email_domain", Kind.WORD),
    Column("signup_country", Kind.WORD),
    Column("billing_country", Kind.WORD),
    Column("verification", Kind.COUNT),
    Column("action", Kind.WORD),
    Column("reason", Kind.WORD),
    Column("entry", Kind.WORD),
    Column("rules", Kind.RULES),
    Column("weight", Kind.COUNT),
    Column("tags", Kind.WORDS),
    Column("captcha", Kind.FLAG),
    Column("status", Kind.COUNT),
    Column("seconds", Kind.NUMBER),
    Column("decision_seconds", Kind.NUMBER),
    Column("usage_input", Kind.COUNT, optional=True),
    Column("usage_output", Kind.COUNT, optional=True),
    Column("usage_cached", Kind.COUNT, optional=True),
    Column("usage_cache_creation", Kind.COUNT, optional=True),
    Column("usage_reasoning", Kind.COUNT, optional=True),
    Column("delivered", Kind.COUNT),
    Column("aborted", Kind.FLAG),
    Column("reached", Kind.FLAG),
    # Schema 2.
    Column("assigned", Kind.WORD),
    Column("evidence", Kind.WORDS),
    Column("falls", Kind.WORDS),
    Column("identity", Kind.WORD),
    Column("signup_burst", Kind.COUNT),
    # Schema 3.
    Column("request_id", Kind.ID),
)

BY_NAME: Final = {column.name: column for column in COLUMNS}
EVENT: Final = tuple(column.name for column in COLUMNS if column.name not in {"schema", "worker"})
"""The columns of an event; the others stand in the head of its segment."""
RULE: Final = ("entry", "rule", "action", "reason", "enforced")
"""The members of one of `rules`."""
AT: Final = {name: index for index, name in enumerate(EVENT)}


class HistoryError(Exception):
    """The log cannot be read or written; the words say what to do."""
