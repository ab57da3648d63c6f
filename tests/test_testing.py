"""gateway.testing: it passes what keeps the contract, and names the law that is broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from gateway.policy import ALLOW, Action, Bucket, Context, Decision, Limit, Measure, PolicyKind, Take
from gateway.testing import NOON, Clock, assert_conforms, context, services


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Loose(BaseModel):
    model_config = ConfigDict(frozen=True)


class Thawed(BaseModel):
    model_config = ConfigDict(extra="forbid")


LIMIT = Limit("pictures", Measure.REQUESTS, 5, 5, 60)
TAKE = Take(Bucket("account=a", "account=a,model=m", LIMIT), 1.0)
NO = Decision(Action.DENY, "not_here", "Not here.")


def kind(decide: Callable[[Context], Any], **abilities: Any) -> PolicyKind[Strict]:
    """A kind whose policy has these abilities."""
    methods = {name: staticmethod(function) for name, function in abilities.items()}
    policy = type("Made", (), {"decide": staticmethod(decide), **methods})
    return PolicyKind("made", Strict, lambda config, services: policy())


def taking(take: Take = TAKE, **abilities: Any) -> PolicyKind[Strict]:
    return kind(lambda c: Decision(Action.ALLOW, takes=(take,)), **{"refuse": lambda c, t, s: NO, **abilities})


async def _later(_: Context) -> Decision:
    return NO


async def _close() -> None: ...


GOOD = {
    "allows": kind(lambda c: ALLOW),
    "refuses": kind(lambda c: NO),
    "waits": kind(_later),
    "takes": taking(),
    "takes-and-settles": taking(settle=lambda c, t, o: tuple(0.0 for _ in t)),
    "settles-nothing": taking(settle=lambda c, t, o: ()),
    "closes": kind(lambda c: ALLOW, close=_close),
}


@pytest.mark.parametrize("made", GOOD.values(), ids=GOOD)
def test_what_conforms_passes(made: PolicyKind[Strict]) -> None:
    """The contract's optional abilities are optional."""
    assert_conforms(made, Strict())


BAD = [
    ("no-decision", kind(lambda c: True), "returns a Decision"),
    ("no-decision-later", kind(lambda c: _nothing()), "waits for is a Decision"),
    ("no-reason", kind(lambda c: Decision(Action.DENY, detail="No.")), "stable code"),
    ("prose-for-a-reason", kind(lambda c: Decision(Action.DENY, "Not here", "No.")), "stable code"),
    ("no-detail", kind(lambda c: Decision(Action.DENY, "no")), "`detail`"),
    ("odd-status", kind(lambda c: NO._replace(status=200)), "status 200"),
    ("endless-wait", kind(lambda c: NO._replace(retry_after=math.inf)), "`retry_after`"),
    ("refuses-and-takes", kind(lambda c: NO._replace(takes=(TAKE,))), "takes nothing"),
    ("takes-and-cannot-refuse", kind(lambda c: Decision(Action.ALLOW, takes=(TAKE,))), "can refuse"),
    ("refuses-with-a-yes", taking(refuse=lambda c, t, s: ALLOW), "does not allow"),
    ("negative-cost", taking(TAKE._replace(cost=-1.0)), "0 or more"),
    ("foreign-tag", taking(Take(Bucket("x", "account=a", LIMIT), 1.0)), "begins with its tag"),
    ("too-few-finals", taking(settle=lambda c, t, o: (1.0, 2.0)), "2 finals for 1 takes"),
    ("a-list-of-finals", taking(settle=lambda c, t, o: [1.0]), "a tuple"),
    ("a-final-that-is-none", taking(settle=lambda c, t, o: (math.nan,)), "0 or more"),
    ("waits-in-settle", taking(settle=_later), "plain function"),
    ("closes-at-once", kind(lambda c: ALLOW, close=lambda: None), "coroutine function"),
]


async def _nothing() -> None: ...


@pytest.mark.parametrize(("made", "law"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_does_not_conform_is_told_its_law(made: PolicyKind[Strict], law: str) -> None:
    """Each law is held, and said in words."""
    with pytest.raises(AssertionError, match=law):
        assert_conforms(made, Strict())


@pytest.mark.parametrize(("config", "law"), [(Loose, "unknown keys"), (Thawed, "frozen")])
def test_a_config_is_frozen_and_strict(config: type[BaseModel], law: str) -> None:
    """A misspelt key must not be lost, and policies share what they were built with."""
    made: PolicyKind[Any] = PolicyKind(
        "made", config, lambda config, services: GOOD["allows"].build(Strict(), services)
    )
    with pytest.raises(AssertionError, match=law):
        assert_conforms(made, config())


def test_a_name_is_a_name() -> None:
    """It stands in YAML."""
    with pytest.raises(AssertionError, match="name of a kind"):
        assert_conforms(PolicyKind("Not A Name", Strict, GOOD["allows"].build), Strict())


def test_the_clock_is_turned_by_hand() -> None:
    """Nothing moves it but the test."""
    clock = Clock()
    given = services(clock)
    assert given.now() == NOON
    clock.turn(60)
    assert given.now() == NOON + 60


def test_a_context_has_defaults_and_takes_words() -> None:
    """What a test does not care about need not be said."""
    made = context(tier="pro", features={"tools"}, output_cap=5)
    assert made.principal is not None
    assert (made.principal.tier, made.ask.features, made.ask.output_cap) == ("pro", frozenset({"tools"}), 5)
    assert context(account=None).principal is None
