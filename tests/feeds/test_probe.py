"""A damaged database ends a child, and no one else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.feeds.acceptance import accept_database
from gateway.feeds.databases import DatabaseRefused
from gateway.feeds.folder import prepare
from gateway.feeds.probe import check_database
from gateway.feeds.sources import DatabaseFeed, FeedSet, FeedsRefused, FileSource, landing
from gateway.feeds.standing import standings
from tests.feeds.geo import BUILT, database


def deadly(path: Path) -> Path:
    """The type of a key is one that there is not: the extension of maxminddb 3.2.0 dies of it."""
    content = database(path).read_bytes()
    path.write_bytes(content.replace(b"Hiso_code", b"\0iso_code", 1))
    return path


def test_a_good_one(tmp_path: Path) -> None:
    """It is opened."""
    assert check_database(database(tmp_path / "a.mmdb")).look_up("81.2.69.1", v6=False).country == "GB"


def test_a_deadly_one(tmp_path: Path) -> None:
    """Refused, by whatever the child says or dies of."""
    with pytest.raises(DatabaseRefused, match="damaged"):
        check_database(deadly(tmp_path / "a.mmdb"))


def test_a_deadly_one_is_never_prepared(tmp_path: Path) -> None:
    """No worker comes near it, and nothing of it is left in the folder."""
    deadly(tmp_path / "a.mmdb")
    with pytest.raises(FeedsRefused, match="damaged"):
        prepare(FeedSet((DatabaseFeed("a", "a.mmdb"),)), tmp_path, tmp_path, tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def test_one_that_is_not_there(tmp_path: Path) -> None:
    """That is for the caller to say."""
    with pytest.raises(FileNotFoundError):
        check_database(tmp_path / "a.mmdb")


@pytest.mark.parametrize("seed", range(12))
def test_wrong_bytes(tmp_path: Path, seed: int) -> None:
    """Refused; or every network of it can be looked up here, too."""
    chance = random.Random(seed)
    path = database(tmp_path / "a.mmdb")
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 4, 40))):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content)
    try:
        found = check_database(path)
    except DatabaseRefused:
        return
    assert found.walk_all(10_000) > 0
    found.close()


def test_a_deadly_one_that_is_in_use_already(tmp_path: Path) -> None:
    """Neither a table nor an update comes to harm by what somebody left there."""
    deadly(tmp_path / "databases" / "a.mmdb")
    (feed,) = feeds = (DatabaseFeed("a", source=FileSource("good.mmdb")),)
    (found,) = standings(FeedSet(feeds), tmp_path, tmp_path, 0.0)
    assert "damaged" in found.problem
    assert accept_database(database(tmp_path / "good.mmdb"), landing(tmp_path, feed), force=False).built == BUILT
