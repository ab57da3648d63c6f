"""Templates that only they use: no trusted party among them, several templates at once, one capability asked for."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from gateway.detect.batch import FEATURES
from gateway.detect.evidence import ENOUGH, Case, Sign
from gateway.detect.measures import beta_binomial, binomial, sure

CAMPAIGN: Final = (0.03, 12.0)
"""Mean and strength of the Beta of trusted parties in a campaign: few, for each had to be bought."""
STRENGTH: Final = 4.0
"""Of an honest group's, around the share among everybody: groups differ much, so its tail is heavy."""
COMPARED: Final = 10
"""Trusted parties, of fewer nothing follows."""
NONE: Final = 0.5
"""Of campaigns so many have no trusted party at all, however many parties they are."""


def absence(case: Case) -> float:
    """Nats by which the share of trusted parties in the cluster speaks against it; negative where for it."""
    everybody = case.everybody
    usual = everybody.share_trusted
    if blind(case):
        return 0.0
    trusted = int(case.believed.sum())
    one = math.log(1 - NONE) + beta_binomial(trusted, case.size, *CAMPAIGN)
    if not trusted:
        one = float(np.logaddexp(one, math.log(NONE)))
    return one - beta_binomial(trusted, case.size, usual, STRENGTH)


def blind(case: Case) -> bool:
    """Whether too few are trusted for their absence to say anything."""
    everybody = case.everybody
    return everybody.trusted < COMPARED or everybody.share_trusted < 1.5 * CAMPAIGN[0]


def weigh(case: Case) -> list[Sign]:
    signs = []
    nats = absence(case)
    if case.templates and nats > 0:
        words = f"templates of {case.size} parties, none that is trusted, where {case.everybody.share_trusted:.0%} are"
        if case.believed.any():
            words = words.replace("none that is trusted", "hardly any that is trusted")
        signs.append(Sign("absence", min(nats, 3.5), words))
    signs.extend(_several(case))
    signs.extend(_capabilities(case))
    return signs


def _several(case: Case) -> list[Sign]:
    """An honest crowd has one text in common; many different ones in common ask for another reason."""
    if len(case.templates) < 2 or not len(case.hit_account):
        return []
    party = case.parties.number[case.hit_account]
    each = np.bincount(np.unique((party.astype(np.int64) << 32) | case.hit_template) >> 32, minlength=case.size)
    hits = np.bincount(party, case.hit_count, case.size)
    mean = float(each[hits >= 2].mean()) if (hits >= 2).any() else 0.0
    if mean <= 1.2:
        return []
    words = f"{len(case.templates)} different templates, {mean:.1f} of them in each"
    if blind(case):
        words += " (blind otherwise: hardly anybody is trusted, to compare with)"
    return [Sign("templates", min(2.0, math.log(mean)), words)]


def _capabilities(case: Case) -> list[Sign]:
    """A capability that most of their exchanges ask for, and few of the others'."""
    enough = case.column("heard") >= ENOUGH
    others = case.usual("heard") >= ENOUGH
    if enough.sum() < 10 or others.sum() < 20:
        return []
    mine = _shares(case.column("features")[enough], case.column("heard")[enough])
    usual = _shares(case.usual("features")[others], case.usual("heard")[others])
    best: list[Sign] = []
    for at, name in enumerate(FEATURES):
        users = int((mine[:, at] > 0.2).sum())
        elsewhere = (int((usual[:, at] > 0.2).sum()) + 1) / (len(usual) + 2)
        share = users / len(mine)
        excess = binomial(users, len(mine), elsewhere) - math.log(len(FEATURES))
        nats = min(1.0, share * math.log(max(share / elsewhere, 1.0)) * sure(excess))
        signal = "elicitation" if name == "reasoning" else "capabilities"
        if nats > (best[0].nats if best else 0.0):
            best = [
                Sign(
                    signal, nats, f"{share:.0%} keep asking for {name.replace('_', ' ')}, of the others {elsewhere:.0%}"
                )
            ]
    return best


def _shares(
    features: np.typing.NDArray[np.uint32], heard: np.typing.NDArray[np.uint32]
) -> np.typing.NDArray[np.float64]:
    return features / heard[:, None].astype(np.float64)
