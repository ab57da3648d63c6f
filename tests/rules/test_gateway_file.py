"""Laws of tidegate.yaml that no single key can state."""

from __future__ import annotations

from typing import Any, Final

import pytest
from pydantic import ValidationError

from gateway.rules.gateway_file import GatewayFile

WHOLE: Final[dict[str, Any]] = {"redis": "redis://127.0.0.1:1", "upstreams": ({"url": "http://127.0.0.1:1"},)}
CAPTCHA: Final = {"name": "turnstile", "kind": "turnstile", "site_key": "k", "secret": "s"}


@pytest.mark.parametrize(
    ("captcha", "public_url", "whole"),
    [({}, "", False), ({"hostnames": ("api.example.com",)}, "", True), ({}, "https://api.example.com", True)],
    ids=["neither", "hostnames", "public_url"],
)
def test_nobody_says_by_the_host_field_where_an_answer_was_given(
    captcha: dict[str, Any], public_url: str, whole: bool
) -> None:
    """An answer from another site is refused by the host that we state, never by one that a caller does."""
    file = WHOLE | {"captchas": (CAPTCHA | captcha,), "public_url": public_url}
    if whole:
        assert GatewayFile(**file).captchas[0].name == "turnstile"
        return
    with pytest.raises(ValidationError, match="turnstile needs `hostnames`, or the file `public_url`"):
        GatewayFile(**file)
