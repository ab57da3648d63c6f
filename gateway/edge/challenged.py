"""How a challenge reaches whoever has to pass it: a program reads it in its error, a browser is shown a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from gateway.challenges.addresses import PUZZLE_FIELD, ROOT
from gateway.dialects.interface import Refusal

TYPE: Final = "challenge_required"
LONGEST_RETURN: Final = 1024
"""Bytes of a target to which a browser is sent back; a longer one is not remembered."""


def challenged(refusal: Refusal) -> Refusal:
    """With the type that programs look for. Its message ends in the page for a person; a field names the puzzle."""
    page, puzzle = refusal.members.get("challenge_url"), refusal.members.get("puzzle_url")
    if isinstance(page, str):
        refusal = refusal._replace(link=page)
    if isinstance(puzzle, str) and puzzle.isascii() and puzzle.isprintable():
        refusal = refusal._replace(fields={**refusal.fields, PUZZLE_FIELD: puzzle})
    return refusal._replace(type=TYPE)


def shown(refusal: Refusal, method: bytes, target: bytes, fields: Mapping[bytes, bytes]) -> Refusal:
    """The same for a browser that asks for a page: it is sent to the challenge, and from there back to `target`, as
    browsers see it: with the path of `public_url` before it, as the page has it.

    What was posted cannot be posted again for its sender, so only a GET knows where to come back to. An address that no
    field can hold leaves the refusal as it is.
    """
    page = refusal.members.get("challenge_url")
    if refusal.type != TYPE or not isinstance(page, str) or b"text/html" not in fields.get(b"accept", b"").lower():
        return refusal
    if not (page.isascii() and page.isprintable()):
        return refusal
    if method == b"GET" and len(target) <= LONGEST_RETURN and target.startswith(b"/"):
        prefix, known, _ = urlsplit(page).path.partition(ROOT)
        page = f"{page}?to={quote(prefix if known else '', safe='/%')}{quote(target, safe='/')}"
    return refusal._replace(status=303, page=page)
