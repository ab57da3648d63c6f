"""`tidegate test`: what it runs, what it says of a failure, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.run import data, tidegate
from tests.rehearsal.folders import folder_of

TESTS = """\
tests:
  - {name: from Iran nobody, given: {country: IR}, expect: {decision: deny, rule: embargo}}
  - {name: from Norway everybody, given: {country: NO}, expect: {decision: allow}}
"""
FAILING = (
    TESTS + "  - {name: from Korea everybody, given: {country: KP}, expect: {decision: allow, limits: {requests: 9}}}\n"
)


def test_all_is_well(tmp_path: Path) -> None:
    """Exit code 0, and how many there were."""
    said = tidegate("test", folder_of(tmp_path, tests=TESTS))

    assert said.exit_code == 0
    assert "all 2 tests passed" in said.stdout
    assert "FAILED" not in said.stdout


def test_a_failure_says_all_that_is_needed(tmp_path: Path) -> None:
    """Expected against got, the line of the test, the line of the rule that decided, and what it read."""
    folder = folder_of(tmp_path, tests=FAILING)
    said = tidegate("test", folder, columns=300)
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]

    assert said.exit_code == 1
    assert "FAILED from Korea everybody" in lines
    assert f"{folder}/tests/first.yaml:4" in lines
    assert "decision allow deny" in lines
    assert "limits.requests 9 not taken from" in lines
    assert f"decided by embargo, {folder}/rules.yaml:2: This request is not allowed here." in lines
    assert any(line.startswith("* applies embargo") and 'client.country = "KP"' in line for line in lines)
    assert any(line.startswith("5. quota") and "not reached" in line for line in lines)
    assert "1 of 3 tests failed" in said.stdout


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_narrow_terminal_loses_nothing(columns: int, tmp_path: Path) -> None:
    """Long lines are wrapped, and no colour is needed to read them."""
    said = tidegate("test", folder_of(tmp_path, tests=FAILING), columns=columns, NO_COLOR="1")
    words = "".join(said.stdout.split())

    assert "\x1b" not in said.stdout
    assert "FAILEDfromKoreaeverybody" in words
    assert 'client.country="KP"' in words


def test_some_of_them(tmp_path: Path) -> None:
    """`-k` has a word of the name or of the file, in any case."""
    folder = folder_of(tmp_path, tests=FAILING)

    assert "all 1 tests passed" in tidegate("test", folder, "-k", "norway").stdout
    assert tidegate("test", folder, "-k", "FIRST").exit_code == 1
    assert tidegate("test", folder, "-k", "sweden").exit_code == 2


def test_no_tests(tmp_path: Path) -> None:
    """A folder without tests is no success: CI would not notice that they are gone."""
    said = tidegate("test", folder_of(tmp_path))

    assert (said.exit_code, said.stdout) == (2, "")
    assert "no tests in" in said.stderr


def test_a_file_that_is_wrong(tmp_path: Path) -> None:
    """All that is wrong, each at its place with its line, before anything runs."""
    wrong = TESTS.replace("embargo", "embargoo").replace("{country: NO}", "{contry: NO}")
    said = tidegate("test", folder_of(tmp_path, tests=wrong))

    assert said.exit_code == 1
    assert "first.yaml:3:43: unknown key `contry`: did you mean `country`?" in said.stderr
    assert "^" in said.stderr


def test_for_scripts(tmp_path: Path) -> None:
    """Each test with its place, its differences and the whole answer; and what was reached."""
    said = tidegate("test", folder_of(tmp_path, tests=FAILING), "--json")
    found = data(said)

    assert said.exit_code == 1
    assert (found["ok"], found["passed"], found["failed"]) == (False, 2, 1)
    failed = found["tests"][2]
    assert (failed["name"], failed["line"], failed["passed"]) == ("from Korea everybody", 4, False)
    assert failed["differences"][0] == {"key": "decision", "expected": "allow", "got": "deny"}
    assert failed["answer"]["trail"][3]["findings"][0]["read"] == {"client.country": "KP"}
    assert {gap["name"] for gap in found["coverage"]["gaps"]} == {"networks.tor", "ramp", "vpn", "late"}


def test_coverage(tmp_path: Path) -> None:
    """What no test reaches, with its place; and too little of it fails where that is asked for."""
    folder = folder_of(tmp_path, tests=TESTS)
    shown = tidegate("test", folder, "--coverage")
    thin = tidegate("test", folder, "--fail-under", "90")
    enough = tidegate("test", folder, "--fail-under", "50")

    assert f"{folder}/rules.yaml:7: rule ramp: it never applies" in " ".join(shown.stdout.split())
    assert (shown.exit_code, thin.exit_code, enough.exit_code) == (0, 1, 0)
    assert "is less than the 90% asked for" in thin.stdout


def test_what_was_never_fetched_is_said(tmp_path: Path) -> None:
    """A list that is fetched in production is empty here, and nobody has to guess that."""
    feeds = "lists: {embargoed: {kind: countries, source: {url: 'https://lists.example.com/embargo.txt'}}}\n"
    said = tidegate("test", folder_of(tmp_path, tests=TESTS, feeds=feeds), columns=200)

    assert said.exit_code == 1
    assert "note: embargoed was never fetched, so it is empty here: `tidegate feeds update`" in said.stdout
