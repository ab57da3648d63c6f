"""A file of accounts, read and checked: frames of rows that can be staged. A large file is read in a process of its
own, so that checking and storing do not wait for each other.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import itertools
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Final, Literal, NamedTuple

import orjson

from gateway.accounts.keys import digest, mint
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql.keys import PEPPER
from gateway.accounts.sql.records import Problem, from_cells
from gateway.accounts.sql.staging import SHOWN, Checker, Minted, Rows

CHUNK: Final = 1_000
"""Rows of a frame."""
BLOCK: Final = 1024 * 1024
"""Bytes that are read at once."""
LONGEST: Final = 16 * 1024 * 1024
"""Bytes of a line."""
LARGE: Final = 16 * 1024 * 1024
"""Bytes of a file from which on a process of its own is worth its second."""

PROCESS: Final = "gateway.accounts.sql.reading_process"
HOME: Final = Path(__file__).parents[3]

Format = Literal["jsonl", "csv"]


class Frame(NamedTuple):
    """Some rows of the file, in its order."""

    rows: Rows
    """Of each table that is staged."""
    taken: int
    """Accounts in it."""
    problems: tuple[Problem, ...]
    wrong: int
    minted: tuple[bytes, ...]
    """Keys that were made, a JSON object a line."""
    read: int
    """Bytes of the file so far."""
    digest: str
    """SHA-256 of the file, in hex, with the last frame; empty before."""


class Found:
    """What all frames say together, and what is found wrong later."""

    def __init__(self, keep: Callable[[Sequence[bytes]], None]) -> None:
        """`keep` is given the keys that were made."""
        self.problems: list[Problem] = []
        self.wrong = 0
        self.taken = 0
        self._keep = keep

    def add(self, frame: Frame) -> None:
        self.problems += frame.problems[: SHOWN - len(self.problems)]
        self.wrong += frame.wrong
        self.taken += frame.taken
        self._keep(frame.minted)

    def wrong_at(self, line: int, field: str, said: str) -> None:
        self.add(Frame({}, 0, (Problem(line, field, said),), 1, (), 0, ""))


@contextlib.contextmanager
def read(path: Path, format_: Format, secrets: Secrets, now: float, *, mints: bool) -> Iterator[Iterator[Frame]]:
    """The frames of a file. `mints` says whether new keys may be asked for. Raises OSError, also while it is read."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < LARGE:
            yield frames(file, format_, secrets, now, mints=mints)
            return
        # The file goes along open. A process started afresh: a copy of this one would hold its connections.
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[file.fileno()],
            # `-m` imports from where it stands: that is where we are from, and not the folder somebody has come to.
            cwd=HOME,
        )
        with process:
            try:
                # What it has to know stands in no argument and no environment: secrets are among it.
                pickle.dump((file.fileno(), format_, secrets, now, mints), _pipe(process.stdin))
                _pipe(process.stdin).close()
                yield _heard(_pipe(process.stdout))
            finally:
                # When we die instead, its next word finds nobody.
                process.kill()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("it was started with pipes")
    return pipe


def _heard(told: IO[bytes]) -> Iterator[Frame]:
    while True:
        try:
            frame = pickle.load(told)  # noqa: S301 - of our own process
        except (EOFError, pickle.UnpicklingError):
            raise OSError("whoever read the file has died") from None
        if isinstance(frame, OSError):
            raise frame
        yield frame


def frames(file: BinaryIO, format_: Format, secrets: Secrets, now: float, *, mints: bool) -> Iterator[Frame]:
    """Read it here."""
    made = _Mints(secrets, allowed=mints)
    checker = Checker(secrets, now, made)
    source = _Lines(file)
    rows = _json(source, checker) if format_ == "jsonl" else _csv(source, checker)
    taken = wrong = 0
    while True:
        more = 0
        for line, row in itertools.islice(rows, CHUNK):
            checker.take(line, row)
            more += 1
        over = more < CHUNK and source.over
        hashed = source.digest.hexdigest() if over else ""
        problems, checker.problems = tuple(checker.problems), []
        yield Frame(
            checker.drain(), checker.taken - taken, problems, checker.wrong - wrong, made.drain(), source.read, hashed
        )
        taken, wrong = checker.taken, checker.wrong
        if over:
            return


class _Mints:
    """Makes keys that a file asks for by name."""

    def __init__(self, secrets: Secrets, *, allowed: bool) -> None:
        self._secret = secrets.newest
        self._pepper = secrets.key(PEPPER)
        self._allowed = allowed
        self._made: list[bytes] = []

    def __call__(self, account: str, name: str) -> Minted:
        if not self._allowed:
            raise ValueError("asks for a new key, and no file was named where it can be shown")
        new = mint()
        entry = {"account": account, "name": name, "prefix": new.prefix, "key": new.key}
        self._made.append(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        return Minted(new.prefix, digest(self._pepper, new.key.encode()), self._secret)

    def drain(self) -> tuple[bytes, ...]:
        made, self._made = tuple(self._made), []
        return made


class _Lines:
    """The lines of a file, numbered from 1, without what ends them."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.read = 0
        self.over = False
        self.number = 0

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        while block := self.file.read(BLOCK):
            self.digest.update(block)
            if not self.read:
                block = block.removeprefix(b"\xef\xbb\xbf")
            self.read += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self.number += 1
                yield line
            if len(rest) > LONGEST:
                # Told as a line that is too long, and not gathered.
                self.number += 1
                yield rest
                rest = b""
        self.over = True
        if rest:
            self.number += 1
            yield rest


def _json(source: _Lines, checker: Checker) -> Iterator[tuple[int, object]]:
    for line in source:
        if len(line) > LONGEST:
            checker.wrong_at(source.number, "", f"is longer than {LONGEST} bytes")
            continue
        if line.isspace() or not line:
            continue
        try:
            yield source.number, orjson.loads(line)
        except orjson.JSONDecodeError as error:
            checker.wrong_at(source.number, "", f"is no JSON: {error.msg}, character {error.colno}")


def _csv(source: _Lines, checker: Checker) -> Iterator[tuple[int, object]]:
    header: list[str] | None = None
    first = 1
    reader = csv.reader(_text(source, checker), strict=True)
    while True:
        try:
            cells = next(reader)
            if cells and header is None:
                header = [cell.strip() for cell in cells]
            elif cells and header is not None:
                yield first, from_cells(header, cells)
        except StopIteration:
            return
        except csv.Error as error:
            checker.wrong_at(first, "", f"is no CSV: {error}")
            # Where quotes do not end nobody can say what the next line is.
            for _ in source:
                pass
            return
        except ValueError as error:
            checker.wrong_at(first, "", str(error))
        first = source.number + 1


def _text(source: _Lines, checker: Checker) -> Iterator[str]:
    for line in source:
        try:
            yield line.decode() + "\n"
        except UnicodeDecodeError:
            checker.wrong_at(source.number, "", "is not UTF-8")
