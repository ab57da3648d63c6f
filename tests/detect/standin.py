"""A detector whose words are easy to foresee: three accounts that show one system prompt are a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.campaigns.event import Event
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.ruling import Ruling
from gateway.campaigns.verdict import Family, Level, Verdict
from gateway.detect.settings import Settings
from gateway.detect.told import Cluster, Told


class StandIn:
    """As `Detecting`. Of accounts with a contract it says nothing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.heard: list[Event] = []
        self.batches: list[int] = []
        self.looks: list[float] = []
        self.learnt: list[tuple[int, str]] = []
        """(Events heard before, account)."""
        self._contract: set[str] = set()
        self._shown: dict[tuple[int, ...], dict[str, float]] = {}
        self._told: dict[str, int] = {}

    def learn(self, facts: Iterable[AccountFacts]) -> None:
        for fact in facts:
            self.learnt.append((len(self.heard), fact.account))
            if fact.contract:
                self._contract.add(fact.account)

    def hear(self, events: Sequence[Event]) -> None:
        self.heard += events
        self.batches.append(len(events))
        for event in events:
            if len(event.system):
                self._shown.setdefault(tuple(event.system.tolist()), {}).setdefault(event.account, event.time)

    def forget(self, accounts: Iterable[str]) -> None:
        for name in accounts:
            self._contract.discard(name)
            for shown in self._shown.values():
                shown.pop(name, None)

    def rule(self, rulings: Iterable[Ruling]) -> None:
        """Nobody rules here."""

    def look(self, now: float) -> Told:
        self.looks.append(now)
        verdicts, clusters = [], []
        for number, accounts in enumerate(self._shown.values()):
            members = [account for account in accounts if account not in self._contract]
            if len(members) < 3 or all(self._told.get(account) for account in members):
                continue
            families = ((Family.CONTENT.value, 6.0), (Family.LINKS.value, 4.0))
            evidence = ("they share a system prompt",)
            for account in members:
                version = self._told[account] = self._told.get(account, 0) + 1
                verdicts.append(
                    Verdict(
                        account, f"c{number}", 10.0, families, evidence, len(members), Level.SUSPEND, now, now + 3600.0,
                        version,
                    )
                )  # fmt: skip
            clusters.append(
                Cluster(
                    f"c{number}", now, now, len(members), 10.0, families, evidence, Level.SUSPEND, len(self.heard),
                    members=tuple((account, 1.0) for account in members),
                )
            )  # fmt: skip
        return Told(tuple(verdicts), tuple(clusters))

    def save(self, path: Path) -> None:
        path.write_bytes(b"")

    def load(self, path: Path) -> bool:
        return path.exists()

    @property
    def size(self) -> tuple[int, int]:
        return len({event.account for event in self.heard}), 0
