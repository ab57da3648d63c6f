"""What a detector knows, on disk: folders that are whole or not there. `kill -9` loses nothing that the stream still
holds, since each snapshot states up to which entry the stream was heard.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.campaigns.verdict import Verdict
from gateway.detect.interface import Detecting
from gateway.feeds.verdicts import spelled, verdict_of

FOLDER: Final = "detector"
"""In the data folder."""
KEEP: Final = 2
"""The last snapshots: if one cannot be used, the one before it can."""
START: Final = "0-0"
"""Before the first entry of a stream."""

_NAMED: Final = re.compile(r"(\d{15,20})-(\d{6,20})")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Kept:
    """Beside the detector's own state."""

    after: str = START
    """Id of the last entry of the stream that was heard."""
    ruling: int = 0
    version: int | None = None
    """Of the directory."""
    events: int = 0
    """Heard, in all."""
    names: list[str] = field(default_factory=list)
    """Accounts that were heard of."""
    verdicts: list[Verdict] = field(default_factory=list)
    """Those that stand."""
    state: str = ""
    """What `Names` calls this state of the detector."""
    erased: list[str] = field(default_factory=list)
    """As `detector_names.marked`."""


class Snapshots:
    """Of one gateway: two detectors must not share the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, detector: Detecting, kept: Kept) -> None:
        """Raises OSError; then those from before are still there."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = self.folder / "being-made"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(mode=0o700)
        detector.save(made / "state")
        verdicts = [orjson.loads(spelled(verdict)) for verdict in kept.verdicts]
        content = {
            "after": kept.after,
            "ruling": kept.ruling,
            "version": kept.version,
            "events": kept.events,
            "names": kept.names,
            "verdicts": verdicts,
            "state": kept.state,
            "erased": kept.erased,
        }
        (made / "kept.json").write_bytes(orjson.dumps(content))
        time, _, number = kept.after.partition("-")
        name = self.folder / f"{int(time):015}-{int(number):06}"
        # Nothing new was heard: the one that is there is older by its clock alone.
        shutil.rmtree(name, ignore_errors=True)
        made.replace(name)
        for old in self._there()[KEEP:]:
            shutil.rmtree(old, ignore_errors=True)

    def load(self, detector: Detecting) -> Kept:
        """The newest that can be used; an empty one where there is none."""
        for path in self._there():
            try:
                kept = _read(path / "kept.json")
                if detector.load(path / "state"):
                    return kept
                log.warning("the snapshot %s is of another version, or torn", path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("the snapshot %s cannot be read: %s", path, error)
        return Kept()

    def _there(self) -> list[Path]:
        """The newest first."""
        found: Iterable[Path] = ()
        with contextlib.suppress(FileNotFoundError):
            found = list(self.folder.iterdir())
        return sorted((path for path in found if _NAMED.fullmatch(path.name)), key=_place, reverse=True)


def _place(path: Path) -> tuple[int, int]:
    time, _, number = path.name.partition("-")
    return int(time), int(number)


def _read(path: Path) -> Kept:
    content: dict[str, Any] = orjson.loads(path.read_bytes())
    return Kept(
        content["after"],
        content["ruling"],
        content["version"],
        content["events"],
        content["names"],
        [verdict_of(said) for said in content["verdicts"]],
        content.get("state", ""),
        content.get("erased", []),
    )
