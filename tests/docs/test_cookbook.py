"""docs/policies/cookbook: each recipe is a folder of policies that checks, whose tests pass and reach both sides.

A recipe is what people copy: a rule that was never seen to spare an honest caller is not one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.policies.geo.config import GeoConfig
from gateway.rehearsal.checking import check_folder
from gateway.rehearsal.coverage import Seen
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.suite import suites
from gateway.rehearsal.trial import Result, Trial
from gateway.rules.read import parse, read
from tests.docs.pages import ROOT, blocks, links, text_of

COOKBOOK: Final = ROOT / "docs" / "policies" / "cookbook"
RECIPES: Final = sorted(path for path in COOKBOOK.iterdir() if path.is_dir())
AT_LEAST: Final = 22
PARTS: Final = ("Who could be hurt", "Rolling it out")
"""What each recipe's page speaks of, beside the problem and the rule."""
PLUMBING: Final = {"chain.yaml", "auth.yaml", "prices.yaml"}
"""Files that a page need not link: every folder has them."""


def _name(path: Path) -> str:
    return path.name


def _tried(recipe: Path) -> tuple[Rehearsal, Trial, list[Result]]:
    """All of its tests, run."""
    rehearsal = Rehearsal(recipe, {})
    trial = Trial(rehearsal)
    results = [
        trial.run(suite, index) for suite in suites(recipe, rehearsal.ruleset) for index in range(len(suite.file.tests))
    ]
    return rehearsal, trial, results


@pytest.mark.parametrize("recipe", RECIPES, ids=_name)
def test_a_recipe_checks(recipe: Path) -> None:
    """As `tidegate check --strict`: nothing is wrong, and nothing is suspicious."""
    checked = check_folder(recipe, environment={})

    assert [str(problem) for problem in checked.problems] == []
    assert [str(warning) for warning in checked.warnings] == []
    assert checked.notes == ()


@pytest.mark.parametrize("recipe", RECIPES, ids=_name)
def test_a_recipe_does_what_it_says(recipe: Path) -> None:
    """As `tidegate test`: every test passes, every rule is seen to apply and to spare, every entry is asked."""
    rehearsal, trial, results = _tried(recipe)
    with rehearsal:
        seen = Seen(rehearsal.ruleset)
        seen.note(trial.heard)

        assert [(result.test.name, result.differences) for result in results if not result.passed] == []
        # The rules of a geo entry are sets of parts, each with a name of its own: its answers are looked at below.
        geo = {entry.name for entry in rehearsal.ruleset.entries if isinstance(entry.config, GeoConfig)}
        gaps = [gap for gap in seen.coverage().gaps if gap.what == "entry" or gap.entry not in geo]
        assert gaps == []


@pytest.mark.parametrize("recipe", RECIPES, ids=_name)
def test_each_entry_lets_somebody_pass_and_stops_somebody(recipe: Path) -> None:
    """Both sides: each entry but auth matched, or took from a bucket that was short, and each let somebody by."""
    rehearsal, trial, _ = _tried(recipe)
    with rehearsal:
        spoke, passed = set(), set()
        for answer in trial.heard:
            spoke |= {entry for entry, _ in answer.matches} | ({answer.entry} if answer.entry else set())
            silent = {step.entry.name for step in answer.trail} - {entry for entry, _ in answer.matches}
            passed |= silent - {answer.entry}
        entries = {entry.name for entry in rehearsal.ruleset.entries if not entry.kind.identifies}

        assert entries - spoke == set(), "no test sees them speak"
        assert entries - passed == set(), "no test sees them let somebody by"


@pytest.mark.parametrize("recipe", RECIPES, ids=_name)
def test_a_limit_is_seen_full_and_empty(recipe: Path) -> None:
    """A limit that no test exhausts may be the wrong one; one that no test fits into may refuse everybody."""
    rehearsal, trial, _ = _tried(recipe)
    with rehearsal:
        short = {answer.short.bucket.limit.name for answer in trial.heard if answer.short is not None}
        taken = {take.bucket.limit.name for answer in trial.heard for take in answer.takes if answer.short is None}
        limits = {
            limit.name
            for entry in rehearsal.ruleset.entries
            for limit in getattr(entry.config, "limits", ())
            if getattr(entry.config, "store", "") != "local"
        }

        assert limits - short == set(), "no test empties them"
        assert limits - taken == set(), "no test fits into them"


@pytest.mark.parametrize("recipe", RECIPES, ids=_name)
def test_a_recipe_has_a_page(recipe: Path) -> None:
    """Short: the problem, the rule, who could be hurt by mistake, how it is rolled out; and every file is linked."""
    text = text_of(recipe / "README.md")

    assert 10 <= len(text.splitlines()) <= 25
    assert all(f"**{part}.**" in text for part in PARTS)
    files = {path.relative_to(recipe).as_posix() for path in recipe.rglob("*") if path.suffix in {".yaml", ".txt"}}
    assert files - PLUMBING - set(links(recipe / "README.md")) == set()


@pytest.mark.parametrize("recipe", RECIPES, ids=_name)
def test_what_a_page_shows_stands_in_the_file(recipe: Path) -> None:
    """A block of a recipe's page is a part of the file that it names: what is read is what is copied."""
    for block in blocks("yaml", pages=[recipe / "README.md"]):
        named = re.match(r"# (\S+)", block.text)
        assert named, block.place
        excerpt = parse(recipe / "README.md", block.text.encode()).data
        whole = read(recipe / Path(named[1]).name).data
        assert _stands_in(excerpt, whole), f"{block.place} is not in {named[1]}"


def _stands_in(part: Any, whole: Any) -> bool:
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _stands_in(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return all(any(_stands_in(item, other) for other in whole) for item in part)
    return bool(part == whole)


def test_every_recipe_is_in_the_table() -> None:
    """Nobody has to look through folders: one line a recipe, with its files."""
    assert len(RECIPES) >= AT_LEAST
    table = [line for line in text_of(COOKBOOK / "README.md").splitlines() if line.startswith("| [")]
    named = {found[1] for line in table if (found := re.match(r"\| \[[^\]]+\]\(([a-z0-9-]+)/README\.md\)", line))}
    assert named == {recipe.name for recipe in RECIPES}
    assert len(table) == len(RECIPES)
