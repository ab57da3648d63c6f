"""Which entry answers campaigns, and what is right by the letter of it and surely not meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.policies.kyc.config import KycConfig
from gateway.policies.risk.campaigns import Response
from gateway.policies.risk.config import RiskConfig
from gateway.policies.risk.levels import CAMPAIGNS, CampaignsConfig
from gateway.rules.read import Loc
from gateway.rules.ruleset import Entry, Ruleset

Said = tuple[Loc, str]


def answering(ruleset: Ruleset, *, shadow: bool = False) -> Response | None:
    """Of the first entry that answers campaigns, for some accounts at least; with `shadow` also of one that only says
    what it would do. For whoever tells people what follows, or asks for exchanges of the past.
    """
    for entry in ruleset.entries:
        config = entry.config.campaigns if isinstance(entry.config, RiskConfig) else None
        if config is not None and (shadow or entry.rollout > 0.0):
            return Response(config, entry.name)
    return None


def unheard(ruleset: Ruleset) -> Iterator[tuple[Entry, Loc]]:
    """Entries to which nothing happens without a detector."""
    for entry in ruleset.entries:
        if isinstance(entry.config, RiskConfig) and entry.config.campaigns is not None:
            yield entry, (CAMPAIGNS,)


def of_campaigns(config: CampaignsConfig, entries: Sequence[Entry], unsolvable: str) -> Iterator[Said]:
    """`unsolvable` is what is to be said of challenges that nobody can pass; empty where somebody can."""
    if config.challenge is not None and unsolvable:
        yield (CAMPAIGNS, "challenge"), f"`challenge` {unsolvable}"
    if config.verify is None:
        return
    kyc = [entry.config for entry in entries if isinstance(entry.config, KycConfig)]
    known = {kind for one in kyc for tier in one.tiers for kind in tier.requires}
    known = known.union(*(one.evidence for one in kyc))
    lacking = [kind for kind in config.verify.evidence if kind not in known]
    if lacking:
        said = f"asks for {' and '.join(f'`{kind}`' for kind in lacking)}, which no entry of kind `kyc` asks for"
        yield (CAMPAIGNS, "verify"), f"`verify` {said}: its owner has no page to show it on"
