"""The functions that a condition may call: CEL's standard ones that make sense for what is known of an exchange."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Function(NamedTuple):
    """How one is called."""

    usage: str
    """As it is written."""
    method: tuple[int, ...] = ()
    """How many arguments it has after the dot; empty where it is no method."""
    plain: tuple[int, ...] = ()
    """How many arguments it has otherwise; empty where it is only a method."""
    macro: bool = False


_GETTERS = (
    "getFullYear",
    "getMonth",
    "getDayOfYear",
    "getDayOfMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
)

FUNCTIONS: Mapping[str, Function] = {
    "startsWith": Function('text.startsWith("...")', method=(1,)),
    "endsWith": Function('text.endsWith("...")', method=(1,)),
    "contains": Function('text.contains("...")', method=(1,)),
    "matches": Function('text.matches("regular expression")', method=(1,), plain=(2,)),
    "size": Function("size(text or list)", method=(0,), plain=(1,)),
    "timestamp": Function('timestamp("2026-11-22T00:00:00Z")', plain=(1,)),
    "duration": Function('duration("24h")', plain=(1,)),
    "int": Function("int(value)", plain=(1,)),
    "double": Function("double(value)", plain=(1,)),
    "string": Function("string(value)", plain=(1,)),
    "bool": Function("bool(value)", plain=(1,)),
    **{name: Function(f'time.{name}() or time.{name}("Europe/Berlin")', method=(0, 1)) for name in _GETTERS},
    "has": Function("has(claims.name)", macro=True),
    "exists": Function("list.exists(item, condition)", macro=True),
    "exists_one": Function("list.exists_one(item, condition)", macro=True),
    "all": Function("list.all(item, condition)", macro=True),
    "filter": Function("list.filter(item, condition)", macro=True),
    "map": Function("list.map(item, value)", macro=True),
}
