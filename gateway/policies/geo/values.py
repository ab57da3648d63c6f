"""What is written in a geo entry's YAML, one value at a time: countries, numbers of networks, speeds, distances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from gateway.feeds.kinds import ListKind
from gateway.policies.geo.countries import COUNTRIES, OFTEN_WRITTEN

LIST: Final = re.compile(r"lists\.([a-z][a-z0-9_]{0,47})")
"""How a list of `feeds.yaml` is named, here as in conditions."""
_ASN: Final = re.compile(r"(?:AS)?([0-9]{1,10})")
_SPEED: Final = re.compile(r"([0-9]{1,6}) ?km/h")
_DISTANCE: Final = re.compile(r"([0-9]{1,5}) ?km")
_MAX_ASN: Final = 2**32 - 1
"""RFC 6793."""


def _named_list(written: str, kind: ListKind, info: ValidationInfo) -> bool:
    """Whether `lists.<name>` is written. Raises ValueError where there is no such list, or it holds other things."""
    found = LIST.fullmatch(written)
    if found is None:
        return False
    known = info.context.get("lists") if isinstance(info.context, Mapping) else None
    if known is not None:
        if found[1] not in known:
            raise ValueError(f"names a list that is not in feeds.yaml: there are {', '.join(sorted(known)) or 'none'}")
        if known[found[1]] != kind:
            raise ValueError(f"must name a list of {kind.value}: `{found[1]}` is one of {known[found[1]].value}")
    return True


def _country(written: str, info: ValidationInfo) -> str:
    if written == "EEA" or written in COUNTRIES or _named_list(written, ListKind.COUNTRIES, info):
        return written
    meant = written.upper() if written.upper() in COUNTRIES else OFTEN_WRITTEN.get(written.upper())
    hint = f": did you mean `{meant}`?" if meant else ", such as DE, or EEA, or lists.<name>"
    raise ValueError(f"must be a country of ISO 3166-1 alpha-2{hint}")


def _asn(written: object, info: ValidationInfo) -> int | str:
    if isinstance(written, str) and _named_list(written, ListKind.ASNS, info):
        return written
    found = _ASN.fullmatch(str(written)) if isinstance(written, str | int) and written is not True else None
    if found is None or not 0 < int(found[1]) <= _MAX_ASN:
        raise ValueError("must be the number of an autonomous system, such as AS64496 or 64496, or lists.<name>")
    return int(found[1])


def _quantity(pattern: re.Pattern[str], example: str) -> BeforeValidator:
    def read(written: object, info: ValidationInfo) -> object:
        if info.mode == "python" and isinstance(written, float):
            return written
        found = pattern.fullmatch(written) if isinstance(written, str) else None
        if found is None:
            raise ValueError(f"must be written with its unit, such as {example}")
        return float(found[1])

    return BeforeValidator(read)


def https(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be an https link, such as https://docs.example.com/countries")
    return text


Country = Annotated[str, AfterValidator(_country)]
"""A country, `EEA`, or `lists.<name>`."""
Asn = Annotated[
    int | str,
    BeforeValidator(_asn),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^((AS)?[0-9]{1,10}|lists\..+)$"}]}),
]
"""The number of an autonomous system, or `lists.<name>`."""
Speed = Annotated[
    float,
    _quantity(_SPEED, "1000 km/h"),
    Field(ge=100),
    WithJsonSchema({"type": "string", "pattern": f"^{_SPEED.pattern}$"}),
]
Distance = Annotated[
    float,
    _quantity(_DISTANCE, "500 km"),
    Field(ge=100, le=20_000),
    WithJsonSchema({"type": "string", "pattern": f"^{_DISTANCE.pattern}$"}),
]

ItemT = TypeVar("ItemT")


def _not_empty(items: tuple[ItemT, ...]) -> tuple[ItemT, ...]:
    # Said here and not by the type: there pydantic would say it beside each item that is wrong.
    if not items:
        raise ValueError("is empty: leave it out")
    return items


Some = Annotated[tuple[ItemT, ...], AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1})]
"""A list of one or more."""
