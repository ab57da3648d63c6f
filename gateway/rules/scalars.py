"""What a plain scalar means: the core schema of YAML 1.2.2 (section 10.3.2), with `_` allowed between digits.

`NO`, `on` and `12:30` are text here, as they are not in YAML 1.1: a list of countries must be able to hold Norway.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_INTEGER = re.compile(rf"[-+]?{_DIGITS}")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(rf"[-+]?(?:\.[0-9]+|{_DIGITS}(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

_MAX_NUMBER = 64
"""Characters of a number: nothing that is counted is longer, and a huge one is slow to convert."""


def meaning(text: str) -> Scalar:
    """The value of an unquoted scalar. Raises ValueError for a number that no setting can be."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"`{text}` is not a finite number")
    if not (text[0].isdecimal() or text[0] in "+-."):
        return text
    if _RADIX.fullmatch(text):
        _bound(text)
        return int(text, 0)
    if _INTEGER.fullmatch(text):
        _bound(text)
        return int(text)
    if _FLOAT.fullmatch(text):
        _bound(text)
        number = float(text)
        if number in {float("inf"), float("-inf")}:
            raise ValueError(f"`{text}` is too large for a number")
        return number
    return text


def _bound(text: str) -> None:
    if len(text) > _MAX_NUMBER:
        raise ValueError(f"a number of {len(text)} characters: quote it if it is text")
