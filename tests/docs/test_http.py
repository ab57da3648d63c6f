"""docs/http.md says what the edge does."""

from __future__ import annotations

from typing import Final

from gateway.edge.connection import SLOWEST_BODY
from gateway.edge.upstream import EJECT_AFTER, EJECT_FIRST, EJECT_LONGEST, PROBE_EVERY
from gateway.wire.chunked import LONGEST_SIZE
from gateway.wire.fields import HOP_BY_HOP, REQUEST_DROPPED, RESPONSE_DROPPED_PREFIXES
from gateway.wire.reasons import REASONS
from gateway.wire.request_head import METHODS
from tests.docs.pages import ROOT, prose

PAGE: Final = ROOT / "docs" / "http.md"
TEXT: Final = prose(PAGE)


def test_reasons_stand_beside_their_status() -> None:
    """Each row of the tables gives a reason with the status that it has, and no reason of the edge is left out."""
    told: dict[str, set[str]] = {}
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        reason = cells[-1].strip("`")
        if len(cells) == 3 and reason in REASONS:
            told.setdefault(reason, set()).add(cells[1].partition(",")[0])
    assert {reason for reason, statuses in told.items() if REASONS[reason].status not in statuses} == set()
    edges = {code for code in REASONS if code.startswith("upstream_")}
    codes = list(REASONS)
    heads = set(codes[: codes.index("missing_credentials")])
    assert edges | heads <= set(told)


def test_every_field_that_is_dropped_is_named() -> None:
    """Whoever misses a field at the upstream finds out why."""
    named = {word.strip(",").lower() for word in TEXT.split()}
    assert {name.decode() for name in HOP_BY_HOP | REQUEST_DROPPED} - named == set()
    assert all(f"{prefix.decode()}*" in TEXT for prefix in RESPONSE_DROPPED_PREFIXES)


def test_numbers_are_those_of_the_code() -> None:
    """A number on the page is the number in force."""
    assert all(method.decode() in TEXT for method in METHODS)
    assert f"1 to {LONGEST_SIZE} hex digits" in TEXT
    assert f"{SLOWEST_BODY // 1024} KiB/s" in TEXT
    assert EJECT_AFTER == 3
    assert f"for {EJECT_FIRST:g} s, twice as long each time, up to {EJECT_LONGEST:g} s" in TEXT
    assert f"asked every {PROBE_EVERY:g} s" in TEXT
