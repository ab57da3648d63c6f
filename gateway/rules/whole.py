"""A whole: one folder with everything that a ruleset is made of, checked before anybody serves by it, and then left
alone.

    <wholes>/<generation>-<digest>/whole.json     what it is
                                  /policies/      the files that were read, byte for byte
                                  /feeds/         compiled lists and databases, for workers to map

The supervisor makes it; each worker loads the same bytes, whatever has become of the files that they came from.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.feeds.folder import Feeds
from gateway.feeds.sources import FeedSet, landed, location_of
from gateway.feeds.update import last_checked
from gateway.policies import Services
from gateway.policy import PolicyKind
from gateway.rules.build import build
from gateway.rules.problems import Problem, Problems
from gateway.rules.ruleset import Ruleset, load
from gateway.rules.whole_feeds import COMPILED, open_prepared, prepare_feeds, sweep

MANIFEST: Final = "whole.json"
FEEDS: Final = "feeds"
"""The folder of a whole with its compiled lists and databases."""
POINTER: Final = "in-force"
"""A file beside the wholes with the name of the one that a worker which starts has to load."""
SHOWN: Final = 12
"""Digits of a digest that are shown to people, and that stand in names."""
TRIES: Final = 3
"""How often files that change while they are read are read again."""

UNUSED: Final = 600.0
"""Seconds for which a compiled list that no whole holds is kept."""

ServicesOf = Callable[[Ruleset, Feeds], Services]
"""What policies are built with, here to be thrown away."""


@dataclass(frozen=True, slots=True)
class Whole:
    """One that is on the disk."""

    folder: Path
    generation: int
    """Counts from 1 in a supervisor's life; each change has its own."""
    digest: str
    """BLAKE2b-128 over the policies' bytes, the compiled lists and the databases, in hex."""
    policies: str
    """The ruleset's own digest: over the policies' bytes alone."""
    made: float
    """Unix time."""
    entries: tuple[str, ...]
    """Names, in the order of the chain."""

    @property
    def version(self) -> tuple[int, str]:
        return self.generation, self.digest

    @property
    def name(self) -> str:
        """As people are told of it."""
        return name_of(self.version)


@dataclass(frozen=True, slots=True)
class Opened:
    """A whole that was read: to be built. Whoever opens it closes `feeds` when nobody asks them any more."""

    ruleset: Ruleset
    feeds: Feeds
    version: tuple[int, str]


def name_of(version: tuple[int, str]) -> str:
    """`<generation>-<digest>`, with as much of the digest as tells two apart."""
    return f"{version[0]}-{version[1][:SHOWN]}"


# -- making ---------------------------------------------------------------------------------------------------------


def make(
    policies: Path,
    data: Path,
    wholes: Path,
    generation: int,
    kinds: Mapping[str, PolicyKind[Any]],
    services_of: ServicesOf,
    now: float,
    environment: Mapping[str, str] = os.environ,
) -> tuple[Whole, Ruleset]:
    """Read the folder, check it, build it once with services that are thrown away, and leave it under `wholes`.

    `data` is where fetched lists and databases are. Raises Problems with all that is wrong, and leaves nothing then.
    """
    try:
        wholes.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Lists of rulesets that were refused; not at once, since the next edit most often has the same.
        sweep(wholes / COMPILED, now - UNUSED)
        for _ in range(TRIES):
            draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=wholes))
            try:
                before = signature(policies)
                ruleset, digest = _draft(policies, data, draft, kinds, services_of, environment)
                # Half of one edit and half of the next is neither.
                if signature(policies) == before:
                    whole = _keep(draft, wholes, ruleset, generation, digest, now)
                    return whole, ruleset
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise Problems([Problem(policies, 1, 1, f"no copy can be made: {error}")]) from error
    raise Problems([Problem(policies, 1, 1, "the files keep changing while they are read")])


def _draft(
    policies: Path,
    data: Path,
    draft: Path,
    kinds: Mapping[str, PolicyKind[Any]],
    services_of: ServicesOf,
    environment: Mapping[str, str],
) -> tuple[Ruleset, str]:
    """Everything but the manifest; and the digest of it all."""
    ruleset = load(policies, kinds, environment)
    _write_policies(ruleset, policies, draft / "policies")
    digest = _digest(ruleset.digest, prepare_feeds(ruleset, policies, data, draft.parent / COMPILED, draft / FEEDS))
    feeds = open_prepared(draft / FEEDS)
    try:
        build(ruleset, services_of(ruleset, feeds))
    finally:
        feeds.close()
    return ruleset, digest


def _keep(draft: Path, wholes: Path, ruleset: Ruleset, generation: int, digest: str, now: float) -> Whole:
    folder = wholes / name_of((generation, digest))
    entries = tuple(entry.name for entry in ruleset.entries)
    whole = Whole(folder, generation, digest, ruleset.digest, now, entries)
    _write_manifest(draft / MANIFEST, whole)
    if folder.exists():
        shutil.rmtree(folder)
    draft.rename(folder)
    return whole


def _write_policies(ruleset: Ruleset, policies: Path, into: Path) -> None:
    """The bytes that were checked, and not what is in the files by now."""
    sources = {path: document.source for path, document in ruleset.documents.items()} | dict(ruleset.beside)
    for path, source in sources.items():
        target = into / path.relative_to(policies)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(source)
        target.chmod(0o600)


def _digest(*parts: str) -> str:
    """The ruleset's own where there is nothing else."""
    parts = tuple(part for part in parts if part)
    return parts[0] if len(parts) == 1 else hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


# -- what stands on the disk ------------------------------------------------------------------------------------------


def _write_manifest(path: Path, whole: Whole) -> None:
    said = {
        "generation": whole.generation,
        "digest": whole.digest,
        "policies": whole.policies,
        "made": whole.made,
        "entries": whole.entries,
    }
    path.write_text(json.dumps(said, indent=1) + "\n")


def read_whole(folder: Path) -> Whole:
    """Raises OSError or ValueError where the folder is no whole."""
    said = json.loads((folder / MANIFEST).read_text())
    try:
        entries = tuple(said["entries"])
        return Whole(folder, said["generation"], said["digest"], said["policies"], said["made"], entries)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / MANIFEST} is not what it should be: {error}") from error


def open_whole(
    folder: Path, kinds: Mapping[str, PolicyKind[Any]], environment: Mapping[str, str] = os.environ
) -> Opened:
    """Read it and map its lists. Raises Problems, also where its bytes are not those that were checked."""
    try:
        whole = read_whole(folder)
        ruleset = load(folder / "policies", kinds, environment)
        if ruleset.digest != whole.policies:
            raise ValueError("its policies are not those that were checked")
        return Opened(ruleset, open_prepared(folder / FEEDS), whole.version)
    except (OSError, ValueError) as error:
        raise Problems([Problem(folder, 1, 1, f"ruleset cannot be loaded: {error}")]) from error


def lists_of(policies: Path) -> Path | None:
    """Where the compiled lists of a whole's policies are; None for a folder that people write, with its lists in it."""
    whole = policies.parent
    return whole / FEEDS if (whole / MANIFEST).is_file() else None


def point(wholes: Path, whole: Whole) -> None:
    """From now on a worker that starts loads this one."""
    draft = wholes / f".{POINTER}"
    draft.write_text(whole.folder.name)
    draft.replace(wholes / POINTER)


def pointed(wholes: Path) -> Path:
    """The folder that a worker which starts has to load. Raises OSError where nobody has said."""
    return wholes / (wholes / POINTER).read_text()


# -- watching ---------------------------------------------------------------------------------------------------------

Signature = frozenset[tuple[str, int, int, int]]

MOST_FILES: Final = 10_000


def signature(policies: Path, beside: Iterable[Path] = ()) -> Signature:
    """Name, inode, size and time of change of every file that counts: two are the same where nobody wrote.

    `beside` are files elsewhere that belong to it.
    """
    found = set()
    for path in (*_yaml(policies), *beside):
        try:
            status = path.stat()
        except OSError:
            continue
        found.add((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
    return frozenset(found)


def _yaml(policies: Path) -> list[Path]:
    """Files of the folder and of those below it, but for what an editor hides, and for tests of policies."""
    found: list[Path] = []
    folders = [policies]
    while folders and len(found) < MOST_FILES:
        try:
            with os.scandir(folders.pop()) as items:
                for item in items:
                    if item.name.startswith(".") or item.name.endswith("~"):
                        continue
                    if item.is_dir():
                        if item.name != "tests":
                            folders.append(Path(item.path))
                    else:
                        found.append(Path(item.path))
        except OSError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class OnDisk:
    """The files that people write, and those that they name."""

    policies: Path
    data: Path
    """Where fetched lists and databases are."""
    feeds: FeedSet

    def signature(self) -> Signature:
        paths = [location_of(self.policies, self.data, feed) for feed in self.feeds.all()]
        # All that was fetched, too: rules may be refused for want of what a command has just fetched.
        return signature(self.policies, [*(path for path in paths if path is not None), *landed(self.data)])

    def list_ages(self, now: float) -> list[tuple[str, float, bool]]:
        """Name of each list that is a file, seconds since it was fetched or changed, whether that is too long."""
        found = []
        for feed in self.feeds.lists:
            path = location_of(self.policies, self.data, feed)
            try:
                if path is not None:
                    fetched = last_checked(self.data, feed) if feed.source is not None else 0.0
                    age = max(0.0, now - (fetched or path.stat().st_mtime))
                    found.append((feed.name, age, bool(feed.stale_after) and age > feed.stale_after))
            except OSError:
                continue
        return found


def forget(whole: Whole) -> None:
    """Remove it from the disk, with what nobody else needs."""
    shutil.rmtree(whole.folder, ignore_errors=True)
    sweep(whole.folder.parent / COMPILED)
