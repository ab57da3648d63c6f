"""What stands beside the content must not make another request of it."""

from __future__ import annotations

import pytest

from gateway.dialects.declared import check_declared
from gateway.dialects.interface import MalformedRequest
from gateway.policy import Ask

JSON = b'{"model":"m"}'
CHAT = Ask("openai", "chat.completions", "m")
OTHER = Ask("openai", "other", "m")
NAMELESS = Ask("openai", "other")
PATH = b"/v1/chat/completions"


@pytest.mark.parametrize(
    ("ask", "fields", "target"),
    [
        pytest.param(CHAT, {b"content-type": b'application/json; x="; charset=utf-8'}, PATH + b"?model=x", id="query"),
        pytest.param(CHAT, {b"content-encoding": b"deflate"}, PATH, id="deflate"),
        pytest.param(CHAT, {b"content-encoding": b"identity, br"}, PATH, id="list-of-codings"),
        pytest.param(CHAT, {}, PATH + b"?model=other", id="model"),
        pytest.param(CHAT, {}, PATH + b"?a=1&mod%65l=other", id="model-escaped"),
        pytest.param(CHAT, {}, PATH + b"?a=1;Model=other", id="model-after-semicolon"),
        pytest.param(CHAT, {}, PATH + b"?model[]=other", id="model-as-list"),
        pytest.param(CHAT, {}, PATH + b"?max_tokens=9", id="cap"),
        pytest.param(OTHER, {}, b"/v1/x?model=other", id="model-on-another-route"),
    ],
)
def test_another_reading_is_refused(ask: Ask, fields: dict[bytes, bytes], target: bytes) -> None:
    """JSON that an upstream may take for something else, or whose model the query overrides."""
    for body in (JSON, b" \n" + JSON):
        with pytest.raises(MalformedRequest) as refused:
            check_declared(ask, fields, target, body)
        assert (refused.value.reason, refused.value.status) == ("ambiguous_content", 400)


@pytest.mark.parametrize(
    ("ask", "fields", "target"),
    [
        pytest.param(CHAT, {b"content-type": b"application/json; charset=utf-7"}, PATH, id="utf-7"),
        pytest.param(CHAT, {b"content-type": b'application/json;charset="UTF-16"'}, PATH, id="utf-16-quoted"),
        pytest.param(CHAT, {b"content-type": b"application/json; charset*=utf-7''x"}, PATH, id="extended-charset"),
        pytest.param(CHAT, {b"content-type": b"application/json; charset*0=utf-7"}, PATH, id="continued-charset"),
        pytest.param(CHAT, {b"content-type": b"application/json; charset=utf-8; charset=utf-7"}, PATH, id="two"),
        pytest.param(CHAT, {b"content-type": b'application/json; charset="utf\\-7"'}, PATH, id="quoted-pair"),
        pytest.param(CHAT, {b"content-type": b"Application/X-WWW-Form-Urlencoded"}, PATH, id="form"),
        pytest.param(CHAT, {b"content-type": b"multipart/form-data; boundary=x"}, PATH, id="multipart"),
        pytest.param(OTHER, {b"content-type": b"application/x-www-form-urlencoded"}, b"/v1/x", id="form-elsewhere"),
        pytest.param(CHAT, {}, PATH, id="nothing-said"),
    ],
)
def test_json_goes_on_by_its_real_name(ask: Ask, fields: dict[bytes, bytes], target: bytes) -> None:
    """JSON that is called a form, as curl does, or text in another charset: the upstream reads what we read."""
    for body in (JSON, b" \n" + JSON):
        assert check_declared(ask, fields, target, body)


@pytest.mark.parametrize(
    ("ask", "fields", "target", "body"),
    [
        pytest.param(CHAT, {b"content-type": b"application/json"}, PATH, JSON, id="json"),
        pytest.param(CHAT, {b"content-type": b"application/json; charset=UTF-8"}, PATH, JSON, id="utf-8"),
        pytest.param(CHAT, {b"content-type": b'application/json;charset="utf-8"'}, PATH, JSON, id="utf-8-quoted"),
        pytest.param(CHAT, {b"content-type": b"application/octet-stream"}, PATH, JSON, id="bytes"),
        pytest.param(CHAT, {b"content-encoding": b"identity"}, PATH, JSON, id="identity"),
        pytest.param(CHAT, {}, PATH + b"?beta=true&api-version=1", JSON, id="query-of-an-sdk"),
        pytest.param(NAMELESS, {}, b"/v1/x?model=m", JSON, id="model-in-the-query-alone"),
        pytest.param(OTHER, {}, b"/v1/x?stream=1", JSON, id="query-of-another-route"),
        pytest.param(NAMELESS, {b"content-type": b"multipart/form-data; boundary=x"}, b"/x", b"--x", id="upload"),
        pytest.param(NAMELESS, {b"content-encoding": b"gzip"}, b"/x", b"\x1f\x8b", id="gzip-unread"),
        pytest.param(NAMELESS, {}, b"/x?model=m", b"", id="no-content"),
    ],
)
def test_one_reading_passes(ask: Ask, fields: dict[bytes, bytes], target: bytes, body: bytes) -> None:
    """What says nothing else, and what was not read at all, goes on as it came."""
    assert not check_declared(ask, {b"content-type": b"application/json", **fields}, target, body)
