"""`tidegate check`: a configuration or a folder alone, all errors at once, warnings, and the exit code."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from gateway.app.supervisor import check_everything
from tests.cli.run import data, tidegate
from tests.cli.test_explain import configured
from tests.rehearsal.folders import FILES, folder_of

NEVER = """\
rules:
  - {name: never, when: 'account.tier == "free" && account.tier == "pro"', action: deny}
"""


def test_a_folder_alone(tmp_path: Path) -> None:
    """No configuration, no accounts: the chain in order, and the digest."""
    said = tidegate("check", folder_of(tmp_path), columns=200)

    assert said.exit_code == 0
    assert "no problems. The chain: flood (quota, on_failure: deny) → auth" in said.stdout
    assert "digest " in said.stdout


def test_every_error_at_once(tmp_path: Path) -> None:
    """Of all files, tests among them, each with its line and a caret below its place."""
    folder = folder_of(
        tmp_path,
        rules=FILES["rules"].replace("request.model", "request.modle"),
        prices="default: {input: 3}\n",
        tests="tests: [{name: one, expect: {decision: no}}]\n",
    )
    said = tidegate("check", folder)

    assert said.exit_code == 1
    assert said.stdout == ""
    assert f"{folder}/prices.yaml:1:10: missing key `output`" in said.stderr
    assert f"{folder}/rules.yaml:7:24: unknown variable `request.modle`: did you mean `request.model`?" in said.stderr
    assert (
        f"{folder}/tests/first.yaml:1:40: `decision` must be 'allow', 'deny', 'challenge' or 'throttle'" in said.stderr
    )
    lines = said.stderr.splitlines()
    line, caret = next((one, two) for one, two in pairwise(lines) if "request.modle" in one and "^" in two)
    assert line[caret.index("^") :].startswith("request.modle")
    assert "3 problems found" in said.stderr


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 1)])
def test_what_is_suspicious(strict: bool, code: int, tmp_path: Path) -> None:
    """A warning has its place, and fails only where that is asked for."""
    folder = folder_of(tmp_path, rules=NEVER, feeds="lists: {}\n")
    said = tidegate("check", folder, *(["--strict"] if strict else []))

    assert said.exit_code == code
    assert f"warning: {folder}/rules.yaml:2:" in said.stdout


def test_for_scripts(tmp_path: Path) -> None:
    """Severity, path, line, column and message of each; the digest and the chain where all is well."""
    folder = folder_of(tmp_path, rules=NEVER, feeds="lists: {}\n")
    found = data(tidegate("check", folder, "--json"))
    strict = tidegate("check", folder, "--json", "--strict")

    (warning,) = found["problems"]
    assert (warning["severity"], warning["path"], warning["line"]) == ("warning", f"{folder}/rules.yaml", 2)
    assert set(warning) == {"severity", "path", "line", "column", "message"}
    assert found["ok"]
    assert len(found["digest"]) == 32
    assert found["chain"][0] == "flood (quota, on_failure: deny)"
    assert (strict.exit_code, data(strict)["ok"]) == (1, False)

    (folder / "rules.yaml").write_text("rules: []\n")
    broken = tidegate("check", folder, "--json")
    assert broken.exit_code == 1
    assert data(broken)["problems"][0]["severity"] == "error"
    assert not data(broken)["ok"]


def test_a_configuration(tmp_path: Path) -> None:
    """With it the accounts are checked, and tests beside the policies."""
    config = configured(tmp_path)
    good = tidegate("check", "--config", config)
    digest = check_everything(config)[1].digest
    (tmp_path / "policies" / "tests" / "first.yaml").write_text("tests: [{name: one, expect: {rule: none}}]\n")
    (tmp_path / "accounts.yaml").write_text("accounts: [{id: acme, teir: pro}]\n")
    bad = tidegate("check", "--config", config)

    assert good.exit_code == 0, good.stderr
    assert good.stdout.splitlines()[-1] == f"digest {digest}", "as the gateway will have it"
    assert bad.exit_code == 1
    assert "accounts.yaml:1:23: unknown key `teir`: did you mean `tier`?" in bad.stderr


def test_what_was_never_fetched(tmp_path: Path) -> None:
    """Is no error of the folder: it is said."""
    feeds = "lists: {embargoed: {kind: countries, source: {url: 'https://lists.example.com/embargo.txt'}}}\n"
    said = tidegate("check", folder_of(tmp_path, feeds=feeds))

    assert said.exit_code == 0
    assert "note: embargoed was never fetched" in said.stdout
