"""Small worlds: honest accounts with texts and habits of their own, campaigns, and crowds that only look like one.

Texts are numbers: a shingle is a number below 2**62, a template some that stay, a filling some that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from gateway.campaigns.event import EMPTY, Event, Minted
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.verdict import Verdict
from gateway.detect.detector import Detector
from gateway.detect.settings import Settings
from gateway.detect.told import Cluster, Told

START: Final = 1_800_000_000.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0
TRUSTED: Final = 0.25
SDKS: Final = 30
MODELS: Final = ("small", "large", "think")


@dataclass
class Account:
    """Somebody, and the habits that he has."""

    name: str
    facts: AccountFacts
    rate: float
    """Exchanges a day."""
    network: str
    sdk: str
    hour: float
    words: float
    """Mean of the logarithm."""
    asn: int = 0
    system: np.typing.NDArray[np.uint64] = field(default_factory=lambda: EMPTY)
    topic: np.typing.NDArray[np.uint64] = field(default_factory=lambda: EMPTY)
    """What recurs in its prompts."""
    model: str = "small"
    since: float = START


class World:
    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.accounts: list[Account] = []
        self.events: list[Event] = []
        self.popular = [self.shingles(12) for _ in range(40)]
        """Phrases that many use, trusted and not."""

    def shingles(self, count: int) -> np.typing.NDArray[np.uint64]:
        return np.unique(self.random.integers(1, 1 << 62, count, dtype=np.uint64))

    def account(self, prefix: str, **facts: object) -> Account:
        random = self.random
        name = f"{prefix}{len(self.accounts)}"
        stated = {"created": START - float(random.uniform(0, 400)) * DAY, "verification": 0, **facts}
        account = Account(
            name,
            AccountFacts(name, **stated),  # type: ignore[arg-type]
            rate=float(np.clip(random.lognormal(0.5, 1.7), 0.3, 600)),
            network=f"n{random.integers(1, 1 << 40)}",
            sdk=f"s{min(int(random.zipf(1.6)), SDKS)}",
            hour=float(random.uniform(0, 24)),
            words=float(random.normal(4, 0.9)),
            asn=int(random.integers(1, 200)),
            topic=self.shingles(6),
        )
        self.accounts.append(account)
        return account

    def honest(self, count: int) -> list[Account]:
        """Half of them talk, half of them are applications with a system prompt of their own."""
        found = []
        for at in range(count):
            trusted = self.random.random() < TRUSTED
            account = self.account("u", verification=2 if trusted else int(self.random.random() < 0.3))
            if at % 2:
                account.system = self.shingles(20)
            found.append(account)
        return found

    def times(self, account: Account, days: float, even: bool = False) -> list[float]:
        count = int(self.random.poisson(account.rate * days))
        times = account.since + self.random.uniform(0, days * DAY, count)
        if not even:
            # Its own hours of the day, give or take three.
            hours = (account.hour + self.random.normal(0, 3, count)) % 24
            times = np.floor(times / DAY) * DAY + hours * HOUR
        return sorted(float(t) for t in times if account.since <= t < account.since + days * DAY)

    def say(
        self, account: Account, at: float, prompt: np.typing.NDArray[np.uint64], words: float = 0.0, **more: object
    ) -> None:
        words = words or float(np.exp(self.random.normal(account.words, 0.5)))
        hashed = int(prompt.sum()) & ((1 << 62) - 1) if len(prompt) else 0
        self.events.append(
            Event(
                f"e{len(self.events)}",
                at,
                account.name,
                organisation=account.facts.organisation,
                **{  # type: ignore[arg-type]
                    "network": account.network,
                    "asn": account.asn,
                    "headers": account.sdk,
                    "sdk": account.sdk,
                    "model": account.model,
                    "usage_output": int(words * 3) + 1,
                    "status": 200,
                    "system": account.system,
                    "prompt": prompt,
                    "prompt_words": max(1, int(words)),
                    "prompt_hash": hashed,
                    **more,
                },
            )
        )

    def talk(self, accounts: Iterable[Account], days: float) -> None:
        """What honest accounts do: texts of their own, now and then a phrase that everybody uses."""
        for account in accounts:
            for at in self.times(account, days):
                parts = [self.shingles(12)]
                if self.random.random() < 0.5:
                    parts.append(account.topic)
                if self.random.random() < 0.15:
                    parts.append(self.popular[min(int(self.random.zipf(1.5)), 40) - 1])
                self.say(account, at, np.unique(np.concatenate(parts)))

    def campaign(
        self,
        count: int,
        days: float,
        *,
        start: float = START,
        rate: float = 20.0,
        templates: int = 6,
        cover: float = 0.0,
        jitter: float = 0.0,
        cards: int = 0,
        bundle: bool = False,
        share: float = 1.0,
        minted: float = 0.0,
    ) -> list[Account]:
        """One list of work over `count` accounts. `cover`: the part of exchanges that are customers' own. `share`: of
        the rest, what shows a template. `cards`: accounts on one card. `minted`: how often ids wander.
        """  # fmt: skip
        members = []
        texts = [self.shingles(20) for _ in range(templates)]
        for at in range(count):
            links = (("payment", f"card{at // cards}"),) if cards else ()
            account = self.account("x", created=start - float(self.random.uniform(0, 20)) * DAY, links=links)
            account.rate = rate * float(self.random.lognormal(0, jitter)) if jitter else rate
            account.sdk = "relay" if bundle else account.sdk
            account.since = start
            members.append(account)
        for account in members:
            for when in self.times(account, days, even=True):
                if self.random.random() < cover or self.random.random() >= share:
                    self.say(account, when, self.shingles(18), words=float(np.exp(self.random.normal(4, 1.0))))
                    continue
                text = texts[int(self.random.integers(templates))]
                wandered: tuple[Minted, ...] = ()
                if self.random.random() < minted:
                    other = members[int(self.random.integers(len(members)))]
                    wandered = (
                        (Minted(other.name, int(self.random.integers(1, 1 << 60))),) if other is not account else ()
                    )
                prompt = np.unique(np.concatenate([text, self.shingles(12)]))
                self.say(account, when, prompt, words=float(np.exp(self.random.normal(4.5, 0.6))), minted=wandered)
        return members


@dataclass
class Ran:
    """What came of a world."""

    detector: Detector
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    """When an account was first told of."""

    def take(self, told: Told, now: float) -> None:
        for verdict in told.verdicts:
            if verdict.score > 0:
                self.verdicts[verdict.account] = verdict
                self.first.setdefault(verdict.account, now)
            else:
                self.verdicts.pop(verdict.account, None)
        for cluster in told.clusters:
            self.clusters[cluster.id] = cluster
        for gone in told.gone:
            self.clusters.pop(gone, None)

    def share(self, accounts: Sequence[Account], score: float, kinds: int = 2) -> float:
        """Of the accounts, those with such a score by so many families, which may be challenged."""
        hit = sum(
            (verdict := self.verdicts.get(account.name)) is not None
            and verdict.score >= score
            and verdict.kinds >= kinds
            and verdict.most > 3
            for account in accounts
        )
        return hit / max(len(accounts), 1)


def run(
    world: World,
    settings: Settings | None = None,
    *,
    look: float = 300.0,
    watch: Callable[[Ran, float], None] | None = None,
) -> Ran:
    """The world's events in their order, a look every five minutes."""
    ran = Ran(Detector(settings or SMALL))
    ran.detector.learn([account.facts for account in world.accounts])
    events = sorted(world.events, key=lambda event: event.time)
    return follow(ran, events, look, watch)


def follow(
    ran: Ran, events: Sequence[Event], look: float = 300.0, watch: Callable[[Ran, float], None] | None = None
) -> Ran:
    if not events:
        return ran
    following = (events[0].time // look + 1) * look
    held: list[Event] = []
    for event in events:
        while event.time >= following:
            ran.detector.hear(held)
            held = []
            ran.take(ran.detector.look(following), following)
            if watch is not None:
                watch(ran, following)
            following += look
        held.append(event)
    ran.detector.hear(held)
    ran.take(ran.detector.look(following + 3600), following + 3600)
    return ran


SMALL: Final = Settings(shingles_at_most=1 << 17)
