"""A route that no dialect knows: never free, never refused for what it carries, unless it is JSON of two meanings."""

from __future__ import annotations

import re

from gateway.dialects.content import load_object, model_name, needles
from gateway.dialects.interface import MalformedRequest
from gateway.dialects.media import BYTES_PER_TOKEN, estimate
from gateway.policy import Ask

_NAMES = needles("model", "stream")
_CANCELS = re.compile(r"/v1/(?:messages/batches|responses|batches|fine_tuning/jobs)/[^/]+/cancel")


def read_unknown(dialect: str, path: str, body: bytes) -> Ask:
    """What can be said of it: its size, and the model where it is a JSON object that names one.

    It has no cap, since a field means what its route says it means, so policies charge their own default.
    Cancelling makes nothing; it has no body that could say otherwise.
    """
    tokens = len(body) // BYTES_PER_TOKEN + 1
    if not body.lstrip().startswith(b"{"):
        return Ask(
            dialect, "other", input_tokens=tokens, generates=_CANCELS.fullmatch(path) is None or bool(body.strip())
        )
    try:
        document = load_object(body, _NAMES)
    except MalformedRequest as refused:
        if refused.reason != "malformed_content":
            raise
        return Ask(dialect, "other", input_tokens=tokens)
    try:
        model = model_name(document)
    except MalformedRequest:
        model = ""
    tokens, features = estimate(body, document)
    return Ask(dialect, "other", model, document.get("stream") is True, features, tokens)
