"""`tidegate replay`, `shadow report` and `history` as an author types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.history.parquet import parts
from tests.cli.run import data, tidegate
from tests.history.logs import NOON, event, log, refused, segment

POLICIES = {
    "chain": """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: quota, kind: quota, on_failure: deny}
""",
    "auth": "api_keys: true\n",
    "quota": "limits:\n  - {name: requests, measure: requests, per: [account], capacity: 2, every: 1h}\n",
}
ALL = ("--since", "2023-11-01", "--until", "2023-12-01")


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Two requests an hour."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for name, text in POLICIES.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Three exchanges of one account, one of another, and a refused one with a rule in shadow."""
    rules = [["rules", "no-vpn", "deny", "vpn", False]]
    events = [event(exchange=f"x{n}", time=NOON + n, verification=1) for n in range(3)]
    events += [event(exchange="y", account="b", rules=rules, tier="pro")]
    events += [refused("auth", "revoked_key", account="", exchange="z", time=NOON + 60)]
    return log(tmp_path / "log", events)


def test_replay_says_what_would_change(policies: Path, history: Path, tmp_path: Path) -> None:
    """In tables, the dangerous first; and a chart where one is wanted."""
    chart = tmp_path / "out.svg"

    result = tidegate("replay", policies, "--log", history, *ALL, "--plot", chart, columns=160)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("5 exchanges of 2 accounts, 2023-11-15 12:00 to 2023-11-15 12:01 UTC")
    assert any("newly refused" in line and "1" in line for line in lines)
    assert "acme" in result.stdout
    assert "Would newly refuse 20.0% of exchanges, 1 account (all tier free). 1 of them looks honest" in result.stdout
    assert chart.read_text().startswith("<svg")


def test_replay_in_json(policies: Path, history: Path) -> None:
    """The same for scripts; nothing else is printed."""
    found = data(tidegate("replay", policies, "--log", history, *ALL, "--json"))

    assert {row["change"]: row["exchanges"] for row in found["changes"] if row["exchanges"]} == {
        "newly refused": 1,
        "refused as before": 1,
        "allowed as before": 3,
    }
    assert [(row["account"], row["newly_refused"], row["exchanges"]) for row in found["hurt"]] == [("acme", 1, 3)]
    assert found["failures"] == {}


def test_replay_of_a_part(policies: Path, history: Path) -> None:
    """--limit takes the oldest, --against compares with another folder."""
    few = data(tidegate("replay", policies, "--log", history, *ALL, "--limit", 2, "--json"))
    same = data(tidegate("replay", policies, "--log", history, *ALL, "--against", policies, "--json"))

    assert few["exchanges"] == 2
    assert {row["change"] for row in same["changes"] if row["exchanges"]} == {"allowed as before", "refused as before"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), "--since yesterday: must be a duration back from now"),
        (("--since", "2023-12-01", "--until", "2023-11-01"), "is not before"),
        (("--since", "2023-12-01"), "has no events in this time: it has days from 2023-11-15 to 2023-11-15"),
        (("--log", "/nowhere/at/all"), "there is no exchange log in /nowhere/at/all"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(
    policies: Path, history: Path, words: tuple[str, ...], said: str
) -> None:
    """No traceback, and what to do."""
    result = tidegate("replay", policies, "--log", history, *words)

    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_wrong_policies_are_told_as_by_check(policies: Path, history: Path) -> None:
    """Every problem with its place."""
    (policies / "quota.yaml").write_text("limits: 3\n")

    result = tidegate("replay", policies, "--log", history, *ALL)

    assert result.exit_code == 1
    assert "quota.yaml:1" in result.stderr


def test_no_log_is_said(policies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the configuration nor --log names one."""
    monkeypatch.chdir(tmp_path)

    result = tidegate("replay", policies)

    assert "set `exchange_log` in tidegate.yaml, or name its folder with --log" in result.stderr


def test_a_shadow_report(history: Path) -> None:
    """Tables for people, data for scripts."""
    result = tidegate("shadow", "report", "--log", history, *ALL, columns=140)
    found = data(tidegate("shadow", "report", "--log", history, *ALL, "--json"))

    assert "rules/no-vpn: deny vpn" in result.stdout
    assert "Would newly refuse 20.0% of exchanges, 1 account, all tier pro." in result.stdout
    assert [rule["rule"] for rule in found["rules"]] == ["no-vpn"]


def test_nothing_in_shadow_is_said(tmp_path: Path) -> None:
    """An empty report is no riddle."""
    result = tidegate("shadow", "report", "--log", log(tmp_path, [event()]), *ALL)

    assert "Nothing in shadow applied" in result.stdout


def test_history_records_and_shows(tmp_path: Path) -> None:
    """What is in the spool becomes a part, once."""
    segment(tmp_path, [event(exchange=f"x{n}") for n in range(3)])

    before = data(tidegate("history", "show", "--log", tmp_path, "--json"))
    recorded = tidegate("history", "record", "--log", tmp_path, "--once", "--keep", "10000d")
    after = data(tidegate("history", "show", "--log", tmp_path, "--json"))

    assert recorded.exit_code == 0, recorded.output
    assert (before["exchanges"], list(before["days"])) == (3, ["spool"])
    assert (after["exchanges"], list(after["days"])) == (3, ["2023-11-15"])
    assert len(parts(tmp_path)) == 1
    assert "3 exchanges since 2023-11-15 12:00" in tidegate("history", "show", "--log", tmp_path).stdout
