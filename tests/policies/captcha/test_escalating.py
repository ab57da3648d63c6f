"""Answers that come in a field: who passes, what is refused and why, and against whom it counts."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode, b64encode
from typing import Any

import pytest

from gateway.challenges.ladder import WRONG_AT_MOST, Step
from gateway.policy import Action, Decision
from tests.policies.captcha.world import OTHERS, RULE, USUAL, World, solution


async def asked_for_work(world: World, **more: Any) -> Decision:
    decision = await world.ask(30, **more)
    assert world.challenge_of(decision).step is Step.WORK
    return decision


async def test_an_answer_lets_its_own_exchange_pass() -> None:
    """The request is sent again with it, to any worker, and is the first of the clearance; the next needs none."""
    world = World({**USUAL, "answers": {"passed": 0}, "clearance": {"work": {"lasts": "1h", "exchanges": 64}}})
    answer = world.answer(await asked_for_work(world))
    passed = await world.ask(30, answer=answer, of=world.worker())
    assert passed.action is Action.ALLOW
    assert passed.facts is not None
    assert passed.facts.passed == {RULE}
    assert list(world.fleet.drawn.values()) == [1]
    world.clock.turn(1)
    assert (await world.ask(30)).action is Action.ALLOW


async def test_an_answer_twice() -> None:
    """At once, on two workers: one makes the clearance, the other goes by it. Brought when that is over: refused."""
    world = World({**USUAL, "clearance": {"work": {"lasts": "10s", "exchanges": 0}}})
    answer = world.answer(await asked_for_work(world))
    here, there = world.worker(), world.worker()
    both = await asyncio.gather(world.ask(30, answer=answer, of=here), world.ask(30, answer=answer, of=there))
    assert [decision.action for decision in both] == [Action.ALLOW, Action.ALLOW]
    (clearance,) = world.fleet.held[RULE, "acme"].clearances
    assert clearance.exchanges == 0
    world.clock.turn(11)
    again = await world.ask(45, answer=answer)
    assert again.action is Action.CHALLENGE
    assert again.note == "answer: not open any more"
    assert again.members["challenge_id"] != clearance.id


@pytest.mark.parametrize(
    ("more", "note", "counted"),
    [
        pytest.param({"account": "thief"}, "answer: other_account", {}, id="another account"),
        pytest.param({"client_address": "198.51.100.1"}, "answer: other_network", {"acme": 1}, id="another network"),
        pytest.param({"key": "k2"}, "answer: other_key", {}, id="another key"),
    ],
)
async def test_a_swapped_answer(more: dict[str, Any], note: str, counted: dict[str, int]) -> None:
    """Is worth nothing elsewhere; it counts where the account itself sends it, and against nobody else."""
    world = World({**USUAL, "clearance": {"of": "key"}})
    answer = world.answer(await asked_for_work(world, key="k1"))
    world.clock.turn(1)
    decision = await world.ask(30, answer=answer, **{"key": "k1", **more})
    assert decision.action is Action.CHALLENGE
    assert decision.note == note
    assert decision.members["challenge_id"] == f"exchange-{world.number}"
    wrong = {subject: sum(one.wrong for one in held.open) for (_, subject), held in world.fleet.held.items()}
    assert {subject: count for subject, count in wrong.items() if count} == counted


async def test_an_answer_for_another_rule() -> None:
    """What was demanded by one rule passes no other."""
    world = World({**USUAL, "demanded": "work"})
    demanded = await world.demand("rules/visits", Decision(Action.CHALLENGE))
    refused = await world.ask(30, answer=world.answer(demanded))
    assert (refused.action, refused.note) == (Action.CHALLENGE, "answer: other_rule")
    passed = await world.demand("rules/visits", Decision(Action.CHALLENGE), answer=world.answer(demanded))
    assert passed.action is Action.ALLOW


async def test_work_is_not_enough_for_what_a_person_passes() -> None:
    """Nobody gets past a CAPTCHA by a proof of work, and nobody is asked for the puzzle."""
    world = World()
    person = await world.ask(50)
    refused = await world.ask(50, answer=world.answer(person))
    assert (refused.action, refused.note) == (Action.CHALLENGE, "")
    stepped_down = World()
    await asked_for_work(stepped_down, account="other")
    answer = stepped_down.answer(await stepped_down.ask(50))
    stepped_down.clock.turn(1)
    stepped_down.fleet.held.clear()
    again = await stepped_down.ask(30, answer=answer, of=stepped_down.worker())
    assert (again.action, again.note) == (Action.CHALLENGE, "answer: not_enough")


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        pytest.param("", "answer: malformed", id="empty"),
        pytest.param("bm8=", "answer: malformed", id="no JSON"),
        pytest.param("\xff" * 100, "answer: malformed", id="no ASCII"),
        pytest.param("A" * 100_000, "answer: malformed", id="huge"),
        pytest.param("FORGED", "answer: forged", id="signed by somebody else"),
        pytest.param("CHANGED", "answer: forged", id="another challenge written into it"),
    ],
)
async def test_what_is_no_answer(answer: str, note: str) -> None:
    """Refused with the same challenge again, and counted for nobody: anybody can make that up."""
    world = World()
    decision = await asked_for_work(world)
    if answer == "FORGED":
        answer = world.answer(decision, OTHERS)
    elif answer == "CHANGED":
        content = json.loads(b64decode(world.answer(decision)))
        content["challenge"]["parameters"]["data"]["challenge"] = "x" * 40
        answer = b64encode(json.dumps(content).encode()).decode()
    before = world.fleet.held[RULE, "acme"]
    refused = await world.ask(30, answer=answer)
    assert (refused.action, refused.note, refused.members) == (Action.CHALLENGE, note, decision.members)
    assert world.fleet.held[RULE, "acme"] == before


async def test_a_false_answer_counts() -> None:
    """Against the account whose challenge it is: four of them, and a person is asked for."""
    world = World()
    decision = await asked_for_work(world)
    puzzle = world.work.puzzle(world.challenge_of(decision), world.token_of(decision), 1.0, world.clock())
    wrong = solution(puzzle, right=False)
    for count in (1, 2, 3):
        refused = await world.ask(30, answer=wrong)
        assert refused.note == "answer: wrong"
        counted = {one.id: one.wrong for one in world.fleet.held[RULE, "acme"].open}
        assert counted[str(decision.members["challenge_id"])] == count
    refused = await world.ask(30, answer=wrong)
    assert world.challenge_of(refused).step is Step.CAPTCHA


async def test_what_was_answered_wrongly_too_often_is_closed() -> None:
    """Another one is put, and the right answer to the first is worth nothing any more."""
    world = World({**USUAL, "answers": {"wrong": 0}})
    decision = await asked_for_work(world)
    puzzle = world.work.puzzle(world.challenge_of(decision), world.token_of(decision), 1.0, world.clock())
    for _ in range(WRONG_AT_MOST):
        refused = await world.ask(30, answer=solution(puzzle, right=False))
    assert refused.members["challenge_id"] != decision.members["challenge_id"]
    assert (await world.ask(30, answer=solution(puzzle))).note == "answer: not open any more"


async def test_later_entries_see_what_was_passed() -> None:
    """Also where nothing is asked any more: `captcha.passed` is true as long as the clearance lasts."""
    world = World()
    assert (await world.ask(30, answer=world.answer(await asked_for_work(world)))).facts is not None
    assert (await world.ask(0)).facts is not None
    assert world.fleet.drawn == {}


async def test_who_sends_the_false_answer_of_another_account_harms_nobody() -> None:
    """A puzzle of the victim, answered falsely by somebody else, leaves the victim as it was."""
    world = World()
    decision = await asked_for_work(world, account="victim")
    puzzle = world.work.puzzle(world.challenge_of(decision), world.token_of(decision), 1.0, world.clock())
    before = world.fleet.held[RULE, "victim"]
    for _ in range(20):
        await world.ask(30, account="thief", answer=solution(puzzle, right=False))
    assert world.fleet.held[RULE, "victim"] is before


async def test_an_expired_answer() -> None:
    """The puzzle, or the challenge, is over: a new one, and nothing counts."""
    world = World()
    answer = world.answer(await asked_for_work(world))
    world.clock.turn(700)
    refused = await world.ask(40, answer=answer)
    assert (refused.action, refused.note) == (Action.CHALLENGE, "answer: expired")
    assert world.fleet.held[RULE, "acme"].open[0].wrong == 0


async def test_who_is_not_asked_need_not_answer() -> None:
    """A field that is there for nothing is not looked at."""
    assert (await World().ask(0, answer="nonsense")).action is Action.ALLOW


async def test_a_right_answer_brought_again_and_again() -> None:
    """Is worth nothing, and the fleet is looked at no more often than for a flood of requests: nothing is changed."""
    world = World({**USUAL, "clearance": {"work": {"lasts": "10s", "exchanges": 0}}})
    answer = world.answer(await asked_for_work(world))
    assert (await world.ask(30, answer=answer)).action is Action.ALLOW
    world.clock.turn(11)
    notes = {(await world.ask(45, answer=answer)).note for _ in range(3)}
    world.fleet.asked.clear()
    for _ in range(500):
        world.clock.turn(0.0005)
        notes.add((await world.ask(45, answer=answer)).note)
    assert notes == {"answer: not open any more"}
    assert world.fleet.asked.count("change") == 0
    assert len(world.fleet.asked) <= 6


@pytest.mark.timing
async def test_what_a_flood_of_wrong_answers_costs() -> None:
    """A thousand of them: less than a millisecond each, and few questions to the fleet."""
    world = World()
    decision = await asked_for_work(world)
    puzzle = world.work.puzzle(world.challenge_of(decision), world.token_of(decision), 1.0, world.clock())
    exchanges = [world.exchange(30, answer=solution(puzzle, right=False)) for _ in range(1000)]
    world.fleet.asked.clear()
    began = time.process_time()
    for exchange in exchanges:
        await world.here.decide(exchange)
    assert time.process_time() - began < 1.0
    assert len(world.fleet.asked) < 20
