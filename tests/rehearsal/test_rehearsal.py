"""The chain without a gateway: it says what the gateway would, and tells how it came to that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from gateway.policies import Services, auth, quota
from gateway.policy import (
    ALLOW,
    Action,
    Ask,
    Context,
    Decision,
    Facts,
    Finding,
    Location,
    Outcome,
    PolicyKind,
    Principal,
    Usage,
)
from gateway.rehearsal.answer import Stage
from gateway.rehearsal.exchange import Exchange
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.testing import NOON

ACME = Principal("acme", tier="pro")
ASK = Ask("openai", "chat.completions", "m-large", input_tokens=100)


class Plain(BaseModel):
    """What the stand-ins are made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: str = "no"


class Explaining:
    """Denies the country `XX`, and can say so."""

    def __init__(self, config: Plain, services: Services) -> None:
        self.services = services

    def decide(self, context: Context) -> Decision:
        if context.location.country == "XX":
            return Decision(Action.DENY, "not_here", "Not from there.")
        return ALLOW

    def explain(self, context: Context) -> tuple[Finding, ...]:
        return (Finding("xx", context.location.country == "XX", {"client.country": context.location.country}),)


class Waiting:
    """Waits, and then breaks for the account `broken`."""

    def __init__(self, config: Plain, services: Services) -> None:
        self.closed = False

    async def decide(self, context: Context) -> Decision:
        if context.principal is not None and context.principal.account == "broken":
            raise RuntimeError("it is out of order")
        return Decision(Action.ALLOW, facts=Facts(tags=frozenset({"waited"})))

    async def close(self) -> None:
        CLOSED.append(self)


CLOSED: list[Any] = []
KINDS: dict[str, PolicyKind[Any]] = {
    "auth": auth.KIND,
    "quota": quota.KIND,
    "explaining": PolicyKind("explaining", Plain, Explaining),
    "waiting": PolicyKind("waiting", Plain, Waiting),
}
FILES = {
    "chain": """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: place, kind: explaining, on_failure: deny}
  - {name: wait, kind: waiting, on_failure: deny}
  - {name: try, kind: quota, on_failure: allow, mode: shadow}
  - {name: quota, kind: quota, on_failure: degrade}
""",
    "auth": "api_keys: true\n",
    "explaining": "word: x\n",
    "waiting": "word: x\n",
    "try": "limits: [{name: once, measure: requests, per: [account], capacity: 1, every: 1d}]\n",
    "quota": """\
limits:
  - {name: requests, measure: requests, per: [account], capacity: 10, every: 10s}
  - {name: output, measure: output_tokens, per: [account], capacity: 100k, every: 1d}
  - {name: slots, measure: concurrency, per: [account], capacity: 2}
""",
}


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    for name, text in FILES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    with Rehearsal(tmp_path, {}, KINDS) as made:
        yield made


def exchange(number: int = 0, **changes: Any) -> Exchange:
    """A chat completion of acme."""
    return Exchange(f"x{number}", NOON, ASK, ACME)._replace(**changes)


def test_a_yes_tells_its_way(rehearsal: Rehearsal) -> None:
    """Each entry in order, what it looked at, what is taken and what is left."""
    answer = rehearsal.ask(exchange())

    assert (answer.decision, answer.entry, answer.rule) == (ALLOW, "", "")
    assert [step.entry.name for step in answer.trail] == ["auth", "place", "wait", "try", "quota"]
    assert [step.stage for step in answer.trail] == [Stage.ASKED, Stage.ASKED, Stage.ASKED, Stage.SHADOW, Stage.ASKED]
    assert answer.trail[1].findings == (Finding("xx", False, {"client.country": ""}),)
    left = {take.bucket.limit.name: remaining for take, remaining in zip(answer.takes, answer.remaining, strict=True)}
    assert left == {"requests": 9, "output": 100_000 - 1024, "slots": 1}
    assert all(step.seconds > 0 for step in answer.trail)
    assert answer.context.tags == {"waited"}


def test_a_no_ends_the_way(rehearsal: Rehearsal) -> None:
    """Who refused, and who was not reached."""
    answer = rehearsal.ask(exchange(location=Location("XX")))

    assert (answer.decision.reason, answer.entry) == ("not_here", "place")
    assert [step.stage for step in answer.trail] == [Stage.ASKED, Stage.ASKED, *[Stage.NOT_REACHED] * 3]
    assert answer.trail[1].findings[0].applies
    assert answer.takes == ()


@pytest.mark.parametrize(
    ("changes", "reason", "status"),
    [
        pytest.param({"principal": None}, "missing_credentials", 401, id="a stranger"),
        pytest.param({"refused": "revoked_key"}, "revoked_key", 401, id="refused, whoever it was"),
        pytest.param({"refused": "suspended_account"}, "suspended_account", 403, id="forbidden"),
        pytest.param({"refused": "made_up"}, "made_up", 401, id="a stranger's reason"),
        pytest.param(
            {"principal": Principal("acme", models=frozenset({"m-small"}))}, "model_not_in_scope", 403, id="scope"
        ),
    ],
)
def test_who_is_refused_by_auth(rehearsal: Rehearsal, changes: dict[str, Any], reason: str, status: int) -> None:
    """Without any secret: what auth would say is known beforehand."""
    answer = rehearsal.ask(exchange(**changes))

    assert (answer.entry, answer.decision.reason, answer.decision.status) == ("auth", reason, status)


def test_a_broken_policy_follows_its_on_failure(rehearsal: Rehearsal) -> None:
    """And the trail says what it raised."""
    answer = rehearsal.ask(exchange(principal=Principal("broken")))

    assert answer.decision.reason == "policy_unavailable"
    assert answer.trail[2].error == "RuntimeError: it is out of order"
    assert rehearsal.failures == {("wait", "decide"): 1}


def test_time_is_the_exchanges(rehearsal: Rehearsal) -> None:
    """Buckets refill by the time of the exchanges, and nothing waits."""
    for number in range(10):
        asked = rehearsal.begin(exchange(number))
        assert asked.decision is ALLOW
        rehearsal.settle(asked, Outcome(400))
    refused = rehearsal.begin(exchange(10))
    later = rehearsal.begin(exchange(11, now=NOON + 1.0))

    assert (refused.decision.reason, refused.decision.retry_after) == ("quota_exceeded", 1.0)
    assert later.decision is ALLOW


def test_settling_gives_back(rehearsal: Rehearsal) -> None:
    """What was reserved becomes what was used; a slot is free again."""
    rehearsal.settle(rehearsal.ask(exchange(1)), Outcome(200, Usage(100, 24)), at=NOON)
    answer = rehearsal.ask(exchange(2))

    assert answer.remaining == (8, 100_000 - 24 - 36, 1)


def test_buckets_may_be_filled_beforehand(rehearsal: Rehearsal) -> None:
    """`leave` states what is left, of requests and of slots, for every bucket of a limit."""
    rehearsal.store.leave({"requests": 1, "slots": 2})
    first, other, second = (
        rehearsal.ask(exchange(1)),
        rehearsal.ask(exchange(2, principal=Principal("b"))),
        rehearsal.ask(exchange(3)),
    )

    assert (first.remaining[0], other.remaining[0]) == (0, 0)
    assert second.decision.reason == "quota_exceeded"

    rehearsal.reset()
    rehearsal.store.leave({"slots": 0})
    assert rehearsal.ask(exchange(1)).decision.reason == "concurrency_exceeded"


def test_a_reset_forgets(rehearsal: Rehearsal) -> None:
    """Buckets are full again, and policies made anew; the old ones were closed."""
    before = len(CLOSED)
    rehearsal.ask(exchange(1))
    rehearsal.reset()

    assert rehearsal.ask(exchange(1)).remaining[0] == 9
    assert len(CLOSED) == before + 1


def test_a_store_may_be_away(rehearsal: Rehearsal) -> None:
    """Then each entry's `on_failure` decides."""
    rehearsal.store.away = True
    answer = rehearsal.ask(exchange())

    assert answer.decision is ALLOW
    assert answer.remaining[0] == 9


def test_what_is_in_shadow_refuses_nobody(rehearsal: Rehearsal) -> None:
    """Its bucket empties as it would, and the match says that it is not enforced."""
    rehearsal.ask(exchange(1))
    answer = rehearsal.ask(exchange(2))

    assert answer.decision is ALLOW
    assert [(entry, match.action, match.enforced) for entry, match in answer.matches] == [("try", "throttle", False)]


def test_facts_may_be_known_beforehand(rehearsal: Rehearsal) -> None:
    """Such as a challenge that was passed."""
    answer = rehearsal.ask(exchange(facts=Facts(captcha=True, weight=3), fields=MappingProxyType({b"a": b"b"})))

    assert (answer.context.captcha, answer.context.weight) == (True, 3)
