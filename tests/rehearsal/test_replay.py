"""Past exchanges under other policies: what changes, for whom, and that nothing else seems to."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.history.columns import Event
from gateway.history.reading import read
from gateway.policies import auth, quota, risk, rules
from gateway.rehearsal.buckets import Buckets
from gateway.rehearsal.comparison import Change, Comparison
from gateway.rehearsal.findings import findings
from gateway.rehearsal.past import COLUMNS, Reader
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.replay import Side, identifying, pasts, replay
from gateway.rehearsal.timeline import timeline
from tests.history.logs import NOON, event, log, refused

KINDS = {module.KIND.name: module.KIND for module in (auth, quota, risk, rules)}
DAY = 86_400.0
CHAIN = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: rules, kind: rules, on_failure: deny}
  - {name: quota, kind: quota, on_failure: deny}
"""
PLENTY = "limits:\n  - {name: requests, measure: requests, per: [account], capacity: 1k, every: 1m}\n"
NOTHING = 'rules:\n  - {name: nothing, when: "false", action: deny}\n'


def _policies(folder: Path, rules: str = NOTHING, quota: str = PLENTY, name: str = "policies") -> Path:
    place = folder / name
    place.mkdir()
    for file, text in {"chain": CHAIN, "auth": "api_keys: true\n", "rules": rules, "quota": quota}.items():
        (place / f"{file}.yaml").write_text(text)
    return place


def _rehearsal(folder: Path) -> Rehearsal:
    return Rehearsal(folder, {}, KINDS, make_store=Buckets)  # type: ignore[arg-type]  # as the command does


def _replayed(folder: Path, events: list[Event], new: Path, old: Path | None = None) -> Comparison:
    tables = read(log(folder / "log", events), columns=COLUMNS)
    with _rehearsal(new) as first, _rehearsal(old or new) as second:
        past = pasts(tables, Reader(identifying(first)))
        return replay(past, Side(first), Side(second) if old is not None else None)


def _changed(comparison: Comparison) -> Mapping[str, int]:
    return {change.value: count for change, count in comparison.changes.items() if count}


ONCE = "limits:\n  - {name: requests, measure: requests, per: [account], capacity: 1, every: 1h}\n"


@pytest.mark.parametrize(
    ("past", "rule", "quota", "change"),
    [
        pytest.param(event(), NOTHING, PLENTY, "allowed as before", id="nothing new"),
        pytest.param(
            event(), 'rules:\n  - {name: no, when: account.tier == "free", action: deny}\n', PLENTY, "newly refused",
            id="a new rule",
        ),
        pytest.param(refused("rules", "rule_denied"), NOTHING, PLENTY, "newly allowed", id="a rule less"),
        pytest.param(
            refused("quota", "quota_exceeded", "throttle"),
            'rules:\n  - {name: no, when: "true", action: deny}\n', PLENTY, "refused for another reason",
            id="another reason",
        ),
        pytest.param(
            refused("rules", "rule_denied"), 'rules:\n  - {name: no, when: "true", action: deny}\n', PLENTY,
            "refused as before", id="the same reason",
        ),
        pytest.param(
            refused("auth", "revoked_key", account=""), NOTHING, PLENTY, "refused as before", id="a refused credential"
        ),
        pytest.param(
            refused("auth", "revoked_key"), NOTHING, PLENTY, "refused as before", id="a refused credential of somebody"
        ),
        pytest.param(refused("flood", "quota_exceeded", account=""), NOTHING, PLENTY, "not judged", id="nobody known"),
        pytest.param(event(action="", route="malformed", account=""), NOTHING, PLENTY, "not judged", id="nobody asked"),
    ],
)  # fmt: skip
def test_what_becomes_of_one(tmp_path: Path, past: Event, rule: str, quota: str, change: str) -> None:
    """Each exchange has one change; where it cannot be judged, that is said and not guessed."""
    comparison = _replayed(tmp_path, [past], _policies(tmp_path, rule, quota))

    assert _changed(comparison) == {change: 1}


@pytest.mark.parametrize(
    ("rule", "answers", "change"),
    [
        pytest.param("campaigns.challenge", True, "not judged", id="what a detector said then"),
        pytest.param("campaigns.challenge", False, "newly allowed", id="campaigns less"),
        pytest.param("somebody-elses", True, "newly allowed", id="another rule"),
    ],
)
def test_what_a_detector_said_then_is_not_guessed(tmp_path: Path, rule: str, answers: bool, change: str) -> None:
    """No verdict is in the log: where the rules still answer campaigns, nobody knows what they would say."""
    folder = _policies(tmp_path)
    (folder / "chain.yaml").write_text(
        CHAIN.replace("  - {name: rules", "  - {name: risk, kind: risk, on_failure: allow}\n  - {name: rules")
    )
    (folder / "risk.yaml").write_text("refused: {}\n" + ("campaigns: {budget: {}, challenge: {}}\n" if answers else ""))
    rules = [["risk", rule, "challenge", "challenge_required", True]]
    past = refused("risk", "challenge_required", "challenge", rules=rules)

    assert _changed(_replayed(tmp_path, [past], folder)) == {change: 1}


def test_quotas_are_judged_on_the_clock_of_then(tmp_path: Path) -> None:
    """A bucket fills as time goes by in the log: 61 s later there is one request more."""
    quota = "limits:\n  - {name: requests, measure: requests, per: [account], capacity: 2, every: 2m}\n"
    times = (0, 1, 2, 61, 62)
    events = [event(exchange=f"x{at}", time=NOON + at) for at in times]

    comparison = _replayed(tmp_path, events, _policies(tmp_path, quota=quota))

    assert _changed(comparison) == {"newly refused": 2, "allowed as before": 3}


def test_what_was_used_is_settled_when_it_was(tmp_path: Path) -> None:
    """A cap of 100 is reserved while an exchange runs, and 20 is paid when it has ended."""
    quota = "limits:\n  - {name: output, measure: output_tokens, per: [account], capacity: 120, every: 365d}\n"
    events = [
        event(exchange="runs", output_cap=100, time=NOON, seconds=10.0),
        event(exchange="meanwhile", output_cap=100, time=NOON + 5),
        event(exchange="after", output_cap=100, time=NOON + 11),
    ]

    comparison = _replayed(tmp_path, events, _policies(tmp_path, quota=quota))

    assert _changed(comparison) == {"newly refused": 1, "allowed as before": 2}
    ((_, group),) = comparison.of(Change.NEWLY_REFUSED)
    assert group.example == "meanwhile"


def test_networks_of_the_past_are_told_from_new_ones(tmp_path: Path) -> None:
    """A key that is at home in one network is found in a second one: what is noted at the end of each counts."""
    folder = _policies(tmp_path, "rules:\n  - {name: weighed, when: risk.score > 0, action: deny}\n")
    (folder / "chain.yaml").write_text(
        CHAIN.replace("  - {name: rules", "  - {name: risk, kind: risk, on_failure: allow}\n  - {name: rules")
    )
    (folder / "risk.yaml").write_text("new_network: {weight: 15, settles: 1h, within: network}\n")
    home = [event(exchange=f"h{at}", time=NOON + 600 * at, client_address="192.0.2.7") for at in range(10)]
    thief = event(exchange="thief", time=NOON + 5500, client_address="198.51.100.7")

    with _rehearsal(folder) as rehearsal:
        past = pasts(read(log(tmp_path / "log", [*home, thief]), columns=COLUMNS), Reader(identifying(rehearsal)))
        comparison = replay(past, Side(rehearsal))
        assert rehearsal.failures == {}

    ((_, group),) = comparison.of(Change.NEWLY_REFUSED)
    assert group.example == "thief"


def test_one_that_was_refused_is_taken_to_use_what_its_like_used(tmp_path: Path) -> None:
    """Its account's mean with this model: 60 tokens, so that a third does not fit into 150."""
    quota = "limits:\n  - {name: output, measure: output_tokens, per: [account], capacity: 150, every: 365d}\n"
    events = [
        event(exchange="a", usage_output=60, output_cap=60, time=NOON),
        refused("rules", "rule_denied", exchange="b", output_cap=60, time=NOON + 10),
        event(exchange="c", output_cap=60, time=NOON + 20),
    ]

    comparison = _replayed(tmp_path, events, _policies(tmp_path, quota=quota))

    assert _changed(comparison) == {"newly allowed": 1, "newly refused": 1, "allowed as before": 1}


def test_two_sets_of_policies_are_compared_with_each_other(tmp_path: Path) -> None:
    """Against a folder, both begin with full buckets: what differs is the policies alone."""
    old = _policies(tmp_path, name="old", quota=ONCE)
    new = _policies(tmp_path, name="new")
    events = [event(exchange=f"x{n}", time=NOON + n) for n in range(3)]

    comparison = _replayed(tmp_path, events, new, old)

    assert _changed(comparison) == {"newly allowed": 2, "allowed as before": 1}


CAMPUS: dict[str, Any] = {
    "network_kinds": ["hosting", "vpn"], "email_domain": "uni.example", "verification": 1, "created": NOON - 400 * DAY,
    "client_address": "198.51.100.9",
}  # fmt: skip
CAMPAIGN: dict[str, Any] = {
    "network_kinds": ["hosting"], "email_domain": "mail.example", "created": NOON - DAY, "country": "NL",
}  # fmt: skip
NO_HOSTING = """\
rules:
  - name: no-hosting-for-free
    when: account.tier == "free" && "hosting" in client.network_kinds
    action: deny
    reason: hosting_not_for_free
"""
BETTER = """\
rules:
  - name: no-new-hosting-for-free
    when: account.tier == "free" && "hosting" in client.network_kinds && account.verification == 0
    action: deny
    reason: hosting_not_for_free
"""


def _autumn() -> list[Event]:
    """A campaign of 6 accounts in a data centre, 3 students behind the VPN of their campus, a build server, and people
    at home.
    """
    events = []
    for minute in range(10):
        at = NOON + 60 * minute
        events += [event(exchange=f"c{n}-{minute}", time=at + n, account=f"c{n}", **CAMPAIGN) for n in range(6)]
        events += [
            event(exchange=f"s{n}-{minute}", time=at + 10 + n, account=f"student-{n}", country="DE", **CAMPUS)
            for n in range(3)
        ]
        events.append(event(exchange=f"b-{minute}", time=at + 20, account="ci", tier="pro", network_kinds=["hosting"]))
        events += [event(exchange=f"h{n}-{minute}", time=at + 30 + n, account=f"home-{n}") for n in range(20)]
    return events


def test_a_rule_that_would_hurt_students_is_found(tmp_path: Path) -> None:
    """The plausible rule against data centres stops the campaign, and the campus: the students come first."""
    found = findings(_replayed(tmp_path, _autumn(), _policies(tmp_path, NO_HOSTING)), most=20)

    changes = {row["change"]: (row["exchanges"], row["accounts"]) for row in found["changes"]}
    assert changes["newly refused"] == (90, 9)
    assert [(row["account"], row["honest"]) for row in found["hurt"][:4]] == [
        ("student-0", True),
        ("student-1", True),
        ("student-2", True),
        ("c0", False),
    ]
    assert found["hurt"][0]["share"] == 1.0
    assert found["groups"]["newly refused"][0] | {"share": 0} == {
        "tier": "free", "country": "NL", "entry": "rules", "rule": "no-hosting-for-free",
        "reason": "hosting_not_for_free", "exchanges": 60, "share": 0, "accounts": 6, "example": "c0-0",
    }  # fmt: skip
    assert found["verdict"] == (
        "Would newly refuse 30.0% of exchanges, 9 accounts (all tier free). 3 of them look honest (verified, or 90 days"
        " old, and hardly ever refused): they lose 30 exchanges."
    )


def test_a_better_rule_hurts_nobody_honest(tmp_path: Path) -> None:
    """Whoever is verified stays: the same campaign is refused, and nobody else."""
    found = findings(_replayed(tmp_path, _autumn(), _policies(tmp_path, BETTER)), most=20)

    assert (found["hurt_accounts"], found["hurt_honest"]) == (6, 0)
    assert found["verdict"].endswith("none of them is verified or has a history of 90 days.")


def test_the_chart_is_svg(tmp_path: Path) -> None:
    """It is well-formed, names what it shows, and its bars add up."""
    comparison = _replayed(tmp_path, _autumn(), _policies(tmp_path, NO_HOSTING))

    chart = timeline(comparison, "new <against> old")
    root = ET.fromstring(chart)

    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "new <against> old" in texts
    assert "newly refused: 90" in texts
    red = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("fill") == "#c0392b"]
    assert len(red) == 1 + 10 + 10


def test_an_empty_comparison_is_drawn(tmp_path: Path) -> None:
    """Nothing to show is no error."""
    assert ET.fromstring(timeline(Comparison(), "")).tag.endswith("svg")
    assert findings(Comparison(), 3)["verdict"].startswith("Nothing could be judged")


def test_principals_are_one_object(tmp_path: Path) -> None:
    """Policies remember by identity: equal rows are the same account, and a changed one is another."""
    rows = [event(exchange="a"), event(exchange="b", time=NOON + 1), event(exchange="c", tier="pro", time=NOON + 2)]
    (table,) = read(log(tmp_path, rows), columns=COLUMNS)

    a, b, c = (past.exchange for past in Reader(frozenset()).read(table))

    assert a.principal is b.principal
    assert a.location is b.location
    assert c.principal is not None
    assert (c.principal.account, c.principal.tier) == ("acme", "pro")


def test_what_is_read_is_whole(tmp_path: Path) -> None:
    """Tuples that are made past their class have each of its fields."""
    (table,) = read(log(tmp_path, [event()]), columns=COLUMNS)

    (past,) = Reader(frozenset()).read(table)

    for made in (past, past.outcome, past.outcome.usage, past.exchange, past.exchange.ask):
        assert made is not None
        assert len(made) == len(made._fields)
