"""The limits of the rules in force, read again when others have come into force, and where accounts stand by them."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.accounts.live_directory import LiveDirectory
from gateway.chain.entry import Entry as Built
from gateway.policies import Services
from gateway.policies.kyc.config import KycConfig
from gateway.policies.kyc.policy import Kyc
from gateway.policies.quota.config import LimitConfig, QuotaConfig
from gateway.policy import NOWHERE, Ask, Context, Facts, Limit, Location, Measure, Policy, PolicyKind, Principal
from gateway.policy import note_facts as note
from gateway.policy import place as put
from gateway.rules.problems import Problems
from gateway.rules.ruleset import Entry, Ruleset, load
from gateway.rules.whole import pointed

log = logging.getLogger(__name__)

FREE: Final[Mapping[str, tuple[float, float, float, float]]] = {"default": (0.0, 0.0, 0.0, 0.0)}
MODELS_AT_MOST: Final = 500
"""Names of models that are taken from the rules."""


class NotKnown(Exception):
    """The rules in force cannot be read. The text is for people."""


@dataclass(frozen=True, slots=True)
class Stated:
    """One limit of one quota entry."""

    entry: Entry
    place: int
    """Of the entry in the chain."""
    config: LimitConfig
    limit: Limit
    local: bool
    """Counted in each worker: nobody can see what is in use."""

    @property
    def name(self) -> str:
        return self.limit.name

    @property
    def mode(self) -> str:
        """enforced, shadow, or partly: for a share of the accounts."""
        share = self.entry.rollout
        return "enforced" if share >= 1.0 else "partly" if share > 0.0 else "shadow"

    def is_of_tier(self, tier: str) -> bool:
        return not self.config.tiers or tier in self.config.tiers

    def is_of_model(self, model: str) -> bool:
        """As `policies.quota.plans` matches them."""
        patterns = self.config.models
        return not patterns or any(fnmatch.fnmatchcase(model, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class InForce:
    """What one whole says."""

    name: str
    policies: Path
    ruleset: Ruleset
    limits: tuple[Stated, ...]
    ladders: tuple[tuple[int, Entry, Kyc], ...]
    """Place in the chain, entry, policy."""

    def of(self, name: str) -> Stated | None:
        return next((one for one in self.limits if one.name == name), None)

    def measure(self, name: str) -> Measure | None:
        found = self.of(name)
        return None if found is None else found.limit.measure

    def models(self) -> tuple[str, ...]:
        """Names of models that the rules state: of prices, and where limits name one without a pattern."""
        found = dict.fromkeys(name for name in self.ruleset.prices if name != "default")
        for one in self.limits:
            found.update(dict.fromkeys(name for name in one.config.models if not any(c in name for c in "*?[")))
        return tuple(found)[:MODELS_AT_MOST]

    def context(self, principal: Principal, model: str, country: str, address: str, now: float, place: int) -> Context:
        """Of an exchange as an entry at that place of the chain would see it: with the tier that a ladder found."""
        context = Context("", now, "POST", "/", {}, address, Ask("", "", model))
        if country:
            put(context, Location(country))
        else:
            put(context, NOWHERE)
        note(context, Facts(principal))
        for at, entry, policy in self.ladders:
            if at < place and _enforced(entry, context):
                stands = policy.know(context.principal or principal, now).replaced
                if stands is not None:
                    note(context, Facts(stands))
        return context

    def is_enforced(self, stated: Stated, context: Context) -> bool:
        """For this account; in shadow it is counted aside."""
        return _enforced(stated.entry, context)

    def is_certain(self, stated: Stated) -> bool:
        """Whether the ladder that comes before it is asked of every exchange: its condition may say otherwise."""
        return all(entry.when is None for at, entry, _ in self.ladders if at < stated.place)


class _Anything(dict[str, Container[object]]):
    """Lists that nobody asks here: where an account stands does not depend on them."""

    def __missing__(self, key: str) -> Container[object]:
        return ()


def in_force(name: str, policies: Path, ruleset: Ruleset, now: Callable[[], float]) -> InForce:
    """What a ruleset says of limits."""
    limits = []
    ladders = []
    for place, entry in enumerate(ruleset.entries):
        if isinstance(entry.config, QuotaConfig):
            local = entry.config.store == "local"
            limits += [Stated(entry, place, limit, limit.limit(), local) for limit in entry.config.limits]
        if isinstance(entry.config, KycConfig):
            services = Services(now=now, directory=LiveDirectory(), prices=FREE, lists=_Anything())
            ladders.append((place, entry, Kyc(entry.config, services)))
    return InForce(name, policies, ruleset, tuple(limits), tuple(ladders))


@dataclass(slots=True)
class LimitsInForce:
    """`wholes` is the folder of the supervisor; `kinds` all that are installed."""

    wholes: Path
    kinds: Mapping[str, PolicyKind[Any]]
    now: Callable[[], float]
    _current: InForce | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def current(self) -> InForce:
        """Those in force now; the last that could be read, where the newest cannot be. Raises NotKnown."""
        async with self._looking:
            found = await asyncio.to_thread(self._look)
        if found is None:
            raise NotKnown("the rules in force cannot be read just now")
        return found

    def _look(self) -> InForce | None:
        try:
            folder = pointed(self.wholes)
            if self._current is None or folder.name != self._current.name:
                policies = folder / "policies"
                self._current = in_force(folder.name, policies, load(policies, self.kinds), self.now)
        except (OSError, Problems) as error:
            log.error("the rules in force cannot be read, the last ones are gone by: %s", error)
        return self._current


class _Nothing:
    """A policy that is asked nothing."""

    def decide(self, _: Context) -> Any:
        raise NotImplementedError


_NOTHING: Final[Policy] = _Nothing()


def _enforced(entry: Entry, context: Context) -> bool:
    """In the words of the chain, so that there is one law of who is in a share."""
    built = Built.of(entry.name, entry.kind.name, _NOTHING, entry.on_failure, rollout=entry.rollout)
    return built.enforced(context)
