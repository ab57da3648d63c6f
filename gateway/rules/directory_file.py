"""The directory that `tidegate.yaml` means: its address and its secrets, checked, and then opened.

Where the file states no secrets, SQLite has one of its own in `<database>.secret`, made before the database is. It
stays in use, as the oldest, when secrets are stated later: what it has hashed is found for as long as it is there.
"""

from __future__ import annotations

import os
import secrets as random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from sqlalchemy.engine import URL

from gateway.accounts.secrets import SHORTEST, Secrets
from gateway.accounts.sql.database import Announce, Database
from gateway.accounts.sql.database import parse as parse_url
from gateway.rules.gateway_file import GatewayFile
from gateway.rules.problems import Problem, Problems
from gateway.rules.read import Document, parse

OWN: Final = "generated"
"""Id of the secret that is kept beside the database."""
SUFFIX: Final = ".secret"
LARGEST: Final = 4096
"""Bytes of its file."""


class Configured(Protocol):
    """What is asked of a configuration (`gateway.app.Configuration`)."""

    @property
    def file(self) -> GatewayFile: ...

    @property
    def path(self) -> Path: ...

    @property
    def source(self) -> bytes: ...


class Stated(NamedTuple):
    """What the configuration says of the directory. Shown without its password and its secrets."""

    url: URL
    secrets: Mapping[str, bytes]
    """Those of tidegate.yaml, the newest first."""
    own: Path | None
    """The file of SQLite's own secret, whether it is there or not; None for PostgreSQL."""

    def __repr__(self) -> str:
        return f"<Stated {self.url.render_as_string(hide_password=True)}, secrets {', '.join(self.secrets) or 'none'}>"


class Opened(NamedTuple):
    database: Database
    secrets: Secrets


def stated(configuration: Configured) -> Stated:
    """Read and checked; nothing is made. Raises Problems with all that is wrong."""
    directory, problems = configuration.file.directory, []
    url = None
    try:
        url = parse_url(_whole(directory.url.get_secret_value()), configuration.path.parent)
    except ValueError as error:
        problems.append(_problem(configuration, ("url",), str(error)))
    values = {name: value.get_secret_value().encode() for name, value in directory.secrets.items()}
    for name, value in values.items():
        if len(value) < SHORTEST:
            problems.append(_problem(configuration, ("secrets", name), f"must have at least {SHORTEST} bytes"))
    own = None
    if url is not None and url.get_backend_name() == "sqlite":
        own = Path(f"{url.database}{SUFFIX}")
    elif url is not None and not values:
        said = "PostgreSQL needs secrets that every machine has: state one, such as s1: ${TIDEGATE_SECRET}"
        problems.append(_problem(configuration, ("secrets",), said))
    if problems or url is None:
        raise Problems(problems)
    return Stated(url, values, own)


def open_directory(configuration: Configured, now: Callable[[], float], announce: Announce | None = None) -> Opened:
    """Makes SQLite's own secret where one is needed. Whether the database answers is seen when it is asked.

    Raises Problems.
    """
    found = stated(configuration)
    values = dict(found.secrets)
    if found.own is not None:
        try:
            kept = _own(found.own, needed=not values)
        except (OSError, ValueError) as error:
            reason = error.strerror or error if isinstance(error, OSError) else error
            raise Problems([_problem(configuration, (), f"{found.own.name}: {reason}")]) from error
        if kept is not None:
            values.setdefault(OWN, kept)
    return Opened(Database(_text(found.url), now, announce=announce), Secrets(values))


def _own(path: Path, *, needed: bool) -> bytes | None:
    """The secret beside the database, made where it is needed and there is no database yet.

    None where it is not needed. Raises OSError, and ValueError in words for people.
    """
    database = path.with_name(path.name.removesuffix(SUFFIX))
    # In this order: whoever makes a database has made its secret before.
    lone = database.exists()
    kept = _kept(path)
    if kept is not None or not needed:
        return kept
    if lone:
        raise ValueError(
            f"is not there, and {database.name} is: without it no key could be checked. Put it back, or state the "
            "secrets with which that database was made"
        )
    draft = path.with_name(f".{path.name}.{random.token_hex(8)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "w", encoding="ascii") as writing:
            writing.write(f"{random.token_hex(SHORTEST)}\n")
            writing.flush()
            os.fsync(writing.fileno())
        # A link, not a rename: of two processes that begin together, the first one's stays, and both read that.
        os.link(draft, path)
        _settle(path.parent)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return _kept(path)


def _kept(path: Path) -> bytes | None:
    """None where there is no file. Raises ValueError for one that is no secret."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST).rstrip(b"\r\n")
    except FileNotFoundError:
        return None
    if len(content) < SHORTEST:
        raise ValueError(f"must hold at least {SHORTEST} bytes")
    return content


def _settle(folder: Path) -> None:
    """So that the name is there after a power cut: keys are made with what it names."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _whole(url: str) -> str:
    if "${" in url:
        raise ValueError("${NAME} stands for the whole address, with its password: nothing goes before or after it")
    return url


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _problem(configuration: Configured, steps: tuple[str, ...], message: str) -> Problem:
    """Without the line itself: it may hold a password."""
    loc = ("directory", *steps)
    document: Document | None = parse(configuration.path, configuration.source) if configuration.source else None
    line, column = document.position(loc) if document is not None else (1, 1)
    return Problem(configuration.path, line, column, f"{'.'.join(loc)}: {message}")
