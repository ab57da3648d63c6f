"""Proof of work by ALTCHA, version 2: puzzles for browsers and for programs, checked in a fraction of a millisecond."""

from __future__ import annotations

from typing import Any

from gateway.accounts.secrets import Secrets
from gateway.challenges.token import Challenge


class BadWork(Exception):
    """No answer to a puzzle of ours. `reason` is malformed, forged, expired or wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Work:
    """Makes puzzles and checks answers. Which challenge a puzzle is for stands in it, signed."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def puzzle(self, challenge: Challenge, token: str, difficulty: float, now: float) -> dict[str, Any]:
        """`{parameters, signature}` as the ALTCHA widget and its libraries know it. A difficulty of 1 takes a phone
        less than two seconds; 2 twice as long. Its `parameters.data.challenge` is the token.
        """
        raise NotImplementedError

    def check(self, answer: str, now: float) -> str:
        """The token of the challenge to which this is the answer: base64 of the widget's payload. Costs less than a
        millisecond, whatever it is. Raises BadWork.
        """
        raise NotImplementedError
