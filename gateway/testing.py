"""The kit for authors of policies: a clock turned by hand, contexts with defaults, and the contract as one assertion.

def test_it_conforms():
    assert_conforms(KIND, MyConfig(...))
"""

from __future__ import annotations

import asyncio
import inspect
import math
import re
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from gateway.accounts.directory import Directory
from gateway.accounts.live_directory import LiveDirectory
from gateway.policies import Challenges, Services, no_link
from gateway.policy import (
    NO_PROFILE,
    NOWHERE,
    Action,
    Ask,
    Context,
    Decision,
    Evidence,
    Facts,
    Fall,
    Location,
    Outcome,
    Policy,
    PolicyKind,
    Principal,
    Profile,
    Take,
    Taken,
    Usage,
    note_facts,
    place,
)
from gateway.quantities import NAME_PATTERN

NOON: Final = 1_700_049_600.0
"""Unix time of some noon, UTC."""

SHOWN: Final = Profile(
    email_domain="mail.example",
    evidence=(Evidence("document", NOON - 86_400.0), Evidence("liveness", NOON - 86_400.0, NOON + 86_400.0)),
    signup_burst=30,
)
"""Of an account that has shown something of its owner."""

REASON: Final = re.compile(r"[a-z][a-z0-9]*(?:[_.-][a-z0-9]+)*")

OUTCOMES: Final[Mapping[str, Outcome]] = {
    "usage stated": Outcome(200, Usage(input=10, output=20)),
    "no usage": Outcome(200),
    "broken stream": Outcome(200, delivered=7, aborted=True),
    "refused by the upstream": Outcome(400),
    "upstream busy": Outcome(429),
    "upstream failed": Outcome(503),
    "no answer": Outcome(0),
    "caller left": Outcome(0, aborted=True),
    "not reached": Outcome(0, reached=False),
    "refused later": Outcome(0, reached=False, refused=Action.THROTTLE),
    "challenged later": Outcome(0, reached=False, refused=Action.CHALLENGE),
}
"""Every way in which an exchange may end."""


class Clock:
    """Unix time that stands still until it is turned. Call it to read it, as a Services' `now`."""

    def __init__(self, at: float = NOON) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def turn(self, seconds: float) -> None:
        """Let so much time pass."""
        self.at += seconds


def services(
    clock: Clock | None = None,
    directory: Directory | None = None,
    prices: Mapping[str, tuple[float, float, float, float]] | None = None,
    lists: Mapping[str, Container[object]] | None = None,
    owner_link: Callable[[str], str] = no_link,
    challenges: Challenges | None = None,
) -> Services:
    """What a policy is built with: nobody in the directory, one price for all models, no lists, no owners' pages."""
    return Services(
        now=clock or Clock(),
        directory=directory or LiveDirectory(),
        prices=prices or {"default": (3.0, 0.3, 3.75, 15.0)},
        lists=lists or {},
        owner_link=owner_link,
        challenges=challenges,
    )


def context(
    *,
    exchange: str = "exchange-1",
    now: float = NOON,
    method: str = "POST",
    path: str = "/v1/chat/completions",
    fields: Mapping[bytes, bytes] | None = None,
    client_address: str = "192.0.2.1",
    account: str | None = "acme",
    organisation: str = "",
    key: str = "",
    tier: str = "default",
    profile: Profile = NO_PROFILE,
    location: Location | None = None,
    features: Iterable[str] = (),
    **ask: Any,
) -> Context:
    """A chat completion of a known account; None for `account` makes it a stranger's. `ask` are the fields of Ask."""
    defaults: dict[str, Any] = {
        "dialect": "openai",
        "route": "chat.completions",
        "model": "m-large",
        "input_tokens": 10,
    }
    asked = Ask(**{**defaults, **ask, "features": frozenset(features)})
    made = Context(exchange, now, method, path, fields or {}, client_address, asked)
    principal = None if account is None else Principal(account, organisation, key, tier, profile=profile)
    note_facts(made, Facts(principal=principal))
    place(made, location or NOWHERE)
    return made


def contexts() -> dict[str, Context]:
    """Name -> an exchange that a policy has to have an answer to."""
    return {
        "a chat completion": context(),
        "a stream with a cap": context(streaming=True, output_cap=100),
        "a stranger": context(account=None),
        "no model": context(route="other", path="/v1/other", model=""),
        "nothing generated": context(method="GET", path="/v1/models", route="other", model="", generates=False),
        "a batch": context(dialect="anthropic", route="messages.batches", features={"batch"}, items=100),
        "a picture": context(features={"vision"}, input_tokens=100_000),
        "a huge cap": context(output_cap=10**12),
        "an address of IPv6": context(client_address="2001:db8::1"),
        "an unknown address": context(client_address=""),
        "a place": context(location=Location("DE", 64496, frozenset({"hosting"}))),
        "an account that has shown something": context(profile=SHOWN),
        "an account that fell": context(profile=replace(SHOWN, falls=(Fall("chargeback"),))),
    }


def assert_conforms(kind: PolicyKind[Any], config: BaseModel, more: Mapping[str, Context] | None = None) -> None:
    """Hold a kind against the contract: it builds, decides, refuses and settles as the chain relies on.

    `more` are exchanges of yours beside `contexts()`. Raises AssertionError with the law that is broken. Call it
    from a plain function: where `decide` returns an awaitable, it is awaited on a loop of its own.
    """
    _check_kind(kind, config)
    policy = kind.build(config, services())
    _check_abilities(policy)
    for name, case in {**contexts(), **(more or {})}.items():
        decision = _decide(policy, case)
        _check_decision(decision, name)
        if decision.takes:
            _check_refusals(policy, case, decision.takes, name)
        _check_settling(policy, case, decision.takes, name)
    close = getattr(policy, "close", None)
    if close is not None:
        asyncio.run(close())


def _law(holds: object, law: str) -> None:
    if not holds:
        raise AssertionError(law)


def _check_kind(kind: PolicyKind[Any], config: BaseModel) -> None:
    _law(isinstance(kind, PolicyKind), f"KIND is a PolicyKind, not {kind!r}")
    _law(re.fullmatch(NAME_PATTERN, kind.name), f"the name of a kind matches {NAME_PATTERN}, unlike {kind.name!r}")
    _law(isinstance(config, kind.config), f"the config of {kind.name} is a {kind.config.__name__}")
    _law(config.model_config.get("frozen"), f"{kind.config.__name__} is frozen: policies share it")
    _law(
        config.model_config.get("extra") == "forbid",
        f"{kind.config.__name__} forbids unknown keys: a misspelt one must not be lost",
    )


def _check_abilities(policy: Policy) -> None:
    for ability in ("settle", "refuse", "extend"):
        found = getattr(policy, ability, None)
        _law(not inspect.iscoroutinefunction(found), f"`{ability}` is a plain function: only `decide` may wait")
    close = getattr(policy, "close", None)
    _law(close is None or inspect.iscoroutinefunction(close), "`close` is a coroutine function")


def _decide(policy: Policy, case: Context) -> Decision:
    decision = policy.decide(case)
    if isinstance(decision, Decision):
        return decision
    _law(inspect.isawaitable(decision), f"`decide` returns a Decision or an awaitable of one, not {decision!r}")

    async def wait(awaitable: Awaitable[Decision]) -> Decision:
        return await awaitable

    awaited = asyncio.run(wait(decision))
    _law(isinstance(awaited, Decision), f"what `decide` waits for is a Decision, not {awaited!r}")
    return awaited


def _check_decision(decision: Decision, name: str) -> None:
    _law(isinstance(decision.action, Action), f"{name}: the action is an Action, not {decision.action!r}")
    _law(decision.facts is None or isinstance(decision.facts, Facts), f"{name}: `facts` is a Facts or None")
    _law(isinstance(decision.takes, tuple), f"{name}: `takes` is a tuple")
    if decision.action is not Action.ALLOW:
        _check_no(decision, name)
        _law(not decision.takes, f"{name}: a refusal takes nothing")
    for take in decision.takes:
        _law(isinstance(take, Take), f"{name}: takes are Takes, not {take!r}")
        bucket, cost = take
        _law(math.isfinite(cost) and cost >= 0, f"{name}: a cost is 0 or more, not {cost!r}")
        _law(bucket.partition.startswith(bucket.tag), f"{name}: a partition begins with its tag: {bucket!r}")
        _law(re.fullmatch(NAME_PATTERN, bucket.limit.name), f"{name}: a limit's name matches {NAME_PATTERN}")
        _law(bucket.limit.every > 0, f"{name}: a limit refills every so many seconds, more than 0")


def _check_no(decision: Decision, name: str) -> None:
    """What a caller may be told."""
    _law(decision.action is not Action.ALLOW, f"{name}: a refusal does not allow")
    _law(
        REASON.fullmatch(decision.reason),
        f"{name}: a refusal has a stable code for its reason, not {decision.reason!r}",
    )
    _law(decision.detail, f"{name}: a refusal says in `detail` what the caller may know")
    _law(
        all(
            isinstance(value, str) or (isinstance(value, tuple) and all(isinstance(one, str) for one in value))
            for value in decision.members.values()
        ),
        f"{name}: members of a refusal are text, or tuples of it, not {dict(decision.members)!r}",
    )
    _law(decision.status == 0 or 400 <= decision.status < 600, f"{name}: no refusal has the status {decision.status}")
    wait = decision.retry_after
    _law(wait is None or (math.isfinite(wait) and wait >= 0), f"{name}: `retry_after` is None or seconds, not {wait!r}")


def _check_refusals(policy: Policy, case: Context, takes: tuple[Take, ...], name: str) -> None:
    refuse = getattr(policy, "refuse", None)
    _law(refuse is not None, "whoever takes can refuse: `refuse(context, take, taken)`")
    remaining = (0.0,) * len(takes)
    for index, take in enumerate(takes):
        for wait in (0.001, 1.5, 1e7, math.inf):
            decision = refuse(case, take, Taken(False, remaining, index, wait))  # type: ignore[misc]  # checked above
            _law(isinstance(decision, Decision), f"{name}: `refuse` returns a Decision")
            _check_no(decision, f"{name}, {take.bucket.limit.name} short for {wait} s")


def _check_settling(policy: Policy, case: Context, takes: tuple[Take, ...], name: str) -> None:
    settle = getattr(policy, "settle", None)
    if settle is None:
        return
    for ending, outcome in OUTCOMES.items():
        finals = settle(case, takes, outcome)
        place = f"{name}, {ending}"
        _law(isinstance(finals, tuple), f"{place}: `settle` returns a tuple")
        _law(len(finals) in (0, len(takes)), f"{place}: `settle` returned {len(finals)} finals for {len(takes)} takes")
        _law(all(math.isfinite(final) and final >= 0 for final in finals), f"{place}: finals are 0 or more: {finals!r}")
