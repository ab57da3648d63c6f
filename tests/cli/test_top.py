"""The terminal view, driven by keys, against a port that says what the test states."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input

from gateway.cli import top_screen
from gateway.cli.admin_port import Door
from gateway.cli.top_screen import Top
from gateway.cli.top_state import State, alarms, does, header, used, whom
from tests.cli.ports import TOKEN, FakePort, feed
from tests.cli.run import tidegate

SIZE = (110, 32)
PATIENCE = 60.0
"""Seconds: a machine that runs all tests at once has other things to do."""
SECOND = {
    "time": 1000.0, "requests": 1234.0, "refused": 12.0, "tokens_input": 40_000.0, "tokens_output": 5_600.0,
    "active": 77, "p50": 0.042, "p95": 0.2, "p99": 1.5, "workers": 4, "wanted": 4, "store_available": 4,
    "generation": 3, "revision": 17,
}  # fmt: skip
ACCOUNTS = [
    {"account": "acme", "requests": 900, "refusals": 4, "tokens": 44_000, "spend": 12.5, "share": 0.9},
    {"account": "[bold]evil\x1b[31m", "requests": 20, "refusals": 0, "tokens": 900, "spend": 0.0, "share": 0.02},
]
REFUSAL = {
    "time": 1000.0, "account": "acme", "model": "m-large", "country": "NO", "reason": "quota_exhausted",
    "entry": "quotas", "status": 429,
}  # fmt: skip
OVERRIDE: dict[str, Any] = {
    "id": 3, "revision": 18, "limit": "*", "scope": {"account": "acme"}, "change": {"kind": "scale", "factor": 2.0},
    "expires": None, "state": "in force", "said": "twice as much for acme",
}  # fmt: skip
APPLIED = {"applied": True, "revision": 18, "workers": [{"worker": "w0"}], "missing": [], "within": 0.12, "note": ""}
CHANGED = {"override": OVERRIDE, "applied": APPLIED, "warnings": []}
LIMITS = {
    "account": "acme", "tier": "pro", "organisation": "", "notes": ["a note"],
    "limits": [
        {
            "name": "tokens-a-minute", "measure": "total_tokens", "applies": True, "holds": {"capacity": 1000.0},
            "buckets": [{"used": 250.0}], "overrides": [{"bites": True, "said": "twice as much"}],
        },
        {"name": "free", "measure": "requests", "applies": False, "why_not": "for the tiers free", "holds": None},
    ],
}  # fmt: skip


@pytest.fixture
async def port() -> AsyncIterator[FakePort]:
    """With a busy gateway behind it."""
    port = FakePort(
        **{
            "GET /live/overview": feed(("second", SECOND)),
            "GET /live/decisions": feed(("decisions", [REFUSAL, REFUSAL | {"account": "other", "reason": "blocked"}])),
            "GET /accounts/busy": {"accounts": ACCOUNTS, "priced": True, "by": "tokens"},
            "GET /overrides": {"overrides": []},
            "GET /accounts/acme/limits": LIMITS,
            "POST /overrides": (201, CHANGED, "18"),
            "POST /overrides/3/undo": (200, CHANGED | {"override": OVERRIDE | {"state": "withdrawn"}}),
        }
    )
    runner = await port.serve()
    yield port
    await runner.cleanup()


def made(port: FakePort, token: str = TOKEN) -> Top:
    return Top(Door(port.address, token, "TIDEGATE_ADMIN_TOKEN"))


@contextlib.asynccontextmanager
async def opened(app: Top) -> AsyncIterator[Pilot[None]]:
    """Left as by the key q: what is under way ends before the screen does."""
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        try:
            yield pilot
        finally:
            app.workers.cancel_all()


def seen(app: Top) -> str:
    """The screen as text, without spaces at the ends of lines."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, seen(pilot.app)  # type: ignore[arg-type]
        await pilot.pause(0.02)


async def listed(pilot: Pilot[None]) -> None:
    """With an account in the line, for keys to be about: its name alone is among the refusals, too."""
    table = pilot.app.query_one("#accounts", DataTable)
    await until(pilot, lambda: table.row_count and table.has_focus and "44k" in seen(pilot.app))  # type: ignore[arg-type]


async def typed(pilot: Pilot[None], text: str) -> None:
    """Into the line that has the focus, once there is one: a screen is drawn before it takes keys."""
    await until(pilot, lambda: isinstance(pilot.app.focused, Input))
    await pilot.press(*text)
    await until(pilot, lambda: isinstance(pilot.app.focused, Input) and pilot.app.focused.value == text)


async def test_what_it_shows(port: FakePort) -> None:
    """Figures, what they stand on, the busiest accounts, refusals with the newest first: as text, in one screen."""
    async with opened(made(port)) as pilot:
        app: Any = pilot.app
        wanted = ("evil", "blocked", "1.23k req/s", "s Sort")
        await until(pilot, lambda: all(word in seen(app) for word in wanted))
        lines = seen(app).splitlines()
    assert lines[0] == (" 1.23k req/s   45.6k tokens/s   12 refused/s   77 active   p50 42 ms  p95 200 ms  p99 1.5 s")
    assert lines[1] == " workers 4/4   Redis ok   generation 3   revision 17   by tokens, last 5 min"
    text = "\n".join(lines)
    assert re.search(r"account +requests +refusals +tokens +spend +share", text)
    assert re.search(r"acme +900 +4 +44k +\$12\.50 +90%", text)
    assert re.search(r"\[bold\]evil\?\[31m +20 +0 +900 +2%", text), "what callers choose is text, and steers nothing"
    first, second = (next(i for i, line in enumerate(lines) if word in line) for word in ("blocked", "quota_exhausted"))
    assert first < second
    assert len(lines) == SIZE[1]


async def test_a_key_sorts(port: FakePort) -> None:
    """By the next measure, which is what is asked for."""
    async with opened(made(port)) as pilot:
        await listed(pilot)
        await pilot.press("s")
        await until(pilot, lambda: port.of("GET", "/accounts/busy")[-1].query["by"] == "requests")
        await until(pilot, lambda: "by requests" in seen(pilot.app))  # type: ignore[arg-type]


async def test_a_filter_filters_both_lists(port: FakePort) -> None:
    """While it is typed; Esc shows all again."""
    async with opened(made(port)) as pilot:
        app: Any = pilot.app
        await listed(pilot)
        await until(pilot, lambda: "evil" in seen(app) and "blocked" in seen(app))
        await pilot.press("slash")
        await typed(pilot, "ACME")
        await until(pilot, lambda: "evil" not in seen(app) and "blocked" not in seen(app))
        assert "quota_exhausted" in seen(app)
        await pilot.press("escape")
        await until(pilot, lambda: "evil" in seen(app) and "blocked" in seen(app))


async def test_enter_opens_the_limits(port: FakePort) -> None:
    """Of the account in the line: what is used, and what bites."""
    async with opened(made(port)) as pilot:
        app: Any = pilot.app
        await listed(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "tokens-a-minute" in seen(app))
        text = seen(app)
        assert "250 of 1k" in text
        assert "twice as much" in text
        assert "for the tiers free" in text
        assert "a note" in text
        await pilot.press("escape")
        await until(pilot, lambda: "tokens-a-minute" not in seen(app))


async def test_a_boost_and_its_undo(port: FakePort) -> None:
    """Asked for with a factor, a time and a reason; then told where it holds; u takes that back, by its revision."""
    async with opened(made(port)) as pilot:
        app: Any = pilot.app
        await listed(pilot)
        await pilot.press("b")
        await until(pilot, lambda: "Boost acme" in seen(app))
        await typed(pilot, "")
        await pilot.press("enter")
        await until(pilot, lambda: "has to be stated" in seen(app))
        assert port.of("POST", "/overrides") == []
        await typed(pilot, "ticket")
        await pilot.press("enter")
        await until(pilot, lambda: "0.12 s" in seen(app))
        (asked,) = port.of("POST", "/overrides")
        assert asked.content == {
            "limit": "*", "scope": {"account": "acme"}, "change": {"kind": "scale", "factor": 2.0}, "lasts": "1h",
            "reason": "ticket",
        }  # fmt: skip
        await pilot.press("u")
        await until(pilot, lambda: "Undo the last change of: × 2, account acme" in seen(app))
        await typed(pilot, "wrong")
        await pilot.press("enter")
        await until(pilot, lambda: port.of("POST", "/overrides/3/undo"))
        (undone,) = port.of("POST", "/overrides/3/undo")
        assert (undone.content, undone.fields["If-Match"]) == ({"reason": "wrong"}, '"18"')
        await until(pilot, lambda: "withdrawn" in seen(app))


async def test_a_freeze_can_be_left(port: FakePort) -> None:
    """Esc asks nothing; a refusal is shown with what is there; an override of somebody else can be undone, too."""
    port.answers["POST /overrides"] = (
        409, {"error": "there is one already", "current": OVERRIDE | {"by": "token:ann", "reason": "t7"}},
    )  # fmt: skip
    async with opened(made(port)) as pilot:
        app: Any = pilot.app
        await listed(pilot)
        await pilot.press("f")
        await until(pilot, lambda: "Freeze acme" in seen(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Freeze acme" not in seen(app))
        assert port.of("POST", "/overrides") == []
        await pilot.press("f")
        await until(pilot, lambda: "Freeze acme" in seen(app))
        await typed(pilot, "abuse")
        await pilot.press("enter")
        await until(pilot, lambda: "there is one already" in seen(app))
        assert "twice as much for acme" in seen(app)
        port.answers["GET /overrides"] = {"overrides": [OVERRIDE]}
        await pilot.press("u")
        await until(pilot, lambda: "Undo the last change of: × 2" in seen(app))


async def test_alarms_are_in_sight(port: FakePort) -> None:
    """A freeze that is on, and a worker that does not answer."""
    frozen = OVERRIDE | {"change": {"kind": "freeze"}, "scope": {"model": "m-[x]"}}
    port.answers["GET /overrides"] = {"overrides": [frozen]}
    port.answers["GET /live/overview"] = feed(("second", SECOND | {"workers": 3}))
    async with opened(made(port)) as pilot:
        app: Any = pilot.app
        await until(pilot, lambda: "FROZEN model m-[x]" in seen(app))
        await until(pilot, lambda: "1 worker(s) do not answer" in seen(app))


async def test_a_feed_that_ends_is_asked_for_again(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it comes back; meanwhile it says that what is shown is old."""
    monkeypatch.setattr(top_screen, "AGAIN", 0.05)
    port.answers["GET /live/overview"] = [feed(("second", SECOND), ends=True), (503, {"error": "too many feeds"})]
    async with opened(made(port)) as pilot:
        app: Any = pilot.app
        await until(pilot, lambda: "what is shown is old" in seen(app) and "1.23k req/s" in seen(app))
        await until(pilot, lambda: len(port.of("GET", "/live/overview")) > 3)
        port.answers["GET /live/overview"] = feed(("second", SECOND))
        await until(pilot, lambda: "what is shown is old" not in seen(app))


async def test_a_wrong_token_ends_it_with_a_sentence(port: FakePort) -> None:
    """Nothing would ever come."""
    app = made(port, "another")
    async with opened(app) as pilot:
        await until(pilot, lambda: app.said)
    assert "does not take the token in TIDEGATE_ADMIN_TOKEN" in app.said


async def test_who_may_not_see_people_sees_the_rest(port: FakePort) -> None:
    """A viewer's token: figures, no accounts, and why."""
    denied = (403, {"error": "the role viewer may not do this"})
    port.answers |= {"GET /live/decisions": denied, "GET /accounts/busy": denied}
    async with opened(made(port)) as pilot:
        app: Any = pilot.app
        await until(pilot, lambda: "1.23k req/s" in seen(app) and "may not do this" in seen(app))
        assert app.query_one("#accounts", DataTable).row_count == 0
        await pilot.press("b")
        await until(pilot, lambda: "there is no account in the line" in seen(app))
        await pilot.press("enter", "u")
        await until(pilot, lambda: "there is nothing to undo" in seen(app))
        assert not isinstance(app.focused, Input)


def test_its_states() -> None:
    """What is worked out of what was said, also of nothing."""
    state = State()
    assert header(state) == "waiting for the first second"
    assert "no feed" in alarms(state, 0.0)
    state.take_second(SECOND | {"p50": None, "store_available": 0})
    assert "p50 -" in header(state)
    assert alarms(state, 0.0) == "Redis is not reached"
    state.overrides = [OVERRIDE | {"change": {"kind": "shadow"}, "scope": {}, "expires": 700.0}]
    assert "SHADOW everybody for 10 min more" in alarms(state, 100.0)
    state.busy = {"priced": False}
    assert [state.sort() for _ in range(3)] == ["requests", "refusals", "tokens"]
    assert does({"change": {}}) == "unreadable"
    assert does({"change": {"kind": "set", "capacity": 2000.0}}) == "at most 2k"
    assert whom({"limit": "rpm", "scope": {"accounts": ["a", "b"], "tier": "free"}}) == "rpm of accounts (2), tier free"
    assert used(5.0, 0.0) == "░░░░░░░░░░ 5 of 0"
    assert used(50.0, 10.0).startswith("██████████ ")


def test_it_is_loaded_when_it_is_asked_for() -> None:
    """No other command waits for a terminal view."""
    script = "import sys, gateway.cli.status, gateway.cli.audit, gateway.cli.top; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_minutes_are_those_that_there_are(port: FakePort) -> None:
    """Status 2, before anything is drawn."""
    ended = tidegate("top", "--minutes", "7", "--admin", port.address, TIDEGATE_ADMIN_TOKEN=TOKEN)
    assert (ended.exit_code, ended.stderr) == (2, "--minutes: must be 1, 5 or 60\n")
