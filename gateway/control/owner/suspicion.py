"""What speaks against the use of an account, as its owner may know it: not by what it was found, nor who else is meant.

It is what this worker knows: the detector's verdict, by the rules in force, and reviews that suspicion led to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from gateway.campaigns.verdict import Level, Verdicts
from gateway.challenges.interface import Name
from gateway.challenges.ladder import Held, Step
from gateway.control.owner import words
from gateway.control.owner.known import Known
from gateway.policies.risk.campaigns import Response

HeldNow = Callable[[], Mapping[Name, Held]]
NOBODY: Final[Mapping[Name, Held]] = {}


class Suspicion(NamedTuple):
    """In words, and what the owner can do about it."""

    title: str
    text: str
    lacking: tuple[str, ...] = ()
    """Kinds of evidence after which it goes on."""


class Suspicions:
    """One for the pages."""

    def __init__(
        self,
        verdicts: Verdicts | None,
        response: Callable[[], Response | None],
        held: HeldNow,
        now: Callable[[], float],
    ) -> None:
        """`response` is that of the rules in force; None where they answer no campaigns. `held` is what is held of
        accounts by suspicion (`Escalations.held`).
        """
        self._verdicts = verdicts
        self._response = response
        self._held = held
        self._now = now

    def of(self, known: Known) -> Suspicion | None:
        """None where nothing is asked of it. The strongest, where there are several."""
        found = self._of_group(known)
        if found is not None and found[0] >= Level.HOLD:
            return _in_words(*found)
        if any(subject == known.account and one.step is Step.REVIEW for (_, subject), one in self._held().items()):
            return Suspicion(*words.REVIEWED)
        return _in_words(*found) if found is not None else None

    def _of_group(self, known: Known) -> tuple[Level, tuple[str, ...]] | None:
        response, now = self._response(), self._now()
        verdict = self._verdicts.of(known.account, now) if self._verdicts is not None else None
        if verdict is None or response is None:
            return None
        level = response.level(verdict, known.assigned or "default")
        level, lacking = response.shown(verdict, level, known.profile.evidence, now)
        return (level, lacking) if level > Level.OBSERVE else None


def _in_words(level: Level, lacking: tuple[str, ...]) -> Suspicion:
    title, text = words.GROUP[level]
    showing = words.listed([words.evidence(kind).lower() for kind in lacking])
    return Suspicion(title, f"{words.ALIKE} {text.format(showing=showing)}", lacking)
