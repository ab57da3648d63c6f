"""What the chain asks of shared state. Three verbs, and an answer by callback: no future, no task a request.

Laws (tests/stores/conformance.py):

- `take` takes from every bucket or from none, and what is refused consumes nothing.
- A bucket fits when used + cost <= capacity after refill; a cost above the capacity counts as the capacity.
- `settle` corrects each take to its final cost, once: a second settle of the same exchange changes nothing, and so
  does one whose take never happened. Finals may exceed what was taken; the debt is paid by refill.
- A lease is held from `take` to `settle`; it is renewed while its holder lives, and gone within `LEASE_TTL` of a crash.
- Changing a limit's numbers keeps its usage.
- No answer comes later than the deadline: then it is `StoreUnavailable`, and a take that arrives after all is given
  back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.policy import Take, Taken

LEASE_TTL = 8.0
"""Seconds after which a lease that nobody renews is void."""
LEASE_RENEWAL = 2.0
"""Seconds between renewals: three may be lost."""


class StoreUnavailable(Exception):
    """The store gave no answer in time, or could not. `reason` is one stable word: timeout, down, full, error."""

    def __init__(self, reason: str, note: str = "") -> None:
        super().__init__(note or reason)
        self.reason = reason


TakeAnswer = Callable[[Taken | StoreUnavailable], None]


class Store(Protocol):
    """Shared buckets and leases."""

    def take(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        """Take all or none, and call `then` once: maybe at once, never later than the deadline."""

    def more(self, exchange: str, takes: Sequence[Take], then: TakeAnswer) -> None:
        """Take more for an exchange that has already taken (a stream that outgrows its reservation).

        As `take`, and counted at `settle`: finals there are of the whole exchange.
        """

    def settle(self, exchange: str, takes: Sequence[Take], finals: Sequence[float]) -> None:
        """Correct what `take` (and `more`) took to what it cost; leases are released. Kept and retried while the
        store is away.

        `takes` are those of `take`, with `cost` = all that was taken from the bucket, `more` included; a final of 0
        gives it all back.
        """

    @property
    def available(self) -> bool:
        """Whether the last that was heard of the store was an answer."""

    async def close(self) -> None: ...
