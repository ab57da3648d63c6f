"""The quantities that YAML files speak in. Imports nothing of ours, so that a policy's config may use it.

In a file a unit is required wherever a bare number could be misread. In Python (`Config(every=60.0)`) a number in the
base unit is taken as it is: seconds, bytes, pieces, US dollars.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, ValidationInfo, WithJsonSchema

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_SECONDS = 100 * 366 * 86400.0

_SIZE = re.compile(r"([0-9]{1,12})(B|kB|MB|GB|KiB|MiB|GiB)")
_BYTES = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

_COUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?([kMG]?)")
_PIECES = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3}
_MAX_COUNT = 2**53
"""The largest count that Redis keeps exactly: its numbers in Lua are doubles."""

_MONEY = re.compile(r"\$([0-9]{1,12}(?:\.[0-9]{1,9})?)")
_MAX_MONEY = 1e12

_PERCENTAGE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\}", re.DOTALL)
_MAX_SECRET = 64 * 1024


def duration(value: object) -> float:
    """Text such as "250ms", "10s", "1.5h", "30d" -> seconds. Raises ValueError."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"must be a duration with its unit, such as 250ms, 10s, 5m, 1h or 30d{_not(value)}")
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds > _MAX_SECONDS:
        raise ValueError("must be a duration of less than a hundred years")
    return seconds


def size(value: object) -> int:
    """Text such as "512B", "64kB", "32MiB" -> bytes. Raises ValueError."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"must be a size with its unit, such as 512B, 64KiB or 32MiB{_not(value)}")
    return int(found[1]) * _BYTES[found[2]]


def percentage(value: object) -> float:
    """Text such as "5%" -> 0.05. Raises ValueError."""
    found = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    if found is None or float(found[1]) > 100.0:
        raise ValueError(f"must be a share from 0% to 100%, such as 5%{_not(value)}")
    return float(found[1]) / 100.0


def count(value: object) -> int:
    """A whole number, or text such as "10k", "1.5M", "1_000" -> pieces. Raises ValueError."""
    if isinstance(value, str):
        pieces = _written_count(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        pieces = value
    elif isinstance(value, float) and value.is_integer():
        pieces = int(value)
    else:
        raise ValueError(f"must be a count, such as 1000, 10k or 1M{_not(value)}")
    if not 0 <= pieces <= _MAX_COUNT:
        raise ValueError(f"must be a count between 0 and 2^53{_not(value)}")
    return pieces


def _written_count(value: str) -> int:
    plain = re.sub(r"(?<=[0-9])_(?=[0-9])", "", value)
    found = _COUNT.fullmatch(plain)
    if found is None:
        raise ValueError(f"must be a count, such as 1000, 10k or 1M{_not(value)}")
    fraction = (found[2] or "").rstrip("0")
    scaled = int(found[1] + fraction) * _PIECES[found[3]]
    whole, rest = divmod(scaled, int("1" + "0" * len(fraction)))
    if rest:
        raise ValueError(f"must be a whole number{_not(value)}")
    return whole


def money(value: object) -> float:
    """A number, or text such as "$5" and "$0.25" -> US dollars. Raises ValueError."""
    if isinstance(value, str):
        found = _MONEY.fullmatch(value)
        dollars = float(found[1]) if found else math.nan
    elif isinstance(value, int | float) and not isinstance(value, bool):
        dollars = float(value)
    else:
        dollars = math.nan
    if not 0.0 <= dollars <= _MAX_MONEY:  # Also false for what is not a number.
        raise ValueError(f"must be an amount of US dollars, such as 5, 0.25 or $5{_not(value)}")
    return dollars


def amount(value: object) -> float:
    """A count such as 1000 or 10k; for spend an amount of US dollars such as $5 or 0.25. Raises ValueError."""
    dollars = isinstance(value, float) or (isinstance(value, str) and value.startswith("$"))
    return money(value) if dollars else float(count(value))


def secret(written: str, environment: Mapping[str, str]) -> str:
    """What a `Secret` stands for: `${NAME}`, `${NAME:-default}`, `file:///path`, or itself.

    Raises ValueError, whose text never holds the secret.
    """
    reference = _REFERENCE.fullmatch(written)
    if reference is not None:
        name, default = reference[1], reference[2]
        value = environment.get(name) or default
        if value is None:
            raise ValueError(f"the environment variable `{name}` is not set, or empty")
        return value
    if written.startswith("${"):
        raise ValueError("must be ${NAME} or ${NAME:-default}, with nothing before or after it")
    if written.startswith("file://"):
        return _secret_file(written.removeprefix("file://"))
    return written


def _secret_file(name: str) -> str:
    if not name.startswith("/"):
        raise ValueError("must name an absolute path: file:///run/secrets/name")
    try:
        with Path(name).open("rb") as file:
            content = file.read(_MAX_SECRET + 1)
        if len(content) > _MAX_SECRET:
            raise ValueError(f"file {name} is larger than a secret can be")
        return content.decode().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"file {name} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise ValueError(f"file {name} is not UTF-8") from None


def _not(value: object) -> str:
    """What was written, if it is short enough to show."""
    if value is None:
        return ", not empty"
    shown = repr(value) if isinstance(value, str) else str(value)
    return f", not {shown}" if len(shown) <= 40 else ""


def _written(parse: Any) -> Any:
    """The parser as a validator. In a file all goes through it; in Python a number stands for itself."""

    def validate(value: object, info: ValidationInfo) -> object:
        if info.mode == "python" and isinstance(value, int | float) and not isinstance(value, bool):
            return value
        return parse(value)

    return BeforeValidator(validate)


def _resolve(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    context = info.context if isinstance(info.context, Mapping) else {}
    return secret(value, context.get("environment", {}))


_DIGITS = r"[0-9](?:_?[0-9])*"
_COUNT_WRITTEN = "|".join(
    (
        rf"{_DIGITS}[kMG]?",
        rf"{_DIGITS}\.0(?:_?0)*",
        *(
            rf"{_DIGITS}\.[0-9](?:_?[0-9]){{0,{places - 1}}}(?:_?0)*{unit}"
            for unit, places in zip("kMG", (3, 6, 9), strict=True)
        ),
    )
)
"""As `count` reads it: of what a unit scales, no piece is broken."""

DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": f"^(?:{_DURATION.pattern})$"}
SIZE_SCHEMA: dict[str, Any] = {"type": "string", "pattern": f"^(?:{_SIZE.pattern})$"}
COUNT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": _MAX_COUNT},
        {"type": "string", "pattern": f"^(?:{_COUNT_WRITTEN})$"},
    ]
}
MONEY_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": _MAX_MONEY},
        {"type": "string", "pattern": f"^(?:{_MONEY.pattern})$"},
    ]
}
PERCENTAGE_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": r"^(?:0?[0-9]{1,2}(?:\.[0-9]{1,6})?|100(?:\.0{1,6})?)%$",
}
"""For editors: what the parsers above accept, but for bounds that no pattern can hold."""

Duration = Annotated[float, _written(duration), WithJsonSchema(DURATION_SCHEMA)]
"""Seconds, written as "250ms", "10s", "5m", "1h", "30d"."""

Size = Annotated[int, _written(size), WithJsonSchema(SIZE_SCHEMA)]
"""Bytes, written as "512B", "64kB", "32MiB"."""

Amount = Annotated[float, BeforeValidator(amount), WithJsonSchema({"type": ["number", "string"]})]
Count = Annotated[int, BeforeValidator(count), WithJsonSchema(COUNT_SCHEMA)]
"""Pieces, written as 1000, 1_000, "10k" or "1M"."""

Money = Annotated[float, BeforeValidator(money), WithJsonSchema(MONEY_SCHEMA)]
"""US dollars, written as 5, 0.25 or "$5"."""

Percentage = Annotated[float, _written(percentage), Field(ge=0, le=1), WithJsonSchema(PERCENTAGE_SCHEMA)]
"""A share from 0 to 1, written as "5%" or "0.1%"."""

NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,47}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A stable name, part of the API: entries, limits."""

Secret = Annotated[SecretStr, BeforeValidator(_resolve)]
"""`${NAME}`, `${NAME:-default}`, `file:///path`, or itself. Never shown; no other type reads the environment."""
