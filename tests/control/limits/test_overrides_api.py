"""Overrides over the operators' port: two operators, to the digit, all that is wrong at once, who holds what."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.control.limits.applied import Holds
from tests.control.limits.world import NOW, Port

BOOST = {"kind": "scale", "factor": 2}
SET = {"kind": "set", "capacity": 1200, "refill": 1200}
WHY = {"reason": "ticket 9"}


async def test_set_says_what_it_does(port: Port) -> None:
    """201 with its ETag, the sentence, the workers that hold it, and a line in the audit with before and after."""
    account = port.account
    asked = {"limit": "rpm", "scope": {"account": account}, "change": SET, "lasts": "59m", "reason": "ticket 7"}
    bearer = {"Authorization": f"Bearer {port.tokens['operator']}"}
    async with port.http.post("/overrides", json=asked, headers=bearer) as answer:
        said = await answer.json()
        assert (answer.status, answer.headers["ETag"]) == (201, f'"{said["override"]["revision"]}"')
    assert said["override"]["said"] == (
        f"rpm: 1,200 every minute instead of 600, for account {account}, until 08:59 UTC (in 59 min)"
    )
    assert said["applied"] == {
        "applied": True,
        "revision": said["override"]["revision"],
        "workers": [
            {"gateway": "here", "worker": f"worker-{number}", "revision": 10**9, "at": NOW} for number in (0, 1)
        ],
        "missing": [],
        "within": 0.0,
        "note": "",
    }
    assert said["warnings"] == []
    line = port.audit()[-1]
    assert (line.did, line.subject, line.who) == ("override.set", account, "token:operator")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "set", "capacity": "10k"}, "rpm: 10,000 at most, and 600 every minute instead of 600 every minute"),
        ({"kind": "set", "every": "10s"}, "rpm: 600 every 10 s instead of 600 every minute"),
        ({"kind": "scale", "factor": 0.5}, "rpm: 300 every minute instead of 600"),
        ({"kind": "freeze"}, "rpm: frozen, nothing passes"),
        ({"kind": "unlimited"}, "rpm: unlimited, not asked and not counted"),
    ],
    ids=["capacity", "every", "half", "freeze", "unlimited"],
)
async def test_in_words(port: Port, change: dict[str, Any], words: str) -> None:
    """Each kind, in one sentence."""
    found = await port.set("rpm", change, scope={"tier": "free"})
    assert found["said"] == f"{words}, for tier free, until somebody takes it back"


@pytest.mark.parametrize(
    ("limit", "change", "stored"),
    [
        ("usd", {"kind": "set", "capacity": "$7.50"}, {"kind": "set", "capacity": 7.5}),
        ("usd", {"kind": "set", "capacity": "7.5", "refill": 3}, {"kind": "set", "capacity": 7.5, "refill": 3.0}),
        ("tpm", {"kind": "set", "capacity": "1.5M", "every": 30}, {"kind": "set", "capacity": 1.5e6, "every": 30.0}),
        ("slots", {"kind": "set", "capacity": 9}, {"kind": "set", "capacity": 9.0}),
    ],
)
async def test_quantities_are_as_in_files_or_plain(
    port: Port, limit: str, change: dict[str, Any], stored: dict[str, Any]
) -> None:
    """In the limit's unit."""
    assert (await port.set(limit, change, scope={"account": port.account}))["change"] == stored


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        pytest.param({"limit": "rmp"}, {"limit": "did you mean `rpm`"}, id="a limit that is near"),
        pytest.param({"limit": "nothing-like-it"}, {"limit": "there are flood, rpm"}, id="a limit that is not"),
        pytest.param({"change": {"kind": "set"}}, {"change": "needs a capacity"}, id="set of nothing"),
        pytest.param(
            {"change": {"kind": "set", "capacity": 0}},
            {"change.capacity": "to let nothing pass, freeze"}, id="0",
        ),
        pytest.param(
            {"change": {"kind": "set", "capacity": "-5"}},
            {"change.capacity": "must be a count"}, id="negative",
        ),
        pytest.param({"change": {"kind": "set", "capacity": 1.5}}, {"change.capacity": "must be a count"}, id="broken"),
        pytest.param({"change": {"kind": "set", "every": "1x"}}, {"change.every": "must be a duration"}, id="a span"),
        pytest.param(
            {"change": {"kind": "set", "factor": 2}},
            {"change.factor": "nothing that `set`"}, id="set a factor",
        ),
        pytest.param({"change": {"kind": "scale", "factor": 0}}, {"change.factor": "above 0"}, id="times nothing"),
        pytest.param({"change": {"kind": "scale", "factor": 1001}}, {"change.factor": "at most 1,000"}, id="too much"),
        pytest.param({"change": BOOST, "scope": {}}, {"expires": "needs an end"}, id="boost for all needs an end"),
        pytest.param({"change": {"kind": "unlimited"}, "scope": {}}, {"expires": "needs an end"}, id="unlimited too"),
        pytest.param(
            {"limit": "*", "change": {"kind": "shadow"}, "scope": {}}, {"expires": "shadow"}, id="shadow needs an end"
        ),
        pytest.param(
            {"limit": "*", "change": {"kind": "shadow"}, "scope": {}, "lasts": "25h"},
            {"expires": "24 hours"}, id="shadow for a day at most",
        ),
        pytest.param(
            {"limit": "*", "change": {"kind": "freeze"}, "scope": {}}, {"confirm": "everything for everybody"},
            id="freeze of all is confirmed",
        ),
        pytest.param({"limit": "*", "change": SET}, {"change.kind": "numbers are for one limit"}, id="numbers for all"),
        pytest.param({"expires": NOW - 1}, {"expires": "has passed"}, id="the past"),
        pytest.param({"expires": NOW + 9, "lasts": "1h"}, {"lasts": "either"}, id="two ends"),
        pytest.param({"lasts": "0s"}, {"lasts": "above 0"}, id="no time"),
        pytest.param({"scope": {"country": "ZQ"}}, {"scope.country": "no country"}, id="no country"),
        pytest.param({"scope": {"account": "a b"}}, {"scope.account": "can be called"}, id="no account"),
        pytest.param({"scope": {"account": "a", "accounts": ["b"]}}, {"scope.accounts": "either"}, id="two whoms"),
        pytest.param({"reason": " "}, {"reason": "empty"}, id="no reason"),
        pytest.param(
            {"limit": "slots", "change": {"kind": "set", "refill": 5}}, {"change.refill": "slots come back"}, id="slots"
        ),
        pytest.param(
            {"limit": "rmp", "scope": {"country": "ZQ"}, "change": {"kind": "set", "every": "1x"}, "lasts": "never"},
            {"limit": "rpm", "scope.country": "ZQ", "change.every": "duration", "lasts": "duration"}, id="all at once",
        ),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_all_at_once(port: Port, asked: dict[str, Any], fields: dict[str, str]) -> None:
    """422 with every field, and nothing is set."""
    usual = {"limit": "rpm", "scope": {"account": port.account}, "change": SET, "reason": "r"}
    status, said = await port.ask("POST", "/overrides", usual | asked)
    assert status == 422, said
    assert set(said["fields"]) == set(fields)
    for name, words in fields.items():
        assert words in said["fields"][name]
    assert (await port.ask("GET", "/overrides?all=true"))[1]["overrides"] == []


async def test_two_operators_one_limit(port: Port) -> None:
    """The second is told who was faster, and to what; nothing of the first is lost."""
    scope = {"account": port.account}
    first = await port.set("rpm", SET, scope=scope)
    status, said = await port.ask("POST", "/overrides", {"limit": "rpm", "scope": scope, "change": BOOST, **WHY})
    assert (status, said["current"]["id"], said["current"]["said"]) == (409, first["id"], first["said"])
    path, seen = f"/overrides/{first['id']}", first["revision"]
    one = port.ask("PUT", path, {"change": BOOST, **WHY}, seen, token=port.tokens["operator"])
    other = port.ask("PUT", path, {"change": {"kind": "freeze"}, **WHY}, seen)
    answers = await asyncio.gather(one, other)
    assert sorted(status for status, _ in answers) == [200, 412]
    won = next(said for status, said in answers if status == 200)["override"]
    lost = next(said for status, said in answers if status == 412)
    assert lost["current"] | {"said": ""} == won | {"said": ""}
    assert won["by"] in lost["error"]
    for method, where in (("DELETE", path), ("POST", f"{path}/undo")):
        assert (await port.ask(method, where, WHY, seen))[0] == 412
        assert (await port.ask(method, where, WHY))[0] == 428
        assert (await port.ask(method, where, WHY, "*"))[0] == 428
    assert (await port.ask("GET", path))[1] == won


async def test_change_keeps_the_end_unless_another_is_stated(port: Port) -> None:
    """`expires` null takes it away."""
    found = await port.set("rpm", SET, scope={"account": port.account}, lasts="1h")
    path = f"/overrides/{found['id']}"
    ends = []
    for more in ({}, {"lasts": "2h"}, {"expires": None}, {"expires": NOW + 5}):
        status, said = await port.ask("PUT", path, {"change": BOOST, **WHY, **more}, found["revision"])
        assert status == 200, said
        found = said["override"]
        ends.append(found["expires"])
    assert ends == [NOW + 3600, NOW + 7200, None, NOW + 5]


async def test_history_tells_it_as_values_and_in_words(port: Port) -> None:
    """The newest first, with who and why; a page at a time."""
    found = await port.set("rpm", SET, scope={"account": port.account})
    path = f"/overrides/{found['id']}"
    _, said = await port.ask("PUT", path, {"change": {"kind": "set", "capacity": 50}, **WHY}, found["revision"])
    _, said = await port.ask("DELETE", path, WHY, said["override"]["revision"])
    assert said["override"]["state"] == "withdrawn"
    _, past = await port.ask("GET", f"{path}/history")
    assert [(one["did"], one["reason"]) for one in past["changes"]] == [
        ("withdraw", "ticket 9"), ("change", "ticket 9"), ("set", "ticket 7"),
    ]  # fmt: skip
    assert past["changes"][1]["diff"][:2] == [
        {"name": "change.capacity", "before": 1200.0, "after": 50.0},
        {"name": "change.refill", "before": 1200.0, "after": None},
    ]
    assert past["changes"][1]["said"].startswith("changed: capacity 1,200 → 50; no refill (was 1,200)")
    _, page = await port.ask("GET", "/overrides/history?limit=1")
    _, rest = await port.ask("GET", f"/overrides/history?after={page['next']}")
    assert page["changes"] + rest["changes"] == past["changes"]


async def test_what_names_accounts_is_for_those_who_may_see_people(port: Port) -> None:
    """A viewer sees that there are some, and not which; of an id it is told that there is none."""
    hidden = await port.set("rpm", SET, scope={"account": port.account})
    cluster = await port.set("rpm", SET, scope={"accounts": ["a", "b"]})
    shown = await port.set("rpm", SET, scope={"tier": "free"})
    viewer = port.tokens["viewer"]
    _, said = await port.ask("GET", "/overrides", token=viewer)
    assert ([one["id"] for one in said["overrides"]], said["left_out"]) == ([shown["id"]], 2)
    for one in (hidden, cluster):
        assert (await port.ask("GET", f"/overrides/{one['id']}", token=viewer))[0] == 404
        assert (await port.ask("GET", f"/overrides/{one['id']}/history", token=viewer))[0] == 404
    _, past = await port.ask("GET", "/overrides/history", token=viewer)
    assert [one["override"] for one in past["changes"]] == [shown["id"]]
    _, limits = await port.ask("GET", "/limits", token=viewer)
    rpm = next(one for one in limits["limits"] if one["name"] == "rpm")
    assert ([one["id"] for one in rpm["overrides"]], limits["left_out"]) == ([shown["id"]], 2)
    assert (await port.ask("POST", "/overrides", {}, token=viewer))[0] == 403


async def test_a_worker_that_is_late_is_named(port: Port) -> None:
    """That it is applied is a fact: not before all hold it."""
    port.workers.late = ["worker-1"]
    port.workers.others = [Holds("there", "worker-0", 10**9, NOW), Holds("there", "worker-1", 0, NOW)]
    asked = {"limit": "rpm", "scope": {"account": port.account}, "change": SET, **WHY}
    _, said = await port.ask("POST", "/overrides", asked)
    applied = said["applied"]
    assert (applied["applied"], applied["within"]) == (False, None)
    assert applied["missing"] == [
        {"gateway": "here", "worker": "worker-1"},
        {"gateway": "there", "worker": "worker-1"},
    ]
    assert [(one["gateway"], one["worker"]) for one in applied["workers"]] == [
        ("here", "worker-0"),
        ("there", "worker-0"),
    ]


async def test_redis_away_is_said_where_others_could_not_be_asked(port: Port) -> None:
    """What is known holds it; of the others nobody knows, and that is said."""
    port.workers.away = True
    asked = {"limit": "rpm", "scope": {"account": port.account}, "change": SET, **WHY}
    _, said = await port.ask("POST", "/overrides", asked)
    assert (said["applied"]["applied"], len(said["applied"]["workers"])) == (True, 2)
    assert "could not be asked" in said["applied"]["note"]


async def test_a_limit_that_vanishes_keeps_its_override(port: Port) -> None:
    """It is shown as one without a limit, can be taken back, and bites again when the limit is there again."""
    found = await port.set("rpm", SET, scope={"account": port.account})
    port.write_rules(2, quota="limits:\n  - {name: other, measure: requests, per: [account], capacity: 1, every: 1m}\n")
    _, limits = await port.ask("GET", "/limits")
    assert [one["id"] for one in limits["without_limit"]] == [found["id"]]
    _, one = await port.ask("GET", f"/overrides/{found['id']}")
    assert (one["without_limit"], one["state"]) == (True, "in force")
    port.write_rules(3)
    assert (await port.ask("GET", f"/overrides/{found['id']}"))[1]["without_limit"] is False


async def test_without_a_quota_nothing_would_bite(port: Port) -> None:
    """409 in words, but for shadow, which is about all entries."""
    chain = "chain:\n  - {name: auth, kind: auth, on_failure: deny}\n"
    port.write_rules(2, chain=chain, quota="", flood="", trial="", kyc="")
    status, said = await port.ask(
        "POST", "/overrides", {"limit": "*", "change": {"kind": "freeze"}, "confirm": True, **WHY}
    )
    assert (status, "no entry of kind quota" in said["error"]) == (409, True)
    shadow = {"limit": "*", "change": {"kind": "shadow"}, "lasts": "30m", **WHY}
    assert (await port.ask("POST", "/overrides", shadow))[0] == 201


async def test_warnings(port: Port) -> None:
    """What nobody forbids, and somebody may not have thought of."""
    rows = [
        ("rpm", {"account": "nobody-knows"}, "nobody knows an account nobody-knows"),
        ("pros", {"tier": "free"}, "only for the tiers pro"),
        ("trial", {"tier": "free"}, "is in shadow"),
        ("flood", {"country": "NO"}, "in each worker apart"),
    ]
    for limit, scope, words in rows:
        asked = {"limit": limit, "scope": scope, "change": {"kind": "freeze"}, **WHY}
        _, said = await port.ask("POST", "/overrides", asked)
        assert any(words in one for one in said["warnings"]), (said, words)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.floats(0.001, 999.0, allow_nan=False)),
        st.tuples(st.just("undo"), st.just(0.0)),
        st.tuples(st.just("withdraw"), st.just(0.0)),
    ),
    max_size=12,
)


async def _steps(port: Port, number: int, steps: list[tuple[str, float]]) -> None:
    """Through the API, beside a stack of what was there."""
    found = await port.set("rpm", {"kind": "scale", "factor": 1.7}, scope={"tier": f"t{number}"})
    path, factor, live = f"/overrides/{found['id']}", 1.7, True
    # Each undo is a change too: it is undone by the next, so there are ever two states to go between.
    before: tuple[float, bool] = (1.7, False)
    for step, value in steps:
        now = (factor, live)
        if step == "change":
            status, said = await port.ask(
                "PUT", path, {"change": {"kind": "scale", "factor": value}, **WHY}, found["revision"]
            )
            expected = (200, value, True) if live else (409, factor, live)
        elif step == "withdraw":
            status, said = await port.ask("DELETE", path, WHY, found["revision"])
            expected = (200, factor, False) if live else (409, factor, live)
        else:
            status, said = await port.ask("POST", f"{path}/undo", WHY, found["revision"])
            expected = (200, *before)
        assert status == expected[0], said
        if status == 200:
            before, (factor, live) = now, expected[1:]
            found = said["override"]
        state = (await port.ask("GET", path))[1]
        assert (state["change"]["factor"], state["state"] == "in force") == (factor, live)
        assert state["revision"] == found["revision"]
    if live:
        await port.ask("DELETE", path, WHY, found["revision"])


async def test_undo_to_the_digit(port: Port) -> None:
    """Whatever was done: state equals a model, and each undo is what was there before, to the last bit of a float."""
    numbers = iter(range(10**6))
    drawn: list[list[tuple[str, float]]] = []

    @settings(max_examples=10, suppress_health_check=list(HealthCheck), database=None)
    @given(steps=STEPS)
    def draw(steps: list[tuple[str, float]]) -> None:
        drawn.append(steps)

    await asyncio.to_thread(draw)
    for steps in drawn:
        await _steps(port, next(numbers), steps)


async def test_in_shadow_a_freeze_says_that_it_refuses_nobody(port: Port) -> None:
    """And shadow says what it lets through; a freeze of everything and shadow never hold at once."""
    frozen = await port.set("rpm", {"kind": "freeze"}, scope={"model": "m-1"})
    asked = {"limit": "*", "change": {"kind": "shadow"}, "reason": "bad rule", "lasts": "1h"}
    _, said = await port.ask("POST", "/overrides", asked)
    shadow = said["override"]["id"]
    assert said["warnings"] == [f"what is frozen is let through meanwhile: override {frozen['id']}"]
    freeze = {"limit": "*", "scope": {"country": "NO"}, "change": {"kind": "freeze"}, "reason": "flood"}
    _, said = await port.ask("POST", "/overrides", freeze)
    assert [words for words in said["warnings"] if f"in shadow by override {shadow}, until" in words]
    status, said = await port.ask("POST", "/overrides", freeze | {"scope": {}, "confirm": True})
    assert (status, said["current"]["id"]) == (409, shadow)
    assert "take it back first" in said["error"]


@pytest.mark.parametrize("pattern", ["*", "**", "?*"])
async def test_a_pattern_of_every_model_is_everybody(port: Port, pattern: str) -> None:
    """To freeze everything needs a confirmation, and more for everybody an end, however it is written."""
    for change, field in (({"kind": "freeze"}, "confirm"), ({"kind": "unlimited"}, "expires")):
        asked = {"limit": "*", "scope": {"model": pattern}, "change": change, **WHY}
        _, said = await port.ask("POST", "/overrides", asked)
        assert field in said["fields"]
