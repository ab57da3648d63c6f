"""One contract: what a page needs to show a challenge (`issue`), and whether an answer to it holds (`validate`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Widget(NamedTuple):
    """What a page needs of a provider. No inline script: `scripts` are loaded, and find `element` by its attributes."""

    element: str
    """The name of the element, such as div or altcha-widget."""
    attributes: Mapping[str, str]
    scripts: tuple[str, ...]
    """Addresses; a path is one of our own."""
    field: str
    """The form field in which the answer comes, such as cf-turnstile-response."""
    sources: Mapping[str, tuple[str, ...]]
    """What the page's Content-Security-Policy has to allow beside our own: directive -> sources."""


class Answered(NamedTuple):
    """What a page was sent."""

    response: str
    """The content of the provider's field."""
    address: str
    """The browser's; empty if it is not to be told."""
    agent: str
    challenge: str
    """Id of our challenge: what an action, a cdata or an idempotency key is made of."""
    host: str
    """Under which the page was shown."""


class Verdict(NamedTuple):
    """`reason` is empty where it is passed, else one of: wrong, expired, duplicate, action, hostname, score, age."""

    passed: bool
    reason: str = ""
    note: str = ""
    """For the log: codes of the provider."""


class ProviderUnavailable(Exception):
    """No verdict: it is slow, dead, refuses our credentials, or says what nobody understands. Never a pass."""

    def __init__(self, message: str, *, healthy: bool = False) -> None:
        """`healthy`: it answers; only for this answer it can give no verdict any more. Speaks not against it."""
        super().__init__(message)
        self.healthy = healthy


class Crowded(ProviderUnavailable):
    """Too many answers at once: the provider was not asked about this one, so it says nothing about it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, healthy=True)


class Captcha(Protocol):
    """One provider, as tidegate.yaml states it."""

    @property
    def name(self) -> str: ...

    def issue(self, challenge: str, token: str) -> Widget:
        """For a challenge with that id and token. Makes no request."""

    async def validate(self, answered: Answered) -> Verdict:
        """Asks the provider. The same answer may be validated twice (we may ask again after a lost reply). Raises
        ProviderUnavailable.
        """

    async def close(self) -> None: ...
