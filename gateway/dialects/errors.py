"""What both dialects' refusals share: the sentence, and JSON that cannot fail."""

from __future__ import annotations

import json
from typing import Any

import orjson

from gateway.dialects.interface import Refusal


def sentence(refusal: Refusal) -> str:
    """The detail, and at its end the page that explains it."""
    return f"{refusal.detail} See {refusal.link}" if refusal.link else refusal.detail


def encode(document: dict[str, Any]) -> bytes:
    """One line of JSON. Words with a lone surrogate, which UTF-8 cannot write, are escaped."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        return json.dumps(document, separators=(",", ":")).encode()
