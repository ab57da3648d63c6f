"""What an entry that challenges surely does not mean is said, with its place; what is sound is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from gateway.rules.build import policy_kinds
from gateway.rules.escalation import unknown_captchas
from gateway.rules.ruleset import load
from gateway.rules.suspicious import suspicions
from gateway.rules.unknown import placeless, undated

AUTH: Final = "{name: auth, kind: auth, on_failure: deny}"
TIERS: Final = "{name: tiers, kind: kyc, on_failure: deny}"
RULES: Final = "{name: rules, kind: rules, on_failure: deny}"
RISK: Final = "{name: risk, kind: risk, on_failure: allow}"
CAPTCHA: Final = "{name: captcha, kind: captcha, on_failure: deny}"
QUOTA: Final = "{name: quota, kind: quota, on_failure: degrade}"
FLOOD: Final = "{name: flood, kind: quota, on_failure: deny}"
SOUND: Final = (FLOOD, AUTH, TIERS, RULES, RISK, CAPTCHA, QUOTA)
FILES: Final = {
    "auth.yaml": "api_keys: true\n",
    "tiers.yaml": "tiers: [{name: free}, {name: verified, requires: [document, liveness], quota: free}]\n",
    "rules.yaml": "rules:\n  - {name: odd, when: 'request.items > 5', action: weigh, weight: 60}\n",
    "risk.yaml": "new_network: {weight: 15}\nkey_shared: {weight: 25}\n",
    "quota.yaml": "limits:\n  - {name: all, measure: requests, per: [account], capacity: 10}\n",
    "flood.yaml": "store: local\nunmatched: allow\nlimits:\n"
    "  - {name: raw, measure: requests, per: [client_address], capacity: 10}\n",
}
STEPS: Final = "{slow: 20, work: 30, captcha: 50, verify: 80, review: 95}"
USUAL: Final = f"ladders:\n  - {{name: usual, steps: {STEPS}}}\n"


def lay_out(folder: Path, captcha: str = USUAL, chain: tuple[str, ...] = SOUND, **files: str) -> Path:
    written = {**FILES, **{f"{name}.yaml": text for name, text in files.items()}, "captcha.yaml": captcha}
    written["chain.yaml"] = "chain:\n" + "".join(f"  - {entry}\n" for entry in chain)
    for name, text in written.items():
        (folder / name).write_text(text)
    return folder


def said(folder: Path, captcha: str = USUAL, chain: tuple[str, ...] = SOUND, **files: str) -> list[str]:
    ruleset = load(lay_out(folder, captcha, chain, **files), policy_kinds(), {})
    return [
        f"{problem.path.name}:{problem.line}:{problem.column}: {problem.message}"
        for problem in (*suspicions(ruleset), *undated(ruleset), *placeless(ruleset))
        if problem.path.name != "risk.yaml"
    ]


READS: Final = "rules:\n  - {name: odd, when: 'risk.score > 20', action: deny}\n"
WEIGHS: Final = f"{FILES['rules.yaml']}  - {{name: more, when: 'risk.score > 20', action: deny}}\n"
EARLY: Final = "stands before any entry that finds out who asks: it says nothing of callers without an account"
LATE: Final = "stands after `rules`, which reads `risk.score`: what this weighs comes too late for it"


@pytest.mark.parametrize(
    ("chain", "rules", "expected"),
    [
        pytest.param((AUTH, RISK, RULES), READS, [], id="between"),
        pytest.param((AUTH, RULES, RISK), FILES["rules.yaml"], [], id="after rules that do not read it"),
        pytest.param((AUTH, RULES, RISK, CAPTCHA), WEIGHS, [], id="after rules that read what they weigh"),
        pytest.param((RISK, AUTH, RULES), READS, [EARLY], id="before auth"),
        pytest.param((AUTH, RULES, RISK), READS, [LATE], id="after rules that read it"),
    ],
)
def test_where_risk_stands(tmp_path: Path, chain: tuple[str, ...], rules: str, expected: list[str]) -> None:
    """After whoever finds out who asks, and before whoever reads what it weighs."""
    ruleset = load(lay_out(tmp_path, chain=chain, rules=rules), policy_kinds(), {})
    assert [one.message for one in suspicions(ruleset) if one.path.name == "risk.yaml"] == expected


def test_what_is_sound_is_left_alone(tmp_path: Path) -> None:
    """A chain as it ships."""
    assert said(tmp_path) == []


CASES: Final = [
    pytest.param(
        USUAL, (CAPTCHA, AUTH, TIERS, RULES, QUOTA),
        ["captcha.yaml:1:1: stands before any entry that finds out who asks: it knows callers by their address alone",
         "captcha.yaml:2:3: no entry before it weighs, so nobody is ever suspected: only others' challenges are left"],
        id="before auth",
    ),
    pytest.param(
        USUAL, (AUTH, TIERS, RULES, RISK, QUOTA, CAPTCHA),
        ["captcha.yaml:1:1: stands after `quota`: what that refuses is refused before anybody is challenged"],
        id="after quota",
    ),
    pytest.param(
        USUAL, (AUTH, TIERS, RULES, CAPTCHA, RISK, QUOTA),
        ["captcha.yaml:1:1: stands before `risk`: what that weighs comes too late for it",
         "captcha.yaml:2:80: `review` can never be reached: all that weighs before adds at most 60, and answers 20"],
        id="before risk",
    ),
    pytest.param(
        USUAL + "first_use: {}\n", (AUTH, TIERS, CAPTCHA, QUOTA),
        ["captcha.yaml:2:3: no entry before it weighs, so nobody is ever suspected: only others' challenges and "
         "`first_use` are left"],
        id="nothing weighs",
    ),
    pytest.param(
        "ladders:\n  - {name: usual, steps: {captcha: 200}}\n", SOUND,
        ["captcha.yaml:2:36: `captcha` can never be reached: all that weighs before adds at most 100"],
        id="more than there can be",
    ),
    pytest.param(
        USUAL, (AUTH, RULES, RISK, CAPTCHA, QUOTA),
        ["captcha.yaml:2:68: `verify` asks for `document` and `liveness`, which no entry of kind `kyc` asks for: "
         "its owner has no page to show it on"],
        id="evidence that nobody can show",
    ),
    pytest.param(
        USUAL + "verify: {evidence: [registry]}\n", SOUND,
        ["captcha.yaml:2:68: `verify` asks for `registry`, which no entry of kind `kyc` asks for: "
         "its owner has no page to show it on"],
        id="evidence of another kind",
    ),
    pytest.param(
        f"ladders:\n  - {{name: usual, steps: {STEPS}}}\n"
        f"  - {{name: paying, when: 'account.tier == \"pro\"', steps: {STEPS}}}\n", SOUND,
        ["captcha.yaml:3:5: ladder `paying` is for nobody: `usual` before it is for all"],
        id="after one for all",
    ),
    pytest.param(
        f"ladders:\n  - {{name: paid, when: 'account.tier != \"free\"', steps: {STEPS}}}\n"
        f"  - {{name: paying, when: 'account.tier == \"pro\"', steps: {STEPS}}}\n", SOUND,
        ["captcha.yaml:3:5: ladder `paying` is for nobody: wherever it holds, `paid` before it does"],
        id="after a wider one",
    ),
    pytest.param(
        f"ladders:\n  - {{name: x, when: 'account.tier == \"a\" && account.tier == \"b\"', steps: {STEPS}}}\n", SOUND,
        ["captcha.yaml:2:21: `when` can never hold: the ladder `x` is for nobody"],
        id="for nobody",
    ),
    pytest.param(
        f"ladders:\n  - {{name: new, when: 'account.age < duration(\"24h\")', steps: {STEPS}}}\n", SOUND,
        ["captcha.yaml:2:23: `account.age` is 0s where it is unknown: put `account.has_created &&` before it"],
        id="takes unknown ages for new",
    ),
    pytest.param(
        f"ladders:\n  - {{name: far, when: 'client.country == \"DE\"', steps: {STEPS}}}\n", SOUND,
        ["captcha.yaml:2:23: reads `client.country`, and feeds.yaml states no database: it is always empty"],
        id="asks where callers are, and nobody knows",
    ),
    pytest.param(
        USUAL + "demanded: work\n",
        (AUTH, TIERS, RULES, RISK, "{name: first, kind: captcha, file: first.yaml, on_failure: deny}", CAPTCHA, QUOTA),
        ["captcha.yaml:3:11: `demanded` is without effect: `first` stands before, and makes other entries' challenges"],
        id="the second of two",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("captcha", "chain", "expected"), CASES)
def test_what_is_surely_not_meant(tmp_path: Path, captcha: str, chain: tuple[str, ...], expected: list[str]) -> None:
    """Each with its place, and none beside it."""
    first = USUAL.replace("usual", "other")
    assert said(tmp_path, captcha, chain, first=first) == expected


IN_SHADOW: Final = CAPTCHA.replace("deny}", "deny, mode: shadow}")
FOR_A_PART: Final = CAPTCHA.replace("deny}", "deny, rollout: 50%}")
NOBODY: Final = "nothing in this chain lets a caller pass"
CHALLENGING: Final = "rules:\n  - {name: odd, when: 'request.items > 5', action: challenge}\n"


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        pytest.param((AUTH, RULES), f"{NOBODY}: an entry of kind `captcha` would", id="without one"),
        pytest.param((AUTH, RULES, IN_SHADOW), f"{NOBODY}: `captcha` would, and is in shadow", id="in shadow"),
        pytest.param(
            (AUTH, RULES, FOR_A_PART), "`captcha` lets pass for 50 % of the accounts alone: the others never can",
            id="for a part",
        ),
        pytest.param((AUTH, RULES, CAPTCHA), "", id="enforced"),
    ],
)  # fmt: skip
def test_a_challenge_that_nobody_can_pass(tmp_path: Path, chain: tuple[str, ...], expected: str) -> None:
    """Is said where no entry that is enforced makes it passable, or only one that is enforced for a part."""
    found = [line for line in said(tmp_path, USUAL, chain, rules=CHALLENGING) if line.startswith("rules.yaml")]
    if not expected:
        assert found == []
    else:
        assert found == [f"rules.yaml:2:5: rule `odd` challenges, and {expected}"]


def test_a_provider_that_nobody_knows(tmp_path: Path) -> None:
    """By the names of tidegate.yaml; `altcha` is built in."""
    captcha = USUAL + "providers: [turnstyle, altcha]\n"
    ruleset = load(lay_out(tmp_path, captcha), policy_kinds(), {})
    assert unknown_captchas(ruleset, ["turnstyle"]) == []
    (near,) = unknown_captchas(ruleset, ["turnstile"])
    assert (near.line, near.column) == (3, 13)
    assert near.message == "`providers[0]` names no captcha of tidegate.yaml: did you mean `turnstile`?"
    (none,) = unknown_captchas(ruleset, [])
    assert none.message == "`providers[0]` names no captcha of tidegate.yaml: there are altcha"


@pytest.mark.parametrize(
    ("tiers", "count"), [({"free"}, 2), ({"free", "pro"}, 0), (None, 0)], ids=["misspelt", "known", "nobody knows"]
)
def test_tiers_that_nobody_has(tmp_path: Path, tiers: set[str] | None, count: int) -> None:
    """Whom a file means to challenge, or to spare, and does not."""
    captcha = USUAL + "first_use: {tiers: [pro]}\n"
    folder = lay_out(tmp_path, captcha, risk="refused: {except_tiers: [pro]}\n")
    found = [problem.message for problem in suspicions(load(folder, policy_kinds(), {}), tiers)]
    assert (
        len([message for message in found if message.endswith("means nobody: no account has the tier `pro`")]) == count
    )
