"""The law of news, by table; and what an approval leaves: evidence, links, a limit for each identity."""

from __future__ import annotations

import pytest
import sqlalchemy as sql
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.ladder import IdentityLimit
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, standing, tables
from gateway.accounts.sql.accounts import NewAccount
from gateway.accounts.sql.database import Database, Writing
from gateway.testing import Clock
from gateway.verification.consequences import DECIDED, Then, step
from gateway.verification.provider import Identified, State, Verdict
from tests.verification.fakes import ACCOUNT, KINDS, PROVIDER, SESSION, Office, approved, event, open_session

A, C, D, E, R, S = State.APPROVED, State.CREATED, State.DECLINED, State.EXPIRED, State.REVERSED, State.SUBMITTED
RETRY, REVIEW = State.RETRY, State.REVIEW
GIVEN = sorted(KINDS)


@pytest.mark.parametrize(
    ("known", "stated", "news", "at", "asked", "then"),
    [
        (C, 0.0, S, 10.0, False, Then.APPLY),
        (S, 10.0, C, 5.0, False, Then.OLDER),
        (S, 10.0, S, 10.0, False, Then.SAME),
        (C, 0.0, A, 10.0, False, Then.ASK),
        (C, 0.0, A, 10.0, True, Then.APPLY),
        (C, 0.0, D, 10.0, False, Then.APPLY),
        (A, 10.0, R, 20.0, False, Then.APPLY),
        (A, 10.0, R, 10.0, False, Then.APPLY),
        (A, 10.0, R, 5.0, False, Then.OLDER),
        (R, 20.0, A, 10.0, False, Then.OLDER),
        (R, 20.0, A, 10.0, True, Then.OLDER),
        (R, 20.0, A, 20.0, True, Then.OLDER),
        (R, 20.0, A, 30.0, False, Then.ASK),
        (R, 20.0, A, 30.0, True, Then.APPLY),
        (D, 20.0, A, 10.0, True, Then.OLDER),
        (A, 10.0, S, 20.0, False, Then.KEPT),
        (A, 10.0, E, 20.0, False, Then.KEPT),
        (A, 10.0, REVIEW, 20.0, False, Then.APPLY),
        (D, 10.0, RETRY, 20.0, False, Then.APPLY),
        (S, 20.0, A, 10.0, False, Then.ASK),
        (S, 20.0, A, 10.0, True, Then.APPLY),
        (S, 20.0, D, 10.0, False, Then.ASK),
        (E, 50.0, A, 40.0, True, Then.APPLY),
        (A, 10.0, A, 10.0, False, Then.SAME),
        (C, 0.0, A, 0.0, False, Then.ASK),
        (C, 0.0, A, 0.0, True, Then.APPLY),
        (C, 0.0, D, 0.0, False, Then.ASK),
        (A, 0.0, D, 0.0, False, Then.ASK),
        (A, 0.0, D, 0.0, True, Then.APPLY),
        (A, 0.0, R, 0.0, False, Then.APPLY),
        (A, 0.0, A, 0.0, False, Then.ASK),
        (A, 0.0, A, 0.0, True, Then.SAME),
        (R, 0.0, A, 0.0, False, Then.ASK),
        (R, 0.0, A, 0.0, True, Then.KEPT),
        (R, 0.0, D, 0.0, False, Then.SAME),
        (C, 0.0, S, 0.0, False, Then.APPLY),
        (A, 0.0, S, 0.0, False, Then.KEPT),
        (C, 0.0, State.OTHER, 10.0, False, Then.IGNORED),
        (C, 0.0, State.DISPUTED, 10.0, False, Then.IGNORED),
    ],
)
def test_the_law_of_news(known: State, stated: float, news: State, at: float, asked: bool, then: Then) -> None:
    """The provider's clock orders them, nothing rises unasked, and what is decided is not undone by a step to it."""
    assert step(known, stated, news, at, asked=asked) is then


states = st.sampled_from([A, C, D, E, R, S, RETRY, REVIEW])
times = st.floats(0.0, 100.0)


@given(states, times, times)
def test_nothing_rises_unasked(known: State, stated: float, at: float) -> None:
    """Whatever is known, an approval that the provider was not asked about is never applied."""
    assert step(known, stated, A, at) is not Then.APPLY


@given(st.sampled_from(sorted(DECIDED)), states, st.floats(1.0, 100.0), st.floats(0.1, 0.9), st.booleans())
def test_what_is_older_never_changes_a_decision(
    known: State, news: State, stated: float, part: float, asked: bool
) -> None:
    """By the provider's own clock."""
    assert step(known, stated, news, stated * part, asked=asked) in {Then.OLDER, Then.KEPT}


@given(states, times, states, st.floats(1.0, 100.0), st.booleans())
def test_what_was_applied_is_not_applied_again(
    known: State, stated: float, news: State, at: float, asked: bool
) -> None:
    """A copy of the same news, once it is known, changes nothing."""
    if step(known, stated, news, at, asked=asked) is Then.APPLY:
        assert step(news, at, news, at, asked=asked) in {Then.SAME, Then.KEPT}


@pytest.fixture
def office(database: Database, secrets: Secrets) -> Office:
    """One document may stand behind one organisation in 90 days."""
    open_session(database)
    return Office(database, secrets, {"document": IdentityLimit(1, 90 * 86400.0)})


DOCUMENT = Identified("document", "DE:P:C01X00T47")


async def test_evidence_ends_with_the_document(office: Office) -> None:
    """And began when the provider says that it was shown."""
    office.provider.verdicts[SESSION] = approved(100.0, expires=9000.0)

    await office.hear(event(A, 100.0))

    table = tables.evidence
    rows = office.database.read(lambda c: c.execute(sql.select(table).order_by(table.c.kind)).all())
    assert [(row.kind, row.provider, row.reference, row.obtained, row.expires, row.by) for row in rows] == [
        (kind, PROVIDER, SESSION, 100.0, 9000.0, f"provider:{PROVIDER}") for kind in GIVEN
    ]


async def test_what_identifies_is_kept_as_a_hash_alone(office: Office, secrets: Secrets) -> None:
    """No row and no line of the audit holds the number of the document."""
    office.provider.verdicts[SESSION] = approved(100.0, DOCUMENT)

    await office.hear(event(A, 100.0))

    def dump(connection: sql.Connection) -> str:
        return "".join(str(connection.execute(sql.select(t)).all()) for t in tables.metadata.sorted_tables)

    assert "C01X00T47" not in office.database.read(dump)
    linked = office.database.read(lambda c: standing.accounts_linked_by(c, secrets, *DOCUMENT))
    assert linked == [ACCOUNT]


async def test_one_document_for_one_organisation(office: Office, secrets: Secrets, clock: Clock) -> None:
    """The second organisation is declined with a code, keeps its link as evidence, and the first keeps its tier."""
    open_session(office.database, "other", "s2")
    office.provider.usual = approved(100.0, DOCUMENT)

    await office.hear(event(A, 100.0), event(A, 100.0, "s2"))

    assert (office.evidence(), office.evidence("other")) == (GIVEN, [])
    assert (office.state(), office.state("s2")) == ("approved", "declined identity_in_use")
    assert office.falls("other") == []
    linked = office.database.read(lambda c: standing.accounts_linked_by(c, secrets, *DOCUMENT))
    assert sorted(linked) == [ACCOUNT, "other"]
    assert "identity.limit" in office.audit("other")
    assert ACCOUNT not in str(
        office.database.read(
            lambda c: list(c.scalars(sql.select(tables.audit.c.detail).where(tables.audit.c.did == "identity.limit")))
        )
    )


async def test_who_was_declined_does_not_lock_out_the_first(office: Office) -> None:
    """The owner of the document shows it again in the same 90 days, after somebody else has tried with it."""
    open_session(office.database, "other", "s2")
    open_session(office.database, ACCOUNT, "s3")
    office.provider.usual = approved(100.0, DOCUMENT)

    await office.hear(event(A, 100.0), event(A, 100.0, "s2"), event(A, 100.0, "s3"))

    assert office.state("s3") == "approved"


async def test_who_has_shown_a_document_may_show_it_again(office: Office, secrets: Secrets) -> None:
    """Somebody else was let in with it meanwhile, and who was there first renews. Who was declined for it, and has a
    document of their own, is still declined.
    """
    office.provider.usual = approved(100.0, DOCUMENT)
    await office.hear(event(A, 100.0))
    open_session(office.database, "other", "s2")
    office.provider.verdicts["s2"] = approved(100.0, Identified("document", "DEU:passport:OTHER1"))
    await office.hear(event(A, 100.0, "s2"))
    for attempt in ("s3", "s4"):
        open_session(office.database, "other", attempt)
        await office.hear(event(A, 100.0, attempt))
        assert office.state(attempt) == "declined identity_in_use"
    open_session(office.database, "third", "s5")
    office.database.write("x", lambda writing: standing.add_link(writing, secrets, "third", *DOCUMENT))

    open_session(office.database, ACCOUNT, "s6")
    await office.hear(event(A, 200.0, "s6"))

    assert office.state("s6") == "approved"


async def test_a_limit_that_cannot_hold_is_said(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """The provider keeps the number to itself: the person counts as honest, and somebody has to hear of it."""
    office.provider.usual = approved(100.0)

    await office.hear(event(A, 100.0))

    assert office.evidence() == GIVEN
    assert "identity.unknown" in office.audit()
    assert "names no document" in caplog.text


async def test_two_accounts_of_one_organisation_may_share_a_document(office: Office) -> None:
    """The limit counts organisations."""

    def create(writing: Writing) -> None:
        for number in (1, 2):
            accounts.create(writing, NewAccount(f"team{number}", organisation="acme-inc"))

    office.database.write("cli:ann", create)
    for number in (1, 2):
        open_session(office.database, f"team{number}", f"t{number}")
    office.provider.usual = approved(100.0, DOCUMENT)

    await office.hear(event(A, 100.0, "t1"), event(A, 100.0, "t2"))

    assert (office.evidence("team1"), office.evidence("team2")) == (GIVEN, GIVEN)


async def test_two_at_once_are_not_both_the_first(office: Office) -> None:
    """In one burst: one has the document, the others do not."""
    office.provider.usual = approved(100.0, DOCUMENT)
    for number in range(5):
        open_session(office.database, f"a{number}", f"s{number}")
        await office.inbox.store(event(A, 100.0, f"s{number}"), PROVIDER, b"")

    await office.work()

    assert sum(office.evidence(f"a{number}") == GIVEN for number in range(5)) == 1


async def test_a_reason_is_a_code(office: Office) -> None:
    """Why it was declined stands with the verification, as the provider's word."""
    office.provider.verdicts[SESSION] = Verdict(D, 100.0, reason="document_expired")

    await office.hear(event(D, 0.0))

    assert office.state() == "declined document_expired"


async def test_evidence_of_an_import_is_taken_back_by_its_reference(office: Office) -> None:
    """A reversal finds it although no session of ours is behind it."""
    office.database.write(
        "import",
        lambda writing: standing.add_evidence(writing, ACCOUNT, "document", provider=PROVIDER, reference="old"),
    )

    await office.hear(event(R, 100.0, "old"))

    assert (office.evidence(), office.falls()) == ([], ["reversal"])
