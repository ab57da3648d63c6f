"""A cluster as the detector tells of it, made by hand: 300 accounts behind one template and a few cards."""

from __future__ import annotations

from gateway.accounts.sql.cases import CaseRecord
from gateway.campaigns.verdict import Level
from gateway.detect.told import Cluster, Edge, Mark

AT = 1_700_000_000.0
HOUR = 3600.0


def cluster(accounts: int = 300, *, name: str = "c1", at: float = AT, first: int = 0) -> Cluster:
    """Of accounts `acc-00000` and so on, from `first`."""
    members = tuple((f"acc-{first + number:05}", round(6.0 - number * 5 / accounts, 4)) for number in range(accounts))
    shown = [account for account, _ in members[:60]]
    template, card = "t" + "0f" * 8, "l" + "1e" * 8
    edges = [Edge(account, template, "content", 1.0) for account in shown]
    edges += [Edge(account, card, "payment", 0.8) for account in shown[::5]]
    edges += [Edge(one, other, "turns", 0.6) for one, other in zip(shown[::7], shown[1::7], strict=False)]
    return Cluster(
        id=name,
        at=at,
        began=at - 72 * HOUR,
        accounts=accounts,
        score=11.4,
        families=(("content", 5.1), ("links", 3.2), ("balance", 2.1), ("network", 0.4), ("trust", -0.6)),
        evidence=(
            "two templates of 31 shingles, in 240 accounts, none of them trusted",
            "four cards pay for 60 accounts",
            "exchanges are spread as by a load balancer: Gini 0.12",
        ),
        most=Level.VERIFY,
        exchanges=accounts * 667,
        marks=(
            Mark(template, "content", "a template of 31 shingles, in 240 accounts", 240, 5.1, ("00ff" * 4, "01fe" * 4)),
            Mark(card, "links", "one card, in 12 accounts", 12, 3.2),
        ),
        members=members,
        edges=tuple(edges),
        timeline=tuple((at - hour * HOUR, 40 + hour * 7 % 90, min(accounts, 20 + hour)) for hour in range(72, 0, -1)),
        models=(("claude-large", 150_000), ("claude-small", 50_100)),
        countries=(("DE", 120_000), ("US", 80_100)),
        false_alarm=0.0001,
    )


def record_of(told: Cluster) -> CaseRecord:
    """As the detector's process makes it."""
    return CaseRecord(
        id=told.id, at=told.at, began=told.began, accounts=told.accounts, score=told.score, families=told.families,
        evidence=told.evidence, most=int(told.most), exchanges=told.exchanges, marks=told.marks, members=told.members,
        edges=told.edges, timeline=told.timeline, models=told.models, countries=told.countries, merged=told.merged,
        false_alarm=told.false_alarm,
    )  # fmt: skip
