"""A challenge as its caller has it: signed text in an address, made and read without asking anybody."""

from __future__ import annotations

from typing import NamedTuple

from gateway.accounts.secrets import Secrets
from gateway.challenges.ladder import Step


class Challenge(NamedTuple):
    """What a token states: where to look, and what it was when it was put."""

    id: str
    rule: str
    subject: str
    step: Step
    key: str
    network: str
    until: float
    """Unix time."""


class BadChallenge(Exception):
    """It is none of ours, or it is over. `reason` is malformed, forged or expired."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Tokens:
    """By the directory's secrets: the newest signs, all are believed."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def make(self, challenge: Challenge) -> str:
        """For an address: letters, digits, - and _. The same for the same challenge."""
        raise NotImplementedError

    def read(self, token: str, now: float) -> Challenge:
        """Raises BadChallenge. That it is expired is found last: `expired` ones are ours."""
        raise NotImplementedError
