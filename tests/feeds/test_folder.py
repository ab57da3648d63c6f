"""A folder of lists and databases, made ready once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.feeds import folder as module
from gateway.feeds.folder import Prepared, open_feeds, prepare
from gateway.feeds.kinds import ListKind
from gateway.feeds.lists import read_lines
from gateway.feeds.sources import DatabaseFeed, FeedSet, FeedsRefused, FileSource, ListFeed
from gateway.policy import Location
from tests.feeds.geo import database

ANYWHERE = FileSource("x")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "policies" / "lists").mkdir(parents=True)
    (tmp_path / "policies" / "lists" / "bad.txt").write_text("8.8.8.0/24\n")
    database(tmp_path / "policies" / "geo.mmdb")
    return tmp_path / "policies"


FEEDS = FeedSet(
    (DatabaseFeed("geo", "geo.mmdb"),),
    (
        ListFeed("bad", ListKind.NETWORKS, path="lists/bad.txt", network_kind="vpn"),
        ListFeed("few", ListKind.COUNTRIES, items=("NO",)),
    ),
)


def make(feeds: FeedSet, base: Path) -> Prepared:
    return prepare(feeds, base, base.parent / "data", base.parent / "into")


def test_lists_and_locator(base: Path) -> None:
    """What the file says can be asked."""
    feeds = open_feeds(make(FEEDS, base))
    assert "8.8.8.8" in feeds.lists["bad"]
    assert "NO" in feeds.lists["few"]
    assert feeds.locator is not None
    assert feeds.locator.locate("81.2.69.142") == Location("GB")
    assert feeds.locator.locate("8.8.8.8") == Location(network_kinds=frozenset({"vpn"}))
    feeds.close()
    with pytest.raises(ValueError, match="released"):
        _ = "NO" in feeds.lists["few"]


def test_nothing_is_nothing(base: Path) -> None:
    """Without databases nobody is anywhere."""
    feeds = open_feeds(make(FeedSet((), FEEDS.lists[1:]), base))
    assert feeds.locator is None


def test_what_did_not_change_is_not_made_again(base: Path) -> None:
    """Files are named by their content, and their time stands still."""
    first = make(FEEDS, base)
    times = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    assert make(FEEDS, base) == first
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == times
    (base / "lists" / "bad.txt").write_text("9.9.9.0/24\n")
    other = make(FEEDS, base)
    assert other.digest != first.digest
    assert other.lists["few"] == first.lists["few"]
    assert "8.8.8.8" in open_feeds(first).lists["bad"], "the one before is still whole"
    assert "9.9.9.9" in open_feeds(other).lists["bad"]


def test_a_damaged_one_is_made_again(base: Path) -> None:
    """What a crash left behind is not believed."""
    first = make(FEEDS, base)
    first.lists["bad"].write_bytes(b"TIDELIST")
    assert "8.8.8.8" in open_feeds(make(FEEDS, base)).lists["bad"]


def test_databases_are_copies(base: Path) -> None:
    """Whoever overwrites a database in place takes it from nobody."""
    prepared = make(FEEDS, base)
    (base / "geo.mmdb").write_bytes(b"")
    feeds = open_feeds(prepared)
    assert feeds.locator is not None
    assert feeds.locator.locate("81.2.69.142") == Location("GB")


@pytest.mark.parametrize(
    "change",
    [
        FeedSet(FEEDS.databases, FEEDS.lists[:1]),
        FeedSet((), FEEDS.lists),
        FeedSet((DatabaseFeed("geo", "geo.mmdb", stale_after=1.0),), FEEDS.lists),
        FeedSet(FEEDS.databases, (ListFeed("bad", ListKind.NETWORKS, path="lists/bad.txt"), FEEDS.lists[1])),
    ],
)
def test_the_digest_tells_them_apart(base: Path, change: FeedSet) -> None:
    """Two of one digest answer alike."""
    assert make(change, base).digest != make(FEEDS, base).digest


def test_a_process_that_knows_only_the_folder(base: Path) -> None:
    """What was saved is what is loaded."""
    prepared = make(FEEDS, base)
    prepared.save()
    assert Prepared.load(prepared.folder) == prepared


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        pytest.param(FeedSet((), (ListFeed("l", ListKind.ASNS, path="no.txt"),)), [("l", 0, "no file")], id="no file"),
        pytest.param(
            FeedSet((), (ListFeed("l", ListKind.ASNS, source=ANYWHERE),)),
            [("l", 0, "run `tidegate feeds update l`")],
            id="not fetched yet",
        ),
        pytest.param(
            FeedSet((DatabaseFeed("d", source=ANYWHERE),)),
            [("d", 0, "run `tidegate feeds update d`")],
            id="database not fetched yet",
        ),
        pytest.param(
            FeedSet((), (ListFeed("l", ListKind.COUNTRIES, items=("NO", "UK", "SE", "x")),)),
            [("l", 2, "GB"), ("l", 4, "alpha-2")],
            id="wrong items",
        ),
        pytest.param(
            FeedSet((DatabaseFeed("d", "lists/bad.txt"),), (ListFeed("l", ListKind.ASNS, path="lists/bad.txt"),)),
            [("l", 1, "autonomous system"), ("d", 0, "not a database")],
            id="everything at once",
        ),
        pytest.param(FeedSet((DatabaseFeed("d", "lists"),)), [("d", 0, "Is a directory")], id="a folder"),
        pytest.param(
            FeedSet((DatabaseFeed("geo", "geo.mmdb"),), (ListFeed("l", ListKind.ASNS, ("AS1",), network_kind="vpn"),)),
            [("l", 0, "no database says")],
            id="a kind for ASNs that nobody knows",
        ),
    ],
)
def test_what_is_refused(base: Path, feeds: FeedSet, said: list[tuple[str, int, str]]) -> None:
    """All that is wrong, each with its list or database, and its line."""
    with pytest.raises(FeedsRefused) as refused:
        make(feeds, base)
    found = refused.value.problems
    assert [(one.name, one.line) for one in found] == [(name, line) for name, line, _ in said]
    assert [text for one, (_, _, text) in zip(found, said, strict=True) if text not in one.message] == []


def fetched(base: Path, text: str) -> Prepared:
    path = base.parent / "data" / "lists" / "l.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return make(FeedSet((), (ListFeed("l", ListKind.ASNS, source=ANYWHERE),)), base)


GOOD = "".join(f"AS{n}\n" for n in range(1, 101))


def test_a_few_bad_lines_from_elsewhere_are_told(base: Path) -> None:
    """They are left out, and somebody is told."""
    prepared = fetched(base, f"asn,name\n{GOOD}")
    assert len(open_feeds(prepared).lists["l"]) == 100
    assert prepared.notes == ("l: 1 lines are left out, they are no asns",)


@pytest.mark.parametrize("text", [f"{GOOD}{'bad' * 2}\n" * 1 + "x\n" * 6, "<html>\nSorry\n"], ids=["many", "all"])
def test_too_many_bad_lines_from_elsewhere_are_refused(base: Path, text: str) -> None:
    """It is not the list that it was."""
    with pytest.raises(FeedsRefused, match="lines are wrong, such as line"):
        fetched(base, text)


def test_what_is_tolerated_from_elsewhere_is_not_in_a_list_of_ones_own(base: Path) -> None:
    """The same bytes, and the file of it is there already."""
    fetched(base, f"asn\n{GOOD}")
    (base / "own.txt").write_text(f"asn\n{GOOD}")
    with pytest.raises(FeedsRefused) as refused:
        make(FeedSet((), (ListFeed("l", ListKind.ASNS, path="own.txt"),)), base)
    assert [(one.path, one.line) for one in refused.value.problems] == [(base / "own.txt", 1)]


def test_a_list_that_is_replaced_while_it_is_read(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read stands under the name of what was read: the list before it may come back."""
    file = base / "lists" / "bad.txt"
    feeds = FeedSet((), (ListFeed("bad", ListKind.NETWORKS, path="lists/bad.txt"),))
    before = file.read_text()
    reads = read_lines

    def late(path: Path) -> Iterator[str]:
        if file.read_text() == before:
            file.write_text("9.9.9.0/24\n")
        return reads(path)

    with monkeypatch.context() as patched:
        patched.setattr(module, "read_lines", late)
        now = open_feeds(make(feeds, base))
    assert "9.9.9.9" in now.lists["bad"] and "8.8.8.8" not in now.lists["bad"]
    now.close()
    file.write_text(before)
    back = open_feeds(make(feeds, base))
    assert "8.8.8.8" in back.lists["bad"] and "9.9.9.9" not in back.lists["bad"]
    back.close()
