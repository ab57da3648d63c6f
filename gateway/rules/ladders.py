"""What is right by the letter of a ladder, and surely not meant. Warnings, with their places.

A rung that gives less than one below is told by an example: what the lower one may have, and the higher one may not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

from gateway.accounts.model import Feature
from gateway.policies.kyc.config import UNKNOWN_COUNTRY, Gate, KycConfig, Tier
from gateway.policies.kyc.rule import Gating
from gateway.policies.quota.config import QuotaConfig
from gateway.policy import NOWHERE, Ask, Location
from gateway.rules.problems import Problem
from gateway.rules.read import Loc
from gateway.rules.ruleset import Entry, Ruleset

UNNAMED: Final = "\x00"
"""Stands for all that no file names."""
ASK: Final = Ask("openai", "chat.completions", "any")

Said = tuple[Loc, str]
Example = tuple[Ask, Location, str]
"""An exchange, and what is asked for by it in words."""


def of_ladder(config: KycConfig, index: int, entries: Sequence[Entry]) -> Iterator[Said]:
    """All of one kyc entry, which stands at that place of the chain."""
    if not any(entry.kind.identifies for entry in entries[:index]) and not _strangers(entries[:index]):
        yield (), "stands before any entry that finds out who asks: it refuses everything"
    yield from _short_cuts(config)
    yield from _lower(config)
    for number, tier in enumerate(config.tiers):
        if _without_quota(tier, entries):
            at = ("tiers", number, "quota" if tier.quota is not None else "name")
            said = f"no limit is for the tier `{tier.counted_as}`: accounts of `{tier.name}` are refused everything"
            yield at, said
    wanted = {kind for tier in config.tiers for kind in tier.requires}
    for kind in config.evidence:
        if kind not in wanted and kind != "email":
            yield ("evidence", kind), f"no tier requires `{kind}`"


def unprovided(ruleset: Ruleset, providers: Mapping[str, frozenset[str]]) -> list[Problem]:
    """Requirements that nobody can meet: `providers` are those of tidegate.yaml, with what their approval gives."""
    found = []
    for entry in ruleset.entries:
        if not isinstance(entry.config, KycConfig):
            continue
        document = ruleset.documents[entry.path]
        for kind, proof in entry.config.ladder().proofs.items():
            name = proof.provider
            if name and name not in providers:
                there = ", ".join(sorted(providers)) or "none"
                said = f"names no provider of tidegate.yaml: there are {there}"
            elif name and kind not in providers[name]:
                said = f"names a provider whose approval is no `{kind}`: `{name}` gives {', '.join(providers[name])}"
            else:
                continue
            found.append(document.problem(("evidence", kind, "provider"), f"`provider` {said}"))
    return sorted(found)


def _strangers(entries: Sequence[Entry]) -> bool:
    return any(not entry.kind.config.__module__.startswith("gateway.") for entry in entries)


def _without_quota(tier: Tier, entries: Sequence[Entry]) -> bool:
    """Whether some entry has limits for tiers alone, none of them for this one, and lets nobody else pass."""
    return any(
        isinstance(entry.config, QuotaConfig)
        and entry.config.unmatched == "deny"
        and entry.rollout > 0.0
        and all(limit.tiers and tier.counted_as not in limit.tiers for limit in entry.config.limits)
        for entry in entries
    )


# -- rungs that give less ---------------------------------------------------------------------------------------------


def _short_cuts(config: KycConfig) -> Iterator[Said]:
    """A rung that asks for less than one below: whoever shows only that stands above those who have shown more."""
    for number, tier in enumerate(config.tiers):
        for below in config.tiers[:number]:
            lacks = sorted(set(below.requires) - set(tier.requires))
            if lacks:
                at = ("tiers", number, "requires" if tier.requires else "name")
                shown = f"whoever shows {' and '.join(sorted(tier.requires))} alone" if tier.requires else "everybody"
                said = f"tier `{tier.name}` does not require {' and '.join(lacks)}, as `{below.name}` below it does"
                yield at, f"{said}: {shown} stands on `{tier.name}`"
                break


def _lower(config: KycConfig) -> Iterator[Said]:
    for number, tier in enumerate(config.tiers):
        for below in config.tiers[:number]:
            for loc, what in _less(tier, below):
                yield ("tiers", number, *loc), f"tier `{tier.name}` gives less than `{below.name}`: {what}"


def _less(tier: Tier, below: Tier) -> Iterator[Said]:
    for key, examples in (("models", _models), ("features", _features), ("countries", _countries)):
        higher, lower = (Gating(_alone(one, key), unread=False) for one in (tier, below))
        for ask, location, what in examples(tier, below):
            if higher.refuses(ask, location) and not lower.refuses(ask, location):
                yield _place(tier, key), f"it may not have {what}"
                break
    if tier.concurrency is not None and (below.concurrency is None or below.concurrency > tier.concurrency):
        yield ("concurrency",), f"{tier.concurrency} at once, and not {below.concurrency or 'as many as there are'}"
    for index, volume in enumerate(tier.volume):
        same = [one for one in below.volume if one.measure == volume.measure]
        if not same:
            yield ("volume", index), f"its {volume.measure} are bounded"
        elif any(one.every == volume.every and one.capacity > volume.capacity for one in same):
            yield ("volume", index), f"{volume.capacity:,.12g} {volume.measure}"


def _alone(tier: Tier, key: str) -> Tier:
    """The same tier, with its gates for one sort of thing: so no other hides it."""
    return Tier.model_construct(name=tier.name, withholds=_of(tier.withholds, key), grants=_of(tier.grants, key))


def _of(gate: Gate | None, key: str) -> Gate | None:
    return None if gate is None else Gate.model_construct(**{key: getattr(gate, key)})


def _stated(key: str, *tiers: Tier) -> list[str]:
    """All that their gates name."""
    gates = [gate for tier in tiers for gate in (tier.withholds, tier.grants) if gate is not None]
    return [one for gate in gates for one in getattr(gate, key) or ()]


def _models(*tiers: Tier) -> Iterator[Example]:
    """A model or two of each pattern, and one of none."""
    patterns = _stated("models", *tiers)
    for name in [pattern.replace("?", "x").replace("*", rest) for pattern in patterns for rest in ("", "-x")]:
        yield ASK._replace(model=name), NOWHERE, f"the model `{name}`"
    yield ASK._replace(model=UNNAMED), NOWHERE, "models that neither names"


def _features(*_: Tier) -> Iterator[Example]:
    for feature in get_args(Feature):
        yield ASK._replace(features=frozenset({feature})), NOWHERE, f"`{feature}`"


def _countries(*tiers: Tier) -> Iterator[Example]:
    yield ASK, NOWHERE, "calls from nobody knows where"
    for country in sorted({*_stated("countries", *tiers), UNNAMED} - {UNKNOWN_COUNTRY}):
        yield ASK, Location(country), "countries that neither names" if country == UNNAMED else f"calls from {country}"


def _place(tier: Tier, key: str) -> Loc:
    for name in ("withholds", "grants"):
        gate = getattr(tier, name)
        if gate is not None and getattr(gate, key) is not None:
            return (name, key)
    return ()
