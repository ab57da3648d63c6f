"""Values as a stranger's file may spell them. All raise ValueError, which says what was expected."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np

from gateway.campaigns.event import EMPTY, Sketch

_YES: Final = frozenset({"true", "yes", "1", "t", "y"})
_NO: Final = frozenset({"false", "no", "0", "f", "n", ""})
MOST: Final = 2**64


def text(value: object) -> str:
    """A string; a number is spelled out."""
    if type(value) is str:
        return value
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"must be a string, not {_kind(value)}")


def whole(value: object) -> int:
    """A whole number from 0 on, or a string that spells one."""
    if type(value) is int:
        number = value
    elif isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        number = int(value)
    elif isinstance(value, (float, np.floating)) and float(value).is_integer():
        number = int(value)  # pandas has no column of whole numbers with gaps
    elif isinstance(value, str) and value.strip().isdecimal() and len(value) <= 20:
        number = int(value)
    elif isinstance(value, float) and math.isnan(value):
        return 0
    else:
        raise ValueError(f"must be a whole number, not {_kind(value)}")
    if not 0 <= number < MOST:
        raise ValueError("must be a whole number from 0 to 2^64 - 1")
    return number


def number(value: object) -> float:
    """A number from 0 on, or a string that spells one. NaN is unknown: 0."""
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str, np.integer, np.floating)):
            raise ValueError(f"must be a number, not {_kind(value)}")
        try:
            value = float(value)
        except (ValueError, OverflowError):
            raise ValueError(f"must be a number, not {_kind(value)}") from None
    if math.isnan(value):
        return 0.0
    if not 0.0 <= value < math.inf:
        raise ValueError("must be a number from 0 on")
    return value


def instant(value: object) -> float:
    """Unix time in seconds: a number, ISO 8601 (UTC where it names no zone), or a timestamp of Parquet."""
    if type(value) is float or type(value) is int:
        return number(value)
    if isinstance(value, str):
        if value[:1].isdigit() and "-" not in value and ":" not in value:
            return number(value)
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("must be Unix time in seconds, or ISO 8601") from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime):
        return number((value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, np.datetime64):
        return number(int(value.astype("datetime64[us]").astype(np.int64)) / 1e6)
    return number(value)


def truth(value: object) -> bool:
    """true or false, 1 or 0, or such a word."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, float)) and value in {0, 1}:
        return value == 1
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _YES or word in _NO:
            return word in _YES
    raise ValueError("must be true or false")


def items(value: object) -> list[Any]:
    """A list, or a string with commas."""
    if isinstance(value, str):
        return [item for part in value.split(",") if (item := part.strip())]
    if isinstance(value, np.ndarray):
        return list(value.tolist())
    if isinstance(value, Iterable) and not isinstance(value, (bytes, Mapping)):
        return list(value)
    raise ValueError(f"must be a list, or a string with commas, not {_kind(value)}")


def words(value: object) -> tuple[str, ...]:
    """A list of strings."""
    return tuple([text(item) for item in items(value)]) if value else ()


def hashed(value: object) -> int:
    """A hash of at most 64 bits: a whole number, or a string of its hexadecimal digits (16 of them)."""
    if isinstance(value, str):
        stripped = value.strip().removeprefix("0x")
        if len(stripped) != 16 and stripped.isdecimal():
            return whole(stripped)
        try:
            return whole(int(stripped, 16)) if stripped else 0
        except ValueError:
            raise ValueError("must be a hash: a whole number, or 16 hexadecimal digits") from None
    return whole(value)


def hashes(value: object) -> tuple[int, ...]:
    """A list of hashes."""
    return tuple([hashed(item) for item in items(value)])


def sketch(value: object) -> Sketch:
    """A list of hashes, as numbers or hexadecimal; or base64 of little-endian 64-bit numbers, as a string or bytes."""
    if value is None or (isinstance(value, (str, bytes, list, tuple)) and not value):
        return EMPTY
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "ui" or value.ndim != 1 or (value.dtype.kind == "i" and (value < 0).any()):
            raise ValueError("must be a list of hashes")
        found = value.astype(np.uint64)
    elif isinstance(value, bytes):
        found = _packed(value)
    elif isinstance(value, str) and "," not in value and not _is_hex(value):
        try:
            found = _packed(base64.b64decode(value, validate=True))
        except binascii.Error:
            raise ValueError("must be a list of hashes, or base64 of 64-bit numbers") from None
    else:
        listed = items(value)
        try:
            # Most are: one test for all of them.
            found = (
                np.array(listed, np.uint64) if set(map(type, listed)) == {int} else np.array(hashes(listed), np.uint64)
            )
        except OverflowError:
            raise ValueError("must be hashes from 0 to 2^64 - 1") from None
    return found if len(found) < 2 or bool((found[1:] > found[:-1]).all()) else np.unique(found)


def spelled(value: Sketch) -> str:
    """A sketch as base64."""
    return base64.b64encode(value.astype("<u8", copy=False).tobytes()).decode() if len(value) else ""


def _packed(value: bytes) -> Sketch:
    if len(value) % 8:
        raise ValueError("must be a list of hashes, or base64 of 64-bit numbers")
    return np.frombuffer(value, "<u8").astype(np.uint64, copy=False)


def _is_hex(value: str) -> bool:
    """One hash alone, such as "00ff00ff00ff00ff". As base64 it would be 12 bytes: no sketch."""
    return len(value) == 16


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return f"{str(value)[:32]!r}" if isinstance(value, (str, int, float)) else f"a {type(value).__name__}"
