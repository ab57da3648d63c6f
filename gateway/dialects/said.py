"""What a request says, from the document that its dialect has read: no second parse, no walk over a long history."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final

from gateway.campaigns.words import NO_WORDS, TURN_WORDS, TURNS, WHOLE, Words, bounded, joined
from gateway.dialects.tool_ids import MINTED, brought

LAST: Final = 16
"""Messages that are looked at from the end."""
FIRST: Final = 4
"""Messages at the beginning among which there may be instructions, and the task of a long run of tools."""
PARTS: Final = 32
"""Parts of one message, or prompts of one request, that are looked at."""
IDS: Final = 16
_TEXT: Final = ("text", "input_text", "output_text")
_INSTRUCTING: Final = ("system", "developer")


def said_in_chat(document: dict[str, Any], route: str) -> Words:
    """`messages`, with `system` beside them (Anthropic) or among them (OpenAI)."""
    messages = document.get("messages")
    if type(messages) is not list:
        return NO_WORDS
    if "tools" in document and route in MINTED:
        return _said(messages, document.get("system"), tuple(itertools.islice(brought(document), IDS)))
    return _said(messages, document.get("system"), ())


def said_in_response(document: dict[str, Any]) -> Words:
    """`input`, with `instructions` beside it (OpenAI's responses)."""
    items = document.get("input")
    if type(items) is list:
        return _said(items, document.get("instructions"), ())
    system, before = said(document.get("instructions"))
    prompt, size = said(items)
    return Words(system, prompt, (), (before, size))


def said_in_prompt(document: dict[str, Any], name: str) -> Words:
    """`prompt` or `input`: a string or several; of tokens nothing is known."""
    prompt, size = said(document.get(name))
    return Words("", prompt, (), (0, size)) if size else NO_WORDS


def said_in_batch(requests: Sequence[Any]) -> Words:
    """A few of its messages, the first, the last and one between them, as one."""
    places = sorted({0, len(requests) // 2, len(requests) - 1})
    few = [said_in_chat(requests[place]["params"], "messages.batches") for place in places]
    prompt, size = joined([words.prompt for words in few])
    return Words(few[0].system, prompt, (), (few[0].sizes[0], size))


def said(content: object) -> tuple[str, int]:
    """Of a content, a string or a list of strings and of parts with text in them: its text, bounded, and the size."""
    if type(content) is str:
        size = len(content)
        return (content if size <= WHOLE else bounded(content)), size
    if type(content) is not list:
        return "", 0
    texts = []
    for part in content[:PARTS]:
        if type(part) is str:
            texts.append(part)
        elif type(part) is dict and part.get("type", "text") in _TEXT and type(text := part.get("text")) is str:
            texts.append(text)
    if len(texts) == 1:
        text = texts[0]
        size = len(text)
        return (text if size <= WHOLE else bounded(text)), size
    return joined(texts)


def _said(messages: list[Any], beside: object, ids: tuple[str, ...]) -> Words:
    """The last turn of the user, the last long ones of the assistant, and all instructions."""
    system, before = said(beside) if beside is not None else ("", 0)
    prompt, size = "", 0
    turns: tuple[str, ...] = ()
    for message in reversed(messages) if len(messages) <= LAST else messages[: -LAST - 1 : -1]:
        if type(message) is not dict:
            continue
        role = message.get("role")
        if role == "user":
            if not size:
                prompt, size = said(message.get("content"))
                if size and len(turns) == TURNS:
                    break
        elif role == "assistant" and len(turns) < TURNS:
            turn, length = said(message.get("content"))
            if length >= TURN_WORDS:
                turns = (*turns, turn)
                if size and len(turns) == TURNS:
                    break
    for message in messages[:FIRST]:
        if type(message) is not dict:
            continue
        role = message.get("role")
        if role in _INSTRUCTING:
            more, length = said(message.get("content"))
            system, before = (f"{system}\n{more}", before + length + 1) if before else (more, length)
        elif not size and role == "user":
            # A long run of tools: nothing but their results since.
            prompt, size = said(message.get("content"))
    if before > WHOLE:
        system = bounded(system)
    # As Words(...), at half its cost: this stands in every exchange.
    return _made(Words, (system, prompt, turns, (before, size), ids))


_made: Final = tuple.__new__
