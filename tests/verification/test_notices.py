"""What an owner hears of evidence that ends, by table."""

from __future__ import annotations

import pytest

from gateway.policy import Evidence, Profile
from gateway.verification.notices import About, notices
from tests.verification.fakes import LADDER

DAY = 86400.0


@pytest.mark.parametrize(
    ("day", "about"),
    [(0, None), (334, None), (336, About.RENEW), (365, About.GRACE), (378, About.GRACE), (380, About.ENDED)],
)
def test_a_document_that_ends(day: int, about: About | None) -> None:
    """365 days, renewed from 30 days before, with 14 days of grace."""
    found = notices(LADDER, Profile(evidence=(Evidence("document", 0.0), Evidence("email", 0.0))), day * DAY)

    assert [notice.about for notice in found] == ([] if about is None else [about])
    assert all((notice.kind, notice.ends, notice.goes) == ("document", 365 * DAY, 379 * DAY) for notice in found)


def test_the_most_pressing_comes_first() -> None:
    """What goes soonest, and what is gone at the end."""
    profile = Profile(
        evidence=(
            Evidence("registry", 0.0, 1.0),
            Evidence("document", 0.0, 95 * DAY),
            Evidence("liveness", 0.0, 90 * DAY + 1),
        )
    )

    assert [notice.kind for notice in notices(LADDER, profile, 96 * DAY)] == ["document", "registry", "liveness"]
