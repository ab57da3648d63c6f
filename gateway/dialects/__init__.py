"""The tongues of inference APIs. `of` picks one; the singletons hold nothing of an exchange."""

from __future__ import annotations

from typing import Final

from gateway.dialects import anthropic, openai
from gateway.dialects.interface import Dialect, Fields
from gateway.dialects.paths import canonical

OPENAI: Final = openai.OpenAI()
ANTHROPIC: Final = anthropic.Anthropic()

_BY_PATH: Final[dict[str, Dialect]] = {
    **dict.fromkeys(openai.ROUTES, OPENAI),
    **dict.fromkeys(anthropic.ROUTES, ANTHROPIC),
}


def of(method: str, path: str, fields: Fields) -> Dialect:
    """The dialect of an exchange: by its path where that is known, else by the fields that Anthropic's callers send.

    `path` is without its query; `fields` has lower-case names.
    """
    del method  # a refusal of GET is worded as one of POST
    return _BY_PATH.get(path) or _of_other(path, fields)


def _of_other(path: str, fields: Fields) -> Dialect:
    plain = canonical(path)
    known = _BY_PATH.get(plain)
    if known is not None:
        return known
    if plain.startswith("/v1/messages/") or b"anthropic-version" in fields:
        return ANTHROPIC
    if b"x-api-key" in fields and b"authorization" not in fields:
        return ANTHROPIC
    return OPENAI
