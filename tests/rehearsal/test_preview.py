"""What an override would have done, against traffic whose outcome is worked out by hand, and against `replay`."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.accounts.live_directory import LiveDirectory
from gateway.feeds.folder import Feeds
from gateway.history.columns import Event
from gateway.history.reading import read
from gateway.overrides.override import Kind, Override, Scope
from gateway.policies import Services, auth, quota, rules
from gateway.rehearsal.buckets import Buckets
from gateway.rehearsal.comparison import Change
from gateway.rehearsal.past import COLUMNS, Reader
from gateway.rehearsal.preview import Wanted, is_sampled, preview
from gateway.rehearsal.preview_sums import TOP
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.replay import Side, identifying, pasts, replay
from gateway.rules.build import FREE
from gateway.rules.ruleset import Ruleset
from gateway.rules.whole import make
from tests.history.logs import NOON, event, log, refused

KINDS = {module.KIND.name: module.KIND for module in (auth, quota, rules)}
CHAIN = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: rules, kind: rules, on_failure: deny}
  - {name: quota, kind: quota, on_failure: deny}
"""
OWN = "  - {name: rpm, measure: requests, per: [account], capacity: 4, refill: 4, every: 1h}\n"
SHARED = "  - {name: all, measure: requests, per: [model], capacity: 6, refill: 6, every: 1h}\n"
RULES = 'rules:\n  - {name: nothing, when: "false", action: deny}\n'


LISTED = 'rules:\n  - {name: bad, when: "client.address in lists.blocked", action: deny}\n'


def policies(base: Path, limits: str = OWN, name: str = "policies", rules: str = RULES) -> Path:
    folder = base / name
    folder.mkdir()
    files = {"chain": CHAIN, "auth": "api_keys: true\n", "rules": rules, "quota": f"limits:\n{limits}"}
    for file, text in files.items():
        (folder / f"{file}.yaml").write_text(text)
    return folder


def override(kind: Kind, limit: str = "rpm", number: int = 1, **more: Any) -> Override:
    scope = more.pop("scope", Scope())
    return Override(number, number, limit, scope, kind, **more)


def wanted(base: Path, events: Sequence[Event], *after: Override, **more: Any) -> Wanted:
    limits = more.pop("limits", OWN)
    made = log(base / "log", events)
    before = more.pop("before", ())
    asked = Wanted(
        policies(base, limits, rules=more.pop("rules", RULES)), base / "data", made, NOON - 3600, NOON + 86_400,
        before, (*before, *after), after,
    )  # fmt: skip
    return dataclasses.replace(asked, **more)


def run(asked: Wanted) -> dict[str, Any]:
    return preview(asked, lambda _: None, KINDS, {})


def burst(account: str, count: int, at: float = 0.0, **more: Any) -> list[Event]:
    """Ten seconds apart."""
    return [
        event(exchange=f"{account}-{at}-{number}", account=account, time=NOON + at + 10 * number, **more)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("change", "more", "less", "limit"),
    [
        # A full bucket of 4, and 4 an hour back: of 6 in a minute 4 pass.
        pytest.param(override(Kind.SET, capacity=2.0), 2, 0, "rpm", id="set lower"),
        pytest.param(override(Kind.SET, capacity=5.0), 0, 1, "rpm", id="set higher"),
        pytest.param(override(Kind.SCALE, factor=2.0), 0, 2, "rpm", id="boost"),
        pytest.param(override(Kind.SCALE, factor=0.25), 3, 0, "rpm", id="scaled down"),
        pytest.param(override(Kind.FREEZE), 4, 0, "rpm", id="freeze"),
        pytest.param(override(Kind.FREEZE, "*"), 4, 0, "override 1", id="freeze of all"),
        pytest.param(override(Kind.UNLIMITED), 0, 2, "rpm", id="unlimited"),
        pytest.param(override(Kind.SHADOW, "*"), 0, 2, "rpm", id="shadow"),
        pytest.param(override(Kind.SET, capacity=2.0, scope=Scope(account="acme")), 2, 0, "rpm", id="for it"),
        pytest.param(override(Kind.SET, capacity=2.0, scope=Scope(account="other")), 0, 0, "", id="for another"),
        pytest.param(override(Kind.SET, capacity=2.0, scope=Scope(model="m-s*")), 0, 0, "", id="for another model"),
        pytest.param(override(Kind.FREEZE, scope=Scope(country="NO")), 4, 0, "rpm", id="for its country"),
        pytest.param(override(Kind.FREEZE, scope=Scope(tier="free")), 4, 0, "rpm", id="for its tier"),
        pytest.param(
            override(Kind.FREEZE, scope=Scope(accounts=frozenset({"acme", "b"}))), 4, 0, "rpm", id="a cluster"
        ),
        pytest.param(override(Kind.FREEZE, scope=Scope(created_after=NOON)), 0, 0, "", id="new accounts: age unknown"),
    ],
)
def test_one_account_by_hand(tmp_path: Path, change: Override, more: int, less: int, limit: str) -> None:
    """Six in a minute, of which four pass by the rules."""
    found = run(wanted(tmp_path, burst("acme", 6), change))
    assert (found["more"], found["less"]) == (more, less)
    if change.scope.account != "other":
        assert (found["exchanges"], found["refused_before"], found["refused_after"]) == (6, 2, 2 + more - less)
    else:
        assert found["seen"] == 0, "of whom it is not about nothing is read"
    assert [one["limit"] for one in found["limits"]] == ([limit] if limit else [])


def test_a_whole_has_its_lists_compiled(tmp_path: Path) -> None:
    """What is in force has no list beside its rules: the compiled ones answer, though nobody has the files any more."""
    asked = wanted(tmp_path, burst("acme", 6), override(Kind.SET, capacity=2.0), rules=LISTED)
    folder = asked.policies
    (folder / "feeds.yaml").write_text("lists: {blocked: {kind: networks, path: blocked.txt}}\n")
    (folder / "blocked.txt").write_text("192.0.2.0/24\n")
    whole, _ = make(folder, tmp_path / "data", tmp_path / "wholes", 1, KINDS, services, NOON, {})
    shutil.rmtree(folder)
    found = run(dataclasses.replace(asked, policies=whole.folder / "policies"))
    assert (found["exchanges"], found["more"], found["limits"]) == (6, 2, [{"limit": "rpm", "more": 2, "less": 0}])


def services(ruleset: Ruleset, feeds: Feeds) -> Services:
    return Services(lambda: 0.0, LiveDirectory(), ruleset.prices or FREE, feeds.lists)


def test_accounts_are_named_with_when_it_begins(tmp_path: Path) -> None:
    """Who would be refused more comes first, with the first time; who would not notice is not named."""
    events = burst("a", 4) + burst("b", 3) + burst("c", 1) + burst("d", 6)
    found = run(wanted(tmp_path, sorted(events, key=lambda one: one[1]), override(Kind.SET, capacity=2.0)))
    rows = [(one["account"], one["more"], one["less"], one["first"] - NOON) for one in found["accounts"]]
    assert rows == [("a", 2, 0, 20.0), ("d", 2, 0, 20.0), ("b", 1, 0, 20.0)]
    assert (found["accounts_more"], found["accounts_newly_refused"], found["accounts_seen"]) == (3, 2, 4)


def test_by_the_hour(tmp_path: Path) -> None:
    """What came back in between counts: on the clock of then."""
    hour = (NOON // 3600) * 3600
    events = burst("a", 4) + burst("a", 4, at=3600.0)
    found = run(wanted(tmp_path, events, override(Kind.SET, capacity=2.0)))
    rows = [(one["at"] - hour, one["exchanges"], one["before"], one["after"]) for one in found["hours"]]
    # Two of four; an hour later the bucket of two is full again.
    assert rows == [(0.0, 4, 0, 2), (3600.0, 4, 0, 2)]


def test_usage_is_settled_as_it_was(tmp_path: Path) -> None:
    """Tokens that were used count, and not those that were reserved."""
    tokens = "  - {name: rpm, measure: output_tokens, per: [account], capacity: 100, refill: 100, every: 1h}\n"
    events = burst("a", 8, output_cap=30, usage_output=20)
    found = run(wanted(tmp_path, events, override(Kind.SCALE, factor=0.5), limits=tokens))
    # By the rules 30 are reserved and 20 used: 4 of 8 pass (60 used, and 90 + what has come back, so the fourth).
    # With half: 50 hold 30 at once, then 20 + 30; a third does not fit.
    assert (found["refused_before"], found["refused_after"]) == (4, 6)


def test_what_another_entry_refused_takes_nothing(tmp_path: Path) -> None:
    """It is refused on both sides, and leaves limits as they were for the others."""
    events = [refused("rules", "rule_denied", account="a", exchange="r"), *burst("a", 3, at=60.0)]
    found = run(wanted(tmp_path, events, override(Kind.SET, capacity=3.0)))
    assert (found["refused_then"], found["refused_before"], found["refused_after"]) == (1, 1, 1)


def test_shadow_lets_pass_what_rules_refused_but_not_who_is_unknown(tmp_path: Path) -> None:
    """Everything but auth watches."""
    events = [refused("rules", "rule_denied", exchange="r"), refused("auth", "unknown_key", exchange="u", account="")]
    found = run(wanted(tmp_path, events, override(Kind.SHADOW, "*")))
    assert (found["refused_before"], found["refused_after"], found["less"]) == (2, 1, 1)


def test_a_change_of_what_holds_is_compared_with_what_holds(tmp_path: Path) -> None:
    """Not with the rules: an override that is there counts on both sides."""
    before = (override(Kind.SET, capacity=6.0, number=7, scope=Scope(tier="free")),)
    account = override(Kind.SET, capacity=5.0, number=8, scope=Scope(account="acme"))
    found = run(wanted(tmp_path, burst("acme", 6), account, before=before))
    assert (found["refused_before"], found["more"], found["less"]) == (0, 1, 0)


def test_shared_limits_look_at_everybody(tmp_path: Path) -> None:
    """Freezing one account leaves room for another in what they share."""
    events = sorted(burst("a", 4) + burst("b", 4, at=5.0), key=lambda one: one[1])
    found = run(wanted(tmp_path, events, override(Kind.FREEZE, scope=Scope(account="a")), limits=OWN + SHARED))
    by_account = {one["account"]: (one["more"], one["less"]) for one in found["accounts"]}
    assert by_account == {"a": (3, 0), "b": (0, 1)}


def test_a_log_that_is_too_large_is_sampled_by_account(tmp_path: Path) -> None:
    """Whole accounts, always the same ones, and the factor is said."""
    names = [f"acc-{number}" for number in range(60)]
    events = sorted((one for name in names for one in burst(name, 3)), key=lambda one: one[1])
    found = run(wanted(tmp_path, events, override(Kind.SET, capacity=2.0), at_most=60))
    chosen = [name for name in names if is_sampled(name, 3)]
    assert (found["factor"], found["sampled"], found["accounts_seen"]) == (3, True, len(chosen))
    assert found["more"] == len(chosen)
    assert any("multiply by 3" in note for note in found["notes"])


def test_a_large_log_with_shared_limits_is_not_sampled(tmp_path: Path) -> None:
    """That would be another traffic: the time is shorter instead, and said."""
    events = sorted((one for name in "abcdef" for one in burst(name, 3)), key=lambda one: one[1])
    found = run(wanted(tmp_path, events, override(Kind.FREEZE), limits=OWN + SHARED, at_most=10))
    assert found["factor"] == 1
    assert any(note.startswith("Only the last") for note in found["notes"])


def test_a_scope_that_names_accounts_is_read_whole(tmp_path: Path) -> None:
    """Few exchanges of a large log are no reason to sample."""
    events = sorted((one for name in "abcdef" for one in burst(name, 6)), key=lambda one: one[1])
    found = run(wanted(tmp_path, events, override(Kind.FREEZE, scope=Scope(account="b")), at_most=10))
    assert (found["factor"], found["exchanges"], found["more"]) == (1, 6, 4)


def test_without_events_it_says_so(tmp_path: Path) -> None:
    """An empty answer with the reason, and no failure."""
    asked = wanted(tmp_path, burst("a", 1), override(Kind.FREEZE))
    found = run(dataclasses.replace(asked, since=NOON + 7200.0))
    assert (found["exchanges"], found["accounts"]) == (0, [])
    assert "no events" in " ".join(found["notes"])


def test_at_most_so_many_accounts_are_named(tmp_path: Path) -> None:
    """The rest is counted."""
    events = sorted((one for number in range(TOP + 9) for one in burst(f"a{number}", 1)), key=lambda one: one[1])
    found = run(wanted(tmp_path, events, override(Kind.FREEZE)))
    assert (len(found["accounts"]), found["accounts_more"]) == (TOP, TOP + 9)


def test_progress_goes_up_to_one(tmp_path: Path) -> None:
    """For a bar."""
    heard: list[float] = []
    preview(wanted(tmp_path, burst("a", 3), override(Kind.FREEZE)), heard.append, KINDS, {})
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


@settings(max_examples=12)
@given(
    traffic=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3000)), min_size=1, max_size=40),
    capacity=st.integers(1, 8),
)
def test_it_agrees_with_replay(
    tmp_path_factory: pytest.TempPathFactory, traffic: list[tuple[str, int]], capacity: int
) -> None:
    """The same numbers written into the file, replayed against the file as it is: the same exchanges change."""
    base = tmp_path_factory.mktemp("agrees")
    events = [
        event(exchange=f"x{number}", account=account, time=NOON + at)
        for number, (account, at) in enumerate(sorted(traffic, key=lambda one: one[1]))
    ]
    asked = wanted(base, events, override(Kind.SET, capacity=float(capacity)), limits=OWN + SHARED)
    found = run(asked)
    other = policies(base, OWN.replace("capacity: 4", f"capacity: {capacity}") + SHARED, "other")
    make: Any = Buckets
    with (
        Rehearsal(other, {}, KINDS, make_store=make) as new,
        Rehearsal(asked.policies, {}, KINDS, make_store=make) as old,
    ):
        past = pasts(read(asked.log, columns=COLUMNS), Reader(identifying(new)))
        comparison = replay(past, Side(new), Side(old))
    changes = comparison.changes
    assert (found["more"], found["less"]) == (changes[Change.NEWLY_REFUSED], changes[Change.NEWLY_ALLOWED])
    replayed = {name: (one.newly_refused, one.newly_allowed) for name, one in comparison.accounts.items()}
    mine = {one["account"]: (one["more"], one["less"]) for one in found["accounts"]}
    assert mine == {name: numbers for name, numbers in replayed.items() if any(numbers)}
