"""What nobody sends a webhook for is found by looking, a little at a time."""

from __future__ import annotations

import pytest
import sqlalchemy as sql

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import standing, tables
from gateway.accounts.sql.database import Database, Writing
from gateway.testing import Clock
from gateway.verification import duties as duty
from gateway.verification.duties import Duties
from gateway.verification.provider import NoSuchSession, ProviderUnavailable, State, Verdict
from tests.verification.fakes import ACCOUNT, KINDS, LADDER, PROVIDER, SESSION, Office, approved, event, open_session

DAY = 86400.0


@pytest.fixture
def office(database: Database, secrets: Secrets) -> Office:
    open_session(database)
    return Office(database, secrets)


async def _no_pause(seconds: float) -> None:
    raise AssertionError


@pytest.fixture
def duties(office: Office, clock: Clock) -> Duties:
    return Duties(office.database, {PROVIDER: office.provider}, office.clerk, lambda: LADDER, clock, _no_pause)


async def test_a_session_whose_webhook_was_lost_is_asked_for(office: Office, duties: Duties, clock: Clock) -> None:
    """After an hour, and what the provider says holds."""
    office.provider.verdicts[SESSION] = approved(100.0)
    await duties.round()
    assert office.provider.fetched[SESSION] == 0

    clock.turn(duty.SILENT + 1)
    await duties.round()

    assert (office.evidence(), office.state()) == (sorted(KINDS), "approved")


async def test_who_never_comes_back_is_asked_for_seldom_and_then_it_is_over(
    office: Office, duties: Duties, clock: Clock
) -> None:
    """After a week."""
    office.provider.verdicts[SESSION] = Verdict(State.CREATED, 0.0)
    clock.turn(duty.SILENT + 1)
    await duties.round()
    await duties.round()
    assert (office.provider.fetched[SESSION], office.state()) == (1, "created")

    clock.turn(duty.NEVER)
    await duties.round()

    assert office.state() == "expired never_came_back"


async def test_what_the_provider_does_not_know_is_over(office: Office, duties: Duties, clock: Clock) -> None:
    """Such as after its own retention; while it is away nothing is decided."""
    clock.turn(duty.SILENT + 1)
    office.provider.away = ProviderUnavailable("away")
    await duties.round()
    assert office.state() == "created"

    office.provider.away = NoSuchSession("gone")
    await duties.round()

    assert office.state() == "expired no_such_session"


async def test_a_session_that_was_never_started_is_over(office: Office, duties: Duties, clock: Clock) -> None:
    """Its process died before it had a reference."""
    open_session(office.database, "other", "")
    clock.turn(duty.LOST + 1)
    office.provider.verdicts[SESSION] = Verdict(State.CREATED, 0.0)

    await duties.round()

    assert office.state("") == "expired not_started"


async def test_an_end_has_its_line_once(office: Office, duties: Duties, clock: Clock) -> None:
    """After the grace, and only for the latest of a kind: what was renewed ends unnoticed."""
    add = standing.add_evidence
    office.database.write("x", lambda writing: add(writing, ACCOUNT, "document", provider=PROVIDER))
    clock.turn(300 * DAY)
    office.database.write("x", lambda writing: add(writing, ACCOUNT, "document", provider=PROVIDER))
    office.database.write("x", lambda writing: add(writing, ACCOUNT, "email"))
    clock.turn(370 * DAY)
    await duties.round()
    assert duty.ENDED not in office.audit()

    clock.turn(10 * DAY)
    await duties.round()
    await duties.round()

    assert office.audit().count(duty.ENDED) == 1


async def test_pages_go_round(office: Office, duties: Duties, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large directory is gone through in many rounds, and then again."""
    monkeypatch.setattr(duty, "PAGE", 2)

    def show(writing: Writing) -> None:
        for number in range(5):
            standing.add_evidence(writing, f"a{number}", "document", expires=clock() + 1.0)

    office.database.write("x", show)
    clock.turn(15 * DAY)

    for _ in range(3):
        await duties.round()

    assert all(duty.ENDED in office.audit(f"a{number}") for number in range(5))


async def test_what_is_done_goes_after_a_month(office: Office, duties: Duties, clock: Clock) -> None:
    """Longer than any provider tries again; what is dead stays."""
    office.provider.verdicts[SESSION] = approved(100.0)
    await office.hear(event(State.APPROVED, 100.0))
    await office.inbox.keep_unreadable(PROVIDER, b"x")
    await duties.round()
    assert len(office.letters()) == 2

    clock.turn(31 * DAY)
    await duties.round()

    assert [letter.outcome for letter in office.letters()] == ["malformed_content"]


async def test_a_round_in_two_processes_does_nothing_twice(
    office: Office, duties: Duties, clock: Clock, secrets: Secrets
) -> None:
    """The line of an end is written once."""
    office.database.write(
        "x", lambda writing: standing.add_evidence(writing, ACCOUNT, "document", expires=clock() + 1.0)
    )
    clock.turn(20 * DAY)
    other = Duties(office.database, {}, office.clerk, lambda: LADDER, clock, _no_pause)

    await duties.round()
    await other.round()

    lines = sql.select(sql.func.count()).select_from(tables.audit).where(tables.audit.c.did == duty.ENDED)
    assert office.database.read(lambda connection: connection.execute(lines).scalar_one()) == 1
