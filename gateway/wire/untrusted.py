"""What others tell us, read without trust: JSON by names, by types, within bounds. What does not fit is a Misread, and
says where, never what stood there.
"""

from __future__ import annotations

import ipaddress
import json
import math
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import urlsplit

LARGEST: Final = 1024 * 1024
"""Bytes of one content. The largest that providers send has all that they read from a document: some tens of KiB."""
DEEPEST: Final = 48
LONGEST_TEXT: Final = 4096

Json = dict[str, Any]


class Misread(Exception):
    """The text is the place, such as `data.object.id`."""


class Written(float):
    """A number with a fraction, which remembers how it was written: to sign it again it must be written the same."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number


def load(body: bytes) -> Json:
    """The object in `body`. Raises Misread: also where a name stands twice, because then it says two things."""
    if len(body) > LARGEST:
        raise Misread("the content is too large")
    try:
        content = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant, parse_float=Written)
    except (ValueError, RecursionError):
        # Of what was read, nothing goes into the text.
        raise Misread("the content is no JSON that says one thing") from None
    if type(content) is not dict:
        raise Misread("the content is no object")
    _measure(content)
    return content


def _once(pairs: list[tuple[str, Any]]) -> Json:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError
    return content


def _no_constant(_name: str) -> Any:
    raise ValueError


def _measure(content: Json) -> None:
    level: list[Any] = [content]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if type(one) is dict else one)
            if type(inner) in (dict, list)
        ]
        if not level:
            return
    raise Misread("the content is nested too deeply")


def find(content: object, *path: str) -> Any:
    """What stands there; None where it, or what it would stand in, is not there or null."""
    for depth, name in enumerate(path):
        if content is None:
            return None
        if not isinstance(content, dict):
            raise Misread(".".join(path[:depth]))
        content = content.get(name)
    return content


def text(content: object, *path: str) -> str:
    """Empty where there is none."""
    found = find(content, *path)
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > LONGEST_TEXT:
        raise Misread(".".join(path))
    return found


def part(content: object, *path: str) -> Json:
    """An object; empty where there is none."""
    found = find(content, *path)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Misread(".".join(path))
    return found


def parts(content: object, *path: str) -> list[Json]:
    """A list of objects; empty where there is none."""
    found = find(content, *path)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Misread(".".join(path))
    return found


def texts(content: object, *path: str) -> list[str]:
    """A list of texts; empty where there is none."""
    found = find(content, *path)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Misread(".".join(path))
    return found


def unix(content: object, *path: str) -> float:
    """Seconds since 1970; 0 where there is none."""
    found = find(content, *path)
    if found is None:
        return 0.0
    # A bool is an int for Python, and no time for anyone.
    if type(found) not in (int, Written) or not 0 <= found < 1e11 or not math.isfinite(found):
        raise Misread(".".join(path))
    return float(found)


def moment(content: object, *path: str) -> float:
    """The same of ISO 8601; what states no zone means UTC. 0 where there is none."""
    written = text(content, *path)
    if not written:
        return 0.0
    try:
        at = datetime.fromisoformat(written)
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise Misread(".".join(path)) from None


def check_base(url: str) -> str:
    """An address without the slash at its end. Raises ValueError unless it is https, or http to this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError("must be https, or http to this machine")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether it can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
