"""One question at a time."""

from __future__ import annotations

import asyncio

import pytest

from gateway.policies.captcha.flights import Flights


class Question:
    """Answered when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> int:
        self.asked += 1
        return await asyncio.shield(self.answer)


async def test_all_get_the_answer_of_the_first() -> None:
    """One is asked, and nothing is left behind."""
    flights: Flights[int] = Flights()
    question = Question()
    waiting = [asyncio.ensure_future(flights.ask("x", question)) for _ in range(10)]
    await asyncio.sleep(0)
    question.answer.set_result(0)
    assert await asyncio.gather(*waiting) == [0] * 10
    assert question.asked == 1
    assert len(flights) == 0


async def test_all_get_its_error() -> None:
    """As it was raised; the next one asks anew."""
    flights: Flights[int] = Flights()
    question = Question()
    waiting = [asyncio.ensure_future(flights.ask("x", question)) for _ in range(3)]
    await asyncio.sleep(0)
    question.answer.set_exception(OSError("away"))
    assert [type(found) for found in await asyncio.gather(*waiting, return_exceptions=True)] == [OSError] * 3
    with pytest.raises(OSError, match="away"):
        await flights.ask("x", question)
    assert question.asked == 2


async def test_who_asks_may_leave() -> None:
    """The next one asks in their place, and who only waited takes the answer from nobody."""
    flights: Flights[int] = Flights()
    question = Question()
    first, second, third = (asyncio.ensure_future(flights.ask("x", question)) for _ in range(3))
    await asyncio.sleep(0)
    first.cancel()
    third.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    question.answer.set_result(7)
    assert await second == 7
    assert question.asked == 2
    assert first.cancelled()
    assert third.cancelled()


async def test_other_names_are_other_questions() -> None:
    """They do not wait for each other."""
    flights: Flights[int] = Flights()
    slow, quick = Question(), Question()
    waiting = asyncio.ensure_future(flights.ask("slow", slow))
    quick.answer.set_result(1)
    assert await flights.ask("quick", quick) == 1
    slow.answer.set_result(2)
    assert await waiting == 2
