"""`tidegate explain`: the way of one exchange, from a file, from a captured request, and from the log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts import keys
from gateway.history.event import event_of
from gateway.history.exchange_log import ExchangeLog
from gateway.policy import Ask, Location, Outcome, Principal
from gateway.rehearsal.exchange import Exchange
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.testing import NOON
from tests.cli.directories import Folder
from tests.cli.run import data, tidegate
from tests.rehearsal.folders import folder_of


def explained(base: Path, exchange: dict[str, Any], *words: object) -> Any:
    """The exchange in a file, explained for scripts."""
    path = base / "request.json"
    path.write_text(json.dumps(exchange))
    said = tidegate("explain", path, "--json", *words)
    assert said.exit_code == 0, said.stderr
    return data(said)


def test_each_entry_in_its_order(tmp_path: Path) -> None:
    """What it read, what it said, how long; its `when`; the rule that refused with its line; who was not reached."""
    folder = folder_of(tmp_path)
    found = explained(tmp_path, {"country": "IR", "account": {"id": "acme", "tier": "staff"}}, "--policies", folder)
    flood, auth, geo, rules, quota = found["trail"]

    assert (found["decision"], found["reason"], found["rule"]) == ("deny", "embargoed_country", "embargo")
    assert found["at"] == f"{folder}/rules.yaml:2"
    assert (flood["stage"], auth["stage"], quota["stage"]) == ("asked", "asked", "not reached")
    assert geo["stage"] == "skipped"
    assert geo["when"] == {"condition": 'account.tier != "staff"', "holds": False, "read": {"account.tier": "staff"}}
    assert [one["rule"] for one in rules["findings"]] == ["embargo", "ramp", "vpn", "late"]
    assert rules["findings"][0]["applies"]
    assert rules["microseconds"] > 0
    assert found["answer"]["status"] == 451
    assert "embargoed_country" in json.dumps(found["answer"]["content"])


def test_what_is_taken_and_left(tmp_path: Path) -> None:
    """And what there was no room for, as the caller is told of it."""
    exchange = {"account": {"id": "acme"}, "counters": {"requests": 0}}
    found = explained(tmp_path, exchange, "--policies", folder_of(tmp_path))
    takes = {take["limit"]: take for take in found["trail"][4]["takes"]}

    assert (found["rule"], found["retry_after"]) == ("requests", 1.0)
    assert (takes["requests"]["left"], takes["slots"]["left"], takes["output"]["partition"]) == (0, 2, "account=acme")
    assert "Retry-After: 1" in found["answer"]["fields"]


def test_a_captured_request(tmp_path: Path) -> None:
    """Method, path, fields and body: the dialect reads it as it would, and the caller's dialect is answered."""
    exchange = {
        "method": "POST",
        "path": "/v1/messages?beta=true",
        "fields": {"Anthropic-Version": "2023-06-01"},
        "body": {"model": "m-new", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]},
        "network_kinds": ["tor"],
    }
    found = explained(tmp_path, exchange, "--policies", folder_of(tmp_path))

    asked = found["exchange"]
    assert (asked["model"], asked["output_cap"], asked["streaming"]) == ("m-new", 9, True)
    assert (found["entry"], found["rule"]) == ("geo", "networks.tor")
    assert found["at"].endswith("geo.yaml:1")
    assert found["answer"]["content"]["type"] == "error"


def test_for_people(tmp_path: Path) -> None:
    """The same in words; and what goes on is said to go on."""
    path = tmp_path / "request.yaml"
    path.write_text("country: NO\nnetwork_kinds: [vpn]\n")
    said = tidegate("explain", path, "--policies", folder_of(tmp_path), columns=300)
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]

    assert said.exit_code == 0
    assert "from 192.0.2.7 (NO, vpn)" in lines
    assert 'when account.tier != "staff": holds account.tier = "default"' in lines
    assert any(line.startswith("* applies vpn") for line in lines)
    assert "adds weight 5" in lines
    assert "takes 1 from requests for account=somebody, 9 of 10 left" in lines
    assert "The request goes on to the inference API." in lines


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        pytest.param({"contry": "IR"}, "request.json:1:2: unknown key `contry`: did you mean `country`?", id="key"),
        pytest.param({"account": "acme"}, "unknown account `acme`: describe it under `accounts`", id="account"),
        pytest.param({"body": "{"}, "the edge would refuse it before any policy: malformed_content", id="body"),
        pytest.param({"counters": {"request": 1}}, "unknown limit `request`: did you mean `requests`?", id="limit"),
    ],
)
def test_a_file_that_is_wrong(exchange: dict[str, Any], said: str, tmp_path: Path) -> None:
    """Said with its place, and nothing is explained."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(exchange))
    result = tidegate("explain", path, "--policies", folder_of(tmp_path))

    assert result.exit_code == 1
    assert said in result.stderr


def test_one_exchange_or_the_other(tmp_path: Path) -> None:
    """Neither and both are refused."""
    assert tidegate("explain").exit_code == 2
    assert tidegate("explain", tmp_path / "request.json", "--exchange", "x1").exit_code == 2


# -- with a configuration -------------------------------------------------------------------------------------------

CONFIG = "redis: redis://127.0.0.1:1\nupstreams: [{url: 'http://127.0.0.1:1'}]\npublic_url: https://api.example.com\n"
ACCOUNTS = """\
peppers: {p1: "0123456789abcdef"}
accounts:
  - id: acme
    tier: staff
    keys: [{name: first, prefix: %s, digest: "%s", pepper: p1%s}]
  - {id: gone, suspended: true}
"""


def configured(base: Path, prefix: str = "abcdefgh", more: str = "") -> Path:
    folder_of(base)
    (base / "tidegate.yaml").write_text(CONFIG)
    (base / "accounts.yaml").write_text(ACCOUNTS % (prefix, "0" * 64, more))
    return base / "tidegate.yaml"


def test_an_account_of_the_configuration(tmp_path: Path) -> None:
    """By its id; who is suspended is refused; links are those of the configuration."""
    config = configured(tmp_path)
    known = explained(tmp_path, {"account": "acme"}, "--config", config)
    gone = explained(tmp_path, {"account": "gone"}, "--config", config)

    assert known["exchange"]["tier"] == "staff"
    assert (gone["reason"], gone["entry"]) == ("suspended_account", "auth")
    assert "https://api.example.com/tidegate/reasons/suspended_account" in json.dumps(gone["answer"]["content"])


@pytest.mark.parametrize(
    ("field", "more", "expected"),
    [
        pytest.param({"Authorization": "Bearer %s"}, "", ("acme", "staff", None), id="bearer"),
        pytest.param({"X-Api-Key": "%s"}, "", ("acme", "staff", None), id="x-api-key"),
        pytest.param({"X-Api-Key": "%s"}, ", revoked: true", (None, "", "revoked_key"), id="revoked"),
        pytest.param(
            {"X-Api-Key": "%s"}, ", expires: 2025-01-01T00:00:00Z", (None, "", "expired_credentials"), id="old"
        ),
    ],
)
def test_the_key_of_a_captured_request(
    field: dict[str, str], more: str, expected: tuple[str | None, str, str | None], tmp_path: Path
) -> None:
    """Whose it is the accounts say; it need not be proved, and no secret is shown."""
    key, prefix = keys.mint()
    config = configured(tmp_path, prefix, more)
    fields = {name: value % key for name, value in field.items()}
    found = explained(tmp_path, {"fields": fields}, "--config", config)

    assert (found["exchange"]["account"], found["exchange"]["tier"], found.get("reason")) == expected
    assert key not in json.dumps(found)


def test_an_account_of_the_directory(acme: Folder) -> None:
    """There is no accounts.yaml: what it has shown counts, the directory says whose a key is, and who is unknown."""
    acme.well("account", "evidence", "acme", "add", "email", "--reason", "answered")
    key = acme.data("key", "create", "acme", "--models", "m-small")["key"]

    named = explained(acme.path, {"account": "acme", "model": "m-large"}, "--config", acme.config)
    keyed = explained(acme.path, {"fields": {"X-Api-Key": key}, "model": "m-large"}, "--config", acme.config)
    (acme.path / "request.json").write_text('{"account": "acne"}')
    unknown = acme.bad("explain", acme.path / "request.json")

    assert named["answer"] is None
    assert "stands on known (1)" in json.dumps(named)
    assert (keyed["entry"], keyed["reason"]) == ("auth", "model_not_in_scope")
    assert "unknown account `acne`" in unknown
    acme.well("account", "suspend", "acme", "--reason", "x")
    assert explained(acme.path, {"account": "acme"}, "--config", acme.config)["reason"] == "suspended_account"


def recorded(base: Path, rehearsal: Rehearsal, exchange: Exchange) -> Path:
    """A log with that exchange in it."""

    async def write() -> None:
        log = ExchangeLog(base / "log", "worker", lambda: exchange.now)
        asked = rehearsal.begin(exchange)
        log.note(
            event_of(
                exchange.id, exchange.now, "POST", exchange.path, "openai", asked.context, asked, (1, "digest"),
                Outcome(200), "", 200, 0.1, 0.001,
            )
        )  # fmt: skip
        log.close()

    asyncio.run(write())
    return base / "log"


def test_one_that_happened(tmp_path: Path) -> None:
    """By its id, from the log: the account, the place and what was asked are as they were then, and so is the verdict;
    where the files of today say something else, that is said.
    """
    folder = folder_of(tmp_path)
    exchange = Exchange(
        "x-17", NOON, Ask("openai", "chat.completions", "m-new", input_tokens=7), Principal("acme", tier="pro"),
        address="192.0.2.1", location=Location("IR", network_kinds=frozenset({"vpn"})),
    )  # fmt: skip
    with Rehearsal(folder, {}) as rehearsal:
        log = recorded(tmp_path, rehearsal, exchange)
    said = tidegate("explain", "--exchange", "x-17", "--log", log, "--policies", folder, "--json")
    found = data(said)

    assert (found["rule"], found["exchange"]["account"], found["exchange"]["country"]) == ("embargo", "acme", "IR")
    assert found["exchange"]["time"] == "2023-11-15T12:00:00Z"
    assert found["recorded"] == {"action": "deny", "entry": "rules", "rule": "embargo", "reason": "embargoed_country"}
    people = tidegate("explain", "--exchange", "x-17", "--log", log, "--policies", folder, columns=300)
    assert "then  denies embargoed_country by rules/embargo" in people.stdout
    assert "another answer" not in people.stdout
    (folder / "rules.yaml").write_text('rules:\n  - {name: nothing, when: "false", action: deny}\n')
    other = tidegate("explain", "--exchange", "x-17", "--log", log, "--policies", folder, columns=300)
    assert "then  denies embargoed_country by rules/embargo" in other.stdout
    assert "note: what follows is another answer" in other.stdout
    unknown = tidegate("explain", "--exchange", "x-18", "--log", log, "--policies", folder)
    assert unknown.exit_code == 1
    assert "no exchange `x-18`" in unknown.stderr
    nowhere = tidegate("explain", "--exchange", "x-18", "--log", tmp_path / "none", "--policies", folder)
    assert nowhere.exit_code == 1
    assert "there is no exchange log" in nowhere.stderr
