"""Which dialect an exchange speaks."""

from __future__ import annotations

import pytest

from gateway import dialects


@pytest.mark.parametrize(
    ("path", "fields", "name"),
    [
        pytest.param("/v1/chat/completions", {}, "openai", id="chat"),
        pytest.param("/v1/responses", {}, "openai", id="responses"),
        pytest.param("/v1/completions", {}, "openai", id="completions"),
        pytest.param("/v1/embeddings", {b"anthropic-version": b"x"}, "openai", id="path-beats-field"),
        pytest.param("/v1/messages", {b"authorization": b"Bearer k"}, "anthropic", id="messages"),
        pytest.param("/v1/messages/count_tokens", {}, "anthropic", id="count-tokens"),
        pytest.param("/v1/messages/batches", {}, "anthropic", id="batches"),
        pytest.param("/v1/messages/batches/b1/results", {}, "anthropic", id="below-messages"),
        pytest.param("/v1//Messages/", {}, "anthropic", id="odd-spelling"),
        pytest.param("/v1/%6dessages", {}, "anthropic", id="escaped"),
        pytest.param("/v1/messagesque", {}, "openai", id="not-below-messages"),
        pytest.param("/v1/models", {b"anthropic-version": b"2023-06-01"}, "anthropic", id="version-field"),
        pytest.param("/v1/models", {b"x-api-key": b"k"}, "anthropic", id="x-api-key"),
        pytest.param("/v1/models", {b"x-api-key": b"k", b"authorization": b"Bearer k"}, "openai", id="both-keys"),
        pytest.param("/v1/models", {}, "openai", id="default"),
    ],
)
def test_dialect_is_known_by_path_then_by_fields(path: str, fields: dict[bytes, bytes], name: str) -> None:
    """A known path decides, however it is spelled; else what Anthropic's callers send; else it is OpenAI's."""
    assert dialects.of("POST", path, fields).name == name


def test_the_same_object_serves_all() -> None:
    """Dialects are singletons."""
    assert dialects.of("POST", "/v1/messages", {}) is dialects.of("GET", "/v1/messages/batches", {})
