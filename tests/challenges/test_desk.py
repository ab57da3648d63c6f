"""The desk: what becomes of answers. Attacks on it are in test_attacks.py."""

from __future__ import annotations

import asyncio
import logging

import pytest
import pytest_asyncio

from gateway.challenges import desk as desk_module
from gateway.challenges.desk import ALTCHA, NEIGHBOURS, SHOWN_FIELD, Browser, Proof, difficulty
from gateway.challenges.ladder import WRONG_AT_MOST, Held, Step
from gateway.challenges.providers.breaker import Breaker
from gateway.challenges.token import BadChallenge
from gateway.tasks import spawn
from tests.challenges.counter import HOME, LADDER, RIGHT, RULE, TERMS, Counter, solved


@pytest_asyncio.fixture
async def counter() -> Counter:
    """With a clock that is turned by hand."""
    return Counter()


async def test_a_challenge_that_is_open_is_shown_by_the_first_provider(counter: Counter) -> None:
    """Its widget, until when, for whom, and a mark that says by whom it was shown."""
    seen = await counter.desk.seen(await counter.put())

    assert (seen.status, seen.provider, seen.subject) == ("open", "first", "acme")
    assert seen.widget is not None
    assert seen.widget.field == "first-response"
    assert seen.expires == counter.now + 1800.0
    assert seen.shown.startswith("first.")


async def test_a_right_answer_is_a_pass(counter: Counter) -> None:
    """A clearance on the rule's terms, bound to what the challenge was bound to."""
    token = await counter.put(key="k1", network="network=192.0.2.0/24")
    proof = await counter.desk.prove(token, {"first-response": RIGHT}, HOME)

    assert proof == Proof("passed")
    [clearance] = counter.escalations.held[RULE, "acme"].clearances
    assert (clearance.key, clearance.network, clearance.exchanges) == ("k1", "network=192.0.2.0/24", 1000)
    assert clearance.expires == counter.now + 86_400.0
    seen = await counter.desk.seen(token)
    assert (seen.status, seen.widget, seen.expires) == ("passed", None, clearance.expires)


async def test_a_provider_is_told_who_answers(counter: Counter) -> None:
    """The address and the agent, where the page was shown, and the id of our challenge; nothing of the account."""
    await counter.desk.prove(await counter.put(), {"first-response": RIGHT}, HOME)

    [asked] = counter.first.asked
    assert asked == (RIGHT, "192.0.2.7", "Firefox", "c1", "gate.example")


@pytest.mark.parametrize("reason", ["wrong", "duplicate", "action", "hostname", "score", "age"])
async def test_a_wrong_answer_is_counted(counter: Counter, reason: str) -> None:
    """Whatever is wrong with it; after some the challenge is closed."""
    token = await counter.put()
    for count in range(1, WRONG_AT_MOST):
        assert await counter.desk.prove(token, {"first-response": reason}, HOME) == Proof("wrong", reason)
        [one] = counter.escalations.held[RULE, "acme"].open
        assert one.wrong == count

    assert await counter.desk.prove(token, {"first-response": reason}, HOME) == Proof("closed", reason)
    assert await counter.desk.prove(token, {"first-response": RIGHT}, HOME) == Proof("closed")


@pytest.mark.parametrize("form", [{}, {"first-response": ""}, {"first-response": "expired"}, {"other": RIGHT}])
async def test_what_honest_people_send_is_not_counted(counter: Counter, form: dict[str, str]) -> None:
    """A form without an answer, or one that was left open for too long."""
    token = await counter.put()

    assert (await counter.desk.prove(token, form, HOME)).status == "wrong"
    assert counter.escalations.held[RULE, "acme"].open[0].wrong == 0


async def test_a_form_that_is_sent_twice_is_passed_once(counter: Counter) -> None:
    """A double click: both are told that it is passed, the provider is asked once, one clearance is made."""
    token = await counter.put()
    counter.first.held.clear()
    both = [spawn(counter.desk.prove(token, {"first-response": RIGHT}, HOME), "click") for _ in range(2)]
    await asyncio.sleep(0.01)
    counter.first.held.set()

    assert await asyncio.gather(*both) == [Proof("passed"), Proof("passed")]
    assert len(counter.first.asked) == 1
    assert len(counter.escalations.held[RULE, "acme"].clearances) == 1
    assert counter.desk._turns == {}


async def test_who_leaves_while_waiting_holds_up_nobody(counter: Counter) -> None:
    """A browser that is gone gives its turn back."""
    token = await counter.put()
    counter.first.held.clear()
    one, other = (spawn(counter.desk.prove(token, {"first-response": RIGHT}, HOME), "one") for _ in range(2))
    await asyncio.sleep(0.01)
    other.cancel()
    one.cancel()
    await asyncio.gather(one, other, return_exceptions=True)
    counter.first.held.set()

    assert await counter.desk.prove(token, {"first-response": RIGHT}, HOME) == Proof("passed")
    assert counter.desk._turns == {}


async def test_who_leaves_is_passed_all_the_same(counter: Counter) -> None:
    """A line that breaks, a page loaded anew: the provider takes no answer twice; nobody stands there as a cheat."""
    token = await counter.put()
    counter.first.held.clear()
    one = spawn(counter.desk.prove(token, {"first-response": RIGHT}, HOME), "one")
    await asyncio.sleep(0.01)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    counter.first.held.set()
    await asyncio.sleep(0.01)

    assert (await counter.desk.seen(token)).status == "passed"
    assert await counter.desk.prove(token, {"first-response": "duplicate"}, HOME) == Proof("passed")


# -- work --------------------------------------------------------------------------------------------------------------


async def test_work_is_passed_in_a_browser_too(counter: Counter) -> None:
    """By our own widget, which sends what a program would send in its field."""
    token = await counter.put(step=Step.WORK)
    seen = await counter.desk.seen(token)
    assert seen.widget is not None
    form = {seen.widget.field: solved(counter.desk.puzzle(token)), SHOWN_FIELD: seen.shown}

    assert await counter.desk.prove(token, form, HOME) == Proof("passed")
    assert counter.escalations.held[RULE, "acme"].clearances[0].step is Step.WORK


async def test_puzzles_are_for_what_work_can_pass(counter: Counter) -> None:
    """A challenge for people has none, unless `altcha` is one of the rule's providers."""
    token = await counter.put()
    with pytest.raises(BadChallenge) as bad:
        counter.desk.puzzle(token)
    assert bad.value.reason == "no_work"

    counter.terms[RULE] = TERMS._replace(providers=("first", ALTCHA))
    assert counter.desk.puzzle(token)["parameters"]["data"]["challenge"] == token


async def test_no_puzzle_for_what_is_over(counter: Counter) -> None:
    """Passed, expired, or of a rule that is gone."""
    token = await counter.put(step=Step.WORK)
    await counter.desk.prove(token, {counter.own.issue("", "").field: solved(counter.desk.puzzle(token))}, HOME)
    with pytest.raises(BadChallenge, match="closed"):
        counter.desk.puzzle(token)

    late = await counter.put("other", step=Step.WORK)
    counter.now += 1800.0
    with pytest.raises(BadChallenge, match="expired"):
        counter.desk.puzzle(late)


# -- providers ---------------------------------------------------------------------------------------------------------


async def test_a_provider_that_is_away_is_followed_by_the_next(counter: Counter) -> None:
    """Never a silent pass: the person answers another one, on whichever worker."""
    token = await counter.put()
    counter.first.dead = True
    assert await counter.desk.prove(token, {"first-response": RIGHT}, HOME) == Proof("away")
    seen = await counter.desk.seen(token)
    assert seen.provider == "second"

    elsewhere = counter.another(counter.escalations)
    form = {"second-response": RIGHT, SHOWN_FIELD: seen.shown}
    assert await elsewhere.prove(token, form, HOME) == Proof("passed")


async def test_a_provider_that_is_known_to_be_away_is_shown_to_nobody(counter: Counter) -> None:
    """Its breaker knows: others need not wait in vain. When it has closed, it is the first again."""
    counter.first = Breaker(counter.first, lambda: counter.now, failures=1, pause=20.0)  # type: ignore[assignment]
    desk = counter.another(counter.escalations)
    counter.first._captcha.dead = True  # type: ignore[attr-defined]
    await desk.prove(await counter.put("unlucky"), {"first-response": RIGHT}, HOME)
    token = await counter.put()

    assert (await desk.seen(token)).provider == "second"
    counter.now += 20.0
    assert (await desk.seen(token)).provider == "first"


async def test_an_answer_on_which_no_verdict_is_left_is_given_again(counter: Counter) -> None:
    """The provider is well: nobody is sent to another one."""
    counter.first.lost = True
    token = await counter.put()

    assert await counter.desk.prove(token, {"first-response": RIGHT}, HOME) == Proof("wrong", "lost")
    assert (await counter.desk.seen(token)).provider == "first"
    assert counter.escalations.held[RULE, "acme"].open[0].wrong == 0


async def test_where_all_are_away_nobody_passes(counter: Counter) -> None:
    """It is said, and the challenge stays open for when they are back."""
    token = await counter.put()
    counter.first.dead = counter.second.dead = True
    first = await counter.desk.prove(token, {"first-response": RIGHT}, HOME)
    shown = (await counter.desk.seen(token)).shown
    second = await counter.desk.prove(token, {"second-response": RIGHT, SHOWN_FIELD: shown}, HOME)

    assert (first.status, second.status) == ("away", "unavailable")
    assert counter.escalations.held[RULE, "acme"].open[0].wrong == 0
    counter.first.dead = False
    assert (await counter.desk.prove(token, {"first-response": RIGHT}, HOME)).status == "passed"


async def test_nobody_chooses_a_provider(counter: Counter) -> None:
    """An answer to another one than the page showed counts for nothing, also with a mark that was made up, is old, or
    is of another challenge.
    """
    token, other = await counter.put(), await counter.put("other")
    counter.first.dead = True
    await counter.desk.prove(other, {"first-response": RIGHT}, HOME)
    mark = (await counter.desk.seen(other)).shown
    counter.first.dead = False
    name, until, digest = mark.split(".")
    assert name == "second"
    for forged in (mark, "", "second", f"second.{until}.", f"second.{int(until) + 1}.{digest}", "second.²." + digest):
        proof = await counter.desk.prove(token, {"second-response": RIGHT, SHOWN_FIELD: forged}, HOME)
        assert proof == Proof("wrong", "empty")

    counter.now += desk_module.SHOWN_LASTS
    assert (await counter.desk.prove(other, {"second-response": RIGHT, SHOWN_FIELD: mark}, HOME)).status != "passed"
    assert counter.second.asked == []


async def test_a_rule_whose_providers_are_not_configured_asks_nobody(counter: Counter) -> None:
    """No widget, and no pass."""
    counter.terms[RULE] = TERMS._replace(providers=("gone",))
    token = await counter.put()

    assert (await counter.desk.seen(token)).widget is None
    assert await counter.desk.prove(token, {"first-response": RIGHT}, HOME) == Proof("unavailable", "no_provider")


# -- members -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [Step.WORK, Step.CAPTCHA])
async def test_a_member_who_is_signed_in_vouches(counter: Counter, step: Step) -> None:
    """For its own account, without an answer."""
    token = await counter.put(step=step)

    assert await counter.desk.vouch(token, "acme") == Proof("passed")
    assert (await counter.desk.seen(token)).status == "passed"


async def test_nobody_vouches_for_another_account(counter: Counter) -> None:
    """It is refused, and counts against nobody: a link may reach the wrong person."""
    token = await counter.put()

    assert await counter.desk.vouch(token, "other") == Proof("wrong", "other_account")
    assert counter.escalations.held[RULE, "acme"].open[0].wrong == 0


# -- states ------------------------------------------------------------------------------------------------------------


async def test_what_is_over_is_said(counter: Counter) -> None:
    """Expired ones are ours still; one whose rule is gone is closed; one that the fleet does not know is closed."""
    token = await counter.put()
    counter.terms.clear()
    assert (await counter.desk.seen(token)).status == "closed"
    assert await counter.desk.prove(token, {"first-response": RIGHT}, HOME) == Proof("closed", "rule_gone")
    assert await counter.desk.vouch(token, "acme") == Proof("closed", "rule_gone")
    counter.terms[RULE] = TERMS
    counter.now += 1801.0
    assert (await counter.desk.seen(token)).status == "expired"
    assert await counter.desk.prove(token, {"first-response": RIGHT}, HOME) == Proof("expired")
    assert await counter.desk.vouch(token, "acme") == Proof("expired")


async def test_who_waits_hears_of_a_pass(counter: Counter) -> None:
    """As soon as it is passed; and at the end of the time where it is not."""
    token = await counter.put()
    waiting = spawn(counter.desk.wait(token, 10.0), "status")
    await asyncio.sleep(0.02)
    await counter.desk.prove(token, {"first-response": RIGHT}, HOME)
    async with asyncio.timeout(2.0):
        assert (await waiting).status == "passed"

    assert (await counter.desk.wait(await counter.put("other"), 0.05)).status == "open"


async def test_too_many_who_wait_are_answered_at_once(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker holds so many requests and no more."""
    monkeypatch.setattr(desk_module, "WAITING_AT_MOST", 1)
    token = await counter.put()
    waiting = spawn(counter.desk.wait(token, 10.0), "status")
    await asyncio.sleep(0.01)
    async with asyncio.timeout(1.0):
        assert (await counter.desk.wait(token, 10.0)).status == "open"
    waiting.cancel()


async def test_answers_are_paced(counter: Counter) -> None:
    """So many to one challenge; later they count again."""
    token = await counter.put()
    statuses = [(await counter.desk.prove(token, {"first-response": "expired"}, HOME)).status for _ in range(20)]
    assert statuses.count("paced") == 20 - desk_module.ANSWERS[0]
    proof = await counter.desk.prove(token, {"first-response": RIGHT}, HOME)
    assert proof.status == "paced"
    counter.now += proof.retry_after + 0.001

    assert (await counter.desk.prove(token, {"first-response": RIGHT}, HOME)).status == "passed"


async def test_an_address_is_paced_over_all_challenges(counter: Counter) -> None:
    """One that answers for many accounts is slowed down; its neighbour is not."""
    proofs = []
    for number in range(40):
        token = await counter.put(f"a{number}")
        proofs.append((await counter.desk.prove(token, {"first-response": "expired"}, HOME)).status)
    token = await counter.put("b")
    neighbour = HOME._replace(address="192.0.2.8")

    assert proofs.count("paced") == 40 - desk_module.ADDRESS[0]
    assert (await counter.desk.prove(token, {"first-response": RIGHT}, neighbour)).status == "passed"


# -- solvers -----------------------------------------------------------------------------------------------------------


async def _pass(counter: Counter, subject: str, browser: Browser) -> str:
    counter.now += 10.0
    token = await counter.put(subject)
    return (await counter.desk.prove(token, {"first-response": RIGHT}, browser)).status


async def test_one_browser_passes_for_some_accounts(counter: Counter) -> None:
    """Beyond that it is refused, and counted against the account; from wherever it comes."""
    moving = [HOME._replace(address=f"198.51.{number}.1") for number in range(5)]
    statuses = [await _pass(counter, f"a{number}", browser) for number, browser in enumerate(moving)]

    assert statuses == ["passed"] * TERMS.subjects_at_most + ["farmed"] * 2
    assert counter.escalations.held[RULE, "a4"].open[0].wrong == 1


async def test_one_network_passes_for_more(counter: Counter) -> None:
    """An office has one address for many browsers: it is allowed more, and not without end; no account is blamed."""
    most = TERMS.subjects_at_most * NEIGHBOURS
    office = [HOME._replace(cookie=f"c{number}", address=f"192.0.2.{number}") for number in range(most + 1)]
    statuses = [await _pass(counter, f"a{number}", browser) for number, browser in enumerate(office)]

    assert statuses == ["passed"] * most + ["farmed"]
    assert counter.escalations.held[RULE, f"a{most}"].open[0].wrong == 0


async def test_the_same_account_again_and_again_is_no_farm(counter: Counter) -> None:
    """One person passes for one account as often as it is asked."""
    assert {await _pass(counter, "acme", HOME) for _ in range(10)} == {"passed"}


async def test_who_was_taken_for_a_farm_can_sign_in(counter: Counter) -> None:
    """An honest person behind a crowded address has another way."""
    for number in range(4):
        await _pass(counter, f"a{number}", HOME)
    token = counter.tokens.make((await counter.desk.seen(await counter.put("late"))).challenge)
    assert (await counter.desk.prove(token, {"first-response": RIGHT}, HOME)).status == "farmed"

    assert await counter.desk.vouch(token, "late") == Proof("passed")


async def test_nothing_of_an_answer_is_logged(counter: Counter, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what was answered, nor from where, nor by whom."""
    caplog.set_level(logging.DEBUG)
    for number in range(5):
        await _pass(counter, f"a{number}", HOME)
    counter.first.dead = True
    await _pass(counter, "b", HOME)

    assert caplog.text
    for word in (RIGHT, HOME.address, HOME.cookie, HOME.agent, "a4"):
        assert word not in caplog.text.replace("gateway", "")


async def test_puzzles_get_harder_with_suspicion(counter: Counter) -> None:
    """At the beginning of proof of work it is 1, at twice that suspicion 2."""
    for score, expected in ((0.0, 1.0), (20.0, 1.0), (40.0, 2.0)):
        assert difficulty(LADDER, Held(score=score, at=counter.now), counter.now) == pytest.approx(expected)
