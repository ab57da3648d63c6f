"""Commands over the operators' port: whatever goes wrong is one sentence that helps, and status 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.admin_port import AdminPort, Answer, Door, Refused, readable, segment, why
from tests.cli.ports import TOKEN, FakePort, served
from tests.cli.run import data, tidegate

STATUS: dict[str, Any] = {
    "generation": 3, "digest": "d" * 64, "name": "3-dddddd", "since": 1000.0, "who": "signal", "action": "reload",
    "entries": ["auth", "quotas"], "files": "in_force", "refused_since": None, "problems": [], "shown": [],
    "workers": {"w0": {"generation": 3, "digest": "d" * 64}},
}  # fmt: skip


@pytest.fixture
def port() -> Iterator[FakePort]:
    """With rules in force."""
    with served(FakePort(**{"GET /policies": STATUS})) as port:
        yield port


def ask(port: FakePort | str, *words: object) -> Any:
    """A command to it, away from any configuration."""
    address = port if isinstance(port, str) else port.address
    return tidegate(*words, "--admin", address, TIDEGATE_ADMIN_TOKEN=TOKEN)


@pytest.mark.parametrize("name", ["policies", "rules"])
def test_rules_are_policies(port: FakePort, name: str) -> None:
    """One object, by the name that people look for as well."""
    assert data(ask(port, name, "status", "--json")) == STATUS
    assert "auth → quotas" in ask(port, name, "status").stdout


def test_over_a_unix_socket(tmp_path: Path) -> None:
    """As the port may be bound."""
    with served(FakePort(**{"GET /policies": STATUS}), tmp_path / "admin.sock") as port:
        assert ask(port, "rules", "status").exit_code == 0


def test_who_asks_is_told(port: FakePort) -> None:
    """The user of the system stands beside the token's name."""
    ask(port, "rules", "status")
    assert port.heard[0].fields["X-Tidegate-Actor"]
    assert port.heard[0].fields["Authorization"] == f"Bearer {TOKEN}"


def test_the_address_is_in_the_environment(port: FakePort) -> None:
    """For who works on one gateway all night."""
    ended = tidegate("rules", "status", TIDEGATE_ADMIN=port.address, TIDEGATE_ADMIN_TOKEN=TOKEN)
    assert ended.exit_code == 0


def test_the_configuration_says_both(port: FakePort, tmp_path: Path) -> None:
    """Address and token; a secret that is not set and not needed here stops nobody, one that is needed does."""
    config = tmp_path / "tidegate.yaml"
    (tmp_path / "policies").mkdir()
    config.write_text(
        f"redis: ${{NOT_SET_HERE}}\nupstreams: [{{url: http://127.0.0.1:1}}]\nadmin: {port.address}\n"
        f"admin_token: {TOKEN}\n"
    )
    assert tidegate("rules", "status", "--config", config).exit_code == 0
    wrong = tidegate("rules", "status", "--config", config, TIDEGATE_ADMIN_TOKEN="another")
    assert "the token in TIDEGATE_ADMIN_TOKEN" in wrong.stderr
    config.write_text(config.read_text().replace(TOKEN, "${NOT_SET_EITHER}"))
    unset = tidegate("rules", "status", "--config", config)
    assert (unset.exit_code, "NOT_SET_EITHER" in unset.stderr) == (1, True)


def test_nobody_is_there() -> None:
    """It says where it looked."""
    ended = ask("127.0.0.1:1", "rules", "status")
    assert ended.exit_code == 1
    assert ended.stderr == (
        "no gateway answers at 127.0.0.1:1 (Connection refused): does it run, and is this its `admin`?\n"
    )
    assert "does it run" in ask("unix:/nowhere.sock", "rules", "status").stderr


OVERRIDE = {
    "id": 3, "revision": 19, "said": "twice as much for acme", "reason": "ticket 9", "by": "token:ann", "expires": None,
}  # fmt: skip
FROZEN = {"change": {"kind": "freeze"}}
FIELDS = {"lasts": "too long", "": "no"}
WRONG: list[tuple[str, int, Any, list[str]]] = [
    ("unknown", 401, {"error": "this token is unknown"}, ["does not take the token in TIDEGATE_ADMIN_TOKEN"]),
    ("role", 403, {"error": "the role viewer may not"}, ["the role viewer", "from TIDEGATE_ADMIN_TOKEN"]),
    ("changed", 412, {"error": "ann has", "current": OVERRIDE}, ["ann has", "twice as much", "ticket 9", "token:ann"]),
    ("there", 409, {"error": "there is one", "current": FROZEN}, ["there is one", '{"kind": "freeze"}']),
    ("fields", 422, {"error": "some are wrong", "fields": FIELDS}, ["lasts: too long", "the whole: no"]),
    ("another program", 404, None, ["is no gateway's operators' port"]),
    ("gone", 404, {"error": "there is no token `x`"}, ["there is no token `x`"]),
    ("broken", 500, {"error": "something is broken here", "id": "ab"}, ["answered 500: something is broken here"]),
    ("no JSON", 502, None, ["answered 502: nothing that can be read"]),
    ("away", 503, {"error": "Redis is away"}, ["Redis is away"]),
    ("no fields", 422, {"error": "no", "fields": {}}, ["no"]),
    ("no words", 412, ["x"], ["somebody else has changed it meanwhile"]),
    ("a terminal", 409, {"error": "by \x1b[31meve"}, ["by ?[31meve"]),
]


@pytest.mark.parametrize(("status", "content", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_said(port: FakePort, status: int, content: Any, said: list[str]) -> None:
    """On standard error, without a traceback."""
    port.answers["GET /policies"] = (status, content)
    ended = ask(port, "rules", "status")
    assert (ended.exit_code, ended.stdout) == (1, "")
    for words in said:
        assert words in ended.stderr
    assert "Traceback" not in ended.output


def test_which_token_is_missing(port: FakePort, tmp_path: Path) -> None:
    """Both places where it may stand are named."""
    ended = tidegate("rules", "status", "--admin", port.address, "--config", tmp_path / "none.yaml")
    assert ended.stderr == f"{port.address} wants a token: set TIDEGATE_ADMIN_TOKEN, or admin_token in tidegate.yaml\n"


def test_for_programs(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, ETag, If-Match, a query without what is not stated; what is refused has its status and content."""
    port.answers |= {
        "GET /overrides/3": (200, OVERRIDE, "19"),
        "PUT /overrides/3": (412, {"error": "no", "current": OVERRIDE}),
    }
    monkeypatch.setenv("TIDEGATE_ADMIN_TOKEN", TOKEN)
    client = AdminPort(Path("none.yaml"), port.address)
    found = client.send("GET", "/overrides/3", query={"a": None, "b": "", "c": True, "d": 0})
    assert (found.content["id"], found.etag, port.heard[-1].query) == (3, "19", {"c": "true", "d": "0"})
    with pytest.raises(Refused, match="twice as much") as refused:
        client.ask("PUT", "/overrides/3", {"x": 1}, etag="18")
    assert (refused.value.status, refused.value.content["current"]["id"]) == (412, 3)
    assert port.heard[-1].fields["If-Match"] == '"18"'
    assert client.whatever("PUT", "/overrides/3").status == 412


def test_names_in_paths_and_on_screens() -> None:
    """Neither leaves its place."""
    assert segment("a/../b?c#d") == "a%2F..%2Fb%3Fc%23d"
    assert readable("a\x1b]0;x\x07\nb\u202e") == "a?]0;x?\nb?"
    assert "nowhere" in why(Door("x", "", ""), Answer(403, {}, ""))
    assert Door("https://ops.example.com/", "", "").base == "https://ops.example.com"


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ((200, {"outcome": "rolled_back", "generation": 4, "digest": "e" * 64, "problems": []}), 0, "rolled back: gen"),
        ((422, {"outcome": "refused", "generation": 4, "digest": "e" * 64, "problems": ["bad"]}), 1, "bad\nrefused"),
        (
            (404, {"outcome": "unknown", "generation": 4, "digest": "e" * 64, "problems": []}),
            1,
            "unknown: generation 4",
        ),
        ((403, {"error": "the role viewer may not"}), 1, "the role viewer may not"),
    ],
)
def test_a_rollback_says_what_came_of_it(port: FakePort, answer: Any, status: int, said: str) -> None:
    """Also where it was refused."""
    port.answers["POST /policies/rollback"] = answer
    ended = ask(port, "rules", "rollback", "ab")
    assert (ended.exit_code, said in ended.output) == (status, True)
    assert port.heard[-1].content == {"to": "ab"}
    if "outcome" in answer[1]:
        assert json.loads(ask(port, "rules", "rollback", "--json").stdout) == answer[1]
