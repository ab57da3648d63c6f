"""A backtest from files to files, with a detector whose words are easy to foresee."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.detect.backtest.files import RowError
from gateway.detect.backtest.order import OutOfOrderError
from gateway.detect.backtest.whole import Wanted, backtest, with_settings
from gateway.detect.backtest.writing import ALL
from gateway.detect.settings import Settings
from gateway.rules.problems import Problems
from tests.detect.backtest import rows
from tests.detect.backtest.rows import BEGAN, exchanges
from tests.detect.standin import StandIn


class Ran:
    """One run, and what it left."""

    def __init__(self, events: Path, out: Path, **asked: Any) -> None:
        ticks = itertools.count()
        self.detectors: list[StandIn] = []
        self.out = out
        settings = asked.pop("settings", Settings())
        self.summary = backtest(Wanted(events, out, **asked), settings, self._make, lambda: float(next(ticks)))
        self.decisions = rows.read(out / "decisions.jsonl")
        self.verdicts = rows.read(out / "verdicts.jsonl")
        self.clusters = rows.read(out / "clusters.jsonl")

    def _make(self, settings: Settings) -> StandIn:
        self.detectors.append(StandIn(settings))
        return self.detectors[0]

    @property
    def heard(self) -> list[Any]:
        return self.detectors[0].heard


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    return rows.policies(tmp_path / "policies")


FORMATS: dict[str, Callable[[Path], Path]] = {
    "JSON lines": lambda path: rows.lines(path / "e.jsonl", exchanges()),
    "gzipped": lambda path: rows.lines(path / "e.jsonl.gz", exchanges()),
    "Parquet": lambda path: rows.parquet(path / "e.parquet", exchanges()),
    "a folder of parts of all kinds": lambda path: rows.folder(path / "e", exchanges()),
}


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS)
def test_formats(tmp_path: Path, policies: Path, make: Callable[[Path], Path]) -> None:
    """What is found does not depend on the kind of file, nor on how it is cut."""
    ran = Ran(make(tmp_path), tmp_path / "out", policies=policies)
    assert ran.summary["events"] == 60
    assert ran.summary["accounts"] == 10
    assert Counter(line["decision"] for line in ran.decisions) == {"allow": 36, "challenge": 24}
    assert {line["account"] for line in ran.verdicts} == {f"account-{number}" for number in range(5)}
    assert ran.summary["first_alarm"] == {"at": BEGAN + 10, "exchanges": 10, "cluster": "c0", "accounts": 5}
    assert ran.summary["levels"]["challenge"] == {"accounts": 5, "exchanges": 24}


def test_clock(tmp_path: Path, policies: Path) -> None:
    """A look is due every so many seconds of the events' clock; its words hold from `delay` after it."""
    events = rows.lines(tmp_path / "e.jsonl", exchanges())
    ran = Ran(events, tmp_path / "out", policies=policies, delay=3.0)
    assert ran.detectors[0].looks == [BEGAN + ten for ten in (10, 20, 30, 40, 50, 60)]
    changed = [line["time"] - BEGAN for line in ran.decisions if line["decision"] != "allow"]
    # The first campaign's exchange from 13 s on: those with even numbers are of it.
    assert changed[0] == 14
    assert changed == [float(number) for number in range(14, 60, 2)]


def test_quiet(tmp_path: Path) -> None:
    """Where nobody asks for hours nobody looks for hours."""
    late = [row | {"time": row["time"] + (86_400.0 if number > 20 else 0.0)} for number, row in enumerate(exchanges())]
    ran = Ran(rows.lines(tmp_path / "e.jsonl", late), tmp_path / "out")
    assert len(ran.detectors[0].looks) == 3 + 4
    assert ran.detectors[0].looks[2] == BEGAN + 30


def test_heard(tmp_path: Path, policies: Path) -> None:
    """The detector hears of what became of an exchange: who was refused used nothing."""
    ran = Ran(rows.lines(tmp_path / "e.jsonl", exchanges()), tmp_path / "out", policies=policies)
    refused = {line["exchange"] for line in ran.decisions if line["decision"] == "challenge"}
    assert refused
    for event in ran.heard:
        if event.exchange in refused:
            assert (event.action, event.status, event.usage_output) == ("challenge", 403, 0)
        else:
            assert (event.action, event.status, event.usage_output) == ("allow", 200, 100)


def test_shadow(tmp_path: Path, policies: Path) -> None:
    """In shadow it is said what would be done, and the detector hears of what was."""
    ran = Ran(rows.lines(tmp_path / "e.jsonl", exchanges()), tmp_path / "out", policies=policies, shadow=True)
    assert ran.summary["decisions"]["challenge"] > 0
    assert {event.action for event in ran.heard} == {"allow"}


def test_refused_before(tmp_path: Path, policies: Path) -> None:
    """What the log says was refused stays refused, and is heard as it was."""
    logged = [row | {"action": "throttle", "reason": "quota", "status": 429} for row in exchanges()]
    ran = Ran(rows.lines(tmp_path / "e.jsonl", logged), tmp_path / "out", policies=policies)
    assert set(ran.summary["decisions"]) == {"allow", "refused_before"}
    assert ran.summary["decisions"]["refused_before"] == 60
    assert {event.reason for event in ran.heard} == {"quota"}


def test_shared_budget(tmp_path: Path) -> None:
    """A cluster has one bucket, on the events' clock, whatever its number of accounts."""
    text = "campaigns:\n  budget: {from: 5, requests: 2, every: 100s}\n"
    folder = rows.policies(tmp_path / "policies", risk=text)
    ran = Ran(rows.lines(tmp_path / "e.jsonl", exchanges(400)), tmp_path / "out", policies=folder)
    passed = [line for line in ran.decisions if line["level"] == "budget" and line["decision"] == "allow"]
    stopped = [line for line in ran.decisions if line["decision"] == "budget"]
    # 2 · (1 + log2 5) is some 7 at once, and as many again in 100 s: 388 s are left after the first look.
    assert 30 <= len(passed) <= 36
    assert len(passed) + len(stopped) == len([line for line in ran.decisions if line["level"] == "budget"])
    assert {line["cluster"] for line in passed + stopped} == {"c0"}


def test_tiers(tmp_path: Path, policies: Path) -> None:
    """What a tier comes to at the most holds."""
    trusted = [row | {"tier": "trusted"} for row in exchanges()]
    ran = Ran(rows.lines(tmp_path / "e.jsonl", trusted), tmp_path / "out", policies=policies)
    assert set(ran.summary["decisions"]) == {"allow", "budget"}
    assert {line["level"] for line in ran.verdicts} == {"budget"}


def test_facts(tmp_path: Path, policies: Path) -> None:
    """What is known of an account is told when it was created or is first heard of, and not before."""
    facts = [
        {"account": "account-0", "contract": True, "created": BEGAN - 5},
        {"account": "account-1", "contract": True, "created": "2100-01-01"},
        {"account": "later", "created": BEGAN + 45},
        {"account": "never", "created": BEGAN + 1e6},
    ]
    accounts = rows.lines(tmp_path / "a.jsonl", facts)
    ran = Ran(rows.lines(tmp_path / "e.jsonl", exchanges()), tmp_path / "out", accounts=accounts, policies=policies)
    learnt = {account: heard for heard, account in ran.detectors[0].learnt}
    assert learnt.keys() == {"account-0", "account-1", "later"}
    assert learnt["account-0"] == 0
    assert learnt["later"] == 40
    assert {line["account"] for line in ran.verdicts} == {"account-2", "account-3", "account-4"}
    assert ran.summary["accounts_known"] == 4


@pytest.mark.parametrize(
    ("asked", "events"),
    [
        ({"begin": BEGAN + 10}, 50),
        ({"end": BEGAN + 10}, 10),
        ({"begin": BEGAN + 10, "end": BEGAN + 20}, 10),
        ({"limit": 7}, 7),
        ({"begin": BEGAN + 59.5}, 0),
    ],
    ids=["from", "until", "both", "limit", "nothing"],
)
def test_period(tmp_path: Path, asked: dict[str, Any], events: int) -> None:
    """Only exchanges of the period are gone through, and decided on."""
    ran = Ran(rows.lines(tmp_path / "e.jsonl", exchanges()), tmp_path / "out", **asked)
    assert ran.summary["events"] == len(ran.decisions) == len(ran.heard) == events


def test_empty(tmp_path: Path) -> None:
    """No exchange is a result as well."""
    ran = Ran(rows.lines(tmp_path / "e.jsonl", []), tmp_path / "out")
    assert ran.summary["events"] == 0
    assert ran.summary["first_alarm"] is None
    assert sorted(path.name for path in ran.out.iterdir()) == sorted(ALL)


def test_unknown_columns(tmp_path: Path) -> None:
    """What this version does not know is left out."""
    strange = [row | {"weather": "fair", "nested": {"a": [1]}} for row in exchanges()]
    assert Ran(rows.parquet(tmp_path / "e.parquet", strange), tmp_path / "out").summary["events"] == 60


def test_blind(tmp_path: Path) -> None:
    """The summary says which signals had nothing to look at."""
    bare = [{name: row[name] for name in ("exchange", "time", "account")} for row in exchanges()]
    blind = Ran(rows.lines(tmp_path / "e.jsonl", bare), tmp_path / "out").summary["blind"]
    assert {"content: templates", "links: minted ids", "network: place", "pivot: models", "trust"} <= set(blind)
    full = [
        row | {"network": "n", "action": "allow", "organisation": "acme", "minted": [{"account": "b", "id": 1}]}
        for row in exchanges()
    ]
    facts = [{"account": "account-0", "payment": "card", "created": BEGAN, "paid": 10.0}]
    accounts = rows.lines(tmp_path / "a.jsonl", facts)
    blind = Ran(rows.lines(tmp_path / "e.jsonl", full), tmp_path / "out", accounts=accounts).summary["blind"]
    assert blind == ["links: wandering turns", "content: capabilities", "network: software"]


def test_deterministic(tmp_path: Path, policies: Path) -> None:
    """Two runs over the same leave the same bytes, but for how long they took."""
    events = rows.lines(tmp_path / "e.jsonl", exchanges())
    ran = [Ran(events, tmp_path / name, policies=policies) for name in ("one", "other")]
    for name in ALL[:-1]:
        assert (ran[0].out / name).read_bytes() == (ran[1].out / name).read_bytes()
    one, other = (json.loads((each.out / "summary.json").read_text()) for each in ran)
    assert one.pop("wall")
    assert other.pop("wall")
    assert one == other


@pytest.mark.parametrize("disorder", [0, 4, 30], ids=["none", "little", "all of it"])
def test_disorder(tmp_path: Path, policies: Path, disorder: int) -> None:
    """Exchanges of a file whose order is not quite that of their times are gone through by their times."""
    mixed = exchanges()
    for at in range(0, len(mixed), max(1, disorder * 2)):
        mixed[at : at + disorder * 2] = reversed(mixed[at : at + disorder * 2])
    ran = Ran(rows.lines(tmp_path / "e.jsonl", mixed), tmp_path / "out", policies=policies)
    assert [line["time"] for line in ran.decisions] == [BEGAN + number for number in range(60)]
    assert ran.summary["decisions"] == {"allow": 36, "challenge": 24}


def test_too_much_disorder(tmp_path: Path) -> None:
    """What comes later than is waited for ends the run, with a word on what to do, and leaves nothing."""
    rows.lines(tmp_path / "1.jsonl", exchanges(apart=100.0)[30:])
    rows.lines(tmp_path / "2.jsonl", exchanges(apart=100.0)[:30])
    with pytest.raises(OutOfOrderError, match=r"exchange x0 is 5,900 s older .* sort the file by time, or widen"):
        Ran(tmp_path, tmp_path / "out", window=600.0)
    assert not list((tmp_path / "out").iterdir())
    ran = Ran(tmp_path, tmp_path / "out2", window=7200.0)
    assert [line["exchange"] for line in ran.decisions] == [f"x{number}" for number in range(60)]


BAD = {
    "no JSON": ("{", "no JSON: "),
    "no object": ("[1]", "must be a JSON object"),
    "no account": ('{"exchange": "x", "time": 1790000000}', "“account” is missing"),
    "no exchange": ('{"account": "a", "time": 1790000000}', "“exchange” is missing"),
    "no time": ('{"exchange": "x", "account": "a"}', "“time” is missing"),
    "milliseconds": ('{"exchange": "x", "account": "a", "time": 1790000000000}', "are these milliseconds?"),
    "time is a word": ('{"exchange": "x", "account": "a", "time": "noon"}', "“time” must be"),
    "status is a word": ('{"exchange": "x", "account": "a", "time": 1790000000, "status": "ok"}', "“status” must be"),
    "a text is a list": ('{"exchange": "x", "account": "a", "time": 1790000000, "prompt_text": [1]}', "“prompt_text”"),
    "a turn is a number": (
        '{"exchange": "x", "account": "a", "time": 1790000000, "assistant_texts": [1]}',
        "“assistant_texts” must be a list of texts",
    ),
}


@pytest.mark.parametrize(("line", "said"), BAD.values(), ids=BAD)
def test_bad_rows(tmp_path: Path, line: str, said: str) -> None:
    """A row that makes no sense ends the run with its file and line; on demand it is left out and counted."""
    events = tmp_path / "e.jsonl"
    rows.lines(events, exchanges(10))
    written = events.read_text().splitlines()
    events.write_text("\n".join([*written[:4], line, *written[4:]]))
    with pytest.raises(RowError) as caught:
        Ran(events, tmp_path / "out")
    assert str(caught.value).startswith(f"{events}:5: ")
    assert said in str(caught.value)
    assert not list((tmp_path / "out").iterdir())
    ran = Ran(events, tmp_path / "out", skip_bad=True)
    assert (ran.summary["events"], ran.summary["bad_rows"]) == (10, 1)


UNREADABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "not there": (lambda path: path / "none.jsonl", "no such file or folder"),
    "another kind": (lambda path: rows.lines(path / "e.csv", []), "must end in one of .parquet"),
    "an empty folder": (lambda path: path / "folder", "no file in it ends in"),
    "torn Parquet": (lambda path: _torn(rows.parquet(path / "e.parquet", exchanges())), "cannot be read"),
    "torn gzip": (lambda path: _torn(rows.lines(path / "e.jsonl.gz", exchanges(600))), "cannot be read"),
}


def _torn(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.mark.parametrize(("make", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable(tmp_path: Path, make: Callable[[Path], Path], said: str) -> None:
    """A file that cannot be read is one clear error, with or without --skip-bad."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(RowError, match=said):
        Ran(make(tmp_path), tmp_path / "out", skip_bad=True)


def test_earlier_result_stays(tmp_path: Path) -> None:
    """A run that fails leaves what was there before, and nothing of its own."""
    good = rows.lines(tmp_path / "e.jsonl", exchanges())
    before = Ran(good, tmp_path / "out")
    kept = {name: (before.out / name).read_bytes() for name in ALL}
    bad = rows.lines(tmp_path / "bad.jsonl", [*exchanges(), {"exchange": "x"}])
    with pytest.raises(RowError):
        Ran(bad, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in before.out.iterdir()} == kept


def test_policies_without_campaigns(tmp_path: Path) -> None:
    """Policies by which nothing would follow are a mistake."""
    folder = rows.policies(tmp_path / "policies", risk="new_network: {weight: 15, settles: 24h, within: network}\n")
    with pytest.raises(Problems) as caught:
        Ran(rows.lines(tmp_path / "e.jsonl", exchanges()), tmp_path / "out", policies=folder)
    assert "no entry of kind `risk` states `campaigns`" in str(caught.value.problems)


def test_settings() -> None:
    """What is stated changes, the rest is as it is in production."""
    usual, other = Settings(), with_settings(60.0, 11, ["content"])
    assert (other.look, other.seed, other.without) == (60.0, 11, frozenset({"content"}))
    assert (other.caps, other.alarm) == (usual.caps, usual.alarm)
    assert with_settings(None, None, ()) == usual
    assert math.isfinite(usual.look)
