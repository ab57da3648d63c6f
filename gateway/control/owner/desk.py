"""What the pages want of verification and of mail's callers: narrow, so that they know no provider."""

from __future__ import annotations

from typing import Protocol


class NothingToVerify(Exception):
    """There is nothing that a provider could show for this account just now. The text is for people."""


class Desk(Protocol):
    async def begin(self, account: str, *, back: str) -> str:
        """The address to which the person goes: into the verification that is open, or into a new one.

        `back` is where the provider sends the person afterwards. Raises ProviderUnavailable, NothingToVerify.
        """

    async def appeal(self, account: str, statement: str) -> None:
        """Somebody will look at it. Raises ValueError, with words for people, where one is open already."""
