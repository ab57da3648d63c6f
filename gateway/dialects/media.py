"""How many input tokens a body is, without a tokenizer: bytes over four, a constant for an image, a sound, a file.

The size of a picture in base64 says nothing about its tokens, so what carries one is taken out of the count. It is an
estimate for the reservation: the answer's usage settles it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

BYTES_PER_TOKEN = 4
"""English prose has 4 to 4.5 characters a token; the JSON around it makes up for what is denser."""
IMAGE_TOKENS = 1_600
"""Anthropic: width × height / 750, at most about 1,600; OpenAI at high detail: 765 to 1,445."""
AUDIO_TOKENS = 1_500
"""Some 2.5 minutes at the 10 tokens a second of OpenAI's audio input."""
FILE_TOKENS = 6_000
"""A PDF of three pages: Anthropic states 1,500 to 3,000 tokens a page."""

_KINDS: dict[str, tuple[str, int]] = {
    "image_url": ("vision", IMAGE_TOKENS),
    "image": ("vision", IMAGE_TOKENS),
    "input_image": ("vision", IMAGE_TOKENS),
    "computer_screenshot": ("vision", IMAGE_TOKENS),
    "input_audio": ("audio", AUDIO_TOKENS),
    "file": ("vision", FILE_TOKENS),
    "input_file": ("vision", FILE_TOKENS),
    "document": ("vision", FILE_TOKENS),
}
_SAID_BY_MODEL = ("tool_use", "server_tool_use", "function_call")
"""What a model gave to a tool is text, whatever it looks like."""
_CONTAINERS = (list, dict)
_PAYLOADS = frozenset({"url", "data", "file_data", "image_url", "file_url"})
"""The members that hold the bytes, or where to fetch them."""


_PLACES = ("messages", "input", "system", "requests")
"""Where a request carries media. Not its tools: a schema may well describe a property whose type is called "file"."""
_NOTHING: frozenset[str] = frozenset()


class Estimate(NamedTuple):
    tokens: int
    features: frozenset[str]
    """Of vision and audio."""


def estimate(body: bytes, document: dict[str, Any]) -> Estimate:
    """Input tokens of a request and the media in it. `document` is what `body` says."""
    waiting: list[Any] = []
    for place in _PLACES:
        items = document.get(place)
        if type(items) is list:
            # A message whose content is a string holds no media: nearly all. What is no message may, whatever it says.
            waiting += [
                item
                for item in items
                if type(item) is dict
                and (type(item.get("content")) is not str or item.get("type", "message") != "message")
            ]
    return _walk(len(body), waiting) if waiting else Estimate(len(body) // BYTES_PER_TOKEN + 1, _NOTHING)


def _walk(text: int, waiting: list[Any]) -> Estimate:
    tokens = 0
    features: set[str] = set()
    while waiting:
        value = waiting.pop()
        if type(value) is list:
            waiting += [item for item in value if type(item) is dict]
            continue
        kind = value.get("type")
        known = _KINDS.get(kind) if type(kind) is str else None
        if known is not None and not (kind == "document" and _is_text(value)):
            features.add(known[0])
            tokens += known[1]
            text -= _payload(value)
        elif kind not in _SAID_BY_MODEL:
            waiting += [member for member in value.values() if type(member) in _CONTAINERS]
    return Estimate(max(text, 0) // BYTES_PER_TOKEN + 1 + tokens, frozenset(features) if features else _NOTHING)


def _is_text(part: dict[str, Any]) -> bool:
    """A document of plain text, or of blocks that are counted on their own (Anthropic)."""
    source = part.get("source")
    # A tuple: what a caller puts there may not be hashable.
    return type(source) is dict and source.get("type") in ("text", "content")


def _payload(part: dict[str, Any]) -> int:
    """Bytes of `part` that carry the picture, the sound or the file."""
    size = 0
    waiting: list[Any] = [part]
    while waiting:
        for name, value in waiting.pop().items():
            if type(value) is str and name in _PAYLOADS:
                size += len(value)
            elif type(value) is dict:
                waiting.append(value)
    return size
