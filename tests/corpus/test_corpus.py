"""What authors are told of their mistakes, word for word and at its place; and what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.rehearsal.checking import check_folder
from tests.corpus.cases import BAD, BASE, GOOD, expected, lay_out


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.stem)
def test_a_bad_one(case: Path, tmp_path: Path) -> None:
    """Exactly the problems of its first lines: each with file, line, column and words, and none beside them."""
    folder = lay_out(case, tmp_path)
    found = [str(problem).replace(f"{folder}/", "") for problem in check_folder(folder, environment={}).problems]

    assert sorted(found) == sorted(expected(case))
    assert found


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.stem)
def test_a_good_one(case: Path, tmp_path: Path) -> None:
    """Nothing is wrong with it, and its tests, if it has any, pass the check."""
    checked = check_folder(lay_out(case, tmp_path), environment={})

    assert checked.problems == ()
    assert checked.ruleset is not None


def test_what_they_are_laid_over_is_good() -> None:
    """So whatever is wrong is the case's."""
    assert check_folder(BASE, environment={}).problems == ()


def test_there_are_enough() -> None:
    """Of each file of a folder of policies, several; and of those that need more than one file."""
    assert len(BAD) >= 60
    assert len(GOOD) >= 30
    assert {case.stem.partition("-")[0] for case in BAD} >= {
        "auth", "chain", "condition", "feeds", "geo", "prices", "quota", "rules", "tests",
    }  # fmt: skip
    assert sum(case.is_dir() for case in BAD) >= 3
