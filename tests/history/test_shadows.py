"""What rules in shadow would have done, against what was enforced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.history.columns import Event
from gateway.history.reading import read
from gateway.history.shadows import COLUMNS, ShadowReport
from gateway.history.shares import bar, counted, percent
from tests.history.logs import NOON, event, log, refused


def _told(folder: Path, events: list[Event]) -> dict[str, Any]:
    return ShadowReport().read(read(log(folder, events), columns=COLUMNS)).told(10)


def _shadow(rule: str = "no-vpn", action: str = "deny", reason: str = "vpn") -> list[Any]:
    return ["rules", rule, action, reason, False]


def test_what_only_the_shadow_would_refuse_is_what_counts(tmp_path: Path) -> None:
    """Exchanges and accounts hit, of which some were refused anyway, by tier and country."""
    events = [event(exchange=f"n{n}", account=f"a{n}", time=NOON + n) for n in range(90)]
    events += [event(exchange=f"s{n}", account=f"s{n % 3}", rules=[_shadow()], country="DE") for n in range(8)]
    events.append(event(exchange="v", account="v", verification=1, tier="pro", rules=[_shadow()]))
    events.append(
        refused("quota", "quota_exceeded", "throttle", exchange="r", account="s0", country="DE",
                rules=[_shadow(), ["quota", "", "throttle", "quota_exceeded", True]])
    )  # fmt: skip

    # Somebody of whom everything was refused anyway is hit, and loses nothing.
    events[0] = refused("quota", "quota_exceeded", "throttle", exchange="n0", account="a0", rules=[_shadow()])

    told = _told(tmp_path, events)

    assert (told["exchanges"], told["refused"], told["accounts"]) == (100, 2, 94)
    (rule,) = told["rules"]
    assert (rule["exchanges"], rule["accounts"], rule["refused_anyway"]) == (11, 5, 2)
    assert (rule["newly_refused"], rule["newly_refused_share"], rule["newly_refused_accounts"]) == (9, 0.09, 4)
    assert [(cell["tier"], cell["country"], cell["newly_refused"]) for cell in rule["by"]] == [
        ("free", "DE", 8),
        ("free", "NO", 0),
        ("pro", "NO", 1),
    ]
    assert [(row["account"], row["newly_refused"]) for row in rule["top"]] == [
        ("v", 1),
        ("s0", 3),
        ("s1", 3),
        ("s2", 2),
    ]
    assert rule["verdict"] == "Would newly refuse 9.0% of exchanges, 4 accounts, tiers free, pro; 1 of them verified."


@pytest.mark.parametrize(
    ("past", "verdict"),
    [
        pytest.param(
            event(rules=[_shadow()]), "Would newly refuse 100.0% of exchanges, 1 account, all tier free.", id="one"
        ),
        pytest.param(
            refused("quota", "q", rules=[_shadow()]),
            "Would newly refuse nobody: all that it would refuse is refused by something else.",
            id="refused anyway",
        ),
        pytest.param(
            event(rules=[_shadow(action="weigh")]), "Would weigh 100.0% of exchanges, 1 account.", id="weighs"
        ),
        pytest.param(
            event(account="", tier="", rules=[_shadow()]),
            "Would newly refuse 100.0% of exchanges, of strangers.",
            id="strangers",
        ),
    ],
)
def test_the_verdict_is_one_line(tmp_path: Path, past: Event, verdict: str) -> None:
    """Something that an author can act on."""
    (rule,) = _told(tmp_path, [past])["rules"]

    assert rule["verdict"] == verdict


def test_a_rule_counts_once_an_exchange(tmp_path: Path) -> None:
    """Two matches of one rule refuse one exchange; two rules are two rules; what is enforced is none of ours."""
    rules = [_shadow(), _shadow(), _shadow("other"), ["rules", "enforced", "tag", "", True]]

    told = _told(tmp_path, [event(rules=rules)])

    assert [(rule["rule"], rule["exchanges"]) for rule in told["rules"]] == [("no-vpn", 1), ("other", 1)]


def test_what_nobody_decided_is_not_counted(tmp_path: Path) -> None:
    """A request that could not be read is no exchange that a rule could have refused."""
    told = _told(tmp_path, [event(exchange="a", rules=[_shadow()]), event(exchange="b", action="", account="")])

    assert (told["exchanges"], told["accounts"]) == (1, 1)


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0.0%"), (1, "100.0%"), (0.0312, "3.1%"), (0.0002, "0.02%"), (0.000003, "3e-6")]
)
def test_a_small_share_is_not_nothing(share: float, said: str) -> None:
    """0.02 % of exchanges may be three customers."""
    assert percent(share) == said
    assert (bar(share) == "") == (share == 0)


def test_one_is_not_many() -> None:
    """1 account, 2,000 accounts."""
    assert (counted(1, "account"), counted(2000, "account")) == ("1 account", "2,000 accounts")
