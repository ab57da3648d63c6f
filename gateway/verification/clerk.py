"""Works the inbox off: asks providers before anything rises, and draws the consequences.

Several sessions at once, and the news of one session one after the other. A letter is taken for a while (`LEASE`); its
effects and the mark that it is done are one transaction, which holds only while the letter is still ours. So a clerk
that is killed leaves nothing half done, and two clerks never do a thing twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import sqlalchemy as sql
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from gateway.accounts.sql.database import Database, Writing
from gateway.tasks import spawn
from gateway.verification import inbox
from gateway.verification.consequences import WEAK, Changed, News, Then, Verification, World, find, settle, step
from gateway.verification.group_commit import GroupCommit, NotCommitted
from gateway.verification.inbox import Letter
from gateway.verification.provider import Disputes, NoSuchSession, Provider, ProviderUnavailable, State

log = logging.getLogger(__name__)

LOOK: Final = 0.5
"""Seconds after which the inbox is looked into although nobody has said that there is something."""
HELD: Final = 48
"""Letters of one provider that are taken at a time: so many are done before the lease ends, also if each question
takes as long as it may.
"""
ASKED: Final = 16
"""Questions to one provider at a time."""
MARGIN: Final = inbox.LEASE / 4
"""Seconds before the end of its lease in which nothing is begun with a letter any more."""
LAG: Final = 4
"""Attempts for which a provider's API may know less than its webhook."""
EARLY: Final = 3
"""Attempts for which a session may be unknown: its news can be faster than its own reference."""
TRIES: Final = 5
"""How often a verification that changes meanwhile is asked for again at once."""
LOCK: Final = 0x7469_6465
"""Of PostgreSQL's advisory lock: consequences are drawn one after the other, or two accounts could both be the first
with one document.
"""


class Job(NamedTuple):
    """One thing to commit: consequences, or the mark that they have to wait."""

    letter: Letter | None
    """None for what was asked without a webhook."""
    news: News | None = None
    before: Verification | None = None
    why: str = ""
    """Without news: why it has to wait."""
    dead: bool = False


class Gone(Exception):
    """The letter is somebody else's by now."""


class Clerk:
    """`run` until it is cancelled. `poke` from outside when there is something new."""

    def __init__(
        self, database: Database, providers: Mapping[str, Provider], world: World, now: Callable[[], float]
    ) -> None:
        self._database = database
        self._providers = providers
        self._world = world
        self._now = now
        self._poked = asyncio.Event()
        self._queues: dict[tuple[str, str], list[Letter]] = {}
        self._drains: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._held: Counter[str] = Counter()
        self._asking = {name: asyncio.Semaphore(ASKED) for name in providers}
        self._commits: GroupCommit[Job, str] = GroupCommit(database, "clerk", self._commit)
        self.counts: Counter[tuple[str, str]] = Counter()
        """(provider, what came of it) -> letters."""

    def __repr__(self) -> str:
        return f"<Clerk {self._held.total()} letters in hand>"

    def poke(self) -> None:
        """There is something in the inbox. From the loop's own thread."""
        self._poked.set()

    async def run(self) -> None:
        """A database that is away is asked again and again."""
        while True:
            self._poked.clear()
            try:
                taken = await self.take()
            except SQLAlchemyError as error:
                log.error("the inbox cannot be read: %s", getattr(error, "orig", None) or type(error).__name__)
                taken = 0
            if taken:
                continue
            try:
                async with asyncio.timeout(LOOK):
                    await self._poked.wait()
            except TimeoutError:
                pass

    async def take(self) -> int:
        """Take what is due and begin with it. Returns how many letters."""
        room = {name: HELD - self._held[name] for name in self._providers}
        if not await self._database.reading(lambda connection: inbox.is_due(connection, room, self._now())):
            return 0
        letters = await self._database.writing("clerk", lambda writing: inbox.claim(writing, room))
        for letter in letters:
            self._held[letter.provider] += 1
            # Without a session there is nothing that must wait for anything.
            key = letter.provider, letter.reference or f"\0{letter.id}"
            if key in self._queues:
                self._queues[key].append(letter)
            else:
                self._queues[key] = [letter]
                self._drains[key] = spawn(self._drain(key), f"news of {letter.provider}")
        return len(letters)

    async def idle(self) -> None:
        """Until all that was taken is done, or put off."""
        while self._drains:
            await asyncio.wait(list(self._drains.values()))

    async def _drain(self, key: tuple[str, str]) -> None:
        queue = self._queues[key]
        try:
            while queue:
                queue.sort(key=lambda letter: (letter.stated, letter.id))
                letter = queue.pop(0)
                outcome = ""
                try:
                    outcome = await self._work_off(letter)
                finally:
                    self._held[letter.provider] -= 1
                    self.counts[letter.provider, outcome.partition(" ")[0] or "broken"] += 1
                    if not outcome:
                        # We are broken, or cancelled. The next attempt is not at once, and some day it is the last.
                        await self._add(Job(letter, why="broken"))
        finally:
            for letter in queue:
                self._held[letter.provider] -= 1
            del self._queues[key], self._drains[key]
            self._poked.set()  # There is room again.

    async def _work_off(self, letter: Letter) -> str:
        provider = self._providers.get(letter.provider)
        if self._now() > letter.lease - MARGIN:
            return "late"  # Rather than to ask in vain: it is due again at once.
        if provider is None:
            return await self._add(Job(letter, why="unknown_provider", dead=True))
        for _ in range(TRIES):
            try:
                job = await self._prepared(provider, letter)
            except ProviderUnavailable as error:
                log.warning("%s: %s", letter.provider, error)
                job = Job(letter, why="provider_unavailable")
            except NoSuchSession:
                job = Job(letter, why="no_such_session")
            except SQLAlchemyError:
                return "directory_unavailable"  # It is due again when its lease ends.
            outcome = await self._add(job)
            if outcome != "changed":
                return outcome
        return await self._add(Job(letter, why="changed"))

    async def _prepared(self, provider: Provider, letter: Letter) -> Job:
        """With what the provider says, where it has to be asked. Raises ProviderUnavailable, NoSuchSession."""
        news = News(letter.provider, letter.reference, letter.state, letter.stated)
        if letter.state is State.DISPUTED:
            if not isinstance(provider, Disputes):
                return Job(letter, why="no_disputes", dead=True)
            async with self._asking[letter.provider]:
                return Job(letter, news._replace(payer=await provider.disputed(letter.reference)))
        if letter.state in WEAK:
            return Job(letter, news)
        before = await self._database.reading(lambda connection: find(connection, letter.provider, letter.reference))
        known, stated = (State.CREATED, 0.0) if before is None else (before.state, before.stated)
        if step(known, stated, letter.state, letter.stated) is not Then.ASK:
            return Job(letter, news)
        async with self._asking[letter.provider]:
            verdict = await provider.fetch(letter.reference)
        behind = letter.state is State.APPROVED and verdict.state in (State.CREATED, State.SUBMITTED)
        if behind and letter.attempts < LAG:
            return Job(letter, why=f"provider_says {verdict.state.value}")
        return Job(letter, news._replace(verdict=verdict), before)

    async def ask(self, verification: Verification) -> str:
        """How a session stands that nothing has been heard of. Raises ProviderUnavailable, NoSuchSession."""
        async with self._asking[verification.provider]:
            verdict = await self._providers[verification.provider].fetch(verification.reference)
        news = News(verification.provider, verification.reference, verdict.state, verdict.at, verdict)
        return await self._add(Job(None, news, verification))

    async def _add(self, job: Job) -> str:
        try:
            return await self._commits.add(job)
        except NotCommitted as error:
            log.error("the consequences of a letter are not committed: %s", error)
        try:
            # One that breaks the transaction of all is the only one to wait for the end of its lease.
            return (await self._database.writing("clerk", lambda writing: self._commit(writing, [job])))[0]
        except (SQLAlchemyError, RuntimeError) as error:
            return f"not_committed {type(error).__name__}"

    def _commit(self, writing: Writing, jobs: Sequence[Job]) -> list[str]:
        if writing.connection.dialect.name == "postgresql":
            writing.connection.execute(sql.select(sql.func.pg_advisory_xact_lock(LOCK)))
        return [self._commit_one(writing, job) for job in jobs]

    def _commit_one(self, writing: Writing, job: Job) -> str:
        if job.news is not None:
            writing.who = f"provider:{job.news.provider}"
        try:
            with writing.connection.begin_nested():
                return _done(writing, self._world, job)
        except Changed:
            return "changed"
        except Gone:
            return "gone"
        except (IntegrityError, DataError) as error:
            outcome = f"not_storable {type(error).__name__}"
            if job.letter is not None:
                inbox.postpone(writing, job.letter, outcome)
            return outcome


def _done(writing: Writing, world: World, job: Job) -> str:
    """Raises Changed, Gone."""
    letter = job.letter
    outcome = job.why if job.news is None else settle(writing, world, job.news, job.before)
    if letter is None:
        return outcome
    if job.dead:
        ours = inbox.bury(writing, letter, outcome)
    elif job.news is None or (outcome == "unknown_reference" and letter.attempts < EARLY):
        ours = inbox.postpone(writing, letter, outcome)
    else:
        ours = inbox.finish(writing, letter, outcome)
    if not ours:
        raise Gone
    return outcome
