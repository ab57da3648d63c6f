"""The supervisor's half of a change: all workers or none, never the broken, and back again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.control import rulesets as module
from gateway.control.fleet import Said
from gateway.rules.whole import pointed
from gateway.tasks import spawn
from tests.control.fakes import World, world

A, B, C = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    made = world(tmp_path)
    yield made
    made.rulesets.close()


async def test_an_edit_reaches_every_worker(live: World) -> None:
    """Prepared by all, then committed by all; and whoever starts later loads it, too."""
    live.disk.write("b")
    outcome = await live.rulesets.reload("signal")
    assert (outcome.word, outcome.version) == ("applied", (2, B))
    assert live.crew.steps == ["prepare 2", "commit 2"]
    assert live.crew.serves == {(2, B)} and pointed(live.disk.wholes).name == f"2-{B[:12]}"
    assert live.rulesets.status()["files"] == "in_force"


async def test_a_broken_edit_is_refused_before_any_worker_hears_of_it(live: World) -> None:
    """What is wrong is kept for whoever asks, until the files are right again."""
    live.disk.break_()
    outcome = await live.rulesets.reload("signal")
    assert (outcome.word, outcome.problems) == ("refused", ("chain.yaml:3:7: is wrong",))
    assert live.crew.steps == [] and live.crew.serves == {(1, A)}
    status = live.rulesets.status()
    assert (status["files"], status["problems"], status["refused_since"]) == ("refused", outcome.problems, 1000.0)
    live.disk.write("a")
    assert (await live.rulesets.reload("signal")).word == "unchanged"
    assert live.rulesets.status()["files"] == "in_force" and live.folders() == {f"1-{A[:12]}"}


async def test_a_policy_that_breaks_while_it_is_made_is_refused(live: World) -> None:
    """A stranger's bug in a constructor ends no watching: it is one more thing that is wrong with the files."""
    live.disk.break_(RuntimeError("boom"))
    outcome = await live.rulesets.reload("signal")
    assert outcome.word == "refused" and "RuntimeError: boom" in outcome.problems[0]
    live.disk.write("b")
    assert (await live.rulesets.reload("signal")).word == "applied"


@pytest.mark.parametrize("said", [Said.REFUSED, Said.SILENT], ids=lambda said: said.value)
async def test_one_worker_that_cannot_keeps_all_where_they_are(live: World, said: Said) -> None:
    """No mixed fleet: what the others prepared is discarded, and the generation is not used again."""
    live.crew.workers["worker-1"].says["prepare"] = said
    live.disk.write("b")
    outcome = await live.rulesets.reload("signal")
    assert (outcome.word, outcome.problems) == ("refused", ("worker-1: cannot prepare",))
    assert live.crew.steps == ["prepare 2", "discard 2"] and live.crew.serves == {(1, A)}
    assert pointed(live.disk.wholes).name == f"1-{A[:12]}" and live.folders() == {f"1-{A[:12]}"}
    live.crew.workers["worker-1"].says.clear()
    assert (await live.rulesets.reload("signal")).version == (3, B)


async def test_one_that_starts_is_no_hindrance(live: World) -> None:
    """It loads what is in force when it is there."""
    live.crew.workers["worker-1"].says = {"prepare": Said.ABSENT, "commit": Said.ABSENT}
    live.disk.write("b")
    assert (await live.rulesets.reload("signal")).word == "applied"
    assert live.crew.workers["worker-0"].version == (2, B)


async def test_one_that_missed_the_change_catches_up(live: World) -> None:
    """It was starting when the others prepared, and there when they committed."""
    late = live.crew.workers["worker-1"]
    late.says["prepare"] = Said.ABSENT
    live.crew.after = lambda step: late.says.clear() if step == "prepare" else None
    live.disk.write("b")
    await live.rulesets.reload("signal")
    assert live.crew.steps == ["prepare 2", "commit 2", "prepare 2 worker-1", "commit 2 worker-1"]
    assert live.crew.serves == {(2, B)}


async def test_one_that_hung_in_the_commit_is_found_later(live: World) -> None:
    """All have decided: nobody goes back, and the one behind is brought along when it answers again."""
    hung = live.crew.workers["worker-0"]
    hung.says = {"commit": Said.SILENT}
    live.disk.write("b")
    assert (await live.rulesets.reload("signal")).word == "applied"
    assert hung.version == (1, A)
    hung.says.clear()
    await live.rulesets.look()
    assert live.crew.serves == {(2, B)}
    steps = len(live.crew.steps)
    await live.rulesets.look()
    assert len(live.crew.steps) == steps


async def test_a_rollback_sets_the_files_aside(live: World) -> None:
    """The same content is not applied again by itself, whoever touches it; other content is."""
    live.disk.write("b")
    await live.rulesets.reload("file watch")
    outcome = await live.rulesets.rollback("admin_token")
    assert (outcome.word, outcome.version) == ("rolled_back", (1, A)) and live.crew.serves == {(1, A)}
    assert pointed(live.disk.wholes).name == f"1-{A[:12]}"
    assert live.rulesets.status()["files"] == "set_aside"
    for who in ("file watch", "signal"):
        live.disk.write("b")
        assert (await live.rulesets.reload(who)).word == "set_aside" and live.crew.serves == {(1, A)}
    live.disk.write("c")
    assert (await live.rulesets.reload("file watch")).word == "applied"
    assert live.crew.serves == {(3, C)}
    assert live.rulesets.status()["files"] == "in_force"


async def test_a_fresh_list_does_not_bring_bad_rules_back(live: World) -> None:
    """What was set aside are the rules, whatever the lists beside them are by now."""
    live.disk.write("b", "1")
    await live.rulesets.reload("file watch")
    await live.rulesets.rollback("admin_token")
    live.disk.write("b", "2")
    assert (await live.rulesets.reload("file watch")).word == "set_aside"
    assert live.crew.serves == {(1, A)}


async def test_a_bad_list_is_set_aside_until_it_changes(live: World) -> None:
    """The rules are the same before and after: it is the list that somebody went back from."""
    live.disk.write("a", "1")
    await live.rulesets.reload("file watch")
    await live.rulesets.rollback("admin_token")
    assert (await live.rulesets.reload("signal")).word == "set_aside"
    live.disk.write("a", "2")
    assert (await live.rulesets.reload("file watch")).word == "applied"


async def test_whoever_insists_has_the_files_back(live: World) -> None:
    """`tidegate policies reload` means it."""
    live.disk.write("b")
    await live.rulesets.reload("file watch")
    await live.rulesets.rollback("admin_token")
    assert (await live.rulesets.reload("admin_token", insist=True)).word == "applied"
    assert {digest for _, digest in live.crew.serves} == {B} and live.rulesets.status()["set_aside"] == []


async def test_two_rollbacks_go_two_back(live: World) -> None:
    """And not forth again to what somebody fled from."""
    for word in "bc":
        live.disk.write(word)
        await live.rulesets.reload("file watch")
    assert [(await live.rulesets.rollback("admin_token")).version for _ in range(2)] == [(2, B), (1, A)]
    outcome = await live.rulesets.rollback("admin_token")
    assert (outcome.word, outcome.version) == ("unknown", (1, A))
    live.disk.write("b")
    assert (await live.rulesets.reload("file watch")).word == "set_aside"


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        pytest.param("2", (2, B), id="generation"),
        pytest.param("bbbb", (2, B), id="beginning of the digest"),
        pytest.param(f"2-{B[:12]}", (2, B), id="name"),
        pytest.param("ffff", None, id="none"),
    ],
)
async def test_a_rollback_goes_where_it_is_told(live: World, wanted: str, version: tuple[int, str] | None) -> None:
    """By whatever people have at hand."""
    for word in "bcd":
        live.disk.write(word)
        await live.rulesets.reload("file watch")
    outcome = await live.rulesets.rollback("admin_token", wanted)
    assert outcome.version == (version or (4, "d" * 32))
    assert outcome.word == ("rolled_back" if version else "unknown")


async def test_a_rollback_does_not_wait_for_one_that_hangs(live: World) -> None:
    """Those that answer are rid of the bad rules at once."""
    live.disk.write("b")
    await live.rulesets.reload("file watch")
    live.crew.workers["worker-0"].says = {"prepare": Said.SILENT, "commit": Said.SILENT}
    assert (await live.rulesets.rollback("admin_token")).word == "rolled_back"
    assert live.crew.workers["worker-1"].version == (1, A)


async def test_a_rollback_while_the_files_are_refused_leaves_them_refused(live: World) -> None:
    """Both is true, and what is wrong with the files is what their author has to know."""
    live.disk.write("b")
    await live.rulesets.reload("file watch")
    live.disk.break_()
    await live.rulesets.reload("file watch")
    assert (await live.rulesets.rollback("admin_token")).word == "rolled_back"
    assert live.rulesets.status()["files"] == "refused"


async def test_every_change_leaves_a_line(live: World) -> None:
    """Who, what, from where to where, and what came of it; the problems of what was refused."""
    live.disk.write("b")
    await live.rulesets.reload("signal")
    live.disk.break_()
    await live.rulesets.reload("file watch")
    await live.rulesets.rollback("admin_token")
    live.rulesets.note_denied("/policies/reload")
    assert live.words == [
        "signal reload applied",
        "file watch reload refused",
        "admin_token rollback rolled_back",
        "nobody /policies/reload denied",
    ]
    assert live.lines[0]["from"] == {"generation": 1, "digest": A} and live.lines[0]["to"]["generation"] == 2
    assert live.lines[1]["problems"] == ["chain.yaml:3:7: is wrong"] and live.lines[0]["time"] == 1000.0


async def test_no_more_than_some_are_kept(live: World) -> None:
    """A disk is not filled by edits; what is in force is never removed."""
    for number in range(30):
        live.disk.write("bc"[number % 2])
        await live.rulesets.reload("signal")
    assert len(live.rulesets.past()) == module.KEPT == len(live.folders())
    assert live.rulesets.past()[0]["in_force"] and live.rulesets.in_force.folder.is_dir()


async def test_the_watch_sees_an_edit_and_goes_on_after_a_bad_one(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused edit is not tried again and again; the next one is."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(module, "QUIET", 0.01)
    watching = spawn(live.rulesets.watch(), name="watch")
    await asyncio.sleep(0.03)
    live.disk.break_()
    await _until(lambda: live.rulesets.reloads["refused"] == 1)
    await asyncio.sleep(0.1)
    assert live.rulesets.reloads["refused"] == 1
    live.disk.write("b")
    await _until(lambda: live.rulesets.in_force.digest == B)
    watching.cancel()
    assert live.words == ["file watch reload refused", "file watch reload applied"]


async def test_steps_of_one_save_are_one_edit(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors write, move and write again: half of it is not tried."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(module, "QUIET", 0.5)
    watching = spawn(live.rulesets.watch(), name="watch")
    await asyncio.sleep(0.03)
    for _ in range(5):
        live.disk.break_()
        await asyncio.sleep(0.02)
    live.disk.write("b")
    await _until(lambda: live.rulesets.in_force.digest == B)
    watching.cancel()
    assert live.rulesets.reloads["refused"] == 0


async def _until(true: object) -> None:
    assert callable(true)
    async with asyncio.timeout(30.0):
        while not true():
            await asyncio.sleep(0.01)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abcd")),
        st.tuples(st.just("break"), st.just("")),
        st.tuples(st.just("rollback"), st.sampled_from(["", "1", "2", "aa", "bb"])),
        st.tuples(st.just("hinder"), st.sampled_from([Said.REFUSED, Said.SILENT, Said.ABSENT, Said.DONE])),
        st.tuples(st.just("insist"), st.just("")),
    ),
    max_size=14,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_workers_agree(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]) -> None:
    """After any story the pointer, the status and, once they have been looked at, all workers say the same; and it is
    something that was whole.
    """

    async def story() -> None:
        live = world(tmp_path_factory.mktemp("story"))
        one = live.crew.workers["worker-1"]
        try:
            for step, what in steps:
                if step == "write":
                    live.disk.write(what)
                    await live.rulesets.reload("file watch")
                elif step == "break":
                    live.disk.break_()
                    assert (await live.rulesets.reload("file watch")).word == "refused"
                elif step == "rollback":
                    await live.rulesets.rollback("admin_token", what)
                elif step == "insist":
                    await live.rulesets.reload("admin_token", insist=True)
                else:
                    one.says = {"prepare": Said(what)} if Said(what) is not Said.DONE else {}
                here = live.rulesets.in_force
                assert pointed(live.disk.wholes) == here.folder and here.folder.is_dir()
                assert live.crew.workers["worker-0"].version == here.version
                assert sum(past["in_force"] for past in live.rulesets.past()) == 1
            one.says = {}
            await live.rulesets.look()
            assert live.crew.serves == {live.rulesets.in_force.version}
            assert len(live.folders()) == len(live.rulesets.past())
        finally:
            live.rulesets.close()

    asyncio.run(story())


async def test_a_pointer_that_cannot_be_written_is_a_refusal(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: no worker changes, since one that starts would serve by the other; and the watching goes on."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    live.disk.write("b")
    with monkeypatch.context() as patched:
        patched.setattr(module, "point", full)
        outcome = await live.rulesets.reload("file watch")
    assert outcome.word == "refused" and "No space left" in outcome.problems[0]
    assert live.crew.steps == ["prepare 2", "discard 2"] and live.crew.serves == {(1, A)}
    assert (await live.rulesets.reload("file watch")).word == "applied"


async def test_a_rollback_does_not_wait_for_what_is_being_made(live: World) -> None:
    """A list of a million entries takes seconds; whoever flees from bad rules has none. Then the new files hold."""
    live.disk.write("b")
    await live.rulesets.reload("file watch")
    live.disk.write("c")
    live.disk.gate = threading.Event()
    reload = spawn(live.rulesets.reload("file watch"), name="reload")
    await asyncio.sleep(0.05)
    try:
        async with asyncio.timeout(30.0):
            assert (await live.rulesets.rollback("admin_token")).version == (1, A)
    finally:
        live.disk.gate.set()
    outcome = await reload
    assert (outcome.word, outcome.version) == ("applied", (3, "c" * 32))


async def test_what_changed_while_the_gateway_started_is_seen(live: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files were read before anybody watched them: the first look reads them again."""
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    live.disk.write("b")
    watching = spawn(live.rulesets.watch(), name="watch")
    async with asyncio.timeout(30.0):
        while live.crew.serves != {(2, B)}:
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert live.words == ["file watch reload applied"]
