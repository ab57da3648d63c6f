"""JSON of a provider (`gateway.wire.untrusted`), with the words that verifications have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from gateway.verification.provider import Rejected
from gateway.wire.untrusted import (
    DEEPEST,
    LARGEST,
    LONGEST_TEXT,
    Json,
    Misread,
    Written,
    find,
    load,
    moment,
    part,
    parts,
    text,
    texts,
    unix,
)

__all__ = (
    "DEEPEST",
    "LARGEST",
    "LONGEST_TEXT",
    "Json",
    "Misread",
    "Written",
    "code",
    "digest",
    "find",
    "first_code",
    "identifier",
    "load",
    "moment",
    "part",
    "parts",
    "text",
    "texts",
    "unix",
    "webhook",
    "word",
)

_IDENTIFIER: Final = re.compile(r"[\x21-\x7e]{1,200}")
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_.]{0,63}")


def webhook(body: bytes) -> Json:
    """As `load`, of a webhook. Raises Rejected."""
    try:
        return load(body)
    except Misread as problem:
        raise Rejected("malformed_content", str(problem)) from None


def identifier(content: object, *path: str) -> str:
    """Of a session, an event, a kind: visible ASCII, and there."""
    found = text(content, *path)
    if not _IDENTIFIER.fullmatch(found):
        raise Misread(".".join(path))
    return found


def word(content: object, *path: str) -> str:
    """A state or a kind, in lower case, with `_` between its words; empty where there is none."""
    return text(content, *path).strip().lower().replace(" ", "_").replace("-", "_")


def code(written: str) -> str:
    """A reason as a code; empty where it is none, because prose may say who somebody is."""
    spelled = written.strip().lower().replace(" ", "_").replace("-", "_")
    return spelled if _CODE.fullmatch(spelled) else ""


def first_code(written: Sequence[str]) -> str:
    """The first that is one."""
    return next((found for one in written if (found := code(one))), "")


def digest(body: bytes) -> str:
    """The id of news that has none of its own."""
    return hashlib.sha256(body).hexdigest()
