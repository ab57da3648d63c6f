"""What an exchange says in words, cut to a bounded size. It stays in memory: only its sketch is kept anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

PIECE: Final = 3072
"""Characters: of a text that is longer than two of them the first and the last so many are kept."""
WHOLE: Final = 2 * PIECE
TURN_WORDS: Final = 64
"""Of a turn of the assistant that tells one conversation from another."""
TURNS: Final = 2
"""Of these the last so many count."""


class Words(NamedTuple):
    """Of one request."""

    system: str = ""
    prompt: str = ""
    """The last turn of the user."""
    turns: tuple[str, ...] = ()
    """Of the assistant, that the request brought back: the last two that may have TURN_WORDS words."""
    sizes: tuple[int, int] = (0, 0)
    """Characters of `system` and of `prompt` before they were cut."""
    ids: tuple[str, ...] = ()
    """Of tool calls, that the request brought back."""


NO_WORDS: Final = Words()


def bounded(text: str) -> str:
    """The text, or its first and its last piece. What was bounded is not changed again."""
    return text if len(text) <= WHOLE else f"{text[:PIECE]} {text[-PIECE:]}"


def joined(texts: Iterable[str]) -> tuple[str, int]:
    """Several as one: bounded, and how many characters there were."""
    pieces = []
    size = 0
    for text in texts:
        if text:
            size += len(text) + 1
            pieces.append(text if len(text) <= WHOLE else bounded(text))
    if len(pieces) == 1:
        return pieces[0], size - 1
    return bounded("\n".join(pieces)), max(size - 1, 0)
