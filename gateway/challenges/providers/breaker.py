"""Who is away is not asked again and again: a breaker for each provider, and the next one in the list meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from gateway.challenges.providers.contract import (
    Answered,
    Captcha,
    Crowded,
    ProviderUnavailable,
    Verdict,
    Widget,
)

FAILURES: Final = 3
"""In a row, after which it is away."""
PAUSE: Final = 20.0
"""Seconds until one answer is tried on it again."""


class Breaker:
    """A `Captcha` that fails at once while the one behind it is away.

    closed      as if it were not there
    open        after so many failures in a row: nobody is asked
    half open   after a pause: one answer is tried; it closes, or opens again

    `clock` need not be the time of day. A verdict is a success whatever it says.
    """

    def __init__(
        self, captcha: Captcha, clock: Callable[[], float], failures: int = FAILURES, pause: float = PAUSE
    ) -> None:
        self._captcha = captcha
        self._clock = clock
        self._at_most = failures
        self._pause = pause
        self._failures = 0
        self._until: float | None = None
        """Open until then, half open afterwards; None while it is closed."""
        self._trying = False

    def __repr__(self) -> str:
        return f"<Breaker {self.name}{' away' if self.away else ''}>"

    @property
    def name(self) -> str:
        return self._captcha.name

    @property
    def away(self) -> bool:
        """Whether pages had better show the next one."""
        return self._until is not None and (self._trying or self._clock() < self._until)

    def issue(self, challenge: str, token: str) -> Widget:
        return self._captcha.issue(challenge, token)

    async def validate(self, answered: Answered) -> Verdict:
        if self.away:
            raise ProviderUnavailable(f"{self.name} is away, and is not asked for a while")
        trial = self._until is not None
        self._trying = trial
        try:
            verdict = await self._captcha.validate(answered)
        except Crowded:
            raise
        except ProviderUnavailable as problem:
            self._closed() if problem.healthy else self._failed()
            raise
        finally:
            # Also where whoever asked went away: the next one may try.
            if trial:
                self._trying = False
        self._closed()
        return verdict

    async def close(self) -> None:
        await self._captcha.close()

    def _closed(self) -> None:
        self._failures = 0
        self._until = None

    def _failed(self) -> None:
        # A trial that fails adds to those that opened it: it is open again.
        self._failures += 1
        if self._failures >= self._at_most:
            self._until = self._clock() + self._pause


@runtime_checkable
class MayBeAway(Protocol):
    """A provider that knows whether it had better not be shown."""

    @property
    def away(self) -> bool: ...


def first(providers: Mapping[str, Captcha], names: Sequence[str]) -> Captcha:
    """The first of them that is not away; the first of all where all are. Raises KeyError for names that none has, and
    IndexError where there are no names.
    """
    for name in names:
        captcha = providers[name]
        if not (isinstance(captcha, MayBeAway) and captcha.away):
            return captcha
    return providers[names[0]]
