"""Worlds are the same for the same seed, say the truth about themselves, and share nothing between their halves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest

from gateway.campaigns.event import Event
from gateway.campaigns.facts_rows import facts_of
from gateway.detect.backtest.files import batches, refuse_all
from gateway.detect.backtest.rows import WANTED, Reader
from loadtest.campaigns.attackers import TIERS
from loadtest.campaigns.columns import Kind
from loadtest.campaigns.negatives import NEGATIVES
from loadtest.campaigns.texts import Reels, Texts, found, variant
from loadtest.campaigns.traces import gini
from loadtest.campaigns.truth import Truth
from loadtest.campaigns.world import Options, Sources, attacker, make

SMALL = Options(scale=0.001, days=1.0, negatives=0.05)


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources.read(None, "tune")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sources: Sources) -> Path:
    folder = tmp_path_factory.mktemp("world")
    make(replace(SMALL, attacker=attacker("lazy", 50)), None, folder, sources)
    return folder


def events_of(folder: Path) -> list[Event]:
    read = Reader(refuse_all).events(batches(folder / "events.parquet", refuse_all, WANTED))
    return [event for batch in read for event in batch]


def test_same_seed(tmp_path: Path, sources: Sources) -> None:
    """One seed makes the same events, accounts and truth; another makes others."""
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        make(replace(SMALL, seed=seed, benign=0.3, negatives=0.02), None, tmp_path / name, sources)

    def written(name: str) -> tuple[Any, bytes, bytes]:
        table = pq.read_table(tmp_path / name / "events.parquet")
        return table, *((tmp_path / name / file).read_bytes() for file in ("accounts.jsonl", "truth.json"))

    assert written("one")[0].equals(written("again")[0])
    assert written("one")[1:] == written("again")[1:]
    assert not written("one")[0].equals(written("other")[0])


def test_truth_fits_events(world: Path) -> None:
    """Row n of the events is exchange n of the truth: its time, its account, whether it was refused."""
    truth, events = Truth.read(world), events_of(world)
    assert [event.exchange for event in events] == [f"x{number:09d}" for number in range(len(events))]
    assert [event.account for event in events] == [truth.accounts[number].account for number in truth.of.tolist()]
    assert np.array_equal([event.time for event in events], truth.times)
    assert (np.diff(truth.times) >= 0).all()
    refused = np.array([event.status == 429 for event in events])
    assert (refused[truth.kinds == Kind.REFUSED]).all()
    assert not refused[truth.kinds == Kind.DISTILLATION].any()
    hostile = truth.labels()[truth.of] == "campaign"
    assert np.array_equal(hostile, truth.kinds != Kind.BENIGN)


def test_accounts_can_be_read(world: Path) -> None:
    """Every account of the events stands in the file of accounts, with facts that the backtest reads."""
    facts = [facts_of(orjson.loads(line)) for line in (world / "accounts.jsonl").read_bytes().splitlines()]
    assert {event.account for event in events_of(world)} <= {one.account for one in facts}
    assert len({one.account for one in facts}) == len(facts)


def test_every_negative_is_there(world: Path) -> None:
    """Each hard negative has accounts, and they ask something."""
    truth = Truth.read(world)
    asked = np.bincount(truth.of, minlength=len(truth.accounts)) > 0
    labels = truth.labels()
    assert {str(label) for label in labels[asked]} >= {*NEGATIVES, "benign", "campaign"}


def test_honest_volumes(sources: Sources, tmp_path: Path) -> None:
    """Volumes of honest accounts are as unequal as those of real clients, and half of them ask once or twice."""
    make(replace(SMALL, scale=0.005, days=10.0, campaign="", negatives=0.0), None, tmp_path, sources)
    truth = Truth.read(tmp_path)
    volumes = np.bincount(truth.of, minlength=len(truth.accounts))
    assert 0.65 <= gini(volumes) <= 0.90
    assert 1 <= np.median(volumes) <= 4


def test_halves_share_nothing() -> None:
    """What is tuned on and what is reported on have no prompt, question, template or framework in common."""
    one, other = Texts.read(None, "tune"), Texts.read(None, "report")
    for name in ("templates", "frameworks", "prompts", "seeds", "maths"):
        first, second = getattr(one, name), getattr(other, name)
        assert first
        assert second
        assert not {str(text) for text in first} & {str(text) for text in second}, name


@pytest.mark.parametrize(
    ("tier", "replays", "wanders"),
    [("lazy", True, True), ("mid", False, True), ("very_careful", False, False)],
)
def test_relay_leaves_what_its_tier_leaves(
    tier: str, replays: bool, wanders: bool, tmp_path: Path, sources: Sources
) -> None:
    """Ids of another account come back where a relay does not rewrite them; turns wander where it moves talks."""
    make(replace(SMALL, seed=2, benign=0.1, negatives=0.0, attacker=attacker(tier, 0)), None, tmp_path, sources)
    truth = Truth.read(tmp_path)
    party = {account.account: account.party for account in truth.accounts}
    seen: dict[int, set[str]] = {}
    minted = 0
    for event in events_of(tmp_path):
        if party[event.account] != "campaign":
            continue
        minted += len(event.minted)
        assert all(one.account != event.account for one in event.minted)
        for turn in event.turns:
            seen.setdefault(turn, set()).add(event.account)
    assert bool(minted) == replays
    assert (sum(len(accounts) > 1 for accounts in seen.values()) > 0) == wanders


def test_cover_is_its_share(world: Path) -> None:
    """Half of what accounts of a campaign ask is cover where the options say so."""
    kinds = Truth.read(world).kinds
    cover, work = (int((kinds == kind).sum()) for kind in (Kind.COVER, Kind.DISTILLATION))
    assert cover / (cover + work) == pytest.approx(0.5, abs=0.15)


def test_template_is_found_in_fillings() -> None:
    """The words that all fillings share are its pieces; what changes is in its slots."""
    made = found([f"Read this passage with care and then answer: {name} lives in {town}. Be brief." for name, town in
                  (("Ann", "Oslo"), ("Ben", "Rome"), ("Cem", "Bonn"))])  # fmt: skip
    assert made is not None
    assert made.pieces[1].startswith("Read this passage with care and then answer:")
    assert found(["one two three", "four five six"]) is None


def test_tiers_grow_more_careful() -> None:
    """Links and template hits fall from tier to tier."""
    ladder = [TIERS[name] for name in ("lazy", "mid", "careful", "very_careful")]
    assert [one.hits for one in ladder] == sorted((one.hits for one in ladder), reverse=True)


def test_bare_world(tmp_path: Path, sources: Sources) -> None:
    """A bare world says who asked what of which model, and when, and nothing of anybody; it can be run all the same."""
    make(replace(SMALL, benign=0.2, negatives=0.02, bare=True), None, tmp_path, sources)
    columns = {"exchange", "time", "account", "model", "system_text", "prompt_text"}
    assert set(pq.read_schema(tmp_path / "events.parquet").names) == columns
    assert not (tmp_path / "accounts.jsonl").exists()
    events = events_of(tmp_path)
    assert len(events) == len(Truth.read(tmp_path).kinds)
    assert not any(event.network or event.organisation or event.sdk for event in events)


def test_nobody_is_trusted(tmp_path: Path, sources: Sources) -> None:
    """At a share of 0 nothing is known that speaks for anybody, resellers and enterprises among them."""
    make(replace(SMALL, trusted=0.0, campaign="", negatives=0.05), None, tmp_path, sources)
    rows = [orjson.loads(line) for line in (tmp_path / "accounts.jsonl").read_bytes().splitlines()]
    assert not any(row.get("contract") or row.get("document") or row["verification"] > 1 for row in rows)


@pytest.mark.parametrize("language", ["de", "es", "zh", "mixed"])
def test_languages(language: str) -> None:
    """Each language has its own words, templates and frameworks; its halves share none of them."""
    one, other = Texts.read(None, "tune", language), Texts.read(None, "report", language)
    for name in ("templates", "frameworks", "prompts", "seeds", "maths"):
        first, second = ({str(text) for text in getattr(texts, name)} for texts in (one, other))
        assert len(first) > 1, name
        assert not first & second, name
    assert len(one.babbles) == (4 if language == "mixed" else 1)


def test_a_language_without_spaces() -> None:
    """Nothing stands between its words, and a variant of a template has other signs in the same slots."""
    texts, rng = Texts.read(None, "tune", "zh"), np.random.default_rng(1)
    written = Reels(texts, rng).make(np.array([40, 40]))
    assert not any(" " in text for text in written)
    assert written[0] != written[1]
    template = texts.templates[0]
    other = variant(template, rng)
    assert other.pieces != template.pieces
    assert other.slots == template.slots


def test_variants_of_a_language_keep_to_it() -> None:
    """German is reworded by German words."""
    template = Texts.read(None, "tune", "de").templates[0]
    words = " ".join(variant(template, np.random.default_rng(2)).pieces).lower().split()
    assert not {"please", "carefully", "kindly", "along"} & set(words)
