"""docs/reasons.md is what gateway.wire.reasons says."""

from __future__ import annotations

from gateway.wire.reasons import REASONS, page
from tests.docs.pages import ROOT, anchors

PAGE = ROOT / "docs" / "reasons.md"


def test_the_page_is_written_from_the_table() -> None:
    """A code, its status, meaning and remedy are spelled once, in the code that answers with them."""
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m gateway.wire.reasons > docs/reasons.md"


def test_every_reason_has_a_heading() -> None:
    """A link to docs/reasons.md#code leads there."""
    assert set(REASONS) <= anchors(PAGE)
