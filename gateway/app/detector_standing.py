"""What stands by this detector's word: verdicts in force, clusters, and of whom it has taken back what was said."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from gateway.app.detector_names import Names
from gateway.campaigns.ruling import Ruled, Ruling
from gateway.campaigns.verdict import Verdict
from gateway.detect.told import Cluster, Told
from gateway.feeds.verdicts import KEPT


class Standing:
    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}
        """By account."""
        self.clusters: dict[str, Cluster] = {}
        """By the fleet's name."""
        self._taken: dict[str, float] = {}
        """Account of which nothing stands -> Unix time until which that is remembered: who follows takes back as the
        leader does, and where the leader dies before it has said so, it has to be said by the next one.
        """

    def remember(self, told: Told, now: float) -> None:
        for verdict in told.verdicts:
            if verdict.score > 0.0:
                self.verdicts[verdict.account] = verdict
                self._taken.pop(verdict.account, None)
            else:
                self._take(verdict.account, now)
        for account in [account for account, verdict in self.verdicts.items() if verdict.expires <= now]:
            del self.verdicts[account]
        self._taken = {account: until for account, until in self._taken.items() if until > now}
        for cluster in told.clusters:
            self.clusters[cluster.id] = cluster
        for cluster_id in told.gone:
            self.clusters.pop(cluster_id, None)

    def ruled(self, rulings: Iterable[Ruling], now: float) -> list[Verdict]:
        """What takes back what a detector before this one has said of accounts that a person has freed: this one never
        held it, and so would never take it back.
        """
        freed = {
            account
            for ruling in rulings
            if ruling.ruled in {Ruled.CLEARED, Ruled.REJECTED} and not 0.0 < ruling.until <= now
            for account in ruling.accounts
            if account not in self.verdicts
        }
        for account in freed:
            self._take(account, now)
        return taken_back(sorted(freed))

    def erase(self, gone: Collection[str], names: Names) -> None:
        """Who was erased is in nothing that is said later."""
        for account in gone:
            self.verdicts.pop(account, None)
            self._taken.pop(account, None)
        self.clusters = {name: names.without(cluster) for name, cluster in self.clusters.items()}

    def whole(self) -> Iterator[Verdict]:
        """All that one says who begins to tell."""
        yield from taken_back(self._taken)
        yield from self.verdicts.values()

    def _take(self, account: str, now: float) -> None:
        self.verdicts.pop(account, None)
        self._taken[account] = now + KEPT


def taken_back(accounts: Iterable[str]) -> list[Verdict]:
    """What is said of them for the last time."""
    return [Verdict(account, "", 0.0) for account in accounts]
