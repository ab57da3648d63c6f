"""Letters are worked off once in effect, whatever comes twice, late, in the wrong order, or to two clerks at once."""

from __future__ import annotations

import asyncio
import random

import pytest
import sqlalchemy as sql

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import standing, tables
from gateway.accounts.sql.database import Database
from gateway.testing import Clock
from gateway.verification import clerk as clerks
from gateway.verification import inbox
from gateway.verification.clerk import Clerk
from gateway.verification.provider import (
    Identified,
    NoSuchSession,
    ProviderUnavailable,
    State,
    Verdict,
)
from tests.verification.fakes import ACCOUNT, KINDS, PROVIDER, SESSION, Office, approved, event, open_session

GIVEN = sorted(KINDS)


@pytest.fixture
def office(database: Database, secrets: Secrets) -> Office:
    """With one session that is open."""
    open_session(database)
    return Office(database, secrets)


async def test_an_approval_raises_after_the_provider_was_asked(office: Office) -> None:
    """The webhook says when to ask; evidence is what the provider answers."""
    office.provider.verdicts[SESSION] = approved(100.0, expires=5000.0)

    await office.hear(event(State.APPROVED, 100.0))

    assert office.evidence() == GIVEN
    assert office.state() == "approved"
    assert office.provider.fetched[SESSION] == 1
    assert [letter.outcome for letter in office.letters()] == ["approved"]


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(State.DECLINED, 100.0, reason="document_expired"),
        Verdict(State.REVIEW, 100.0),
        Verdict(State.RETRY, 100.0, reason="blurred"),
        NoSuchSession("gone"),
        ProviderUnavailable("away"),
    ],
    ids=["declined", "review", "retry", "no-such-session", "away"],
)
async def test_an_approval_that_the_provider_does_not_confirm_raises_nothing(
    office: Office, verdict: Verdict | Exception
) -> None:
    """A webhook alone, forged by who knows the secret or replayed, lifts nobody."""
    office.provider.verdicts[SESSION] = verdict

    await office.hear(event(State.APPROVED, 100.0))

    assert office.evidence() == []
    assert office.state().split()[0] == (verdict.state if isinstance(verdict, Verdict) else "created")


async def test_a_reversal_bites_without_asking(office: Office) -> None:
    """Also while the provider is away: evidence of that session goes, and the account falls."""
    office.provider.verdicts[SESSION] = approved(100.0)
    await office.hear(event(State.APPROVED, 100.0))
    office.provider.away = ProviderUnavailable("away")

    await office.hear(event(State.REVERSED, 200.0))

    assert (office.evidence(), office.falls(), office.state()) == ([], ["reversal"], "reversed")
    assert office.provider.fetched[SESSION] == 1


async def test_a_decline_of_what_was_approved_is_a_reversal(office: Office) -> None:
    """Whatever a provider calls it, it has taken its word back."""
    office.provider.verdicts[SESSION] = approved(100.0)

    await office.hear(event(State.APPROVED, 100.0), event(State.DECLINED, 200.0))

    assert (office.evidence(), office.falls(), office.state()) == ([], ["reversal"], "reversed")


async def test_a_late_approval_does_not_undo_a_reversal(office: Office) -> None:
    """It is older by the provider's clock, 18 hours on its way, and the session was reversed since."""
    office.provider.verdicts[SESSION] = approved(100.0)
    await office.hear(event(State.APPROVED, 100.0, name="a"), event(State.REVERSED, 200.0, name="b"))

    await office.hear(event(State.APPROVED, 100.0, name="a-again"), event(State.APPROVED, 150.0, name="c"))

    assert (office.evidence(), office.falls(), office.state()) == ([], ["reversal"], "reversed")
    assert [letter.outcome for letter in office.letters()][2:] == ["older", "older"]


async def test_a_newer_approval_of_the_provider_undoes_its_own_reversal(office: Office) -> None:
    """By its own clock it came later, and it was asked: the fall that it caused is over, and no other."""
    office.provider.verdicts[SESSION] = approved(100.0)
    await office.hear(event(State.APPROVED, 100.0), event(State.REVERSED, 200.0))
    office.database.write("cli:ann", lambda writing: standing.add_fall(writing, ACCOUNT, "analyst"))
    office.provider.verdicts[SESSION] = approved(300.0)

    await office.hear(event(State.APPROVED, 300.0))

    assert (office.evidence(), office.falls(), office.state()) == (GIVEN, ["analyst"], "approved")


async def test_without_a_clock_a_reversed_session_stays_reversed(office: Office) -> None:
    """Nobody can tell whether that approval is the one that was taken back."""
    office.provider.verdicts[SESSION] = approved()
    await office.hear(event(State.APPROVED, name="a"), event(State.REVERSED, name="b"))

    await office.hear(event(State.APPROVED, name="c"))

    assert (office.evidence(), office.state()) == ([], "reversed")


async def test_an_undated_decline_of_an_approved_session_is_asked_about(office: Office) -> None:
    """It may be a late retry from before the approval: an honest owner does not fall for it."""
    office.provider.verdicts[SESSION] = approved()
    await office.hear(event(State.APPROVED, name="a"))

    await office.hear(event(State.DECLINED, name="late"))

    assert (office.evidence(), office.falls(), office.state()) == (GIVEN, [], "approved")


async def test_any_order_and_any_number_of_times_comes_to_the_same(office: Office) -> None:
    """The news of a session, shuffled and doubled, leaves what it leaves in order."""
    states = (State.CREATED, State.SUBMITTED, State.DECLINED, State.APPROVED, State.SUBMITTED, State.EXPIRED)
    office.provider.usual = approved(40.0)
    letters = []
    for seed in range(8):
        open_session(office.database, f"a{seed}", f"s{seed}")
        news = [event(state, 10.0 * at, f"s{seed}") for at, state in enumerate(states, 1)]
        shuffled = [one._replace(id=f"{one.id}-{copy}") for one in news for copy in "xy"]
        random.Random(seed).shuffle(shuffled)
        letters.append(shuffled)

    for round_ in zip(*letters, strict=True):
        await asyncio.gather(*(office.inbox.store(one, PROVIDER, b"") for one in round_))
        await office.work()

    for seed in range(8):
        assert (office.evidence(f"a{seed}"), office.falls(f"a{seed}"), office.state(f"s{seed}")) == (
            GIVEN, [], "approved",
        )  # fmt: skip
    assert all(letter.done for letter in office.letters())


async def test_two_clerks_at_once_do_nothing_twice(office: Office, secrets: Secrets) -> None:
    """Each letter belongs to one of them, and what both know leaves one row."""
    for number in range(20):
        open_session(office.database, f"a{number}", f"s{number}")
    office.provider.usual = approved(100.0)
    for number in range(20):
        for copy in "xyz":
            await office.inbox.store(event(State.APPROVED, 100.0, f"s{number}", f"{number}{copy}"), PROVIDER, b"")
    other = Clerk(office.database, {PROVIDER: office.provider}, office.world, office.database.now)

    await asyncio.gather(office.work(), office.work(other))

    assert [office.evidence(f"a{number}") for number in range(20)] == [GIVEN] * 20
    assert all(letter.done and letter.attempts == 1 for letter in office.letters())
    assert office.clerk.counts.total() + other.counts.total() == 60


async def test_a_clerk_whose_lease_is_over_changes_nothing(office: Office, clock: Clock) -> None:
    """Somebody else has the letter by then: its effects are rolled back with the mark."""
    office.provider.verdicts[SESSION] = approved(100.0)

    def slow() -> None:
        office.provider.before_answer = None
        clock.turn(inbox.LEASE + 1)
        held = office.database.write("other", lambda writing: inbox.claim(writing, {PROVIDER: 10}))
        assert len(held) == 1

    office.provider.before_answer = slow
    await office.inbox.store(event(State.APPROVED, 100.0), PROVIDER, b"")
    await office.clerk.take()
    await office.clerk.idle()

    assert office.evidence() == []
    assert office.clerk.counts[PROVIDER, "gone"] == 1
    clock.turn(inbox.LEASE + 1)
    await office.work()
    assert office.evidence() == GIVEN


async def test_what_changes_while_the_provider_is_asked_is_asked_again(office: Office) -> None:
    """An answer from before a reversal is not taken for one from after it."""
    office.provider.verdicts[SESSION] = approved()

    def reversed_meanwhile() -> None:
        office.provider.before_answer = None
        table = tables.verifications
        office.database.write(
            "other",
            lambda writing: writing.connection.execute(table.update().values(state="reversed", stated=500.0)),
        )

    office.provider.before_answer = reversed_meanwhile
    await office.hear(event(State.APPROVED))

    assert (office.evidence(), office.state()) == ([], "reversed")
    assert office.provider.fetched[SESSION] == 2


async def test_pauses_grow_and_then_it_is_a_dead_letter(office: Office, clock: Clock) -> None:
    """A provider that is away is asked eight times over some hours; then somebody has to look, and can retry."""
    office.provider.away = ProviderUnavailable("away")
    await office.inbox.store(event(State.APPROVED, 100.0), PROVIDER, b"")
    pauses = []
    while True:
        await office.work()
        [letter] = office.letters()
        if letter.dead:
            break
        pauses.append(letter.due - clock())
        clock.at = letter.due

    assert tuple(pauses) == inbox.PAUSES
    assert (letter.outcome, letter.attempts) == ("provider_unavailable", inbox.ATTEMPTS)
    office.provider.away = None
    office.provider.verdicts[SESSION] = approved(100.0)
    office.database.write("cli:ann", lambda writing: inbox.retry(writing, letter.id))
    await office.work()
    assert office.evidence() == GIVEN


async def test_a_slow_api_is_given_time_to_know(office: Office, clock: Clock) -> None:
    """A webhook can be faster than the provider's own API."""
    office.provider.verdicts[SESSION] = Verdict(State.SUBMITTED, 90.0)
    await office.hear(event(State.APPROVED, 100.0))
    assert office.letters()[0].outcome == "provider_says submitted"

    office.provider.verdicts[SESSION] = approved(100.0)
    clock.turn(inbox.PAUSES[0])
    await office.work()

    assert office.evidence() == GIVEN


async def test_news_may_be_faster_than_the_reference(database: Database, secrets: Secrets, clock: Clock) -> None:
    """A session whose reference was lost with its process is known again by our own id; others' sessions are let be."""
    office = Office(database, secrets)
    made = open_session(database, reference="")
    office.provider.verdicts[SESSION] = approved(100.0, ours=made)

    await office.hear(event(State.APPROVED, 100.0), event(State.CREATED, 90.0, "not-ours"))

    assert (office.evidence(), office.state()) == (GIVEN, "approved")
    for _ in range(2):
        clock.turn(3600.0)
        await office.work()
    assert office.letters()[1].outcome == "unknown_reference"
    assert office.letters()[1].done


async def test_a_chargeback_falls_on_who_has_paid(office: Office, secrets: Secrets) -> None:
    """Found by the keyed hash of the customer. What an analyst has cleared does not come again with a copy."""
    office.provider.payers["pay_1"] = (Identified("customer", "cus_1"), Identified("payment", "pm_1"))
    office.database.write("x", lambda writing: standing.add_link(writing, secrets, ACCOUNT, "customer", "cus_1"))

    await office.hear(event(State.DISPUTED, 50.0, "pay_1", "a"), event(State.DISPUTED, 51.0, "pay_1", "b"))
    assert office.falls() == ["chargeback"]

    office.database.write("cli:ann", lambda writing: standing.clear_falls(writing, ACCOUNT, "chargeback", "paid"))
    await office.hear(event(State.DISPUTED, 52.0, "pay_1", "c"), event(State.DISPUTED, 53.0, "pay_2", "d"))
    assert office.falls() == []
    assert office.letters()[-1].outcome == "no_account"


async def test_who_was_robbed_does_not_fall(office: Office, secrets: Secrets) -> None:
    """A thief pays with the card of another account's owner, who disputes it: the customer is the thief. Only where
    nobody is known by the customer does the card say who has paid.
    """
    link, card = standing.add_link, ("payment", "pm_1")
    office.database.write("x", lambda writing: link(writing, secrets, ACCOUNT, *card))
    office.database.write("x", lambda writing: link(writing, secrets, "thief", *card))
    office.database.write("x", lambda writing: link(writing, secrets, "thief", "customer", "cus_9"))
    office.provider.payers["pay_1"] = (Identified(*card), Identified("customer", "cus_9"))
    office.provider.payers["pay_2"] = (Identified("customer", "unknown"), Identified(*card))

    await office.hear(event(State.DISPUTED, 50.0, "pay_1", "a"))
    assert (office.falls(), office.falls("thief")) == ([], ["chargeback"])
    await office.hear(event(State.DISPUTED, 51.0, "pay_2", "b"))
    assert office.falls() == ["chargeback"]


async def test_one_letter_that_cannot_be_stored_does_not_hold_up_the_others(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken transaction is tried again one by one."""
    office.provider.usual = approved(100.0)
    open_session(office.database, "bad", "s-bad")
    real = standing.add_evidence

    def break_down(writing: object, account: str, *args: object, **named: object) -> None:
        if account == "bad":
            raise sql.exc.IntegrityError("x", {}, ValueError("bad"))
        real(writing, account, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(standing, "add_evidence", break_down)
    for reference in ("s-bad", SESSION):
        await office.inbox.store(event(State.APPROVED, 100.0, reference), PROVIDER, b"")
    await office.work()

    assert office.evidence() == GIVEN
    assert [letter.outcome for letter in office.letters()] == ["not_storable IntegrityError", "approved"]


async def test_what_breaks_us_is_put_off_and_some_day_dead(
    office: Office, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours is logged with its traceback, and never tried for ever."""
    office.provider.verdicts[SESSION] = approved(100.0)

    def broken(*args: object) -> str:
        raise KeyError("a fault")

    monkeypatch.setattr(clerks, "settle", broken)
    await office.inbox.store(event(State.APPROVED, 100.0), PROVIDER, b"")
    for _ in range(inbox.ATTEMPTS):
        await office.work()
        clock.turn(20_000.0)

    [letter] = office.letters()
    assert (letter.outcome, letter.attempts, letter.dead > 0) == ("broken", inbox.ATTEMPTS, True)
    assert "KeyError: 'a fault'" in caplog.text
    assert office.clerk.counts == {(PROVIDER, "broken"): inbox.ATTEMPTS}


async def test_nothing_is_begun_shortly_before_a_lease_ends(office: Office, clock: Clock) -> None:
    """The provider would be asked in vain: somebody else has the letter before it answers."""
    office.provider.verdicts[SESSION] = approved(100.0)
    await office.inbox.store(event(State.APPROVED, 100.0), PROVIDER, b"")
    await office.clerk.take()
    clock.turn(inbox.LEASE - 1)
    await office.clerk.idle()
    assert office.provider.fetched[SESSION] == 0

    clock.turn(1.0)
    await office.work()

    assert office.evidence() == GIVEN


async def test_no_provider_of_that_name(office: Office) -> None:
    """What was taken in under an older configuration is a dead letter, and seen."""
    await office.inbox.store(event(State.APPROVED, 1.0), "gone", b"")

    await office.work()

    assert [(letter.outcome, letter.dead > 0) for letter in office.letters()] == [("unknown_provider", True)]
