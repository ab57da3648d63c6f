"""`tidegate account`: what operators type, on a real SQLite file."""

from __future__ import annotations

import getpass
import json
import os
import pwd
import re
import stat
from pathlib import Path

import pytest

from gateway.accounts import one_time
from gateway.accounts.keys import digest
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import keys, tables
from gateway.cli import directory_access
from gateway.rules.directory_file import OWN
from tests.cli.directories import Folder


def secrets(folder: Folder) -> Secrets:
    return Secrets({OWN: (folder.path / "directory.db.secret").read_bytes().strip()})


def test_an_account_is_made_and_shown(folder: Folder) -> None:
    """With what was said, and nothing that was not."""
    options = ["--organisation", "acme-inc", "--name", "Acme", "--country", "NO", "--email-domain", "acme.example"]
    folder.well("account", "create", "acme", *options)

    shown = folder.well("account", "show", "acme")

    assert re.search(r"^account +acme  Acme$", shown, re.MULTILINE)
    assert re.search(r"^organisation +acme-inc$", shown, re.MULTILINE)
    assert re.search(r"^stands on +free \(earned free\)$", shown, re.MULTILINE)
    assert re.search(r"^next +known \(missing: email\)$", shown, re.MULTILINE)
    assert re.search(r"^signed up in +NO$", shown, re.MULTILINE)
    assert "pays from" not in shown
    assert "evidence" not in shown


def test_what_the_terminal_says_is_for_people(acme: Folder) -> None:
    """Times as times; evidence that is over already; what keeps an account down though all is shown."""
    acme.well("account", "evidence", "acme", "add", "email", "--reason", "x")
    old = ["--reason", "x", "--expires", "2020-01-01"]
    assert "has shown: phone, which is over already" in acme.well("account", "evidence", "acme", "add", "phone", *old)
    acme.well("account", "fall", "acme", "add", "chargeback", "--note", "x")
    acme.well("account", "link", "acme")

    shown = acme.well("account", "show", "acme")

    assert re.search(r"^next +known \(all is shown; the fall for chargeback has to be cleared\)$", shown, re.MULTILINE)
    assert re.search(r"link\.make +scope=owner ends=20\d\d-\d\d-\d\dT\d\d:\d\d$", shown, re.MULTILINE)


def test_a_key_that_is_made_with_it_is_shown_once(folder: Folder) -> None:
    """What the directory keeps is its digest; no later command says it."""
    made = folder.data("account", "create", "acme", "--key")

    (kept,) = folder.rows(tables.keys)
    assert kept.digest == digest(secrets(folder).key(keys.PEPPER), made["key"].encode())
    for words in (("account", "show", "acme"), ("account", "audit", "acme"), ("key", "list", "acme")):
        said = folder.well(*words) + json.dumps(folder.data(*words))
        assert made["prefix"] in said
        assert made["key"] not in said
        assert kept.digest.hex() not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["create", "a b", "--country", "norway", "--tier", "Pro"], ["ID: ", "--country: ", "--tier: "],
                     id="create"),
        pytest.param(["move", "acme", "--reason", "x"], ["needs a tier or an organisation"], id="nowhere"),
        pytest.param(["move", "acme", "--tier", "pro", "--for", "7", "--reason", "x"], ["--for: must be a duration"],
                     id="no-unit"),
        pytest.param(["suspend", "acme", "--reason", " "], ["--reason: must not be empty"], id="no-reason"),
        pytest.param(["evidence", "acme", "add", "passport", "--reason", "x"], ["KIND: must be 'email'"], id="kind"),
        pytest.param(["evidence", "acme", "add", "email", "--reason", "x", "--expires", "soon"],
                     ["--expires: must be a duration such as 90d"], id="expires"),
        pytest.param(["fall", "acme", "add", "tripped"], ["REASON: must be"], id="fall"),
        pytest.param(["link-attribute", "acme", "e-mail", "x"], ["KIND: must be"], id="link"),
        pytest.param(["link", "acme", "--expires", "30d"], ["--expires: must be less than"], id="too-long"),
        pytest.param(["list", "--limit", "0"], ["--limit: must be greater"], id="limit"),
        pytest.param(["erase", "acme"], ["say --yes"], id="erase"),
    ],
)  # fmt: skip
def test_what_is_typed_wrong_is_all_said_at_once(acme: Folder, words: list[str], said: list[str]) -> None:
    """Status 2; the option is named as it is typed."""
    printed = acme.bad("account", *words, status=2)

    assert [line for line in said if line not in printed] == []
    assert len(printed.splitlines()) == len(said)


@pytest.mark.parametrize(
    "words",
    [
        ["show", "nobody"],
        ["audit", "nobody"],
        ["suspend", "nobody", "--reason", "x"],
        ["restore", "nobody", "--reason", "x"],
        ["move", "nobody", "--tier", "pro", "--reason", "x"],
        ["link", "nobody"],
        ["evidence", "acme", "withdraw", "email", "--reason", "x"],
        ["fall", "acme", "clear", "analyst"],
        ["erase", "nobody", "--yes", "--no-wait"],
        ["create", "acme"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_one_sentence(acme: Folder, words: list[str]) -> None:
    """Status 1, and nothing has changed."""
    before = acme.version()

    assert len(acme.bad("account", *words).splitlines()) == 1
    assert acme.version() == before


def test_a_list_has_pages(folder: Folder) -> None:
    """Aligned and short; the next page is named, and scripts get the same."""
    for index in range(3):
        folder.well("account", "create", f"a{index}", "--tier", "pro" if index else "free")
    folder.well("account", "suspend", "a2", "--reason", "x")

    ended = folder.run("account", "list", "--limit", "2")

    lines = ended.stdout.splitlines()
    assert lines[0].split() == ["account", "organisation", "tier", "keys", "created", "state"]
    assert [line.split()[0] for line in lines[1:]] == ["a0", "a1"]
    assert len({line.index(word) for line, word in zip(lines, ["tier", "free", "pro"], strict=True)}) == 1
    assert ended.stderr == "there are more: --after a1\n"
    assert [one["id"] for one in folder.data("account", "list", "--after", "a1")["accounts"]] == ["a2"]
    assert [one["id"] for one in folder.data("account", "list", "--tier", "pro")["accounts"]] == ["a1", "a2"]
    assert [one["id"] for one in folder.data("account", "list", "--not-suspended")["accounts"]] == ["a0", "a1"]


def test_evidence_and_falls_move_it(acme: Folder) -> None:
    """Where it stands is computed with the ladder on disk."""

    def stands() -> str:
        return str(acme.data("account", "show", "acme")["standing"]["tier"])

    acme.well("account", "evidence", "acme", "add", "email", "--reason", "answered", "--expires", "365d")
    assert stands() == "known"
    acme.well("account", "evidence", "acme", "add", "phone", "--reason", "answered")
    acme.well("account", "fall", "acme", "add", "analyst", "--note", "case 3", "--for", "7d")
    assert stands() == "free"
    assert "fell for analyst" in acme.well("account", "show", "acme")
    acme.well("account", "fall", "acme", "clear", "analyst", "--note", "sorry")
    assert stands() == "pro"
    acme.well("account", "evidence", "acme", "withdraw", "phone", "--reason", "sold")
    assert stands() == "known"


def test_a_tier_is_assigned_for_good_or_for_a_while(acme: Folder) -> None:
    """What ends stands apart, with its end."""
    acme.well("account", "move", "acme", "--tier", "known", "--organisation", "o", "--reason", "contract")
    acme.well("account", "move", "acme", "--tier", "pro", "--for", "7d", "--reason", "trial")

    shown = acme.data("account", "show", "acme")

    assert (shown["tier"], shown["organisation"], shown["standing"]["tier"]) == ("known", "o", "pro")
    assert [(one["value"], one["reason"], one["expires"] is None) for one in shown["overrides"]] == [
        ("pro", "trial", False)
    ]


def test_a_tier_is_a_floor_and_the_command_says_so(acme: Folder) -> None:
    """Whoever means to hold an account down is told how, and whoever lifts one that fell why that does nothing."""
    acme.well("account", "evidence", "acme", "add", "email", "--reason", "answered")
    said = acme.well("account", "move", "acme", "--tier", "free", "--reason", "case 3")
    assert "it stands on known, which its evidence has earned" in said
    assert "account fall acme add analyst" in said
    acme.well("account", "fall", "acme", "add", "analyst")
    assert "it has fallen for analyst" in acme.well("account", "move", "acme", "--tier", "pro", "--reason", "x")
    acme.well("account", "fall", "acme", "clear", "analyst")
    assert "stands on" not in acme.well("account", "move", "acme", "--tier", "pro", "--reason", "x")


def test_suspended_and_back(acme: Folder) -> None:
    """The reason is shown as long as it holds."""
    acme.well("account", "suspend", "acme", "--reason", "case 7")
    assert re.search(r"^suspended +case 7$", acme.well("account", "show", "acme"), re.MULTILINE)
    acme.well("account", "restore", "acme", "--reason", "over")
    assert "suspended  " not in acme.well("account", "show", "acme")
    assert [line["detail"].get("reason") for line in acme.data("account", "audit", "acme")[:2]] == ["over", "case 7"]


def test_a_link_attribute_is_read_from_standard_input(acme: Folder) -> None:
    """So it stands in no history of a shell; what is kept of it is a keyed hash."""
    ended = acme.run("account", "link-attribute", "acme", "payment", "-", given="pm_hidden_1\n")

    assert (ended.exit_code, ended.stdout) == (0, "account acme is linked by: payment\n")
    (kept,) = acme.rows(tables.links)
    assert bytes(kept.digest) == secrets(acme).hash("l:payment", "pm_hidden_1").digest
    for path in acme.path.glob("directory.db*"):
        assert b"pm_hidden_1" not in path.read_bytes()


def test_who_may_sign_in_is_read_from_standard_input(acme: Folder) -> None:
    """As above; what is no address is not said back."""
    ended = acme.run("account", "member", "acme", "-", given="kari@owner.example\n")
    assert (ended.exit_code, "kari" in ended.output) == (0, False)
    assert acme.data("account", "show", "acme")["members"] == 1
    assert "kari" not in acme.bad("account", "member", "acme", "kari at example", status=2)


def test_accounts_that_share_an_instrument_are_named(acme: Folder) -> None:
    """And the one that brings it over the limit of the ladder falls."""
    acme.well("account", "link-attribute", "acme", "payment", "pm_1")

    said = acme.well("account", "link-attribute", "other", "payment", "pm_1")

    assert said.splitlines() == [
        "account other is linked by: payment (nothing was known of this account: it is made)",
        "the same people are behind: acme",
        "account other has fallen for: identity",
    ]
    assert acme.data("account", "show", "acme")["falls"] == []
    assert acme.data("account", "show", "acme")["same_identity"] == ["other"]


def test_a_sign_in_link_is_the_owners(acme: Folder) -> None:
    """A path where nobody said under which address we are, and that is said."""
    ended = acme.run("account", "link", "acme", "--expires", "5m")
    assert ended.stderr == "set public_url in tidegate.yaml: this is a path on the gateway\n"
    acme.config.write_text(acme.config.read_text() + "public_url: https://api.example.com/\n")

    url = acme.well("account", "link", "acme").strip()

    assert url.startswith("https://api.example.com/tidegate/account/link/")
    found = one_time.read(secrets(acme), url.rpartition("/")[2], 0.0)
    assert (found.account, found.scope) == ("acme", one_time.Scope.OWNER)


def test_who_it_was_is_whom_the_system_knows(acme: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what the environment says: a second pair of eyes is told apart by it."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert getpass.getuser() == "somebody-else"

    acme.well("account", "suspend", "acme", "--reason", "x")

    known = pwd.getpwuid(os.getuid()).pw_name
    assert acme.data("account", "audit", "acme")[0]["who"] == f"cli:{known}"


def test_with_sudo_it_is_who_used_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everybody is root, nobody would be."""
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", str(pwd.getpwnam("nobody").pw_uid))
    assert directory_access.who() == "cli:nobody"
    monkeypatch.setenv("SUDO_UID", "4294967000")
    assert directory_access.who() == "cli:uid-4294967000"


def test_policies_that_cannot_be_read_hide_no_account(acme: Folder) -> None:
    """What is in the directory is still true."""
    (acme.path / "policies" / "chain.yaml").write_text("chain: nonsense\n")

    ended = acme.run("account", "show", "acme", "--json")

    assert (ended.exit_code, json.loads(ended.stdout)["standing"]) == (0, None)
    assert "the ladder is not looked at" in ended.stderr


def test_no_link_is_brought_past_limits_that_cannot_be_read(acme: Folder) -> None:
    """A mistake in a file opens no limit: nothing is written."""
    (acme.path / "policies" / "chain.yaml").write_text("chain: nonsense\n")

    said = acme.bad("account", "link-attribute", "acme", "document", "C01X00T47")

    assert "nothing is done, the policies with their limits cannot be read" in said
    assert acme.rows(tables.links) == []


@pytest.mark.parametrize("name", ["accounts.jsonl", "accounts.csv"])
def test_what_is_exported_can_be_imported(acme: Folder, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whole, into a directory with the same secrets; the file is its owner's alone."""
    acme.well("account", "create", "b", "--key", "--organisation", "o")
    acme.well("account", "evidence", "b", "add", "email", "--reason", "x")
    file = acme.path / name
    acme.well("account", "export", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is there already, and is not written over" in acme.bad("account", "export", file)
    other = Folder(tmp_path_factory.mktemp("other"))
    (other.path / "directory.db.secret").write_bytes((acme.path / "directory.db.secret").read_bytes())
    other.well("directory", "upgrade")

    counts = other.data("account", "import", file)

    assert (counts["accounts"], counts["keys"], counts["organisations"]) == (2, 1, 1)
    before, after = acme.data("account", "show", "b"), other.data("account", "show", "b")
    assert {key: value for key, value in before.items() if key != "audit"} == {
        key: value for key, value in after.items() if key != "audit"
    }


def test_an_export_goes_down_a_pipe(acme: Folder) -> None:
    """What people read goes to standard error."""
    ended = acme.run("account", "export", "-")
    assert [json.loads(line)["id"] for line in ended.stdout.splitlines()] == ["acme"]
    assert ended.stderr == "1 accounts, 0 organisations\n"


def test_a_file_with_mistakes_is_not_imported(acme: Folder) -> None:
    """Each with its line and field, and the directory as it was."""
    file = acme.path / "new.jsonl"
    file.write_text('{"id": "b"}\n{"id": "c", "signup_country": "norway"}\n{"id": "acme"}\n')
    before = acme.version()

    said = acme.bad("account", "import", file).splitlines()

    assert [line.partition(": ")[0] for line in said[:-1]] == [f"{file}:2"]
    assert said[-1] == "1 problem(s): nothing is imported"
    assert acme.version() == before
    assert "No such file" in acme.bad("account", "import", acme.path / "none.jsonl")


def test_keys_that_an_import_makes_are_in_a_file(folder: Folder) -> None:
    """Its owner's alone; nobody can make them again."""
    file, made = folder.path / "new.jsonl", folder.path / "keys.jsonl"
    file.write_text('{"id": "b", "keys": [{"name": "ci"}]}\n')

    folder.well("account", "import", file, "--keys", made)

    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    key = json.loads(made.read_text())
    assert folder.data("key", "list", "b")[0]["prefix"] == key["prefix"]


def test_what_is_erased_is_gone(acme: Folder) -> None:
    """Row, keys and links; the audit keeps a pseudonym, which a command finds; what remains elsewhere is said."""
    acme.well("key", "create", "acme", "--name", "laptop")
    acme.well("account", "link-attribute", "acme", "phone", "+4712345678")

    said = acme.well("account", "erase", "acme", "--yes", "--no-wait", "--scrub")

    pseudonym = re.search(r"erased:[0-9a-f]{64}", said)
    assert pseudonym is not None
    assert "exchange log" in said
    acme.bad("account", "show", "acme")
    assert [acme.rows(table) for table in (tables.accounts, tables.keys, tables.links)] == [[], [], []]
    assert "account.erase" in acme.well("account", "audit", pseudonym[0])


def test_erasing_waits_until_every_worker_knows(acme: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the id goes out of the list of changes as well."""
    waited: list[float] = []
    monkeypatch.setattr("gateway.cli.account_bulk.time.sleep", waited.append)
    monkeypatch.setattr("gateway.accounts.sql.erase.HEARD", 0.0)

    acme.well("account", "erase", "acme", "--yes")

    assert len(waited) == 1
    assert [row.account for row in acme.rows(tables.changes)] == []


def test_an_owner_cannot_steer_a_terminal(acme: Folder, tmp_path: Path) -> None:
    """No byte that a terminal would obey gets into the directory by these commands."""
    assert "--name: must not hold" in acme.bad("account", "create", "b", "--name", "\x1b[2J", status=2)
