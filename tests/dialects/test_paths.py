"""One path, however it is spelled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.paths import canonical


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "//v1///chat/completions",
        "/V1/Chat/COMPLETIONS",
        "/v1/chat/%63ompletions",
        "/v1/chat%2Fcompletions",
        "/v1/./chat/x/../completions",
        "/v1/chat/completions;v=1",
        "/v1\\chat\\completions",
        "/../v1/chat/completions",
    ],
)
def test_every_spelling_is_one_path(path: str) -> None:
    """What an upstream may fold together is one path here."""
    assert canonical(path) == "/v1/chat/completions"


@given(st.text())
def test_it_takes_any_text(path: str) -> None:
    """Never an exception, always an absolute path."""
    assert canonical(path).startswith("/")
