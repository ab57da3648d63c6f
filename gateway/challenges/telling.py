"""What happened to an account between two states, in words for metrics."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.challenges.interface import Changed


def happened(changed: Changed) -> Iterator[str]:
    """Of asked, passed, wrong, ended (unanswered, or closed by wrong answers), raised, lowered: each as often."""
    before, after = changed.before, changed.after
    known = {one.id: one for one in before.open}
    left = {one.id: one for one in after.open}
    cleared = {one.id for one in after.clearances}
    for one in after.open:
        earlier = known.get(one.id)
        if earlier is None:
            yield "asked"
        elif one.wrong > earlier.wrong:
            yield "wrong"
    for one in before.open:
        if one.id not in left:
            yield "passed" if one.id in cleared else "ended"
    if after.step != before.step:
        yield "raised" if after.step > before.step else "lowered"
