"""What challenges cost: `python -m loadtest.friction [--write docs/challenges-measured.md]`. Half a minute, no sockets
but those to a Redis of its own.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import functools
import gc
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import altcha
import uvloop

from gateway.accounts.secrets import Secrets
from gateway.chain.chain import Asked, Chain
from gateway.chain.entry import Entry, OnFailure
from gateway.challenges.fleet import RedisEscalations
from gateway.challenges.ladder import Asked as Put
from gateway.challenges.ladder import Ladder, Open, Passed, Step, Weighed
from gateway.challenges.memory import MemoryEscalations
from gateway.challenges.token import Challenge, Tokens
from gateway.challenges.work import BadWork, Work
from gateway.policies import Challenges
from gateway.policies.captcha import KIND
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policy import ALLOW, Action, Context, Decision, Facts, Principal, note_facts
from gateway.rules import ruleset
from gateway.rules.build import policy_kinds
from gateway.stores.embedded import EmbeddedServer
from gateway.stores.redis.client import client
from gateway.testing import context, services
from loadtest.inprocess import Granting
from loadtest.machine import ROOT, where

CALLS: Final = 300
"""Exchanges in one batch: well below the time after which a scheduler takes the core away."""
BATCHES: Final = 200
SOLVED: Final = 25
OPERATIONS: Final = 400
SUSPICION: Final = 60
ENTRY: Final = "captcha"
ONE: Final = {"ladders": [{"name": "usual", "steps": {"work": 30, "captcha": 50}}]}
SECRETS: Final = Secrets({"s1": b"a secret of the load test, so long"})

PAGE: Final = """\
# Challenges, measured

What [challenges](challenges.md) cost. Written by `python -m loadtest.friction --write docs/challenges-measured.md`, at
commit `{commit}`{dirty}, {date}.

- {cores} cores of {cpu}, {memory} GiB{virtual}; {system}; Python {python}.
- Load of the machine when it began: {load}. What means something is a ratio, or a difference, within one run.

## On the hot path

µs of CPU a decision of a chain of two entries that only allow and weigh, and what an entry of kind `captcha` adds: for
accounts that nobody suspects, and for suspected ones that have passed. The best of {batches} batches, in turns.

| | without | unsuspected | cleared |
|---|---|---|---|
{chain}

The aim is 1 µs more for who is cleared.

## Proof of work

µs of CPU; milliseconds of a Python program that solves puzzles of difficulty 1, and of 8, which is the highest.

| | |
|---|---|
{work}

The aim is a millisecond for an answer, whatever it is. What it costs a phone is measured in a browser, by
`tests/challenges/test_work_in_chromium.py`: less than two seconds at difficulty 1.

## The fleet's state

Milliseconds of one worker that asks a Redis on this machine, one after the other.

| | median | p99 |
|---|---|---|
{fleet}
"""


class Weighing:
    """Adds a suspicion, as a rule would."""

    def __init__(self, weight: int) -> None:
        self._decision = Decision(Action.ALLOW, facts=Facts(weight=weight)) if weight else ALLOW

    def decide(self, _: Context) -> Decision:
        return self._decision


def _nobody(_: Asked) -> None:
    """Whoever asked has the answer already."""


def _chain(*policies: Any) -> Chain:
    entries = [Entry.of(f"p{index}", "p", policy, OnFailure.DENY) for index, policy in enumerate(policies)]
    store = Granting()
    return Chain(tuple(entries), store, store, {})


async def _cleared(config: CaptchaConfig) -> tuple[Any, MemoryEscalations]:
    """A policy for which the account `acme` has passed what it was asked for."""
    escalations = MemoryEscalations(time.time)
    offered = Challenges(escalations, Tokens(SECRETS), Work(SECRETS))
    policy: Any = KIND.build(config, dataclasses.replace(services(challenges=offered), now=time.time, entry=ENTRY))
    for _ in range(2):
        asked = _suspected()
        said = policy.decide(asked)
        decision = said if isinstance(said, Decision) else await said
        if decision.action is Action.ALLOW:
            return policy, escalations
        (((rule, subject), held),) = escalations.held.items()
        passed = Passed(held.open[0].id, 86_400.0, 10**9)
        await escalations.change(rule, subject, config.terms(ENTRY, rule).ladder, passed)
    raise SystemExit("the account is asked for more than it has passed")


def _suspected() -> Context:
    made = context(now=time.time())
    note_facts(made, Facts(weight=SUSPICION))
    return made


def chain(policy: Any) -> tuple[float, float, float]:
    """µs without it, for who is not suspected, and for who is cleared."""
    chains = {
        "plain": _chain(Weighing(0), Weighing(0)),
        "unsuspected": _chain(Weighing(0), Weighing(0), policy),
        "weighed": _chain(Weighing(0), Weighing(SUSPICION)),
        "cleared": _chain(Weighing(0), Weighing(SUSPICION), policy),
    }
    best = dict.fromkeys(chains, float("inf"))
    for _ in range(BATCHES):
        for name, one in chains.items():
            # One object for an account, as `auth` gives it.
            who = Facts(Principal("acme" if name == "cleared" else "nobody"))
            batch = [context(now=time.time(), account=None) for _ in range(CALLS)]
            for asked in batch:
                note_facts(asked, who)
            began = time.perf_counter()
            for asked in batch:
                one.begin(asked, _nobody)
            best[name] = min(best[name], (time.perf_counter() - began) / CALLS * 1e6)
    return best["plain"], best["unsuspected"] - best["plain"], best["cleared"] - best["weighed"]


def work() -> dict[str, str]:
    """What is measured -> the figure, with its unit."""
    made, tokens, now = Work(SECRETS), Tokens(SECRETS), time.time()
    challenge = Challenge("c1", "captcha/usual", "acme", Step.WORK, "", "network=192.0.2.0/24", now + 900.0)
    token = tokens.make(challenge)
    puzzle = made.puzzle(challenge, token, 1.0, now)
    right = _answer(puzzle)
    rows = {
        "make a puzzle": f"{_best(lambda: made.puzzle(challenge, token, 1.0, now)):.0f} µs",
        "check a right answer": f"{_best(lambda: made.check(right, now)):.0f} µs",
    }
    for name, answer in (
        ("refuse a forged one", _answer({**puzzle, "signature": "00" * 32}, solve=False)),
        ("refuse a wrong one", _answer(puzzle, solve=False)),
        ("refuse 4 KiB of nothing", "A" * 4096),
    ):
        rows[name] = f"{_best(functools.partial(_refused, made, answer, now)):.0f} µs"
    for difficulty in (1.0, 8.0):
        took = [_solved(made.puzzle(challenge, token, difficulty, now)) for _ in range(SOLVED)]
        shown = f"{statistics.median(took) * 1e3:.0f} ms, at most {max(took) * 1e3:.0f}"
        rows[f"solve one of difficulty {difficulty:g} (median of {SOLVED}, and the longest)"] = shown
    return rows


def _answer(puzzle: dict[str, Any], *, solve: bool = True) -> str:
    found = altcha.solve_challenge(altcha.Challenge.from_dict(puzzle)) if solve else None
    solution = found.to_dict() if found is not None else {"counter": 1, "derivedKey": "00" * 32}
    return base64.b64encode(json.dumps({"challenge": puzzle, "solution": solution}).encode()).decode()


def _solved(puzzle: dict[str, Any]) -> float:
    began = time.perf_counter()
    _answer(puzzle)
    return time.perf_counter() - began


def _refused(made: Work, answer: str, now: float) -> None:
    try:
        made.check(answer, now)
    except BadWork:
        return
    raise SystemExit("an answer that is none was believed")


def _best(run: Callable[[], object]) -> float:
    took = []
    for _ in range(300):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return min(took) * 1e6


async def fleet() -> dict[str, list[float]]:
    """What is asked -> milliseconds."""
    ladder = Ladder({Step.WORK: 30.0, Step.CAPTCHA: 50.0})
    took: dict[str, list[float]] = {"look": [], "a new suspicion": [], "a challenge": [], "a pass": [], "draw": []}

    async def timed(name: str, one: Awaitable[Any]) -> Any:
        began = time.perf_counter()
        answer = await one
        took[name].append((time.perf_counter() - began) * 1e3)
        return answer

    async with EmbeddedServer() as server:
        redis = client(server.url)
        escalations = RedisEscalations(redis, time.time)
        for number in range(OPERATIONS):
            name = ("captcha/usual", f"account-{number}")
            put = Put(Open(f"c{number}", Step.CAPTCHA, "", "", time.time(), time.time() + 900.0))
            await timed("look", escalations.look(*name))
            await timed("a new suspicion", escalations.change(*name, ladder, Weighed(SUSPICION)))
            await timed("a challenge", escalations.change(*name, ladder, put))
            _, held = await timed("a pass", escalations.change(*name, ladder, Passed(f"c{number}", 3600.0, 1000)))
            await timed("draw", escalations.draw(*name, held.clearances[0], 16))
        await redis.aclose()
    return took


def page(
    chains: Mapping[str, tuple[float, float, float]],
    works: Mapping[str, str],
    fleets: Mapping[str, list[float]],
    load: float,
) -> str:
    return PAGE.format(
        **where(),
        load=f"{load:.1f}",
        batches=BATCHES,
        chain="\n".join(
            f"| {name} | {plain:.2f} | +{calm:.2f} | +{cleared:.2f} |"
            for name, (plain, calm, cleared) in chains.items()
        ),
        work="\n".join(f"| {name} | {shown} |" for name, shown in works.items()),
        fleet="\n".join(
            f"| {name} | {statistics.median(took):.2f} | {sorted(took)[int(len(took) * 0.99)]:.2f} |"
            for name, took in fleets.items()
        ),
    )


async def measure() -> str:
    load = os.getloadavg()[0]
    shipped = next(
        entry.config
        for entry in ruleset.load(ROOT / "policies", policy_kinds()).entries
        if isinstance(entry.config, CaptchaConfig)
    )
    configs = {
        "one ladder for all": CaptchaConfig.model_validate(ONE),
        "the shipped file: two ladders with conditions, and `slow`": shipped,
    }
    gc.disable()
    chains = {name: chain((await _cleared(config))[0]) for name, config in configs.items()}
    gc.enable()
    return page(chains, work(), await fleet(), load)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="where the page goes")
    chosen = parser.parse_args()
    text = uvloop.run(measure())
    print(text)
    if chosen.write is not None:
        chosen.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
