"""Each provider from beginning to end over HTTP: a session, a person at its page, a webhook, the decision."""

from __future__ import annotations

import importlib
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp
import pytest

from gateway.demo.verification.application import StandIn, serving
from gateway.demo.verification.world import CREDENTIALS, FAMILY_NAME, GIVEN_NAME, Document, Settings
from gateway.verification.provider import Disputes, Event, Identified, NoSuchSession, ProviderUnavailable, State
from gateway.verification.providers.adapter import Adapter
from gateway.verification.providers.registry import build
from tests.verification.providers.entries import KINDS, Hook, entry, receiver

BACK = "https://gateway.test/account?step=2"
NUMBER = "c01x 00t-47"
ENDS = datetime(2034, 6, 1, tzinfo=UTC).timestamp()
DIRECT = ("stripe", "persona", "onfido", "sumsub", "didit")
"""Which have a way back into a session."""


class Scene(NamedTuple):
    adapter: Adapter
    standin: StandIn
    came: list[Hook]

    async def last(self) -> Event:
        """What the newest webhook says."""
        await self.standin.post.idle()
        return self.adapter.read(*self.came[-1], time.time())


@asynccontextmanager
async def scene(kind: str) -> AsyncIterator[Scene]:
    async with receiver() as (hooks, came), serving(Settings(hooks, retries=(0.01,))) as standin:
        made = build(entry(kind, standin.address), time.time)
        try:
            yield Scene(made, standin, came)
        finally:
            await made.close()


async def _at_the_page(url: str, action: str, number: str = NUMBER) -> str:
    """What a person does; the address that they are sent back to."""
    async with aiohttp.ClientSession() as browser:
        async with browser.get(url) as shown:
            assert shown.status == 200
            assert '<label for="number">' in await shown.text()
        async with browser.post(url, data={"number": number, "action": action}, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
            return answer.headers["Location"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_person_is_approved(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Start, page, webhook, decision: with what it is evidence of, when that ends, and who it was."""
    caplog.set_level(logging.DEBUG)
    async with scene(kind) as (adapter, standin, came):
        started = await adapter.start("ver_0123456789", "acme", BACK)
        assert (await _at_the_page(started.url, "approve")).startswith(BACK)
        await standin.post.idle()
        events = [adapter.read(*one, time.time()) for one in came]
        assert {event.reference for event in events} == {started.reference}
        approved = [event for event in events if event.state is State.APPROVED]
        assert len(approved) == 1
        assert abs(approved[0].at - time.time()) < 5
        verdict = await adapter.fetch(started.reference)
    assert verdict.state is State.APPROVED
    assert verdict.gives == {"document", "liveness"}
    assert verdict.expires == ENDS
    assert verdict.identified == (Identified("document", "DEU:passport:C01X00T47"),)
    assert verdict.ours == "ver_0123456789"
    assert verdict.reason == ""
    said = f"{verdict!r} {events!r} {adapter!r} {caplog.text}"
    for word in (GIVEN_NAME, FAMILY_NAME, "C01X00T47", NUMBER, CREDENTIALS[kind].key):
        assert word not in said


@pytest.mark.parametrize("kind", KINDS)
async def test_a_session_that_nobody_came_to_is_open(kind: str) -> None:
    """Asked before the person came, the provider says nothing that anything follows from."""
    async with scene(kind) as (adapter, _standin, _came):
        started = await adapter.start("ver_0123456789", "acme", BACK)
        assert (await adapter.fetch(started.reference)).state is State.CREATED


REASONS = {
    "stripe": ("consent_declined", "consent_declined"),
    "persona": ("", "declined"),
    "onfido": ("suspected document", "suspected_document"),
    "sumsub": ("FORGERY", "forgery"),
    "didit": ("DOCUMENT_EXPIRED", "document_expired"),
    "veriff": ("502", "502"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_person_is_declined(kind: str) -> None:
    """No evidence, no identity, and the reason as a code."""
    async with scene(kind) as all_of_it:
        adapter, standin, _ = all_of_it
        started = await adapter.start("ver_0123456789", "acme", BACK)
        standin.act(kind, started.reference, "declined", reason=REASONS[kind][0])
        assert (await all_of_it.last()).state is State.DECLINED
        verdict = await adapter.fetch(started.reference)
    assert (verdict.state, verdict.reason) == (State.DECLINED, REASONS[kind][1])
    assert not verdict.gives
    assert not verdict.identified


AFTER = {
    "review": {"stripe": State.SUBMITTED},
    "retry": {"persona": State.CREATED, "onfido": State.CREATED},
    "expired": {"sumsub": State.CREATED},
    "reversed": {"stripe": State.EXPIRED, "sumsub": State.CREATED},
}
"""State at the stand-in -> where a provider has no word of its own for it."""
USUAL = {
    "review": State.REVIEW,
    "retry": State.RETRY,
    "expired": State.EXPIRED,
    "reversed": State.DECLINED,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", AFTER)
async def test_a_state_is_told_in_our_words(kind: str, state: str) -> None:
    """What a provider answers of each state; none of them is an approval."""
    async with scene(kind) as (adapter, standin, _came):
        started = await adapter.start("ver_0123456789", "acme", BACK)
        standin.act(kind, started.reference, state)
        verdict = await adapter.fetch(started.reference)
    assert verdict.state is AFTER[state].get(kind, USUAL[state])
    assert not verdict.gives


async def test_sumsub_takes_an_approval_back() -> None:
    """A reset of an applicant is a reversal: its documents count no more."""
    async with scene("sumsub") as all_of_it:
        adapter, standin, _ = all_of_it
        started = await adapter.start("ver_0123456789", "acme", BACK)
        for state in ("approved", "reversed"):
            standin.act("sumsub", started.reference, state)
        assert (await all_of_it.last()).state is State.REVERSED


@pytest.mark.parametrize("kind", KINDS)
async def test_there_is_a_way_back_into_an_open_session(kind: str) -> None:
    """Where the provider has one; none into a session that is over, or into one that it does not know."""
    async with scene(kind) as (adapter, standin, _came):
        started = await adapter.start("ver_0123456789", "acme", BACK)
        again = await adapter.resume(started.reference)
        if kind in DIRECT:
            assert again is not None
            assert again.reference == started.reference
            assert "/verify/" in again.url
        else:
            assert again is None
        standin.act(kind, started.reference, "approved")
        assert await adapter.resume(started.reference) is None
        if kind != "sumsub":  # There the session is made when somebody asks for it.
            assert await adapter.resume("00000000-0000-0000-0000-00000000000f") is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reference", ["00000000-0000-0000-0000-00000000000f", "../../v1/charges", "..", "a b", ""])
async def test_a_session_that_is_not_known(kind: str, reference: str) -> None:
    """It is said so; and no reference leads elsewhere on the provider's host."""
    async with scene(kind) as (adapter, _standin, _came):
        with pytest.raises(NoSuchSession):
            await adapter.fetch(reference)


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_request_makes_one_session(kind: str) -> None:
    """Where the provider can be asked twice for the same, it is: a retry leaves no second session behind."""
    async with scene(kind) as (adapter, _standin, _came):
        first = await adapter.start("ver_0123456789", "acme", BACK)
        second = await adapter.start("ver_0123456789", "acme", BACK)
    assert (first.reference == second.reference) is (kind not in {"onfido", "veriff"})


@pytest.mark.parametrize("kind", KINDS)
async def test_a_provider_that_is_down_is_unavailable(kind: str) -> None:
    """Every call says so, in a text without a secret."""
    async with scene(kind) as (adapter, standin, _came):
        standin.world.behaviour.down = True
        calls: list[Callable[[], object]] = [
            lambda: adapter.start("ver_0123456789", "acme", BACK),
            lambda: adapter.fetch("abcdef"),
            *([lambda: adapter.resume("abcdef")] if kind in DIRECT else []),
        ]
        for call in calls:
            with pytest.raises(ProviderUnavailable, match="answers 503") as caught:
                await call()  # type: ignore[misc]
            assert not re.search("abcdef|secret|token", str(caught.value))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["key", "secret"])
async def test_wrong_credentials_are_named_without_being_told(kind: str, key: str) -> None:
    """The log says what to look at, and nothing that opens a door."""
    if key == "secret" and kind not in {"sumsub", "veriff"}:
        return
    async with scene(kind) as (_adapter, standin, _came):
        wrong = build(entry(kind, standin.address, **{key: "entirely-made-up-credential"}), time.time)
        try:
            with pytest.raises(ProviderUnavailable, match="does not take our credentials") as caught:
                await wrong.fetch("abcdef")
        finally:
            await wrong.close()
    assert "made-up" not in repr(caught.value)


async def test_one_document_is_one_everywhere() -> None:
    """Six providers spell a country and a kind in their own ways; who shows one passport to two of them is found."""
    found = set()
    for kind in KINDS:
        async with scene(kind) as (adapter, standin, _came):
            started = await adapter.start("ver_0123456789", "acme", BACK)
            standin.act(kind, started.reference, "approved", Document("L01X-00T47", "AUT", "AT"))
            found.add((await adapter.fetch(started.reference)).identified)
    assert found == {(Identified("document", "AUT:passport:L01X00T47"),)}


async def test_a_disputed_payment_names_customer_and_card() -> None:
    """The webhook names a charge; asked for it, Stripe says whose it was."""
    async with scene("stripe") as all_of_it:
        adapter, standin, _ = all_of_it
        paid = standin.dispute("cus_Acme", "fp_4242")
        event = await all_of_it.last()
        assert (event.state, event.reference, event.kind) == (State.DISPUTED, paid.id, "charge.dispute.created")
        assert isinstance(adapter, Disputes)
        found = await adapter.disputed(paid.id)
        with pytest.raises(NoSuchSession):
            await adapter.disputed("ch_unknown")
    assert found == (Identified("customer", "cus_Acme"), Identified("payment", "fp_4242"))
    assert "cus_Acme" not in repr(found)


@pytest.mark.parametrize(
    ("kind", "told"),
    [("stripe", "_report"), ("persona", "_verifications"), ("didit", "_decision")],
)
async def test_a_face_that_was_not_looked_at_is_no_evidence(
    kind: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a provider states what it looked at, an approval is evidence of that and no more."""
    speaks = importlib.import_module(f"gateway.demo.verification.{kind}")
    usual = getattr(speaks, told)

    def without(*arguments: Any) -> Any:
        shown = usual(*arguments)
        if isinstance(shown, list):
            return [one for one in shown if one["type"] != "verification/selfie"]
        return {name: value for name, value in shown.items() if name not in {"selfie", "liveness_checks"}}

    monkeypatch.setattr(speaks, told, without)
    async with scene(kind) as (adapter, standin, _came):
        started = await adapter.start("ver_0123456789", "acme", BACK)
        standin.act(kind, started.reference, "approved")
        assert (await adapter.fetch(started.reference)).gives == {"document"}


async def test_without_a_restricted_key_stripe_says_less() -> None:
    """A secret key may not see the number: the approval stands, and identifies nobody."""
    async with scene("stripe") as (_adapter, standin, _came):
        known = CREDENTIALS["stripe"]._replace(key="sk_test_of-the-stand-in")
        standin.world.credentials["stripe"] = known
        plain = build(entry("stripe", standin.address, key=known.key), time.time)
        try:
            started = await plain.start("ver_0123456789", "acme", BACK)
            standin.act("stripe", started.reference, "approved")
            verdict = await plain.fetch(started.reference)
        finally:
            await plain.close()
    assert verdict.state is State.APPROVED
    assert verdict.identified == ()
