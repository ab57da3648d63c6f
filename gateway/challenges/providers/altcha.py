"""ALTCHA, our own: the widget is served by us, and its answer is checked here. Never away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.challenges import addresses
from gateway.challenges.providers.contract import Answered, Verdict, Widget
from gateway.challenges.token import BadChallenge, Tokens
from gateway.challenges.work import BadWork, Work

NAME: Final = "altcha"
FIELD: Final = "altcha"
ELEMENT: Final = "altcha-widget"


class Altcha:
    """`clock` is Unix time."""

    name = NAME

    def __init__(self, work: Work, tokens: Tokens, clock: Callable[[], float]) -> None:
        self._work = work
        self._tokens = tokens
        self._clock = clock

    def issue(self, challenge: str, token: str) -> Widget:  # noqa: ARG002
        """The page brings its scripts and allows its workers: it knows their addresses (strict policy, no blob:)."""
        return Widget(ELEMENT, {"challenge": addresses.puzzle(token)}, (), FIELD, {})

    async def validate(self, answered: Answered) -> Verdict:
        now = self._clock()
        try:
            token = self._work.check(answered.response, now)
            challenge = self._tokens.read(token, now)
        except (BadWork, BadChallenge) as problem:
            return Verdict(False, "expired" if problem.reason == "expired" else "wrong", problem.reason)
        if challenge.id != answered.challenge:
            return Verdict(False, "action", "work for another challenge")
        return Verdict(True)

    async def close(self) -> None:
        """Nothing is open."""
