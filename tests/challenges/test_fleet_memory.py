"""What a worker remembers: bounded, and never older than it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.challenges.fleet_calls import Record
from gateway.challenges.fleet_memory import Remembered
from gateway.challenges.ladder import Clearance, Held, Open, Step
from gateway.testing import NOON, Clock

OBSERVED = Held(score=10.0, at=NOON)
ASKED = Held(score=50.0, at=NOON, step=Step.WORK)
OPEN = Held(open=(Open("c", Step.WORK, "", "", NOON, NOON + 9),))
CLEARED = Held(clearances=(Clearance("c", Step.WORK, "", "", NOON + 9, 0),))


def record(version: int, held: Held = ASKED, lasts: float = 1000.0) -> Record:
    return Record(version, "w.1", NOON + lasts, held)


class Bench:
    """A memory for so many names, and what it had to forget."""

    def __init__(self, names: int = 10) -> None:
        self.clock = Clock()
        self.forgotten = 0
        self.memory = Remembered(self.clock, self._forgot, names)

    def _forgot(self) -> None:
        self.forgotten += 1

    def subjects(self) -> set[str]:
        return {subject for _, subject in self.memory.held}


@given(versions=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 50)), max_size=60))
def test_a_record_never_goes_back(versions: list[tuple[str, int]]) -> None:
    """In whatever order they come, late or twice: the newest stands, and only what is newer is news."""
    bench = Bench()
    newest: dict[str, int] = {}
    for subject, version in versions:
        held = Held(score=float(version), at=NOON, step=Step.WORK)
        assert bench.memory.learn(("r", subject), record(version, held)) == (version > newest.get(subject, 0))
        newest[subject] = max(version, newest.get(subject, 0))
        assert bench.memory.version(("r", subject)) == newest[subject]
        assert bench.memory.held["r", subject].score == newest[subject]


@pytest.mark.parametrize(
    "important", [ASKED, OPEN, CLEARED], ids=["a step is asked for", "a challenge is open", "a clearance"]
)
def test_whom_nothing_is_asked_of_goes_first(important: Held) -> None:
    """The oldest of them; whom something is asked of stays as long as there are others."""
    bench = Bench(names=10)
    for index in range(5):
        bench.memory.learn(("r", f"i{index}"), record(1, important))
    for index in range(100):
        bench.memory.learn(("r", f"o{index}"), record(1, OBSERVED))
    assert bench.subjects() == {f"i{index}" for index in range(5)} | {f"o{index}" for index in range(95, 100)}
    assert bench.forgotten == 0


def test_addresses_drive_out_no_account() -> None:
    """Strangers that are challenged come from as many addresses as they like: who is under review stays remembered."""
    bench = Bench(names=10)
    bench.memory.learn(("r", "acme"), record(1, Held(at=NOON, step=Step.REVIEW, since=NOON)))
    for index in range(100):
        bench.memory.learn(("r", f"address=192.0.2.{index}"), record(1, OPEN))
    assert len(bench.memory.held) == 10
    assert bench.memory.of(("r", "acme")) is not None
    assert bench.forgotten == 0


def test_where_there_are_too_many_the_oldest_goes_and_is_counted() -> None:
    """The oldest by its last change."""
    bench = Bench(names=3)
    for version, subject in enumerate(["a", "b", "c", "a", "d"], 1):
        bench.memory.learn(("r", subject), record(version))
    assert bench.subjects() == {"a", "c", "d"}
    assert bench.forgotten == 1


def test_what_is_over_is_forgotten() -> None:
    """When it is asked for, and with time also if nobody asks."""
    bench = Bench(names=100)
    for index in range(50):
        bench.memory.learn(("r", f"a{index}"), record(1, lasts=10.0))
    bench.clock.turn(10.0)
    assert bench.memory.of(("r", "a49")) is None
    assert "a49" not in bench.subjects()
    for index in range(25):
        bench.memory.learn(("r", f"b{index}"), record(1))
    assert bench.subjects() == {f"b{index}" for index in range(25)}
    assert bench.forgotten == 0
    assert bench.memory.of(("r", "b1")) == ASKED


def test_what_changes_its_weight_changes_its_place() -> None:
    """Who comes down to where they are only observed makes room for others."""
    bench = Bench(names=2)
    bench.memory.learn(("r", "a"), record(1))
    bench.memory.learn(("r", "b"), record(1))
    bench.memory.learn(("r", "b"), record(2, OBSERVED))
    bench.memory.learn(("r", "c"), record(1))
    assert bench.subjects() == {"a", "c"}
