"""What a folder's feeds.yaml brings: its lists, and where addresses are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from gateway.feeds.folder import Feeds, open_feeds, prepare
from gateway.feeds.sources import DatabaseFeed, FeedsRefused, ListFeed, location_of
from gateway.policy import Location
from gateway.rules.feeds_file import FeedsFile, placed
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import FEEDS, Ruleset
from gateway.rules.whole_feeds import open_prepared

EMPTY_LIST: Final = frozenset[object]()


class Knowledge(NamedTuple):
    """Lists and databases, opened."""

    lists: Mapping[str, Container[object]]
    locate: Callable[[str], Location] | None
    notes: tuple[str, ...]
    """What is missing, for people: what was never fetched is empty here."""
    feeds: Feeds | None

    def close(self) -> None:
        if self.feeds is not None:
            self.feeds.close()


def know(folder: Path, data: Path, ruleset: Ruleset, compiled: Path | None = None) -> Knowledge:
    """`data` is where fetched things are. Raises Problems with all that is wrong in lists and databases.

    `compiled`: of a whole, whose policies have no lists beside them: its folder of those that were compiled.
    """
    if compiled is not None:
        return _known(compiled)
    written = ruleset.feeds
    feeds = written.plain()
    all_feeds: tuple[DatabaseFeed | ListFeed, ...] = (*feeds.databases, *feeds.lists)
    absent = [feed for feed in all_feeds if _is_absent(folder, data, feed)]
    there = written.model_copy(
        update={
            "databases": tuple(one for one in written.databases if one.plain() not in absent),
            "lists": {name: one for name, one in written.lists.items() if one.plain(name) not in absent},
        }
    )
    opened = _opened(folder, data, there, ruleset) if there.databases or there.lists else None
    lists: dict[str, Container[object]] = {feed.name: EMPTY_LIST for feed in absent if isinstance(feed, ListFeed)}
    locate = None
    if opened is not None:
        lists |= opened.lists
        locate = opened.locator.locate if opened.locator is not None else None
    notes = tuple(f"{feed.name} was never fetched, so it is empty here: `tidegate feeds update`" for feed in absent)
    return Knowledge(lists, locate, notes, opened)


def _known(compiled: Path) -> Knowledge:
    try:
        feeds = open_prepared(compiled)
    except (OSError, ValueError) as error:
        raise Problems([Problem(compiled, 1, 1, f"lists and databases cannot be used: {error}")]) from error
    return Knowledge(feeds.lists, feeds.locator.locate if feeds.locator is not None else None, (), feeds)


def _is_absent(folder: Path, data: Path, feed: DatabaseFeed | ListFeed) -> bool:
    path = location_of(folder, data, feed)
    return feed.source is not None and path is not None and not path.exists()


def _opened(folder: Path, data: Path, feeds: FeedsFile, ruleset: Ruleset) -> Feeds:
    path = folder / FEEDS
    # What is mapped stays readable when its file is gone.
    with tempfile.TemporaryDirectory(prefix="tidegate-rehearsal-") as into:
        try:
            return open_feeds(prepare(feeds.plain(), folder, data, Path(into)))
        except FeedsRefused as refused:
            raise placed(refused, feeds, ruleset.documents[path]) from refused
        except (OSError, ValueError) as error:
            raise Problems([Problem(path, 1, 1, f"lists and databases cannot be used: {error}")]) from error
