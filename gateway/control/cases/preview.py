"""What each action would do to the accounts of a case, counted by tier. Nothing is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import orjson
import sqlalchemy as sql

from gateway.accounts.sql.case_decisions import ALONE
from gateway.campaigns.verdict import Level, Verdict
from gateway.control.cases.people import Stands
from gateway.control.cases.shapes import ActionShown, PreviewShown, TierShown

IN_FILE: Final = "in accounts.yaml, which only its own file can change"
SUSPENDED: Final = "suspended already"
MOST_TIERS: Final = 3
"""That a sentence names."""


class Leveling(Protocol):
    """The rules in force: `policies.risk.campaigns.Response` is one."""

    def level(self, verdict: Verdict, tier: str) -> Level:
        """What an account with this verdict comes to."""


class Rules(NamedTuple):
    """What the rules in force say of clusters."""

    levels: Leveling
    shadow: bool = False
    """They only say so: the entry is in shadow."""


RulesInForce = Callable[[], Rules | None]
"""None where no entry says anything of clusters."""


def verdict_of(row: sql.Row[Any], account: str = "") -> Verdict:
    """What the cluster's accounts are told of, but for what is an account's own."""
    families = tuple((family, nats) for family, nats in orjson.loads(row.families))
    return Verdict(
        account, row.cluster, row.score, families, size=row.accounts, most=Level(row.most), since=row.began,
        expires=row.updated,
    )  # fmt: skip


def preview(row: sql.Row[Any], people: Mapping[str, Stands], rules: Rules | None) -> PreviewShown:
    """`people` are the accounts to which a decision would apply."""
    verdict = verdict_of(row)
    level = {tier: rules.levels.level(verdict, tier) for tier in _tiers(people)} if rules is not None else {}
    by_tier: dict[str, list[Stands]] = {}
    for one in people.values():
        by_tier.setdefault(one.tier, []).append(one)
    tiers = [
        TierShown(
            tier=tier,
            accounts=len(some),
            verified=_verified(some),
            level=level[tier].word if tier in level else None,  # type: ignore[arg-type]  # A word of Level.
        )
        for tier, some in sorted(by_tier.items(), key=lambda one: (-len(one[1]), one[0]))
    ]
    return PreviewShown(
        tiers=tiers,
        shadow=rules is not None and rules.shadow,
        rules=_rules(people.values(), level, rules),
        verify=_done(people.values(), "falls to what the ladder says of `detector` until it has verified or appealed"),
        suspend=_done(people.values(), "is suspended, and its owner can appeal", alone=ALONE),
        reject=_reject(people.values()),
    )


def _tiers(people: Mapping[str, Stands]) -> set[str]:
    return {one.tier for one in people.values()}


def _verified(people: Iterable[Stands]) -> int:
    return sum(one.verification > 0 for one in people)


def _rules(people: Iterable[Stands], level: Mapping[str, Level], rules: Rules | None) -> ActionShown:
    everybody = list(people)
    if rules is None:
        said = "the rules in force say nothing of clusters: nothing happens to anybody"
        return ActionShown(accounts=0, verified=0, left_out={}, needs_second=False, said=said)
    reached = Counter(level[one.tier] for one in everybody)
    acted = [one for one in everybody if level[one.tier] > Level.OBSERVE]
    highest = max(reached, default=Level.OBSERVE)
    parts = [f"{highest.word}: {_accounts(reached[highest])}"]
    for milder in sorted((one for one in reached if one < highest), reverse=True):
        tiers = Counter(one.tier for one in everybody if level[one.tier] == milder)
        parts += [f"{count} of tier {tier} stay at {milder.word}" for tier, count in tiers.most_common(MOST_TIERS)]
        if len(tiers) > MOST_TIERS:
            parts.append(f"{sum(tiers.values())} in all stay at {milder.word}")
    said = "; ".join(parts) + (". The rules are in shadow: nothing happens to anybody" if rules.shadow else "")
    return ActionShown(
        accounts=0 if rules.shadow else len(acted),
        verified=_verified(acted),
        left_out={},
        needs_second=False,
        said=said,
    )


def _done(people: Iterable[Stands], what: str, alone: int = 0) -> ActionShown:
    meant, left_out = [], Counter[str]()
    for one in people:
        if one.known == "file":
            left_out[IN_FILE] += 1
        elif one.suspended:
            left_out[SUSPENDED] += 1
        else:
            meant.append(one)
    verified, second = _verified(meant), bool(alone) and len(meant) + left_out.total() > alone
    said = f"{_accounts(len(meant))}, of them {verified} verified: each {what}"
    said += "".join(f"; {count} left out, {why}" for why, count in left_out.items())
    said += f". More than {alone}: a second person has to say the same" if second else ""
    return ActionShown(accounts=len(meant), verified=verified, left_out=dict(left_out), needs_second=second, said=said)


def _reject(people: Iterable[Stands]) -> ActionShown:
    everybody = list(people)
    said = f"{_accounts(len(everybody))} go free within a second of the detector's next look; what was done stays done"
    return ActionShown(
        accounts=len(everybody), verified=_verified(everybody), left_out={}, needs_second=False, said=said
    )


def _accounts(count: int) -> str:
    return f"{count} account{'' if count == 1 else 's'}"
