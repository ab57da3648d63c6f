"""Input tokens without a tokenizer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.dialects.media import AUDIO_TOKENS, FILE_TOKENS, IMAGE_TOKENS, estimate

BASE64 = "iVBORw0KGgo" * 10_000


def say(*content: Any, place: str = "messages") -> dict[str, Any]:
    return {"model": "m", place: [{"role": "user", "content": list(content)}]}


@pytest.mark.parametrize(
    ("document", "constant", "features"),
    [
        pytest.param(
            say({"type": "image_url", "image_url": {"url": "data:image/png;base64," + BASE64}}),
            IMAGE_TOKENS,
            {"vision"},
            id="openai-image",
        ),
        pytest.param(
            say({"type": "input_image", "image_url": "data:image/png;base64," + BASE64}, place="input"),
            IMAGE_TOKENS,
            {"vision"},
            id="responses-image",
        ),
        pytest.param(
            say({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BASE64}}),
            IMAGE_TOKENS,
            {"vision"},
            id="anthropic-image",
        ),
        pytest.param(
            say({"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}),
            IMAGE_TOKENS,
            {"vision"},
            id="anthropic-image-url",
        ),
        pytest.param(
            say({"type": "tool_result", "content": [{"type": "image", "source": {"data": BASE64}}]}),
            IMAGE_TOKENS,
            {"vision"},
            id="in-a-tool-result",
        ),
        pytest.param(
            say({"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}),
            AUDIO_TOKENS,
            {"audio"},
            id="audio",
        ),
        pytest.param(
            say({"type": "file", "file": {"file_data": BASE64}}),
            FILE_TOKENS,
            {"vision"},
            id="openai-file",
        ),
        pytest.param(
            say({"type": "document", "source": {"type": "base64", "data": BASE64}}),
            FILE_TOKENS,
            {"vision"},
            id="anthropic-pdf",
        ),
        pytest.param(
            {
                "input": [
                    {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": BASE64}}
                ]
            },
            IMAGE_TOKENS,
            {"vision"},
            id="screenshot",
        ),
        pytest.param(
            say(
                {"type": "image_url", "image_url": {"url": BASE64}},
                {"type": "input_audio", "input_audio": {"data": ""}},
            ),
            IMAGE_TOKENS + AUDIO_TOKENS,
            {"vision", "audio"},
            id="two",
        ),
        pytest.param(
            say({"type": "image_url", "image_url": {"url": BASE64}, "source": {"type": "text"}}),
            IMAGE_TOKENS,
            {"vision"},
            id="image-that-says-it-is-text",
        ),
        pytest.param(
            say({"type": "document", "source": {"type": ["text"], "data": BASE64}}),
            FILE_TOKENS,
            {"vision"},
            id="source-of-no-type",
        ),
        pytest.param(
            {
                "input": [
                    {
                        "type": "computer_call_output",
                        "output": {"type": "computer_screenshot", "image_url": BASE64},
                        "content": "a message, it says",
                    }
                ]
            },
            IMAGE_TOKENS,
            {"vision"},
            id="screenshot-with-content",
        ),
    ],
)
def test_media_count_by_constants(document: dict[str, Any], constant: int, features: set[str]) -> None:
    """The size of the base64 is not in the estimate; what surrounds it is."""
    found = estimate(orjson.dumps(document), document)

    assert constant <= found.tokens <= constant + 60
    assert found.features == features


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"messages": [{"role": "user", "content": "image " * 100}]}, id="string"),
        pytest.param(say({"type": "text", "text": "“image” " * 100}), id="part"),
        pytest.param(say({"type": "document", "source": {"type": "text", "data": "word " * 100}}), id="text-document"),
        pytest.param({"messages": [], "tools": [{"parameters": {"type": "image"}}], "x": "y" * 400}, id="schema"),
        pytest.param(say({"type": "tool_use", "input": {"type": "image", "data": "y" * 400}}), id="said-to-a-tool"),
        pytest.param({"input": ["a" * 200, "b" * 200]}, id="embeddings"),
        pytest.param({"input": [[1, 2], [3]] * 50}, id="token-arrays"),
        pytest.param({"messages": [1, None, {"content": [3, {"type": ["image"]}]}], "x": "y" * 400}, id="nonsense"),
    ],
)
def test_text_counts_by_its_bytes(document: dict[str, Any]) -> None:
    """Four bytes a token, where nothing is a picture, a sound or a file."""
    body = orjson.dumps(document)

    assert estimate(body, document) == (len(body) // 4 + 1, frozenset())
