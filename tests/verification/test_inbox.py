"""The inbox keeps each piece of news once, and nothing of its content; who takes a letter has it alone."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import pytest
import sqlalchemy as sql

from gateway.accounts.sql.accounts import NoSuch
from gateway.accounts.sql.database import Database
from gateway.testing import Clock
from gateway.verification import inbox
from gateway.verification.group_commit import NotCommitted
from gateway.verification.inbox import Inbox, NotAgain, Which
from gateway.verification.provider import Event, State
from tests.verification.fakes import PROVIDER, event

NEWS = event(State.APPROVED, 100.0, name="evt_1")


@pytest.fixture
def box(database: Database, clock: Clock) -> Inbox:
    return Inbox(database, clock)


async def test_what_comes_twice_is_kept_once(box: Inbox, database: Database, clock: Clock) -> None:
    """At once, later, and 18 hours later; another provider's event of the same id is another one."""
    first = await asyncio.gather(*(box.store(NEWS, PROVIDER, b"d") for _ in range(5)))
    clock.turn(18 * 3600.0)
    later = await box.store(NEWS, PROVIDER, b"other content")
    other = await box.store(NEWS, "else", b"d")

    assert (sorted(first), later, other) == ([False, False, False, False, True], False, True)
    assert database.read(inbox.counts) == {"waiting": 2, "dead": 0}


async def test_a_burst_shares_its_commits(box: Inbox, database: Database) -> None:
    """What arrives while a transaction is under way goes into the next one."""
    commits = 0

    @sql.event.listens_for(database.engine, "commit")
    def count(_: object) -> None:
        nonlocal commits
        commits += 1

    stored = await asyncio.gather(*(box.store(event(State.CREATED, float(n)), PROVIDER, b"") for n in range(1200)))

    assert all(stored)
    assert commits <= 4


async def test_who_waits_is_told_that_nothing_was_kept(box: Inbox, database: Database) -> None:
    """An acknowledgement is never given for what is not committed."""
    database.close()

    answers = await asyncio.gather(
        *(box.store(event(State.CREATED, float(n)), PROVIDER, b"") for n in range(3)), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [NotCommitted] * 3


async def test_a_database_that_is_away_keeps_nothing_and_comes_back(
    box: Inbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is committed again."""
    real = database.write

    def away(*args: object) -> None:
        raise sql.exc.OperationalError("x", {}, ValueError("away"))

    monkeypatch.setattr(database, "write", away)
    with pytest.raises(NotCommitted):
        await box.store(NEWS, PROVIDER, b"")
    monkeypatch.setattr(database, "write", real)

    assert await box.store(NEWS, PROVIDER, b"")


@pytest.mark.parametrize(
    "news",
    [
        NEWS._replace(id=""),
        NEWS._replace(id="a\0b"),
        NEWS._replace(kind="\ud800"),
        NEWS._replace(reference="line\nbreak"),
        NEWS._replace(reference="r" * 300),
    ],
    ids=["no-id", "nul", "surrogate", "line-break", "long"],
)
async def test_what_cannot_be_kept_is_a_dead_letter(box: Inbox, database: Database, news: Event) -> None:
    """With its hash alone; and it takes nothing that came with it along."""
    digest = hashlib.sha256(b"content").digest()

    stored = await asyncio.gather(box.store(NEWS, PROVIDER, b"x"), box.store(news, PROVIDER, digest))

    assert all(stored)
    [dead] = database.read(lambda connection: inbox.letters(connection, Which.DEAD))
    assert (dead.event, dead.digest, dead.outcome) == (f"sha256:{digest.hex()}", digest.hex(), "malformed_content")
    assert (dead.kind, dead.state, dead.reference) == ("", "", "")
    with pytest.raises(NotAgain):
        database.write("cli:ann", lambda writing: inbox.retry(writing, dead.id))


async def test_dead_letters_that_cannot_be_read_are_bounded(
    box: Inbox, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider that has changed its content does not fill the disk."""
    monkeypatch.setattr(inbox, "UNREADABLE_MOST", 3)

    kept = [await box.keep_unreadable(PROVIDER, bytes([n])) for n in range(5)]

    assert kept == [True, True, True, False, False]
    assert await box.store(NEWS, PROVIDER, b"")


async def test_news_of_nothing_is_done_at_once(box: Inbox, database: Database) -> None:
    """It is kept, so that it is known when it comes again, and nobody works at it."""
    await box.store(event(State.OTHER), PROVIDER, b"")

    assert [one.outcome for one in database.read(lambda c: inbox.letters(c, Which.DONE))] == ["ignored"]
    assert database.write("clerk", lambda writing: inbox.claim(writing, {PROVIDER: 9})) == []


async def test_a_clerk_is_told_after_the_commit(database: Database, clock: Clock) -> None:
    """Once for each that is new."""
    seen: list[int] = []
    box = Inbox(database, clock, lambda: seen.append(database.read(inbox.counts)["waiting"]))

    await box.store(NEWS, PROVIDER, b"")
    await box.store(NEWS, PROVIDER, b"")

    assert seen == [1]


async def test_a_letter_belongs_to_one_until_its_lease_ends(
    box: Inbox, url: str, connect: Callable[[str], Database], clock: Clock
) -> None:
    """Then to the next; who was late cannot finish it any more."""
    one, two = connect(url), connect(url)
    await box.store(NEWS, PROVIDER, b"")
    [mine] = one.write("clerk", lambda writing: inbox.claim(writing, {PROVIDER: 9}))
    assert two.write("clerk", lambda writing: inbox.claim(writing, {PROVIDER: 9})) == []

    clock.turn(inbox.LEASE)
    [theirs] = two.write("clerk", lambda writing: inbox.claim(writing, {PROVIDER: 9}))

    assert not one.write("clerk", lambda writing: inbox.finish(writing, mine, "late"))
    assert two.write("clerk", lambda writing: inbox.finish(writing, theirs, "approved"))
    assert not two.write("clerk", lambda writing: inbox.bury(writing, theirs, "twice"))
    assert theirs.attempts == 1


async def test_each_provider_has_its_own_room(box: Inbox, database: Database) -> None:
    """One that is slow does not keep the letters of the others waiting."""
    for n in range(4):
        await box.store(event(State.CREATED, float(n + 1)), PROVIDER, b"")
        await box.store(event(State.CREATED, float(n + 1)), "slow", b"")

    claimed = database.write("clerk", lambda writing: inbox.claim(writing, {PROVIDER: 3, "slow": 0}))

    assert [(one.provider, one.stated) for one in claimed] == [(PROVIDER, 1.0), (PROVIDER, 2.0), (PROVIDER, 3.0)]
    assert not database.read(lambda connection: inbox.is_due(connection, {PROVIDER: 0, "slow": 0}, 1e12))


async def test_no_such_letter(database: Database) -> None:
    """It is said so."""
    with pytest.raises(NoSuch):
        database.write("cli:ann", lambda writing: inbox.retry(writing, 7))
