"""An owner is sent to whoever gives what is missing, goes on with what is open, and cannot spend our money at will."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sql

from gateway.accounts.ladder import Ladder
from gateway.accounts.sql import accounts, standing, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database, Writing
from gateway.testing import Clock
from gateway.verification import desk as desks
from gateway.verification import review
from gateway.verification.desk import Declined, Desk
from gateway.verification.provider import ProviderUnavailable, Started, State
from gateway.verification.review import Manual
from tests.verification.fakes import ACCOUNT, LADDER, PROVIDER, FakeProvider

BACK = "https://gate.example/account/waiting"


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture
def desk(database: Database, provider: FakeProvider, clock: Clock) -> Desk:
    """Documents are for a provider, entries of registries for people; e-mail is the operator's own business."""
    return Desk(database, {PROVIDER: provider, "people": Manual("people", {"registry"})}, lambda: LADDER, clock)


def _shown(database: Database, *kinds: str) -> None:
    def work(writing: Writing) -> None:
        for kind in kinds:
            standing.add_evidence(writing, ACCOUNT, kind)

    database.write("operator", work)


def _sessions(database: Database) -> list[tuple[str, str]]:
    table = tables.verifications
    found = sql.select(table.c.state, table.c.reason).order_by(table.c.created, table.c.id)
    return [(row.state, row.reason) for row in database.read(lambda connection: connection.execute(found).all())]


async def test_the_next_rung_decides_whom_to_ask(desk: Desk, database: Database, provider: FakeProvider) -> None:
    """What is missing for it, and one provider's part of that in one session."""
    _shown(database, "email")

    begun = await desk.begin(ACCOUNT, BACK)

    assert (begun.url, begun.state, begun.kinds) == (
        "https://checks.example/ses_1", State.CREATED, ("document", "liveness"),
    )  # fmt: skip
    assert provider.started == [begun.verification]
    assert "checks.example" not in repr(begun)


async def test_what_is_open_is_gone_on_with(desk: Desk, database: Database, provider: FakeProvider) -> None:
    """A second attempt costs money: the same session again, by a fresh address."""
    _shown(database, "email")
    first = await desk.begin(ACCOUNT, BACK)
    provider.resumed["ses_1"] = Started("ses_1", "https://checks.example/again")

    second = await desk.begin(ACCOUNT, BACK)

    assert (second.verification, second.url) == (first.verification, "https://checks.example/again")
    assert len(provider.started) == 1


async def test_a_session_without_a_way_back_is_followed_by_a_new_one(
    desk: Desk, database: Database, provider: FakeProvider
) -> None:
    """Where the provider has none."""
    _shown(database, "email")
    await desk.begin(ACCOUNT, BACK)

    assert (await desk.begin(ACCOUNT, BACK)).url == "https://checks.example/ses_2"


async def test_while_it_is_looked_at_there_is_nothing_to_do(
    desk: Desk, database: Database, provider: FakeProvider
) -> None:
    """No new session beside one that the person has done their part of."""
    _shown(database, "email")
    await desk.begin(ACCOUNT, BACK)
    table = tables.verifications
    database.write("x", lambda writing: writing.connection.execute(table.update().values(state="submitted")))

    again = await desk.begin(ACCOUNT, BACK)

    assert (again.url, again.state, len(provider.started)) == (None, State.SUBMITTED, 1)


async def test_new_sessions_are_few_a_day(desk: Desk, database: Database, clock: Clock) -> None:
    """Then it says from when on there may be another one."""
    _shown(database, "email")
    begun = clock()
    for _ in range(desks.NEW_A_DAY):
        await desk.begin(ACCOUNT, BACK)
        clock.turn(60.0)

    with pytest.raises(Declined) as declined:
        await desk.begin(ACCOUNT, BACK)

    assert (declined.value.reason, declined.value.again) == ("too_many_today", begun + desks.DAY)
    clock.at = declined.value.again + 1
    await desk.begin(ACCOUNT, BACK)


async def test_two_clicks_are_one_session(desk: Desk, database: Database, provider: FakeProvider) -> None:
    """The second one is told to wait for the first."""
    _shown(database, "email")

    provider.may_start.clear()
    clicks = [asyncio.ensure_future(desk.begin(ACCOUNT, BACK)) for _ in range(4)]
    while sum(click.done() for click in clicks) < 3:
        await asyncio.sleep(0.01)
    provider.may_start.set()
    answers = await asyncio.gather(*clicks, return_exceptions=True)

    assert len(provider.started) == 1
    assert [answer.reason for answer in answers if isinstance(answer, Declined)] == ["just_starting"] * 3


async def test_a_provider_that_is_away_costs_no_attempt(desk: Desk, database: Database, provider: FakeProvider) -> None:
    """It is said, and what never came to be is closed and not counted; but that has a bound as well."""
    _shown(database, "email")
    provider.away = ProviderUnavailable("away")
    for _ in range(desks.ROWS_A_DAY):
        with pytest.raises(ProviderUnavailable):
            await desk.begin(ACCOUNT, BACK)

    assert set(_sessions(database)) == {("expired", "not_started")}
    with pytest.raises(Declined, match="several attempts"):
        await desk.begin(ACCOUNT, BACK)


async def test_people_are_asked_by_a_case(desk: Desk, database: Database) -> None:
    """The provider `manual` has no page: somebody will look at it."""
    _shown(database, "email", "document", "liveness")

    begun = await desk.begin(ACCOUNT, BACK)
    again = await desk.begin(ACCOUNT, BACK)

    assert (begun.url, begun.state, begun.kinds) == (None, State.REVIEW, ("registry",))
    assert again.verification == begun.verification
    cases = database.read(lambda connection: review.reviews_of(connection, ACCOUNT))
    assert [(one.subject, one.kinds) for one in cases] == [("verification", ("registry",))]


@pytest.mark.parametrize(
    ("shown", "assigned", "reason"),
    [
        ((), "", "no_provider"),
        (("email", "document", "liveness", "registry"), "", "nothing_missing"),
        (("email",), "company", "nothing_missing"),
    ],
    ids=["only-ours-missing", "all-there", "assigned-the-top"],
)
async def test_why_there_is_nothing_to_begin(
    desk: Desk, database: Database, shown: tuple[str, ...], assigned: str, reason: str
) -> None:
    """In a word for programs, and a sentence for people."""
    database.write("cli:ann", lambda writing: accounts.create(writing, NewAccount(ACCOUNT, tier=assigned)))
    _shown(database, *shown)

    with pytest.raises(Declined) as declined:
        await desk.begin(ACCOUNT, BACK)

    assert declined.value.reason == reason
    assert str(declined.value) == desks.WORDS[reason]


async def test_what_ends_soon_can_be_shown_again(desk: Desk, database: Database, clock: Clock) -> None:
    """Before it ends, without asking for anything else."""
    _shown(database, "email", "document", "liveness", "registry")
    clock.turn(340 * 86400.0)

    assert (await desk.begin(ACCOUNT, BACK)).kinds == ("document",)


async def test_without_a_ladder_nothing_is_begun(database: Database, provider: FakeProvider, clock: Clock) -> None:
    """Rules without a ladder ask nobody for anything."""
    none: Ladder | None = None
    with pytest.raises(Declined):
        await Desk(database, {PROVIDER: provider}, lambda: none, clock).begin(ACCOUNT, BACK)


async def test_an_account_that_only_tokens_have_named_gets_a_row(
    database: Database, provider: FakeProvider, clock: Clock
) -> None:
    """Once something of it has to be remembered."""
    ladder = replace(LADDER, rungs=(LADDER.rungs[0], LADDER.rungs[2]))
    begun = await Desk(database, {PROVIDER: provider}, lambda: ladder, clock).begin("from-a-token", BACK)

    assert begun.kinds == ("document", "liveness")
    assert database.read(lambda connection: accounts.row(connection, "from-a-token")).tier == ""


@pytest.mark.parametrize(
    ("statement", "reason"),
    [(" \x00\x07 ", "empty"), ("x" * 2001, "too_long"), ("why", "nothing_to_appeal")],
)
async def test_an_appeal_that_is_none(desk: Desk, database: Database, statement: str, reason: str) -> None:
    """It says something, within bounds, against something."""
    _shown(database, "email")

    with pytest.raises(Declined) as declined:
        await desk.appeal(ACCOUNT, statement)

    assert declined.value.reason == reason


async def test_an_appeal_is_for_people(desk: Desk, database: Database) -> None:
    """One at a time; what is written stands with the case and nowhere else."""
    database.write("cli:ann", lambda writing: standing.add_fall(writing, ACCOUNT, "analyst"))

    number = await desk.appeal(ACCOUNT, "I am\x1b[31m Ann\nand not a bot")

    [case] = database.read(lambda connection: review.reviews_of(connection, ACCOUNT))
    assert (case.id, case.statement, case.subject) == (number, "I am[31m Ann\nand not a bot", "appeal")
    lines = database.read(lambda connection: list(connection.scalars(sql.select(tables.audit.c.detail))))
    assert not any("bot" in line for line in lines)
    with pytest.raises(Declined, match="open already"):
        await desk.appeal(ACCOUNT, "again")
