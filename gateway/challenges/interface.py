"""What is held of accounts, in the whole fleet: read from memory, changed atomically.

Laws (tests/challenges/conformance.py), for the one in Redis and the one in memory:

- `change` applies one event to what the fleet holds at that moment: of two at once, the second sees the first.
- A challenge is passed once in the fleet.
- All clearances together draw no more than their budget.
- What one process changed is in `held` of all others within a second while Redis is there; `look` sees it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from gateway.challenges.ladder import Clearance, Event, Held, Ladder

Name = tuple[str, str]
"""(rule, subject). A subject is an account, or `address=<client address>` (of IPv6 the /64) where nobody is known: no
account has a `=`. A rule is `ENTRY/NAME` (`gateway.policy.challenged_by`)."""


class Unavailable(Exception):
    """The fleet could not be asked, or gave no answer in time: nothing is certain."""


class Changed(NamedTuple):
    """Something was changed by this process."""

    rule: str
    subject: str
    before: Held
    after: Held
    now: float


Told = Callable[[Changed], None]
"""For who wants to know: notices, metrics, a review. Called in the process that made the change, once, after it. Raises
nothing."""


class Escalations(Protocol):
    """One for a process."""

    @property
    def held(self) -> Mapping[Name, Held]:
        """What this process remembers: read on the hot path, and never changed there."""

    async def look(self, rule: str, subject: str) -> Held:
        """As the fleet has it now; NOTHING_HELD where nothing is. Remembered. Raises Unavailable."""

    async def change(self, rule: str, subject: str, ladder: Ladder, *events: Event) -> tuple[Held, Held]:
        """Apply events (before, after). Writes nothing where they change nothing. Raises Unavailable: then it may have
        been made all the same, and be seen later.
        """

    async def draw(self, rule: str, subject: str, clearance: Clearance, wanted: int) -> int:
        """Take up to so many exchanges of its budget: how many there were. None where it is over, or the budget was
        lost. Raises Unavailable.
        """

    async def solvers(self, solver: str, subject: str, within: float) -> int:
        """Note that `solver` (a keyed hash) passes for `subject`: which one of its subjects that is, by their
        first time within those seconds. 1 for the first, and again when that one comes again. Raises Unavailable.
        """

    async def wait(self, rule: str, subject: str, seconds: float) -> None:
        """Until something of it changes in the fleet, or the time is over."""
