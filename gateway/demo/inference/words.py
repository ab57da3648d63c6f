"""What the stand-in says: the same words every time, one word a token, or a call of a tool with arguments that fit.

Input tokens are counted as a quarter of the characters that people wrote, at least one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.demo.inference.wishes import Wishes

_SENTENCE = (
    "The tide comes in twice a day and asks nobody for leave . A gate in the sea wall lets it pass in good order , "
    "so much at a time , and counts what went through ."
).split()

Json = dict[str, Any]


class BadRequest(Exception):
    """The request's content cannot be answered; the message is for the caller."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that a request offers, in neither dialect's words."""

    name: str
    schema: Json


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: its tokens as text; of a tool's arguments if `tool` is named."""

    tokens: list[str]
    tool: str | None
    complete: bool
    """False where the cap cut it short."""
    reasoning: int

    @property
    def text(self) -> str:
        return "".join(self.tokens)

    @property
    def count(self) -> int:
        """Output tokens, reasoning included."""
        return len(self.tokens) + self.reasoning


def say(wishes: Wishes, cap: int | None, tool: Tool | None = None, schema: Json | None = None) -> Said:
    """An answer of at most `cap` tokens: a call of `tool`, an object that fits `schema`, or as many words as wished."""
    if tool is not None:
        tokens = _pieces(orjson.dumps(sample(tool.schema)).decode())
    elif schema is not None:
        tokens = _pieces(orjson.dumps(sample(schema)).decode())
    else:
        words = itertools.islice(itertools.cycle(_SENTENCE), wishes.tokens)
        tokens = [word if at == 0 else f" {word}" for at, word in enumerate(words)]
    room = len(tokens) + wishes.reasoning if cap is None else max(cap, 0)
    reasoning = min(wishes.reasoning, room)
    spoken = tokens[: room - reasoning]
    return Said(spoken, tool.name if tool else None, len(spoken) == len(tokens), reasoning)


def _pieces(text: str) -> list[str]:
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def sample(schema: Json) -> Any:
    """A value that fits a JSON schema of the simple kind that tools have."""
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return sample(schema[choice][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        return {name: sample(part) for name, part in schema.get("properties", {}).items()}
    return {"array": [], "integer": 1, "number": 1.5, "boolean": True, "null": None}.get(kind, "sample")


def count_tokens(*contents: Any) -> int:
    """Input tokens of what was written, whatever its shape."""
    return max(1, sum(len(text) for content in contents for text in _texts(content)) // 4)


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from _texts(part)
    elif isinstance(content, dict):
        for name, part in content.items():
            if name in {"content", "text", "input", "arguments", "description", "output"}:
                yield from _texts(part)
