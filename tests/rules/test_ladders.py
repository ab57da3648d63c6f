"""What a ladder surely does not mean is said, with its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.policies import auth, kyc, quota
from gateway.policy import PolicyKind
from gateway.rules.ladders import unprovided
from gateway.rules.ruleset import load
from gateway.rules.suspicious import suspicions

KINDS: Final[Mapping[str, PolicyKind[Any]]] = {module.KIND.name: module.KIND for module in (auth, kyc, quota)}
CHAIN: Final = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: tiers, kind: kyc, on_failure: deny}
"""
QUOTA: Final = "  - {name: quota, kind: quota, on_failure: deny}\n"
LIMITS: Final = """\
limits:
  - {name: free, measure: requests, per: [account], tiers: [free], capacity: 1}
  - {name: pro, measure: requests, per: [account], tiers: [pro], capacity: 9}
"""


def said(folder: Path, tiers: str, chain: str = CHAIN, limits: str = LIMITS) -> list[str]:
    files = {"chain.yaml": chain, "auth.yaml": "api_keys: true\n", "tiers.yaml": tiers, "quota.yaml": limits}
    for name, text in files.items():
        (folder / name).write_text(text)
    return [
        f"{problem.path.name}:{problem.line}:{problem.column}: {problem.message}"
        for problem in suspicions(load(folder, KINDS, {}))
    ]


def two(free: str = "", pro: str = "") -> str:
    """Two tiers in two lines: 2 and 3."""
    return f"tiers:\n  - {{name: free{free}}}\n  - {{name: pro, requires: [document]{pro}}}\n"


LESS: Final = [
    (
        "a model",
        two("", ", withholds: {models: [m-x*]}"),
        "3:59: tier `pro` gives less than `free`: it may not have the model `m-x`",
    ),
    (
        "a model of a wider pattern",
        two(", withholds: {models: [m-x-2*]}", ", withholds: {models: [m-x*]}"),
        "3:59: tier `pro` gives less than `free`: it may not have the model `m-x`",
    ),
    (
        "all models but some",
        two("", ", grants: {models: [m-x]}"),
        "3:56: tier `pro` gives less than `free`: it may not have models that neither names",
    ),
    (
        "a feature",
        two(", grants: {features: [tools, vision]}", ", grants: {features: [tools]}"),
        "3:58: tier `pro` gives less than `free`: it may not have `vision`",
    ),
    (
        "a feature, where both withhold a model",
        two(", withholds: {models: ['*']}", ", withholds: {models: ['*'], features: [batch]}"),
        "3:76: tier `pro` gives less than `free`: it may not have `batch`",
    ),
    (
        "a country",
        two(", withholds: {countries: [CU]}", ", withholds: {countries: [CU, IR]}"),
        "3:62: tier `pro` gives less than `free`: it may not have calls from IR",
    ),
    (
        "unknown countries",
        two(", withholds: {countries: [CU]}", ", grants: {countries: [DE, CU]}"),
        "3:59: tier `pro` gives less than `free`: it may not have calls from nobody knows where",
    ),
    (
        "exchanges at once",
        two("", ", concurrency: 4"),
        "3:52: tier `pro` gives less than `free`: 4 at once, and not as many as there are",
    ),
    (
        "a volume",
        two(
            ", volume: [{measure: requests, capacity: 9}]",
            ", volume: [{measure: requests, capacity: 8}]",
        ),
        "3:48: tier `pro` gives less than `free`: 8 requests",
    ),
    (
        "a volume that was free",
        two("", ", volume: [{measure: requests, capacity: 8}]"),
        "3:48: tier `pro` gives less than `free`: its requests are bounded",
    ),
]


@pytest.mark.parametrize(("tiers", "expected"), [row[1:] for row in LESS], ids=[row[0] for row in LESS])
def test_a_tier_that_gives_less_is_said(tmp_path: Path, tiers: str, expected: str) -> None:
    """By an example of what is lost."""
    assert said(tmp_path, tiers) == [f"tiers.yaml:{expected}"]


@pytest.mark.parametrize(
    "tiers",
    [
        two(),
        two(", withholds: {models: [m-x*], features: [batch], countries: [CU]}"),
        two(", withholds: {models: [m-x*, m-y]}", ", withholds: {models: [m-x-2*]}"),
        two(", grants: {models: [m-a], countries: [DE]}", ", grants: {models: [m-a, m-b], countries: [DE, ZZ]}"),
        two(", withholds: {countries: [CU]}", ", withholds: {countries: [CU]}"),
        two(", concurrency: 2", ", concurrency: 3"),
        two(
            ", volume: [{measure: requests, capacity: 8, every: 1h}]",
            ", volume: [{measure: requests, capacity: 7, every: 1m}]",
        ),
    ],
    ids=["nothing", "all", "a narrower pattern", "more of each", "the same", "more at once", "another time"],
)
def test_a_tier_that_gives_more_is_left_alone(tmp_path: Path, tiers: str) -> None:
    """What is not certain is not said."""
    assert said(tmp_path, tiers) == []


@pytest.mark.parametrize(
    ("tiers", "chain", "limits", "expected"),
    [
        (
            two("", ", quota: gold"),
            CHAIN + QUOTA,
            LIMITS,
            ["tiers.yaml:3:46: no limit is for the tier `gold`: accounts of `pro` are refused everything"],
        ),
        (two(), CHAIN + QUOTA, LIMITS, []),
        (two("", ", quota: gold"), CHAIN + QUOTA, LIMITS + "unmatched: allow\n", []),
        (two("", ", quota: gold"), CHAIN + QUOTA, LIMITS.replace(", tiers: [pro]", ""), []),
        (
            two(),
            CHAIN.replace("  - {name: auth, kind: auth, on_failure: deny}\n", ""),
            LIMITS,
            ["tiers.yaml:1:1: stands before any entry that finds out who asks: it refuses everything"],
        ),
        (two() + "evidence: {phone: {lasts: 1d}}\n", CHAIN, LIMITS, ["tiers.yaml:4:19: no tier requires `phone`"]),
    ],
    ids=["no quota", "quotas for all", "unmatched passes", "a limit for all", "nobody known", "evidence for nothing"],
)
def test_what_the_rest_of_the_files_says(
    tmp_path: Path, tiers: str, chain: str, limits: str, expected: list[str]
) -> None:
    """A tier that quota.yaml knows nothing of, a ladder before anybody is known, evidence that leads nowhere."""
    assert said(tmp_path, tiers, chain, limits) == expected


def test_requirements_that_nobody_provides(tmp_path: Path) -> None:
    """Against the providers of tidegate.yaml."""
    evidence = "evidence:\n  document: {provider: veriff}\n  liveness: {provider: persona}\n  email: {}\n"
    said(tmp_path, two("", ", quota: pro") + evidence)
    ruleset = load(tmp_path, KINDS, {})

    assert unprovided(ruleset, {"veriff": frozenset({"document"}), "persona": frozenset({"liveness"})}) == []
    assert [problem.message for problem in unprovided(ruleset, {"veriff": frozenset({"liveness"})})] == [
        "`provider` names a provider whose approval is no `document`: `veriff` gives liveness",
        "`provider` names no provider of tidegate.yaml: there are veriff",
    ]


TOP: Final = "  - {name: top, requires: [%s], quota: pro}\n"


@pytest.mark.parametrize(
    ("requires", "expected"),
    [
        ("document, registry", []),
        ("document", []),
        (
            "email",
            [
                "tiers.yaml:4:27: tier `top` does not require document, as `pro` below it does: "
                "whoever shows email alone stands on `top`"
            ],
        ),
    ],
    ids=["more", "the same", "a short cut"],
)
def test_a_short_cut_to_the_top_is_said(tmp_path: Path, requires: str, expected: list[str]) -> None:
    """A tier that asks for less than one below it lifts those who have shown less."""
    assert said(tmp_path, two() + TOP % requires) == expected
