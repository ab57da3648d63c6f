"""What a page may load."""

from __future__ import annotations

import pytest

from gateway.challenges.providers.contract import Widget
from gateway.challenges.providers.vendors import VENDORS
from gateway.control.challenge.views import hosts, policy
from tests.control.challenge.world import altcha


def _sources(text: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (directive.split() for directive in text.split("; "))}


def test_a_page_without_a_check_runs_no_script() -> None:
    """It only says something."""
    allowed = _sources(policy(None))
    assert allowed["default-src"] == ["'none'"]
    assert "script-src" not in allowed
    assert "connect-src" not in allowed


def test_our_own_check_asks_us_alone() -> None:
    """Nothing inline, no blob:, no other host: each directive is 'self' or 'none'."""
    allowed = _sources(policy(altcha("open")))
    assert {source for sources in allowed.values() for source in sources} == {"'self'", "'none'"}
    assert allowed["worker-src"] == allowed["script-src"] == allowed["connect-src"] == ["'self'"]
    assert allowed["form-action"] == ["'self'"]
    assert allowed["base-uri"] == allowed["frame-ancestors"] == ["'none'"]


@pytest.mark.parametrize("kind", sorted(VENDORS))
def test_a_provider_is_allowed_what_it_needs_besides(kind: str) -> None:
    """Its hosts are added to ours, none is open to everybody, and nothing inline is."""
    vendor = VENDORS[kind]
    widget = Widget("div", {"class": vendor.look}, (vendor.script,), vendor.field, vendor.sources)
    allowed = _sources(policy(widget))
    assert allowed["script-src"][0] == "'self'"
    assert "worker-src" not in allowed
    for directive, sources in vendor.sources.items():
        assert set(sources) <= set(allowed[directive])
    for source in (source for sources in allowed.values() for source in sources):
        assert source in {"'self'", "'none'"} or source.startswith("https://")
    assert hosts(widget)


@pytest.mark.parametrize(
    "sources",
    [{"script-src": ("a; script-src *",)}, {"script-src": ("a, b",)}, {"script-src": ("a b",)}, {"x; script": ("a",)}],
    ids=["semicolon", "comma", "space", "directive"],
)
def test_a_source_is_one_source(sources: dict[str, tuple[str, ...]]) -> None:
    """Nobody's settings write a policy of their own."""
    with pytest.raises(ValueError, match="no sources"):
        policy(Widget("div", {}, (), "field", sources))
