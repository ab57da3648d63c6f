"""What stands beside the content: its coding, its type and charset, and the query.

A dialect reads JSON in UTF-8, and what it read must be what an upstream reads. One that believes these fields may read
the same bytes as something else: text in UTF-7, where `+ACI-` is a quote (aiohttp and Express decode what the charset
says); a form, whose `&model=` stands inside a string; inflated, since `{` may begin a raw deflate block of plain
letters. And some take a model from the query before that of the content (LiteLLM).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

from gateway.dialects.interface import Fields, MalformedRequest
from gateway.policy import Ask

_FORMS: Final = (b"multipart/", b"application/x-www-form-urlencoded")
_UTF8: Final = re.compile(rb';[ \t]*charset=(?:utf-?8|us-ascii|"utf-?8"|"us-ascii")[ \t]*(?:;|$)')
_MODEL: Final = frozenset({"model"})
_READ: Final = _MODEL | {"stream", "n", "max_tokens", "max_completion_tokens", "max_output_tokens"}


def check_declared(ask: Ask, fields: Fields, target: bytes, body: bytes) -> bool:
    """Whether content that was read as a JSON object must be called that on its way, since it is called something else.

    A form is what curl calls anything that it is given with `-d`: no reason to send somebody away, but none to let an
    upstream believe it. Raises MalformedRequest where the content itself, or the query, makes another request of it.
    """
    if not body.startswith(b"{") and not body.lstrip().startswith(b"{"):
        return False
    if fields.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _ambiguous("The JSON is said to be coded: leave Content-Encoding out.")
    if b"?" in target:
        _check_query(ask, target.partition(b"?")[2].decode("latin-1"))
    kind = fields.get(b"content-type")
    return kind != b"application/json" and (kind is None or _misleads(kind.lower()))


def _misleads(kind: bytes) -> bool:
    """A form, or a charset that is not UTF-8."""
    return kind.startswith(_FORMS) or (b"charset" in kind and (kind.count(b"charset") != 1 or not _UTF8.search(kind)))


def _check_query(ask: Ask, query: str) -> None:
    # What a query means is for its route to say, so on one that nobody knows only a second model is one too many.
    read = _READ if ask.route != "other" else _MODEL if ask.model else frozenset()
    for part in re.split("[&;]", query):
        name = unquote_plus(part.partition("=")[0]).partition("[")[0].strip().casefold()
        if name in read:
            raise _ambiguous(f"“{name}” stands in the query: state it in the JSON alone.")


def _ambiguous(detail: str) -> MalformedRequest:
    return MalformedRequest(detail, reason="ambiguous_content")
