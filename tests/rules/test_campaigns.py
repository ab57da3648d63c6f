"""Which entry answers campaigns, and what is said of one that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from gateway.rules.build import policy_kinds
from gateway.rules.campaigns import answering, unheard
from gateway.rules.ruleset import Ruleset, load
from gateway.rules.suspicious import suspicions

CHAIN: Final = """chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: risk, kind: risk, on_failure: allow}
"""
CAPTCHA: Final = "  - {name: captcha, kind: captcha, on_failure: deny}\n"
KYC: Final = "  - {name: tiers, kind: kyc, on_failure: deny}\n"
FILES: Final = {
    "auth.yaml": "api_keys: true\n",
    "captcha.yaml": "ladders: [{name: usual, steps: {captcha: 50}}]\n",
    "tiers.yaml": "tiers: [{name: free}, {name: pro, requires: [document, liveness]}]\n",
}
EVERYTHING: Final = "campaigns: {budget: {}, challenge: {}, verify: {}}\n"


def ruleset(folder: Path, chain: str, risk: str) -> Ruleset:
    for name, text in {**FILES, "chain.yaml": chain, "risk.yaml": risk}.items():
        (folder / name).write_text(text)
    return load(folder, policy_kinds(), {})


NOBODY: Final = "`challenge` challenges, and nothing in this chain lets a caller pass: an entry of kind `captcha` would"
NO_PAGE: Final = (
    "`verify` asks for `document` and `liveness`, which no entry of kind `kyc` asks for: its owner has no page to show "
    "it on"
)


@pytest.mark.parametrize(
    ("chain", "risk", "expected"),
    [
        pytest.param(CHAIN + KYC + CAPTCHA, EVERYTHING, [], id="all-there"),
        pytest.param(CHAIN + KYC, EVERYTHING, [NOBODY], id="no-captcha"),
        pytest.param(CHAIN + CAPTCHA, EVERYTHING, [NO_PAGE], id="no-ladder"),
        pytest.param(CHAIN, "campaigns: {budget: {}}\n", [], id="a-budget-needs-neither"),
        pytest.param(CHAIN.replace("allow", "allow, mode: shadow"), EVERYTHING, [NO_PAGE], id="in-shadow"),
    ],
)
def test_what_is_surely_not_meant(tmp_path: Path, chain: str, risk: str, expected: list[str]) -> None:
    """Challenges that nobody can pass, and evidence that cannot be shown; with their places."""
    found = [one for one in suspicions(ruleset(tmp_path, chain, risk)) if one.path.name == "risk.yaml"]
    assert [one.message for one in found] == expected
    assert all((one.line, one.column) > (1, 1) for one in found)


def test_it_is_not_too_late_where_nothing_is_weighed(tmp_path: Path) -> None:
    """An entry that only answers may stand after whoever reads the suspicion."""
    first = "chain:\n" + CAPTCHA + KYC + CHAIN.removeprefix("chain:\n")
    said = [one.message for one in suspicions(ruleset(tmp_path, first, EVERYTHING))]
    assert not any("too late" in one for one in said)


@pytest.mark.parametrize(
    ("mode", "shadow", "found"),
    [
        ("", False, True),
        (", mode: shadow", False, False),
        (", mode: shadow", True, True),
        (", rollout: 5%", False, True),
    ],
)
def test_which_entry_answers(tmp_path: Path, mode: str, shadow: bool, found: bool) -> None:
    """The first in force, for some accounts at least; in shadow only for who asks for that."""
    chain = CHAIN.replace("on_failure: allow", f"on_failure: allow{mode}")
    assert (answering(ruleset(tmp_path, chain, EVERYTHING), shadow=shadow) is not None) is found


def test_who_hears_no_detector(tmp_path: Path) -> None:
    """Entries with campaigns, and where that is stated."""
    plain, answers = ruleset(tmp_path, CHAIN, "new_network: {}\n"), ruleset(tmp_path, CHAIN, EVERYTHING)
    assert list(unheard(plain)) == []
    assert answering(plain) is None
    assert [(entry.name, loc) for entry, loc in unheard(answers)] == [("risk", ("campaigns",))]
