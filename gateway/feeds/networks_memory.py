"""Networks of keys in this process: bounded in keys, in networks of a key, and in time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from gateway.feeds.networks import NETWORKS_AT_MOST, NO_USES, REFRESHED, REMEMBERED, Known, Subject, Use, joined

SUBJECTS_AT_MOST: Final = 50_000
"""Young ones; as many old ones are kept beside them."""


class RecentNetworks:
    """As `Networks`, of what was noted here: there is nobody to ask. `now` gives Unix time in seconds."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        remembered: float = REMEMBERED,
        subjects: int = SUBJECTS_AT_MOST,
        networks: int = NETWORKS_AT_MOST,
    ) -> None:
        self._now = now
        self._remembered = remembered
        self._most_subjects = subjects
        self._most_networks = networks
        self._aside: RecentNetworks | None = None
        # Two generations: whoever comes often is never forgotten, and nothing is moved for a hit.
        self._young: dict[Subject, Known] = {}
        self._old: dict[Subject, Known] = {}

    @property
    def available(self) -> bool:
        return True

    @property
    def aside(self) -> RecentNetworks:
        if self._aside is None:
            self._aside = RecentNetworks(self._now, remembered=self._remembered)
        return self._aside

    @property
    def subjects(self) -> int:
        """Of how many anything is known."""
        return len(self._young) + len(self._old)

    def of(self, subject: Subject, network: str) -> Known | None:  # noqa: ARG002 - whose answers depend on it is told
        return self._know(subject)

    async def look(self, subject: Subject, network: str) -> Known | None:
        return self.of(subject, network)

    def note(self, subject: Subject, network: str, now: float, *, vouched: bool = False) -> None:
        known = self._know(subject)
        use = known.uses.get(network)
        noted = known.noted.get(network, -math.inf)
        if use is not None and now - noted < REFRESHED and (use.vouched or not vouched):
            return
        self._learn(known, {network: Use(now, now, vouched)})
        known.noted[network] = max(now, noted)
        if len(known.noted) > self._most_networks:
            known.noted = {name: at for name, at in known.noted.items() if name in known.uses}
        if network in known.uses:
            self._learnt(subject, network, known.uses[network])

    def renew(self, subject: Subject) -> None:
        """There is nothing newer than this."""

    def _learn(self, known: Known, uses: dict[str, Use]) -> None:
        """Take in what was seen, here or elsewhere, and let go of what is long ago."""
        found = joined(known.uses, uses, self._most_networks)
        oldest = self._now() - self._remembered
        if any(use.last < oldest for use in found.values()):
            found = {network: use for network, use in found.items() if use.last >= oldest} or NO_USES
        known.uses = found

    def _learnt(self, subject: Subject, network: str, use: Use) -> None:
        """Something was noted here. For those who tell others."""

    def _find(self, subject: Subject) -> Known | None:
        known = self._young.get(subject)
        if known is None and (known := self._old.pop(subject, None)) is not None:
            self._put(subject, known)
        return known

    def _know(self, subject: Subject) -> Known:
        known = self._find(subject)
        if known is None:
            known = Known()
            self._put(subject, known)
        return known

    def _put(self, subject: Subject, known: Known) -> None:
        if len(self._young) >= self._most_subjects:
            self._old, self._young = self._young, {}
        self._young[subject] = known
