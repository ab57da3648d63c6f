"""Where a browser may be sent back to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from gateway.control.challenge.back import LONGEST, local

HERE = "https://api.example.com"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1/models",
        "/v1/models?after=a%20b&limit=2",
        "/a//b",
        "/x?next=https://elsewhere.example/",
        "/%2F%2Fx",
        "/~",
    ],
)
def test_a_path_of_ours_is_kept(target: str) -> None:
    """As it is."""
    assert local(target) == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "v1/models",
        "?a=b",
        "//elsewhere.example",
        "///elsewhere.example",
        "/\\elsewhere.example",
        "\\\\elsewhere.example",
        "/a\\..\\b",
        "https://elsewhere.example",
        "https:/elsewhere.example",
        "javascript:alert(1)",
        "/\t/elsewhere.example",
        "/\n/elsewhere.example",
        "\t//elsewhere.example",
        " //elsewhere.example",
        "/a\r\nSet-Cookie: a=b",
        "/a\x00b",
        "/a b",
        "/a\x7f",
        "/\u2028",
        "/ä",
        "/" + "a" * LONGEST,
    ],
)
def test_anything_else_is_not(target: str) -> None:
    """Other hosts, other schemes, and what browsers take for one of them."""
    assert local(target) == ""


@given(st.text(alphabet=st.sampled_from("/\\:.@?#%a\t\r\n 20cf"), max_size=12))
def test_nobody_is_sent_elsewhere(target: str) -> None:
    """What is kept has our host for browsers, too: they drop tabs and line ends, and take a backslash for a slash."""
    kept = local(target)
    if kept:
        as_browsers_do = kept.replace("\t", "").replace("\n", "").replace("\r", "").replace("\\", "/")
        assert URL(HERE).join(URL(as_browsers_do, encoded=True)).host == "api.example.com"
