"""What the fleet calls a detector's clusters, and which accounts are told of no more.

Each detector counts its clusters for itself, and one that has lost its state begins again: `c1` of one is not `c1` of
another. So a cluster is told of by its number and the name of the state that counted it: `c1-5f0a9c`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Final

from gateway.campaigns.ruling import Ruling
from gateway.detect.told import Cluster, Told

HALF: Final = 0.5
"""Of the accounts so many must be the same for a cluster to be another detector's."""

MembersOf = Callable[[str], Collection[str]]


def fresh() -> str:
    """A name for a state that begins."""
    return secrets.token_hex(3)


def marked(account: str) -> str:
    """What is kept of an account that was erased."""
    return blake2b(account.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Names:
    """Of one state of a detector: `state` is its name."""

    def __init__(self, state: str = "", erased: Iterable[str] = ()) -> None:
        self.state = state or fresh()
        self.erased = set(erased)
        """As `marked`."""

    def told(self, told: Told) -> Told:
        """By the fleet's names, and without who was erased."""
        return Told(
            tuple(
                verdict._replace(cluster=self._public(verdict.cluster))
                for verdict in told.verdicts
                if not self._is_erased(verdict.account)
            ),
            tuple(map(self._cluster, told.clusters)),
            tuple(map(self._public, told.gone)),
        )

    def ruling(self, ruling: Ruling, members_of: MembersOf, clusters: Mapping[str, Cluster]) -> Ruling:
        """By the detector's own names. Of another one's cluster that cluster of ours is meant that has its accounts,
        if there is one; `clusters` are those that were told, by the fleet's names.
        """
        return ruling._replace(
            cluster=self._own(ruling.cluster, members_of, clusters), other=self._own(ruling.other, members_of, clusters)
        )

    def erase(self, accounts: Iterable[str]) -> None:
        self.erased.update(map(marked, accounts))

    def back(self, accounts: Iterable[str]) -> None:
        """Somebody has the name again."""
        if self.erased:
            self.erased.difference_update(map(marked, accounts))

    def without(self, cluster: Cluster) -> Cluster:
        """Without who was erased."""
        if not self.erased:
            return cluster
        gone = {account for account, _ in cluster.members if self._is_erased(account)}
        if not gone:
            return cluster
        return replace(
            cluster,
            members=tuple(member for member in cluster.members if member[0] not in gone),
            edges=tuple(edge for edge in cluster.edges if edge.one not in gone and edge.other not in gone),
            accounts=max(cluster.accounts - len(gone), 0),
        )

    def _cluster(self, cluster: Cluster) -> Cluster:
        merged = tuple(map(self._public, cluster.merged))
        return self.without(replace(cluster, id=self._public(cluster.id), merged=merged))

    def _public(self, name: str) -> str:
        return f"{name}-{self.state}" if name else ""

    def _own(self, name: str, members_of: MembersOf, clusters: Mapping[str, Cluster]) -> str:
        own, _, state = name.partition("-")
        if not name or state == self.state:
            return own
        theirs = set(members_of(name))
        for cluster in clusters.values():
            ours = {account for account, _ in cluster.members}
            if len(ours & theirs) > HALF * max(len(ours), len(theirs)):
                return cluster.id.partition("-")[0]
        return ""

    def _is_erased(self, account: str) -> bool:
        return bool(self.erased) and marked(account) in self.erased
