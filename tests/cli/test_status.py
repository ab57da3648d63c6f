"""`tidegate status`, `lists`, `operator` and `console`, against a port that says what the test states."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.cli import status
from gateway.cli.admin_port import Door
from tests.cli.directories import Folder
from tests.cli.ports import TOKEN, FakePort, served
from tests.cli.run import data, tidegate
from tests.cli.test_admin_port import STATUS

READY = {"status": "ready", "workers": 2, "wanted": 2, "draining": 0, "store_available": 2, "generation": 3}
OVERVIEW = {
    "step": 1, "reasons": {"quota_exhausted": [5.0] * 100, "blocked": [0.0] * 99 + [90.0], "never": [0.0] * 100},
    "now": {"requests": 120.5, "refused": 5.0, "revision": 17, "directory_available": 1, "workers": 2},
}  # fmt: skip
LIST: dict[str, Any] = {
    "name": "tor-exits", "what": "list", "kind": "networks", "entries": 1234, "age": 7200.0, "stale": False,
    "problem": "", "error": "", "source": "https://feeds.example.com/tor", "path": "",
}  # fmt: skip
LISTS = {"lists": [LIST, LIST | {"name": "old", "stale": True, "age": 900_000.0}], "problem": "", "keys": []}
HEALTH = {
    "workers": [
        {"worker": "w0", "pid": 11, "uptime": 7200.0, "memory": 90_000_000, "connections": 4, "lag": 0.002,
         "generation": 3, "revision": 17},
    ]
}  # fmt: skip
MINTED: dict[str, Any] = {
    "id": "a123456789", "name": "ann", "role": "operator", "state": "holds", "created": 1_800_000_000.0,
    "by": "admin_token", "expires": 1_900_000_000.0, "revoked": None, "used": None, "note": "",
}  # fmt: skip


@pytest.fixture
def port() -> Iterator[FakePort]:
    """A gateway that is well."""
    answers = {
        "GET /readyz": READY, "GET /policies": STATUS, "GET /overview": OVERVIEW, "GET /lists": LISTS,
        "GET /health": HEALTH, "GET /operators": {"operators": [MINTED, MINTED | {"id": "b", "state": "revoked"}]},
    }  # fmt: skip
    with served(FakePort(**answers)) as port:
        yield port


def ask(port: FakePort, *words: object, **more: Any) -> Any:
    return tidegate(*words, "--admin", port.address, TIDEGATE_ADMIN_TOKEN=TOKEN, **more)


def test_all_is_well(port: FakePort) -> None:
    """Workers with what they serve by, Redis, directory, rules, what is refused: in one look, and status 0."""
    ended = ask(port, "status")
    assert ended.exit_code == 0
    said = ended.stdout
    assert f"gateway    ready at {port.address}" in said
    assert "workers    2 of 2" in said
    assert "redis      reached by all workers" in said
    assert "directory  NOT reached by 1 of 2 workers" in said
    assert "overrides  revision 17" in said
    assert re.search(r"w0 +11 +2 h +90 MB +4 +2 ms +3 +17", said)
    assert re.search(r"old +10 d +stale", said)
    assert "tor-exits" not in said
    assert re.search(r"quota_exhausted +300\n +blocked +90", said)
    assert "never" not in said
    assert data(ask(port, "status", "--json"))["readyz"] == READY


def test_what_operators_have_set_is_told(port: FakePort) -> None:
    """Nobody who looks in the night misses a freeze, or that nothing is refused."""
    held = [{"change": {"kind": kind}, "state": "in force"} for kind in ("scale", "freeze", "freeze")]
    ended = [*held, {"change": {"kind": "shadow"}, "state": "expired"}]
    port.answers["GET /overrides"] = {"overrides": ended}
    assert "overrides  2 freeze, 1 scale, revision 17" in ask(port, "status").stdout
    port.answers["GET /overrides"] = {"overrides": [*held, {"change": {"kind": "shadow"}, "state": "in force"}]}
    assert "overrides  EVERYTHING IN SHADOW: nobody is refused, 2 freeze" in ask(port, "status").stdout


def test_not_ready(port: FakePort) -> None:
    """Status 1, and why."""
    port.answers["GET /readyz"] = (503, READY | {"status": "not ready", "workers": 1, "store_available": 0})
    port.answers["GET /policies"] = STATUS | {"files": "refused", "refused_since": 1000.0, "shown": ["chain.yaml:1: x"]}
    ended = ask(port, "status")
    assert ended.exit_code == 1
    assert "NOT READY" in ended.stdout
    assert "workers    1 of 2" in ended.stdout
    assert "redis      NOT reached by 1 of 1 workers" in ended.stdout
    assert "REFUSED since 1970-01-01 00:16:40: `tidegate rules status` says why" in ended.stdout


def test_what_a_token_may_not_see_is_left_out(port: FakePort) -> None:
    """Or what an older gateway has not; the rest is shown."""
    for path in ("/overview", "/lists", "/health"):
        port.answers[f"GET {path}"] = (403, {"error": "no"})
    ended = ask(port, "status")
    assert (ended.exit_code, "workers    2 of 2" in ended.stdout) == (0, True)
    assert re.search(r"w0 +3", ended.stdout)


def test_no_gateway_and_no_token(port: FakePort) -> None:
    """Status 1 and a sentence."""
    ended = tidegate("status", "--admin", "127.0.0.1:1", TIDEGATE_ADMIN_TOKEN="x")
    assert (ended.exit_code, "does it run" in ended.stderr) == (1, True)
    ended = tidegate("status", "--admin", port.address, TIDEGATE_ADMIN_TOKEN="x")
    assert (ended.exit_code, "does not take the token" in ended.stderr) == (1, True)


def test_watching_goes_on(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the gateway is away, until somebody stops it."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        port.answers["GET /readyz"] = (503, {"error": "gone"}) if len(slept) == 1 else READY
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    ended = ask(port, "status", "--watch", "--json")
    assert [json.loads(line)["ready"] for line in ended.stdout.splitlines()] == [True, False, True]
    assert ended.exit_code == 0


def test_callers_words_steer_no_terminal(port: FakePort) -> None:
    """A reason, a list's source: whatever it holds."""
    monstrous = OVERVIEW | {"reasons": {"x\x1b[2J": [5.0]}}
    seen = {"ready": True, "readyz": READY, "policies": STATUS, "overview": monstrous, "lists": None, "health": None}
    assert "\x1b" not in status.text(seen, Door("x", "", ""), 2000.0)


def test_lists(port: FakePort) -> None:
    """All of them, and status 1 where one is stale."""
    ended = ask(port, "lists", "list")
    assert ended.exit_code == 1
    assert re.search(r"tor-exits +networks +1,234 +2 h +ok +https://feeds.example.com/tor", ended.stdout)
    assert re.search(r"old .* stale", ended.stdout)
    port.answers["GET /lists"] = LISTS | {"lists": [LIST]}
    assert ask(port, "lists", "list").exit_code == 0
    assert data(ask(port, "lists", "list", "--json"))["lists"] == [LIST]


def test_what_is_in_a_list(port: FakePort) -> None:
    """Entries, and whether a rule would find what is asked for."""
    found = {"name": "x", "q": "1.2", "kind": "networks", "matching": 9, "whole": True, "contains": True}
    port.answers["GET /lists/a b"] = found | {"found": [{"line": 1, "text": "1.2.3.0/24\x1b"}]}
    ended = ask(port, "lists", "show", "a b", "--find", "1.2")
    assert ended.stdout == "1.2.3.0/24?\n"
    assert ended.stderr == "a rule finds `1.2` in it: yes\nthere are more: 9 in all\n"
    assert port.heard[-1].query == {"q": "1.2", "limit": "50"}


def test_a_refresh(port: FakePort) -> None:
    """With a reason; what came of it."""
    done = {"name": "tor", "outcome": "updated", "entries": 12, "detail": ""}
    port.answers["POST /lists/tor/refresh"] = done
    assert ask(port, "lists", "refresh", "tor", "--reason", "t").stdout == "tor: updated, 12 entries\n"
    assert port.heard[-1].content == {"reason": "t"}
    port.answers["POST /lists/tor/refresh"] = (502, {"error": "`tor` was not fetched"})
    assert ask(port, "lists", "refresh", "tor", "--reason", "t").exit_code == 1


def test_tokens_of_operators(port: FakePort) -> None:
    """Made and shown once; listed without those that hold no more; given another role; revoked."""
    port.answers["POST /operators"] = (201, MINTED | {"token": "tgo_x"})
    ended = ask(port, "operator", "create", "ann", "--role", "operator", "--for", "7d")
    assert "ann has the role operator, until 2030-03-17 17:46:40 UTC" in ended.stdout
    assert "\n  tgo_x\n" in ended.stdout
    assert port.heard[-1].content == {"name": "ann", "role": "operator", "lasts": "7d", "reason": ""}
    assert ask(port, "operator", "create", "ann", "--role", "king").exit_code == 2
    assert "--for" in ask(port, "operator", "create", "ann", "--role", "viewer", "--for", "x").stderr
    ended = ask(port, "operator", "list")
    assert re.search(r"a123456789 +ann +operator +holds +2027-01-15 08:00 +admin_token", ended.stdout)
    assert ended.stderr == "1 more hold no more: --all\n"
    assert len(data(ask(port, "operator", "list", "--all", "--json"))["operators"]) == 2
    port.answers["PATCH /operators/a1"] = MINTED | {"role": "viewer"}
    assert ask(port, "operator", "role", "a1", "viewer", "--reason", "t").stdout == "ann has the role viewer now\n"
    port.answers["DELETE /operators/a1"] = MINTED | {"note": "nobody is left"}
    ended = ask(port, "operator", "revoke", "a1", "--reason", "t")
    assert (ended.stdout, ended.stderr) == ("the token of ann is revoked\n", "nobody is left\n")
    assert port.heard[-1].content == {"reason": "t"}
    port.answers["DELETE /operators/a123456789"] = MINTED | {"note": ""}
    assert ask(port, "operator", "revoke", "ann", "--reason", "t").stdout == "the token of ann is revoked\n", "by name"
    both = [MINTED, MINTED | {"id": "a2"}]
    port.answers["GET /operators"] = {"operators": both}
    ended = ask(port, "operator", "revoke", "ann", "--reason", "t")
    assert (ended.exit_code, "2 tokens that hold are named `ann`: say which" in ended.stderr) == (1, True)


def test_the_first_token_needs_no_gateway(folder: Folder) -> None:
    """In the directory itself: made, listed, revoked, and in the audit."""
    made = folder.data("operator", "create", "ann", "--role", "admin", "--offline", "--for", "forever")
    assert made["token"].startswith("tgo_")
    assert made["expires"] is None
    assert "there is a token `ann` already" in folder.bad("operator", "create", "ann", "--role", "admin", "--offline")
    (row,) = folder.data("operator", "list", "--offline")["operators"]
    assert (row["id"], row["state"], row["by"].partition(":")[0]) == (made["id"], "holds", "cli")
    folder.well("operator", "revoke", made["id"], "--reason", "t", "--offline")
    assert folder.data("operator", "list", "--offline", "--all")["operators"][0]["state"] == "revoked"
    assert folder.data("audit", "verify", "--offline")["lines"] == 2
    assert "there is no token" in folder.bad("operator", "revoke", "nobody", "--reason", "t", "--offline")


def test_a_link_to_the_console(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard output alone, so that it can be piped; opened where that is wanted."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    url = "http://127.0.0.1:8081/session/links/abc"
    port.answers["POST /session/links"] = (201, {"url": url, "expires": 9e9})
    ended = ask(port, "console", "--for", "60s")
    assert (ended.stdout, "works once" in ended.stderr, opened) == (f"{url}\n", True, [])
    assert port.heard[-1].content == {"lasts": "60s"}
    assert data(ask(port, "console", "--json", "--open"))["url"] == url
    assert opened == [url]
