"""The directory of accounts, opened for a command; and in one sentence why it does not open."""

from __future__ import annotations

import datetime as dt
import os
import pwd
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, NoReturn, TypeVar

import typer
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from gateway.accounts.announce import Announcer
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import migrate
from gateway.accounts.sql.accounts import Exists, NoSuch
from gateway.accounts.sql.database import BUSY, Database, Writing, reachable
from gateway.app.clocks import monotonic, wall
from gateway.app.configuration import Configuration, read_configuration
from gateway.cli.configured import fail, fail_with
from gateway.control.account_changes import by
from gateway.control.account_shapes import Shape, Wrong, checked
from gateway.quantities import duration
from gateway.rules.directory_file import Stated, open_directory, stated
from gateway.rules.problems import Problems
from gateway.stores.redis.client import blocking

S = TypeVar("S", bound=Shape)
T = TypeVar("T")

UNSET: Final = re.compile(r"the environment variable `(\w+)` is not set")
NOTHING: Final = "not-set-here-" * 4
"""In the place of a secret that is not there."""
USAGE: Final = 2
"""Status of a command that was not asked as it has to be."""
JsonOption = Annotated[bool, typer.Option("--json", help="For scripts.")]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why. It stands in the audit for good: name a ticket rather than a person.")
]


class Access(NamedTuple):
    configuration: Configuration
    database: Database
    secrets: Secrets

    def read(self, work: Callable[[Connection], T]) -> T:
        return self.database.read(work)

    def write(self, work: Callable[[Writing], T]) -> T:
        return self.database.write(who(), work)


@contextmanager
def opened(config: Path, *, fitting: bool = True) -> Iterator[Access]:
    """Every failure is one sentence, and status 1. `fitting` False also takes what has no schema, or an old one."""
    configuration, found = look(config)
    if fitting:
        insist(found)
    try:
        with connected(configuration) as access:
            said = reachable(access.database)
            if said:
                fail(f"the directory cannot be asked: {plain(said, found.url)}")
            if fitting and (said := migrate.ready(access.database)):
                fail(said)
            yield access
    except Problems as problems:
        fail_with(problems)
    except (NoSuch, Exists) as error:
        fail(str(error))
    except SQLAlchemyError as error:
        fail(why(error, found.url))


@contextmanager
def connected(configuration: Configuration) -> Iterator[Access]:
    """Raises Problems; what is done inside raises what it raises."""
    announcer = Announcer(lambda: blocking(configuration.file.redis.get_secret_value()), monotonic)
    database, secrets = open_directory(configuration, wall, announcer)
    try:
        yield Access(configuration, database, secrets)
    finally:
        database.close()
        announcer.close()


def look(config: Path) -> tuple[Configuration, Stated]:
    """What is stated; nothing is made."""
    try:
        configuration = _configured(config)
        return configuration, stated(configuration)
    except Problems as problems:
        fail_with(problems)


def _configured(config: Path) -> Configuration:
    """Raises Problems. Who helps a customer, or stops a stolen key, need not have the credentials of upstreams and
    providers: a variable that is not set and that nothing here needs is none.
    """
    try:
        return read_configuration(config)
    except Problems as problems:
        unset = [found[1] if (found := UNSET.search(problem.message)) else "" for problem in problems.problems]
        if not all(unset):
            raise
        configuration = read_configuration(config, os.environ | dict.fromkeys(unset, NOTHING))
        file = configuration.file
        needed = (file.redis, file.directory.url, *file.directory.secrets.values())
        if any(NOTHING in value.get_secret_value() for value in needed):
            raise
        return configuration


def is_there(found: Stated) -> bool:
    """Of PostgreSQL only asking tells."""
    return found.own is None or Path(str(found.url.database)).exists()


def insist(found: Stated) -> None:
    """SQLite would make an empty database of a path that is misspelt."""
    if not is_there(found):
        fail(f"there is no directory at {found.url.database} yet: run `tidegate directory upgrade`")


def why(error: SQLAlchemyError, url: URL) -> str:
    """For people, without a password."""
    if isinstance(error, IntegrityError):
        return "somebody has changed the same at the same time: try again"
    said = str(getattr(error, "orig", None) or error)
    if "database is locked" in said or "lock timeout" in said:
        return f"another process has been writing to the directory for {BUSY:.0f} seconds: try again"
    return f"the directory cannot be used: {plain(said, url)}"


def plain(said: str, url: URL) -> str:
    line = " ".join(said.split())
    return line.replace(str(url.password), "***") if url.password else line


def who() -> str:
    """`cli:USER`: whom the system knows, not what the environment says. With sudo, who used it."""
    user = os.getuid()
    behind = os.environ.get("SUDO_UID", "")
    if user == 0 and behind.isascii() and behind.isdecimal() and len(behind) < 11:
        user = int(behind)
    try:
        return by("cli", pwd.getpwuid(user).pw_name)
    except KeyError:
        return by("cli", f"uid-{user}")


def asked(shape: type[S], values: Mapping[str, Any], names: Mapping[str, str] | None = None) -> S:
    """Options as the shape has them; those that are None were not stated. All that is wrong at once, and status 2.

    `names`: field -> how it is typed, where that is not `--field`.
    """
    try:
        return checked(shape, {name: value for name, value in values.items() if value is not None})
    except Wrong as wrong:
        refuse(wrong, names or {})


def refuse(wrong: Wrong, names: Mapping[str, str]) -> NoReturn:
    lines = []
    for path, said in wrong.fields.items():
        field = path.partition(".")[0]
        option = names.get(path) or names.get(field) or f"--{field.replace('_', '-')}"
        lines.append(f"{option}: {said}" if path else said)
    fail("\n".join(lines), USAGE)


def end(written: str, option: str) -> str | None:
    """When something ends: after a duration such as 90d, or at a time such as 2027-01-31. Empty: never."""
    if not written:
        return None
    try:
        moment = dt.datetime.fromtimestamp(wall() + duration(written), dt.UTC)
    except ValueError:
        try:
            moment = dt.datetime.fromisoformat(written)
        except ValueError:
            fail(f"{option}: must be a duration such as 90d, or a time such as 2027-01-31T12:00", USAGE)
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    return zoned.isoformat()


def words(written: list[str]) -> list[str]:
    """Options that may be repeated, or hold several with commas between."""
    return [word for one in written for word in one.split(",") if word]
