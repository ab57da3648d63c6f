"""The folder of the policies as somebody from outside may see it: which files, under which names, and how they change.

A name is a few plain words with slashes between them. Nothing that begins with a dot, nothing that leads out of the
folder, and no link that does: what is not such a name is no file here, however it was encoded on its way.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUFFIXES: Final = frozenset({".yaml", ".yml", ".txt", ".csv", ".json", ".jwks", ".pem", ".cel", ".md"})
"""What a folder of policies has: rules, lists, and what a policy names beside itself."""
LARGEST: Final = 1024 * 1024
"""Bytes of a file that is shown or written; as gateway.rules.ruleset.MOST_BESIDE."""
MOST: Final = 1000
"""Files that are listed."""
DEEPEST: Final = 6
"""Folders below each other."""

_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,99}")


class NoFile(Exception):
    """There is none of that name, or it may not be seen. The text is for people."""


class NotWritable(Exception):
    """The folder takes no change, such as a ConfigMap's. The text is for people."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was read."""

    data: bytes
    digest: str
    """BLAKE2b-128 in hex: its ETag."""
    mode: int
    """Permission bits."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file in a list."""

    path: str
    """Relative to the folder, with slashes."""
    size: int
    modified: float
    """Unix time."""
    digest: str
    """Empty where the file is larger than LARGEST."""


def digest_of(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def named(path: str) -> str:
    """The name, if it is one. Raises NoFile."""
    words = path.split("/")
    plain = len(words) <= DEEPEST and all(_WORD.fullmatch(word) and not word.endswith(".") for word in words)
    if not plain or Path(path).suffix.lower() not in SUFFIXES:
        raise NoFile(
            f"`{path[:120]}` is no name of a policy file: plain words, and one of {', '.join(sorted(SUFFIXES))}"
        )
    return path


class PolicyFolder:
    """Called in threads: it waits for the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def files(self) -> list[Seen]:
        """By name."""
        return sorted((self._seen(path) for path in self._paths()), key=lambda seen: seen.path)

    def read(self, path: str) -> Content:
        """Raises NoFile."""
        where = self._place(path)
        try:
            with where.open("rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise NoFile(f"`{path}` is no file")
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise NoFile(f"there is no file `{path}` that can be read") from error
        if len(data) > LARGEST:
            raise NoFile(f"`{path}` is larger than {LARGEST >> 20} MiB: edit it where it is")
        return Content(data, digest_of(data), stat.S_IMODE(status.st_mode))

    def exists(self, path: str) -> bool:
        return os.path.lexists(self._place(path))

    def refuses(self, path: str) -> str:
        """Why nothing can be written there, in words; empty where it can."""
        try:
            where = self._place(path)
        except NoFile as error:
            return str(error)
        if where.is_symlink():
            return f"`{path}` is a link, as in a mounted ConfigMap: change it where it is made, and roll that out"
        parent = where.parent
        while not parent.exists():
            parent = parent.parent
        if not os.access(parent, os.W_OK | os.X_OK) or _is_read_only(parent):
            return "the folder of the policies is read-only here, as a mounted ConfigMap is: change it where it is made"
        return ""

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """All of it or nothing: whoever reads meanwhile sees the old or the new. Raises NotWritable."""
        if said := self.refuses(path):
            raise NotWritable(said)
        where = self._place(path)
        draft = ""
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            # A name that whoever watches the folder takes for an editor's own.
            descriptor, draft = tempfile.mkstemp(prefix=".saving-", dir=where.parent)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(draft).replace(where)
        except OSError as error:
            if draft:
                Path(draft).unlink(missing_ok=True)
            raise NotWritable(f"`{path}` cannot be written: {error.strerror or error}") from error

    def remove(self, path: str) -> None:
        """Raises NotWritable."""
        if said := self.refuses(path):
            raise NotWritable(said)
        try:
            self._place(path).unlink(missing_ok=True)
        except OSError as error:
            raise NotWritable(f"`{path}` cannot be removed: {error.strerror or error}") from error

    def _place(self, path: str) -> Path:
        """Where it stands, or would. Raises NoFile where that is not in the folder."""
        where = self.root / named(path)
        # A mounted folder may be made of links (Kubernetes does that), so what counts is where they end.
        if not where.resolve().is_relative_to(self.root.resolve()):
            raise NoFile(f"there is no file `{path}`")
        return where

    def _paths(self) -> Iterator[str]:
        count = 0
        for folder, folders, files in os.walk(self.root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                path = (Path(folder) / name).relative_to(self.root).as_posix()
                try:
                    inside = self._place(path).is_file()
                except NoFile:
                    continue
                if inside:
                    count += 1
                    if count > MOST:
                        return
                    yield path

    def _seen(self, path: str) -> Seen:
        status = (self.root / path).stat()
        digest = ""
        if status.st_size <= LARGEST:
            digest = self.read(path).digest
        return Seen(path, status.st_size, status.st_mtime, digest)


def _is_read_only(folder: Path) -> bool:
    """Mounted so: root may write everywhere, and not here."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
