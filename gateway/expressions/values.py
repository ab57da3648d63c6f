"""The types that variables have here, and how a value of each is handed to cel-cpp.

Here a time is a whole number of microseconds since 1970, and a duration a number of microseconds: both are compared
as fast as numbers are, and they are the finest that cel-cpp is given.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Callable, Mapping
from typing import Any

from cel_expr_python import cel

MAX_INT = 2**63 - 1
_MIN_SECONDS = -62_135_510_400.0
_MAX_SECONDS = 253_402_300_799.0
"""0001-01-02T00:00:00Z to 9999-12-31T23:59:59Z: all times that CEL has, but for a day that cel-cpp's binding takes for
the infinite past.
"""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
UNSAYABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_CLAIM_DEPTH = 16
MAX_CLAIMS = 500
"""Values in all claims that a condition reads: a loop over them may look in them for each."""


class Type(enum.Enum):
    """Of a variable, in the words that people are told."""

    TEXT = "text"
    NUMBER = "a whole number"
    TRUTH = "true or false"
    TIME = "a time"
    DURATION = "a duration"
    TEXTS = "a list of text"
    CLAIMS = "a map"


CEL_TYPES = {
    Type.TEXT: cel.Type.STRING,
    Type.NUMBER: cel.Type.INT,
    Type.TRUTH: cel.Type.BOOL,
    Type.TIME: cel.Type.TIMESTAMP,
    Type.DURATION: cel.Type.DURATION,
    Type.TEXTS: cel.Type.List(cel.Type.STRING),
    Type.CLAIMS: cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
}


def microseconds(unix_time: float) -> int:
    """Unix time -> microseconds, within what CEL can tell."""
    return round(min(max(unix_time, _MIN_SECONDS), _MAX_SECONDS) * 1e6)


def clamped(number: int) -> int:
    """A number that somebody claims, as CEL's 64 bits hold it."""
    return number if -MAX_INT <= number <= MAX_INT else min(max(number, -MAX_INT - 1), MAX_INT)


def moment(value: int) -> dt.datetime:
    """Microseconds since 1970 -> a time with its zone."""
    return _EPOCH + dt.timedelta(microseconds=value)


def _time_span(value: int) -> dt.timedelta:
    return dt.timedelta(microseconds=value)


def _text(value: str) -> str:
    """cel-cpp's binding cuts text at a NUL, and takes no half of a surrogate pair: a caller may send both. Others stand
    for them, of the last plane of private use, so that two texts that differ stay two.
    """
    return UNSAYABLE.sub(_stand_in, value)


def _stand_in(found: re.Match[str]) -> str:
    return chr(0x10F800 + ord(found[0]) - 0xD800) if found[0] != "\x00" else "\U0010f7ff"


def _texts(value: frozenset[str]) -> list[str]:
    return sorted(_text(item) for item in value)


def _claims(value: Mapping[str, Any]) -> dict[str, Any]:
    if _size(value, 0) > MAX_CLAIMS:
        raise ValueError(f"claims of more than {MAX_CLAIMS} values")
    return {_text(str(key)): _claim(item, 1) for key, item in value.items()}


def _size(value: Any, depth: int) -> int:
    """How many values are in it. What lies too deep is refused later."""
    if not isinstance(value, Mapping | list | tuple) or depth > _MAX_CLAIM_DEPTH:
        return 1
    if len(value) > MAX_CLAIMS:
        return len(value)
    return 1 + sum(_size(item, depth + 1) for item in (value.values() if isinstance(value, Mapping) else value))


def _claim(value: Any, depth: int) -> Any:
    """Raises ValueError for what no JSON holds, or none that is meant to be read."""
    if depth > _MAX_CLAIM_DEPTH:
        raise ValueError(f"claims are nested deeper than {_MAX_CLAIM_DEPTH}")
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return clamped(value)
    if isinstance(value, Mapping):
        return {_text(str(key)): _claim(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_claim(item, depth + 1) for item in value]
    raise ValueError(f"a claim is a {type(value).__name__}")


def _same(value: Any) -> Any:
    return value


TO_CEL: Mapping[Type, Callable[[Any], Any]] = {
    Type.TEXT: _text,
    Type.NUMBER: _same,
    Type.TRUTH: _same,
    Type.TIME: moment,
    Type.DURATION: _time_span,
    Type.TEXTS: _texts,
    Type.CLAIMS: _claims,
}
