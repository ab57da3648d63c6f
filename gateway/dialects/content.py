"""The body of a request as JSON that can be read in one way only.

What a policy sees must be what the upstream sees, and parsers differ: of two members with one name some take the
first and some the last, some ignore case, and all undo escapes. So a name that we read must stand there once, spelled
plainly. A body which is byte for byte what we would write ourselves says one thing: that is what the SDKs send, and it
is proved by writing it. Any other body pays a substring count for each name that we read, and only where one of those
finds something odd is its top level walked exactly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from gateway.dialects.interface import MalformedRequest

_ESCAPED_LETTER = re.compile(rb"\\u00(?:4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a])", re.IGNORECASE)
"""A letter or an underscore as an escape: no name needs one. (Go writes `<`, `>` and `&` so, which is no matter.)"""


BRIEF = 256 * 1024
"""Bytes up to which no body can take long to read."""
MOST_CONTAINERS = 300_000
"""Objects and arrays in one body: half a second of the event loop at the very worst. Base64 has none."""
MOST_COMMAS = 4_000_000
"""Tokens of a prompt that is an array of integers, several times over."""


class Member(NamedTuple):
    """One member of the top-level object: its name, whether that was spelled with an escape, the span of its value."""

    name: str
    escaped: bool
    start: int
    end: int


def needles(*names: str) -> Mapping[str, bytes]:
    """The names that a route reads, each with its spelling in the bytes."""
    return {name: b'"%s"' % name.encode() for name in names}


def load_object(body: bytes, names: Mapping[str, bytes]) -> dict[str, Any]:
    """The JSON object in `body`. Raises MalformedRequest where it is none, or where one of `names` is ambiguous."""
    if len(body) > BRIEF and (body.count(b"{") + body.count(b"[") > MOST_CONTAINERS or body.count(b",") > MOST_COMMAS):
        raise MalformedRequest("The body has too many parts: send smaller requests.", "content_too_complex", 413)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequest(_not_json(body, error)) from None
    if type(document) is not dict:
        raise MalformedRequest('The body must be a JSON object, such as {"model": "…"}.')
    plain = is_plain(body, document)
    for key in document:
        needle = names.get(key)
        if needle is None:
            # A parser that ignores case (Go's does, with Unicode folding) would read it as the name that we read.
            if key.casefold() in names:
                raise _ambiguous(key)
        # Two members of one name leave one key, but two spellings.
        elif not plain and body.count(needle) != 1:
            _check_exactly(body, names)
            return document
    if not plain and has_escaped_letters(body):
        _check_exactly(body, names)
    return document


def is_plain(body: bytes, document: dict[str, Any]) -> bool:
    """Whether the body is what we would write: then nothing in it stands twice or in another spelling."""
    try:
        return orjson.dumps(document) == body
    except orjson.JSONEncodeError:
        # It reads 1024 levels and writes 254: few enough for every walk below.
        raise MalformedRequest("The body is nested too deeply: send a flatter JSON document.") from None


def has_escaped_letters(body: bytes) -> bool:
    """Whether what a name is made of is spelled as an escape somewhere, so that a substring count proves nothing."""
    return b"\\u00" in body and _ESCAPED_LETTER.search(body) is not None


def members(body: bytes) -> tuple[str, Iterator[Member]]:
    """The text of a body that is known to be a JSON object, and its top-level members in order, duplicates and all."""
    text = body.decode()
    return text, _walk(text)


_skip_space = re.compile(r"[ \t\n\r]*").match
_scan_string = json.decoder.scanstring  # type: ignore[attr-defined]
# Numbers are skipped, not made: an integer of a million digits costs nothing.
_scan_value = json.JSONDecoder(parse_int=str, parse_float=str).scan_once  # type: ignore[attr-defined]


def _walk(text: str) -> Iterator[Member]:
    position = _after_space(text, 0) + 1
    position = _after_space(text, position)
    while text[position] != "}":
        opening = position + 1
        name, position = _scan_string(text, opening, True)
        escaped = "\\" in text[opening : position - 1]
        start = _after_space(text, _after_space(text, position) + 1)
        _, position = _scan_value(text, start)
        yield Member(name, escaped, start, position)
        position = _after_space(text, position)
        if text[position] == ",":
            position = _after_space(text, position + 1)


def _after_space(text: str, position: int) -> int:
    match = _skip_space(text, position)
    return match.end() if match else position


def _check_exactly(body: bytes, names: Mapping[str, bytes]) -> None:
    seen: set[str] = set()
    for member in members(body)[1]:
        folded = member.name.casefold()
        if folded not in names:
            continue
        if member.escaped or folded in seen or member.name not in names:
            raise _ambiguous(member.name)
        seen.add(folded)


def check_requests(body: bytes, names: Mapping[str, bytes]) -> None:
    """The exact check for a batch: its top level, each of its `requests`, and the `params` of each.

    Slow (every object is made, as a tuple of its pairs), so a batch pays for it only where its counts are odd.
    """
    _check_exactly(body, names)
    top = json.loads(body, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    for request in dict(top)["requests"]:
        _check_pairs(request, names)
        _check_pairs(dict(request)["params"], names)


def _check_pairs(pairs: tuple[tuple[str, Any], ...], names: Mapping[str, bytes]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        folded = name.casefold()
        if folded in names and (folded in seen or name not in names):
            raise _ambiguous(name)
        seen.add(folded)


def _ambiguous(name: str) -> MalformedRequest:
    shown = name if name.isascii() and name.isprintable() else "a member"
    return MalformedRequest(
        f"“{shown}” can be read in two ways: write each member once, in lower case and without escapes in its name.",
        reason="ambiguous_content",
    )


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not body:
        return "The body is empty: send a JSON object."
    if body.startswith(b"\xef\xbb\xbf"):
        return "The body begins with a byte order mark: send plain UTF-8 without one."
    return f"The body is not valid JSON (line {error.lineno}, column {error.colno}): send a JSON object in UTF-8."


# ── Typed members ──

MAX_TOKENS = 2**31 - 1
"""The most that a field of tokens may say: what a 32-bit reader upstream can hold."""


def whole_number(document: Mapping[str, Any], name: str, *, least: int = 0, most: int = MAX_TOKENS) -> int | None:
    """A member that counts: None where it is absent or null. Raises MalformedRequest for all but a whole number."""
    value = document.get(name)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:  # `type`: True is an int, too
        raise MalformedRequest(f"“{name}” must be a whole number from {least} to {most}.")
    return value


def flag(document: Mapping[str, Any], name: str) -> bool:
    """A member that is true or false: False where it is absent or null."""
    value = document.get(name)
    if value is None or value is False:
        return False
    if value is True:
        return True
    # Some servers take 1 or "true" for true, so what is neither must not pass as either.
    raise MalformedRequest(f"“{name}” must be true or false.")


def model_name(document: Mapping[str, Any]) -> str:
    """The model; empty where none is named (an upstream with one model, or a stored prompt that names it)."""
    value = document.get("model", "")
    if type(value) is not str or len(value) > 256 or not value.isprintable():
        raise MalformedRequest("“model” must be the name of a model: a string of at most 256 printable characters.")
    return value


def kind_of(value: object) -> str:
    """The `type` of an object such as {"type": "json_schema", …}; empty where it has none."""
    kind = value.get("type") if type(value) is dict else None
    return kind if type(kind) is str else ""
