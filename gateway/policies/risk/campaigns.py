"""What follows from a verdict on an account, at which level: pure, but that it remembers whom it has told to wait.

The level is the highest one for which both the score and the families of evidence are enough; then the lower one of
what the detector allows (`Verdict.most`), what the account's tier comes to, and what has been passed or shown. What is
stated at a lower level holds at the higher ones, too.
"""

from __future__ import annotations

import fnmatch
import hashlib
import math
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.accounts.recent import Recent
from gateway.campaigns.verdict import Level, Verdict
from gateway.policies.risk.levels import CAMPAIGNS, CampaignsConfig, LevelConfig
from gateway.policy import Bucket, Evidence, Facts, Limit, Match, Take

TAG: Final = "campaign"
"""Of every exchange of an account at a level above `observe`; and `campaign-LEVEL` beside it."""
TRACED_APART: Final = 60.0
"""Seconds between two requests of one account that are told to wait."""
UNREAD: Final = "unread_route"
"""Stands for what a route uses that no dialect can read, where something is withheld."""
REMEMBERED_AT_MOST: Final = 65_536
_STEPS: Final = 1 << 32


class Plan(NamedTuple):
    """What one level comes to, where nothing is asked."""

    level: Level
    budget: bool
    trace: bool
    hold: bool
    facts: Facts | None
    match: Match | None


class Step(NamedTuple):
    """What follows for one exchange."""

    what: str
    """`allow`; `budget` where it goes on if the shared bucket has room; or what it is refused by: `trace`, `hold`,
    `challenge`, `verify`."""
    level: Level = Level.OBSERVE
    """Of the account now: what it passed or showed has lowered it."""
    take: Take | None = None
    wait: float = 0.0
    """For `trace`: seconds."""
    lacking: tuple[str, ...] = ()
    """For `hold` the features, or the model; for `verify` the kinds of evidence."""
    facts: Facts | None = None
    """Where it goes on: for the entries after this one."""
    match: Match | None = None

    @property
    def refused(self) -> bool:
        """Whatever the bucket holds."""
        return self.what in {"trace", "hold", "challenge", "verify"}


class Standing:
    """Of an account, as long as the verdict and the tier are these."""

    __slots__ = ("goes_on", "level", "tier", "verdict")

    def __init__(self, verdict: Verdict, tier: str, level: Level) -> None:
        self.verdict = verdict
        self.tier = tier
        self.level = level
        self.goes_on: list[Step | None] = [None] * len(Level)
        """By level: what follows for one request of which nothing is asked."""


class Response:
    """One for an entry. `step` is what the policy asks, and the backtest."""

    def __init__(self, config: CampaignsConfig, entry: str) -> None:
        """`entry` is the key by which requests are picked for `trace`: other entries pick others."""
        self.config = config
        self._key = entry.encode()[:64]
        self._most = config.most
        # By level: an index costs half of what the hash of an enum does.
        self._lowered = tuple(_stated(config.levels, level) for level in Level)
        """The highest one that is stated and not above it."""
        self._plans = tuple(_plan(config, level) for level in Level)
        hold = config.hold
        self._features = frozenset[str](hold.features) if hold is not None else frozenset()
        self._is_held = _matcher(hold.models if hold is not None else ())
        self._limits: dict[int, Limit] = {}
        self._buckets: Recent[tuple[str, int], Bucket] = Recent(REMEMBERED_AT_MOST)
        self._standings: Recent[str, Standing] = Recent(REMEMBERED_AT_MOST)
        self._waited: Recent[str, float] = Recent(REMEMBERED_AT_MOST)

    def step(
        self,
        verdict: Verdict | None,
        tier: str,
        exchange: str,
        features: frozenset[str],
        model: str,
        passed: bool,
        *,
        now: float,
        items: int = 1,
        evidence: Sequence[Evidence] = (),
        unread: bool = False,
    ) -> Step:
        """`now` is Unix time. `passed`: a challenge of this entry stops the exchange no more. `evidence` is all that
        the account has shown. `unread`: nobody can say which features it uses.
        """
        if verdict is None:
            return ALLOWED
        standing = self._standings.young.get(verdict.account)
        if standing is None or standing.verdict is not verdict or standing.tier != tier:
            standing = Standing(verdict, tier, self.level(verdict, tier))
            self._standings.put(verdict.account, standing)
        level = standing.level
        if level >= CHALLENGE_AT:
            if level >= VERIFY_AT and self.config.verify is not None:
                level, lacking = self.shown(verdict, level, evidence, now)
                if lacking:
                    return Step("verify", level, lacking=lacking, match=VERIFY)
            elif self.config.challenge is not None:
                if not passed:
                    return Step("challenge", level, match=CHALLENGE)
                level = self._lowered[Level[self.config.challenge.passed.upper()]]
        plan = self._plans[level]
        if plan.hold:
            lacking = (UNREAD,) if unread else self._held(features, model)
            if lacking:
                return Step("hold", level, lacking=lacking, match=HOLD)
        if plan.trace and (wait := self._wait(verdict.account, exchange, now)):
            return Step("trace", level, wait=wait, match=TRACE)
        found = standing.goes_on[level] if items == 1 else None
        if found is None:
            found = self._goes_on(verdict, plan, items)
            if items == 1:
                standing.goes_on[level] = found
        return found

    def _goes_on(self, verdict: Verdict, plan: Plan, items: int) -> Step:
        if plan.level is Level.OBSERVE:
            return ALLOWED
        if not plan.budget:
            return Step("allow", plan.level, facts=plan.facts, match=plan.match)
        bucket = self.bucket(verdict)
        take = Take(bucket, min(float(items), bucket.limit.capacity))
        return Step("budget", plan.level, take, facts=plan.facts, match=plan.match)

    def level(self, verdict: Verdict, tier: str) -> Level:
        """Before anything was passed or shown."""
        reached = Level.OBSERVE
        for one in self.config.levels:
            if verdict.score >= one.at_least and verdict.kinds >= one.families:
                reached = one.LEVEL
        return self._lowered[min(reached, verdict.most, self._most.get(tier, VERIFY_AT))]

    def shown(
        self, verdict: Verdict, level: Level, evidence: Sequence[Evidence], now: float
    ) -> tuple[Level, tuple[str, ...]]:
        """(Level, kinds that are still to be shown): at `verify` all of them lower the level at once."""
        config = self.config.verify
        if config is None or level < Level.VERIFY:
            return level, ()
        lacking = missing(config.evidence, evidence, verdict.since, now)
        return (level, lacking) if lacking else (self._lowered[Level[config.passed.upper()]], ())

    def bucket(self, verdict: Verdict) -> Bucket:
        """The one of the whole cluster. Its name stays while the cluster grows, so what is used up stays used up.

        Raises ValueError where the file states none.
        """
        halves = halves_of(verdict.size)
        name = (verdict.cluster, halves)
        bucket = self._buckets.get(name)
        if bucket is None:
            if self.config.budget is None:
                raise ValueError("no shared budget is stated")
            limit = self._limits.get(halves)
            if limit is None:
                limit = self._limits[halves] = self.config.budget.limit(halves)
            cluster = f"cluster={verdict.cluster}"
            bucket = Bucket(cluster, cluster, limit)
            self._buckets.put(name, bucket)
        return bucket

    def _held(self, features: frozenset[str], model: str) -> tuple[str, ...]:
        found = tuple(sorted(self._features & features))
        return (*found, model) if model and self._is_held(model) else found

    def _wait(self, account: str, exchange: str, now: float) -> float:
        """Seconds for which this request is told to wait; 0 for most of them."""
        config = self.config.trace
        if config is None:
            return 0.0
        digest = hashlib.blake2b(exchange.encode(errors="surrogatepass"), digest_size=8, key=self._key).digest()
        if int.from_bytes(digest[:4], "big") >= config.share * _STEPS:
            return 0.0
        last = self._waited.get(account)
        if last is not None and abs(now - last) < TRACED_APART:
            return 0.0
        self._waited.put(account, now)
        shortest, longest = config.wait
        return shortest + (longest - shortest) * int.from_bytes(digest[4:], "big") / _STEPS


def halves_of(size: int) -> int:
    """How often the root of two goes into the size, to the nearest whole number: 0 for one account, 20 for 1,000.

    So the shared budget changes when a cluster has grown by two fifths, and not with every account that joins.
    """
    return round(2.0 * math.log2(max(1, size)))


def missing(wanted: Sequence[str], evidence: Sequence[Evidence], since: float, now: float) -> tuple[str, ...]:
    """The kinds that were not shown since then, or do not hold any more."""
    shown = {one.kind for one in evidence if one.obtained > since and one.expires > now}
    return tuple([kind for kind in wanted if kind not in shown])


def rule(level: Level) -> str:
    """What metrics, logs and tests call it: as the file does."""
    return f"{CAMPAIGNS}.{level.word}"


ALLOWED: Final = Step("allow")
CHALLENGE_AT: Final = Level.CHALLENGE
VERIFY_AT: Final = Level.VERIFY
TRACE: Final = Match(rule(Level.TRACE), "throttle", "cluster_paced")
HOLD: Final = Match(rule(Level.HOLD), "deny", "temporarily_withheld")
CHALLENGE: Final = Match(rule(Level.CHALLENGE), "challenge", "challenge_required")
VERIFY: Final = Match(rule(Level.VERIFY), "deny", "verification_required")


def _stated(levels: Sequence[LevelConfig], most: Level) -> Level:
    return max((one.LEVEL for one in levels if most >= one.LEVEL), default=Level.OBSERVE)


def _plan(config: CampaignsConfig, level: Level) -> Plan:
    budget, trace, hold = (one is not None and level >= one.LEVEL for one in (config.budget, config.trace, config.hold))
    own = next((one for one in config.levels if one.LEVEL is level), None)
    if own is None:
        return Plan(level, budget, trace, hold, None, None)
    tags = frozenset({TAG, f"{TAG}-{level.word}"})
    match = Match(rule(level), "weigh" if own.weight else "tag")
    return Plan(level, budget, trace, hold, Facts(weight=own.weight, tags=tags), match)


def _matcher(patterns: Sequence[str]) -> Callable[[str], object]:
    if not patterns:
        return lambda _: None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match
