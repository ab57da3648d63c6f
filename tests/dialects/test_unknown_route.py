"""A route that no dialect knows is never free, and never refused for what it carries."""

from __future__ import annotations

import pytest

from gateway.dialects import ANTHROPIC, OPENAI
from gateway.dialects.interface import Dialect, MalformedRequest


@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
@pytest.mark.parametrize(
    ("body", "model", "streaming"),
    [
        pytest.param(b'{"model":"m","stream":true}', "m", True, id="object"),
        pytest.param(b'{"model":["m"],"stream":1}', "", False, id="odd-types"),
        pytest.param(b"[1]", "", False, id="array"),
        pytest.param(b"--x\r\ncontent-disposition: form-data\r\n\r\n", "", False, id="multipart"),
        pytest.param(b"\xff\x00", "", False, id="bytes"),
        pytest.param(b"", "", False, id="empty"),
    ],
)
def test_what_it_carries_is_read_where_it_can_be(dialect: Dialect, body: bytes, model: str, streaming: bool) -> None:
    """It counts by its size, is not capped, and generates."""
    ask = dialect.read("POST", "/v1/surprises", body)

    assert (ask.route, ask.model, ask.streaming, ask.generates) == ("other", model, streaming, True)
    assert ask.input_tokens == len(body) // 4 + 1
    assert ask.output_cap is None


@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_a_model_of_two_meanings_is_refused_here_too(dialect: Dialect) -> None:
    """Or an unknown spelling of a path would let it in."""
    with pytest.raises(MalformedRequest):
        dialect.read("POST", "/v1/surprises", b'{"model":"a","model":"b"}')


@pytest.mark.parametrize(
    ("path", "body", "generates"),
    [
        ("/v1/messages/batches/b1/cancel", b"", False),
        ("/v1/responses/r1/cancel", b" ", False),
        ("/v1/responses/r1/cancel", b"{}", True),
        ("/v1/responses/r1/x/cancel", b"", True),
    ],
)
def test_cancelling_is_free(path: str, body: bytes, generates: bool) -> None:
    """With no body there is nothing to generate from."""
    assert OPENAI.read("POST", path, body).generates is generates
