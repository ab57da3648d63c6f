"""What a decision does to many accounts: a job that goes on where an earlier one was ended, and its undoing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from aiohttp import web
from sqlalchemy.engine import Connection

from gateway.accounts.sql import case_decisions, cases
from gateway.accounts.sql.database import Database, Writing
from gateway.control.cases.judging import Judging
from gateway.control.cases.people import of_file
from gateway.control.jobs import Busy, Failed, Jobs, Tell, owner_of
from gateway.control.operations import who

AT_ONCE: Final = 100
"""Accounts of one transaction: others write in between."""


class Carrying:
    """Starts the jobs."""

    def __init__(self, judging: Judging) -> None:
        self._of = judging

    def carry_out(self, request: web.Request, number: int) -> str:
        """The job's id; empty where too many wait: what was decided stays, and can be gone on with later."""
        database, by = self._of.database, who(request)

        async def work(tell: Tell) -> dict[str, Any]:
            to_do = await _asked(database, lambda connection: case_decisions.left_to_do(connection, number))
            file = of_file(to_do, self._of.file())
            wanted = [account for account in to_do if account not in file]

            def some(writing: Writing, accounts: Sequence[str]) -> int:
                return case_decisions.carry_out(writing, number, accounts, file)

            done = await _each(database, by, wanted, some, tell)
            did = (await database.reading(lambda connection: cases.one(connection, number))).action
            await database.writing(by, lambda writing: _note(writing, number, did, done))
            return {"case": number, "did": did, "accounts": done, "of_file": len(file)}

        return self._start(request, "cases.carry_out", work)

    def take_back(self, request: web.Request, number: int, reason: str) -> str:
        """As `carry_out`."""
        database, by = self._of.database, who(request)

        async def work(tell: Tell) -> dict[str, Any]:
            states = (cases.SUSPENDED, cases.ASKED)
            held = await database.reading(lambda connection: cases.meant(connection, number, database.now(), states))

            def some(writing: Writing, accounts: Sequence[str]) -> int:
                return case_decisions.take_back(writing, number, accounts, reason)

            done = await _each(database, by, held, some, tell)
            await database.writing(by, lambda writing: _note(writing, number, "restore", done))
            return {"case": number, "did": "restore", "accounts": done, "of_file": 0}

        return self._start(request, "cases.take_back", work)

    def _start(self, request: web.Request, kind: str, work: Any) -> str:
        jobs: Jobs = self._of.jobs
        try:
            return jobs.start(kind, owner_of(request), work).id
        except Busy:
            return ""


async def _asked(database: Database, ask: Callable[[Connection], list[str]]) -> list[str]:
    try:
        return await database.reading(ask)
    except case_decisions.NotSo as error:
        raise Failed(str(error)) from error


async def _each(
    database: Database, by: str, accounts: Sequence[str], some: Callable[[Writing, Sequence[str]], int], tell: Tell
) -> int:
    """Returns to how many something was done. Raises Failed where it was decided otherwise meanwhile."""
    done = 0
    for start in range(0, len(accounts), AT_ONCE):
        these = accounts[start : start + AT_ONCE]
        try:
            done += await database.writing(by, lambda writing, these=these: some(writing, these))  # type: ignore[misc]
        except case_decisions.NotSo as error:
            raise Failed(f"ended after {done} accounts: {error}") from error
        tell((start + len(these)) / len(accounts))
    return done


def _note(writing: Writing, number: int, did: str, accounts: int) -> None:
    writing.audit("case.carried", cases.subject(number), done=did, accounts=accounts)
