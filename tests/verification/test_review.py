"""People decide, with a reason; what leads to the top of the ladder needs two of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.accounts.ladder import Ladder
from gateway.accounts.sql import accounts, standing, tables
from gateway.accounts.sql.accounts import NewAccount, NoSuch
from gateway.accounts.sql.cases import rulings_after
from gateway.accounts.sql.database import Database, Writing
from gateway.campaigns.ruling import Ruled
from gateway.testing import Clock
from gateway.verification import review
from gateway.verification.consequences import IN_USE
from gateway.verification.desk import Desk
from gateway.verification.provider import Rejected, State
from gateway.verification.review import APPROVED, DECLINED, SECONDED, Decided, Manual, Review
from tests.verification.fakes import ACCOUNT, KINDS, LADDER, Office, open_session

PEOPLE = Manual("people", {"document", "liveness", "registry"})
Decide = Callable[..., Review]


@pytest.fixture
def office(database: Database, secrets: object) -> Office:
    database.write("cli:ann", lambda writing: accounts.create(writing, NewAccount(ACCOUNT)))
    return Office(database, secrets)  # type: ignore[arg-type]


@pytest.fixture
def decide(database: Database) -> Decide:
    def work(number: int, approve: bool, by: str, reason: str = "seen", ladder: Ladder | None = LADDER) -> Review:
        return database.write(by, lambda writing: review.decide(writing, ladder, number, approve, reason, by))

    return work


async def _case(database: Database, clock: Clock, *kinds: str, shown: tuple[str, ...] = ()) -> int:
    def show(writing: Writing) -> None:
        for kind in shown:
            standing.add_evidence(writing, ACCOUNT, kind)

    database.write("operator", show)
    ladder = Ladder(LADDER.rungs, dict.fromkeys(kinds, LADDER.proofs["registry"]))
    await Desk(database, {"people": PEOPLE}, lambda: ladder, clock).begin(ACCOUNT, "", kinds)
    return database.read(review.open_reviews)[-1].id


async def test_one_is_enough_below_the_top(office: Office, database: Database, clock: Clock, decide: Decide) -> None:
    """Evidence, the state of the session, and a line of the audit."""
    number = await _case(database, clock, "document", "liveness", shown=("email",))

    done = decide(number, True, "cli:ann")

    assert (done.state, done.first, done.second, done.reason) == (APPROVED, "cli:ann", "", "seen")
    assert office.evidence() == ["document", "email", "liveness"]
    assert office.audit()[-1] == "verification.state"
    assert database.read(review.open_reviews) == []


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        (("registry",), ("email", "document", "liveness")),
        (("registry",), ()),
        (("document",), ("email", "registry", "liveness")),
    ],
    ids=["the-last-step", "its-own-kind-early", "another-kind-last"],
)
async def test_the_top_needs_two(
    office: Office,
    database: Database,
    clock: Clock,
    decide: Decide,
    kinds: tuple[str, ...],
    shown: tuple[str, ...],
) -> None:
    """Different people; after the first nothing has changed."""
    number = await _case(database, clock, *kinds, shown=shown)

    assert decide(number, True, "cli:ann").state == SECONDED
    assert office.evidence() == sorted(shown)
    with pytest.raises(Decided, match="second person"):
        decide(number, True, "cli:ann")
    done = decide(number, True, "cli:bob")

    assert (done.state, done.first, done.second) == (APPROVED, "cli:ann", "cli:bob")
    assert office.evidence() == sorted({*shown, *kinds})


async def test_without_a_ladder_it_needs_two(office: Office, database: Database, clock: Clock, decide: Decide) -> None:
    """Nobody can say that it is not the top."""
    number = await _case(database, clock, "document")

    assert decide(number, True, "cli:ann", ladder=None).state == SECONDED


async def test_one_may_decline_also_what_another_has_approved(
    office: Office, database: Database, clock: Clock, decide: Decide
) -> None:
    """And that is that."""
    number = await _case(database, clock, "registry")
    decide(number, True, "cli:ann")

    assert decide(number, False, "cli:ann", "a typing error").state == DECLINED

    assert office.evidence() == []
    with pytest.raises(Decided, match="declined already"):
        decide(number, True, "cli:bob")


async def test_a_decision_has_a_reason_and_a_case(database: Database, clock: Clock, decide: Decide) -> None:
    """Somebody will ask."""
    number = await _case(database, clock, "document")

    with pytest.raises(Decided, match="reason"):
        decide(number, True, "cli:ann", " ")
    with pytest.raises(NoSuch):
        decide(number + 1, True, "cli:ann")


def _appeal(database: Database, verification: str = "") -> int:
    def work(writing: Writing) -> int:
        return review.open_review(writing, ACCOUNT, review.APPEAL, verification=verification, statement="why")

    return database.write("owner", work)


def _fall(database: Database, *reasons: str) -> None:
    def work(writing: Writing) -> None:
        for reason in reasons:
            standing.add_fall(writing, ACCOUNT, reason)

    database.write("x", work)


async def test_an_appeal_that_is_heard_clears_the_falls(office: Office, database: Database, decide: Decide) -> None:
    """All of them: who decides sees them."""
    _fall(database, "analyst", "detector", "chargeback")

    decide(_appeal(database), True, "cli:ann")

    assert office.falls() == []


async def test_an_appeal_says_nothing_of_what_came_after_it(
    office: Office, database: Database, clock: Clock, decide: Decide
) -> None:
    """A chargeback, or a suspension, while the appeal waited is not what was decided about."""
    _fall(database, "analyst")
    number = _appeal(database)
    clock.turn(60.0)
    _fall(database, "chargeback")
    database.write("cli:ann", lambda writing: accounts.suspend(writing, ACCOUNT, "fraud"))

    decide(number, True, "cli:ann")

    assert office.falls() == ["chargeback"]
    assert database.read(lambda connection: accounts.row(connection, ACCOUNT)).suspended


async def test_an_appeal_ends_the_suspension_that_it_is_about(
    office: Office, database: Database, clock: Clock, decide: Decide
) -> None:
    """Whoever hears that their appeal was granted is let in again; who does not, is not."""
    desk = Desk(database, {}, lambda: LADDER, clock)
    for heard in (False, True):
        database.write("cli:ann", lambda writing: accounts.suspend(writing, ACCOUNT, "complaint"))
        decide(await desk.appeal(ACCOUNT, "it was not us"), heard, "cli:ann")
        assert database.read(lambda connection: accounts.row(connection, ACCOUNT)).suspended is not heard


async def test_an_appeal_that_is_not_heard_changes_nothing(office: Office, database: Database, decide: Decide) -> None:
    """But that it is decided."""
    _fall(database, "analyst")

    assert decide(_appeal(database), False, "cli:ann").state == DECLINED
    assert office.falls() == ["analyst"]


@pytest.mark.parametrize(
    ("state", "heard", "rulings"),
    [("in", True, 1), ("suspended", True, 1), ("in", False, 0), ("left", True, 0), ("split", True, 0), ("", True, 0)],
)
async def test_an_appeal_that_is_heard_speaks_against_the_detector(
    office: Office,
    database: Database,
    clock: Clock,
    decide: Decide,
    state: str,
    heard: bool,
    rulings: int,
) -> None:
    """Of an account that is in a case of its, and of no other: it is cleared for ninety days."""
    _fall(database, "analyst")
    if state:
        row = {"case": 7, "account": ACCOUNT, "nats": 6.0, "joined": clock(), "state": state}
        database.write("detector", lambda writing: writing.connection.execute(tables.case_accounts.insert(), row))

    decide(_appeal(database), heard, "cli:ann")

    found = database.read(lambda connection: rulings_after(connection, 0))
    assert [(one.ruled, one.accounts, one.until) for one in found] == [
        (Ruled.CLEARED, (ACCOUNT,), clock() + 90 * 86_400.0)
    ] * rulings


async def test_an_appeal_back_to_the_top_needs_two(office: Office, database: Database, decide: Decide) -> None:
    """However it got there."""
    database.write("x", lambda writing: accounts.move(writing, ACCOUNT, tier="company", reason="contract"))
    _fall(database, "analyst")
    number = _appeal(database)

    assert decide(number, True, "cli:ann").state == SECONDED
    assert office.falls() == ["analyst"]
    decide(number, True, "cli:bob")
    assert office.falls() == []


async def test_a_person_behind_two_organisations_can_be_let_in(
    office: Office, database: Database, decide: Decide
) -> None:
    """What was declined for the limit alone is given after an appeal."""
    made = open_session(database)
    table = tables.verifications
    database.write(
        "x",
        lambda writing: writing.connection.execute(table.update().values(state="declined", reason=IN_USE, stated=50.0)),
    )

    decide(_appeal(database, made), True, "cli:ann")

    assert (office.evidence(), office.state()) == (sorted(KINDS), "approved appeal")


async def test_people_send_no_webhooks() -> None:
    """Whatever is posted to their address is not believed."""
    with pytest.raises(Rejected):
        PEOPLE.read({}, b"{}", 0.0)
    assert (await PEOPLE.fetch("x")).state is State.REVIEW
