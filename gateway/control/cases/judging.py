"""What all of it needs, who asks, and on what they have seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway.accounts.file_directory import Snapshot
from gateway.accounts.ladder import Ladder
from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Database
from gateway.control.access.answers import Refused
from gateway.control.access.roles import MAY, Permission
from gateway.control.cases import shown
from gateway.control.cases.preview import RulesInForce
from gateway.control.cases.shapes import CaseShown
from gateway.control.jobs import Jobs
from gateway.control.operations import OPERATOR

DIGITS: Final = 15
"""Of a number in a path or a field: no database has as many rows, and every one can be asked for it."""
NONE: Final = "there is no such case"


@dataclass(frozen=True, slots=True)
class Judging:
    """What all of it needs."""

    database: Database
    jobs: Jobs
    rules: RulesInForce
    ladder: Callable[[], Ladder | None]
    file: Callable[[], Snapshot]
    """The accounts of accounts.yaml."""
    caps: Mapping[str, float]
    """Family of evidence -> the most that it may say, as the detector's settings have it."""
    redis: Any
    """Of `redis.asyncio`, where verdicts are; None: nothing is known of them."""

    async def case(self, number: int, you: str) -> CaseShown:
        """Raises NoSuch."""
        file, rules = self.file().accounts, self.rules()
        return await self.database.reading(
            lambda connection: shown.case(connection, number, rules, self.caps, you, file)
        )


def sees_people(request: web.Request) -> bool:
    operator = request.get(OPERATOR)
    return operator is not None and Permission.PEOPLE in MAY[operator.role]


def proven(request: web.Request) -> str:
    """Whose pair of eyes it is: what a credential proved, never the name that its bearer states beside it."""
    operator = request.get(OPERATOR)
    return operator.name if operator is not None else "nobody"


def number_of(request: web.Request) -> int:
    """Raises NoSuch."""
    written = request.match_info["id"]
    if not (written.isascii() and written.isdecimal() and len(written) <= DIGITS):
        raise NoSuch(NONE)
    return int(written)


def etag(revision: int) -> str:
    return f'"{revision}"'


def expected(request: web.Request) -> int:
    """The revision that If-Match states (RFC 9110, section 13.1.1), of which only one can be meant. Raises Refused."""
    text = request.headers.get("If-Match", "").strip().removeprefix('"').removesuffix('"')
    if not (text.isascii() and text.isdecimal() and len(text) <= DIGITS):
        raise Refused(428, "state the revision that you have seen: If-Match with the ETag of the case")
    return int(text)
