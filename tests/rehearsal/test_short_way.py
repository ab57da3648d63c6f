"""The short way of a replay comes to what the chain comes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policies import auth, kyc, quota, rules
from gateway.policy import Ask, Context, Evidence, Location, Outcome, Principal, Profile, Usage
from gateway.rehearsal.buckets import Buckets
from gateway.rehearsal.exchange import Exchange
from gateway.rehearsal.past import ALLOWED, Past, Verdict
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.replay import Side

KINDS = {module.KIND.name: module.KIND for module in (auth, kyc, quota, rules)}
ENTRIES = {
    "guard": "  - {name: guard, kind: quota, on_failure: deny}\n",
    "auth": "  - {name: auth, kind: auth, on_failure: deny}\n",
    "tiers": "  - {name: tiers, kind: kyc, on_failure: deny}\n",
    "rules": "  - {name: rules, kind: rules, on_failure: deny}\n",
    "quota": "  - {name: quota, kind: quota, on_failure: deny}\n",
}
GUARD = "store: local\nlimits:\n  - {name: guard, measure: requests, per: [client_address], capacity: 6, every: 1m}\n"
RULES = """\
rules:
  - {name: embargo, when: client.country == "KP", action: deny}
  - {name: long, when: account.tier == "free" && request.input_tokens > 50, action: deny, mode: shadow}
  - {name: odd, when: account.id == "odd", action: weigh, weight: 3}
  - {name: heavy, when: risk.score > 2 && request.input_tokens > 30, action: challenge}
"""
QUOTA = """\
limits:
  - {name: requests, measure: requests, per: [account], tiers: [free], capacity: 4, every: 1m}
  - {name: input, measure: input_tokens, per: [account], tiers: [free], capacity: 200, every: 1m, cached_weight: 0.5}
  - {name: output, measure: output_tokens, per: [account, model], capacity: 300, every: 1m}
  - {name: both, measure: total_tokens, per: [organisation], tiers: [pro], models: [m-*], capacity: 900, every: 10m}
  - {name: spend, measure: spend, per: [account], tiers: [pro, free], capacity: 0.01, every: 1h}
  - {name: slots, measure: concurrency, per: [account], tiers: [free], capacity: 2}
"""
TIERS = """\
tiers:
  - {name: free, withholds: {models: [x]}}
  - {name: checked, requires: [document], quota: pro}
evidence: {document: {lasts: 1d}}
ramps: [{models: [m-large], from: 2026-11-01T00:00:00Z, days: 60, tiers: [free], share: 50%}]
"""
VOLUME = "tiers: [{name: free, concurrency: 2}]\n"
THROTTLE = """\
rules:
  - {name: slow, when: "true", action: throttle, limit: {per: [account], requests: 1, every: 1m}}
"""
PRICES = "default: {input: 3, cached_input: 0.3, cache_creation: 3.75, output: 15}\n"
PEOPLE = (
    None, Principal("free", tier="free"), Principal("odd", tier="free"), Principal("pro", "acme", tier="pro"),
    Principal("pro2", "acme", tier="pro"), Principal("scoped", tier="pro", models=frozenset({"m-small"})),
)  # fmt: skip
SHOWN = Profile(evidence=(Evidence("document", 1_795_262_400.0 - 86_100.0),))
LADDER_PEOPLE = (*PEOPLE, Principal("new"), Principal("shown", profile=SHOWN), Principal("plan", profile=SHOWN))
PLACES = (Location("DE"), Location("DE"), Location("KP"), Location())

_ask = st.builds(
    Ask, dialect=st.just("openai"), route=st.just("chat"), model=st.sampled_from(["m-small", "m-large", "x"]),
    input_tokens=st.integers(0, 80), output_cap=st.none() | st.integers(0, 400), items=st.sampled_from([1, 1, 2]),
    generates=st.sampled_from([True, True, True, False]),
)  # fmt: skip
_usage = st.none() | st.builds(Usage, *[st.integers(0, 120)] * 4)
_outcome = st.builds(
    Outcome, st.sampled_from([200, 200, 200, 400, 429, 500, 0]), _usage, st.integers(0, 60), st.booleans(),
    st.sampled_from([True, True, True, False]),
)  # fmt: skip
_steps = st.lists(
    st.tuples(
        st.floats(0, 20), _ask, st.sampled_from(LADDER_PEOPLE), st.sampled_from(PLACES), _outcome, st.floats(0, 90),
        st.sampled_from([True, True, True, False]),
    ),
    min_size=5, max_size=40,
)  # fmt: skip


def _pasts(steps: list[tuple[Any, ...]]) -> list[Past]:
    made, now = [], 1_795_262_400.0
    for number, (pause, ask, who, where, outcome, seconds, allowed) in enumerate(steps):
        now += pause
        exchange = Exchange(f"x{number}", now, ask, who, address=f"192.0.2.{number % 2}", location=where)
        verdict = ALLOWED if allowed else Verdict("throttle", "quota", "", "quota_exceeded")
        made.append(Past(exchange, verdict, outcome, seconds))
    return made


@contextmanager
def _rehearsals(names: tuple[str, ...], **changes: str) -> Iterator[tuple[Rehearsal, Rehearsal]]:
    """Twice the same policies, and the second always goes the whole way."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "policies"
        folder.mkdir()
        texts = {"guard": GUARD, "auth": "api_keys: true\n", "rules": RULES, "quota": QUOTA, "prices": PRICES}
        texts |= {"tiers": TIERS} | changes
        texts = {name: text for name, text in texts.items() if name in (*names, "prices")}
        for name, text in texts.items():
            (folder / f"{name}.yaml").write_text(text)
        (folder / "chain.yaml").write_text("chain:\n" + "".join(ENTRIES[name] for name in names))
        with (
            Rehearsal(folder, {}, KINDS, make_store=Buckets) as short,  # type: ignore[arg-type]  # as the command does
            Rehearsal(folder, {}, KINDS, make_store=Buckets) as whole,  # type: ignore[arg-type]
        ):
            whole._short_way = None
            yield short, whole


def _left(rehearsal: Rehearsal) -> dict[Any, tuple[float, int]]:
    buckets: Any = rehearsal.store
    return {name: (state.used, state.at) for name, state in buckets._states.items()}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("auth", "rules", "quota"), id="the usual"),
        pytest.param(("guard", "auth", "rules", "quota"), id="behind a guard"),
        pytest.param(("auth", "quota"), id="without rules"),
        pytest.param(("auth", "tiers", "rules", "quota"), id="with a ladder"),
        pytest.param(("auth", "rules"), id="without a quota"),
        pytest.param(("quota",), id="a quota alone"),
    ],
)
@settings(max_examples=30, deadline=None)
@given(steps=_steps)
def test_it_decides_as_the_chain(names: tuple[str, ...], steps: list[tuple[Any, ...]]) -> None:
    """The same verdict on each exchange, the same matches and failures, and at the end the same in every bucket."""
    with _rehearsals(names) as (short, whole):
        assert short._short_way is not None
        one, other = Side(short), Side(whole)

        for past in _pasts(steps):
            assert one.ask(past) == other.ask(past)

        for side in (one, other):
            side.settle(float("inf"))
        assert _left(short) == _left(whole)
        assert short._plain.matched == whole._plain.matched
        assert short.failures == whole.failures
        assert not one._running


def test_a_policy_that_breaks_is_heard_by_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its on_failure says holds, and it is counted: there is one law of failures."""

    def broken(_self: object, _context: Context, *_more: object) -> None:
        raise ValueError("broken")

    steps = [(1.0, Ask("openai", "chat.completions", "m"), PEOPLE[1], PLACES[0], Outcome(200), 1.0, True)] * 3
    for where in ("wanted", "paid"):
        with monkeypatch.context() as patched, _rehearsals(("auth", "rules", "quota")) as (short, whole):
            patched.setattr(f"gateway.policies.quota.policy.Quota.{where}", broken)
            one, other = Side(short), Side(whole)
            for past in _pasts(steps):
                assert one.ask(past) == other.ask(past)
            for side in (one, other):
                side.settle(1e12)
            assert short.failures == whole.failures != {}
            assert _left(short) == _left(whole)


@pytest.mark.parametrize(
    ("names", "changes"),
    [
        pytest.param(("auth", "quota", "rules"), {}, id="a quota that is not the last"),
        pytest.param(
            ("auth", "rules", "quota"),
            {"rules": THROTTLE},
            id="rules with buckets",
        ),
        pytest.param(("auth", "tiers", "quota"), {"tiers": VOLUME}, id="a ladder with buckets"),
    ],
)
def test_what_is_not_usual_goes_the_whole_way(names: tuple[str, ...], changes: dict[str, str]) -> None:
    """Entries that settle stand before another: then there is no short way."""
    with _rehearsals(names, **changes) as (rehearsal, _):
        assert rehearsal._short_way is None
