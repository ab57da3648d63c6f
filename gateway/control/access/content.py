"""What operators send: JSON read strictly, and query strings. All that is wrong is said at once, as `Wrong`.

Handlers call `content(request, Shape)` and `query(request, Shape)`.
"""

from __future__ import annotations

import asyncio
import json
import math
import types
import typing
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel

from gateway.control.access.answers import Refused
from gateway.control.account_shapes import Shape, Wrong, checked
from gateway.rules.problems import did_you_mean

LARGEST: Final = 1024 * 1024
"""Bytes of a request's content."""
WITHIN: Final = 10.0
"""Seconds for all of it."""
DEEPEST: Final = 32
"""Lists and objects in each other."""
MOST: Final = 20_000
"""Values and names in all: each one that is wrong is said, and telling takes longer than reading."""
MOST_UNKNOWN: Final = 20
"""Parameters of a query of which it is said that there are none such."""
LONGEST_NUMBER: Final = 32
"""Characters: what is longer is no quantity, and turning it into one takes time."""

S = TypeVar("S", bound=Shape)
READ: Final = web.RequestKey("content", object)
"""What the request's content holds, once it was read."""


async def content(request: web.Request, shape: type[S], more: Mapping[str, Any] | None = None) -> S:
    """`more` is stated elsewhere, as in the path, and stands for members of the shape. Raises Wrong."""
    found = await read(request)
    if more and not isinstance(found, dict):
        raise Wrong({"": "the content must be a JSON object"})
    return checked(shape, found | dict(more) if more and isinstance(found, dict) else found)


def query(request: web.Request, shape: type[S]) -> S:
    """Raises Wrong: of parameters that there are not, with the one that was meant."""
    wrong = unknown(request.query, shape)
    try:
        found = checked(shape, _typed(request, shape))
    except Wrong as others:
        raise Wrong({**others.fields, **wrong}) from None
    return found


async def read(request: web.Request, within: float = WITHIN) -> object:
    """The content as JSON; nothing at all is an empty object. Raises Wrong, Refused (408, 413)."""
    if READ in request:
        return request[READ]
    try:
        async with asyncio.timeout(within):
            text = await request.read()
    except TimeoutError:
        raise Refused(408, "the content took too long to arrive", headers={"Connection": "close"}) from None
    found = parse(text) if text.strip() else {}
    request[READ] = found
    return found


def parse(text: bytes) -> object:
    """JSON (RFC 8259) of which no two readers could think differently: UTF-8, no name twice in an object, no NaN.

    Raises Wrong.
    """
    try:
        orjson.loads(text)  # Fast, and stricter than the standard library about UTF-8, surrogates and constants.
        found: object = json.loads(
            text, object_pairs_hook=_unique, parse_int=_whole, parse_float=_finite, parse_constant=_constant
        )
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, _Unclear) else "the content must be JSON"
        raise Wrong({"": said}) from None
    if _is_deeper(found, DEEPEST):
        raise Wrong({"": f"the content is nested more than {DEEPEST} deep"})
    if _count(found) > MOST:
        raise Wrong({"": f"the content has more than {MOST} values"})
    return found


class _Unclear(ValueError):
    """JSON that we do not take. The text is for people."""


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _Unclear(f"`{twice[:64]}` is stated twice")
    return found


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise _Unclear("a number is too long")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if len(text) > LONGEST_NUMBER or not math.isfinite(number):
        raise _Unclear("a number is too long, or too large")
    return number


def _constant(text: str) -> NoReturn:
    raise _Unclear(f"{text} is no number in JSON")


def _is_deeper(found: object, depth: int) -> bool:
    level = [found]
    for _ in range(depth + 1):
        below: list[object] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        if not below:
            return False
        level = below
    return any(isinstance(one, dict | list) for one in level)


def _count(found: object) -> int:
    """Once it is known that it is not deep."""
    if isinstance(found, dict):
        return 1 + len(found) + sum(map(_count, found.values()))
    return 1 + sum(map(_count, found)) if isinstance(found, list) else 1


def unknown(names: Iterable[str], shape: type[BaseModel] | None) -> dict[str, str]:
    """Query parameters that there are not, each with the one that was meant."""
    if shape is not None and shape.model_config.get("extra") != "forbid":
        return {}
    known = [] if shape is None else list(_names(shape))
    wrong = [name[:64] for name in dict.fromkeys(names) if name not in known]
    return {name: f"is unknown{did_you_mean(name, known)}" for name in wrong[:MOST_UNKNOWN]}


def _names(shape: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in shape.model_fields.items()}


def _typed(request: web.Request, shape: type[BaseModel]) -> dict[str, Any]:
    """As JSON would have it: numbers and truths where the shape wants some, lists of what is said more than once."""
    names = _names(shape)
    found: dict[str, Any] = {}
    twice: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for name, text in request.query.items():
        several.setdefault(name, []).append(text)
    for name, stated in several.items():
        kinds = _kinds(names.get(name))
        if list in kinds:
            found[name] = [_value(one, kinds) for one in stated]
            continue
        if len(stated) > 1:
            twice[name] = "is stated twice"
        found[name] = _value(stated[0], kinds)
    if twice:
        raise Wrong(twice)
    return found


def _value(text: str, kinds: frozenset[type]) -> object:
    if bool in kinds and text in ("true", "false"):
        return text == "true"
    if not text.isascii() or len(text) > LONGEST_NUMBER:
        return text
    if int in kinds and text.removeprefix("-").isdecimal():
        return int(text)
    if float in kinds and text.replace(".", "", 1).replace("-", "", 1).isdecimal():
        return float(text)
    return text


def _kinds(annotation: Any) -> frozenset[type]:
    """The plain types in an annotation; `list` for anything that takes more than one value."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _kinds(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return frozenset().union(*(_kinds(one) for one in typing.get_args(annotation)))
    if origin in (list, tuple, set, frozenset):
        return frozenset({list}).union(*(_kinds(one) for one in typing.get_args(annotation) if one is not Ellipsis))
    return frozenset({annotation}) if isinstance(annotation, type) else frozenset()
