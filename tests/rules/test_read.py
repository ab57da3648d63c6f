"""What cannot stand in a file of bad/."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules import read as module
from gateway.rules.read import Problem, Problems, parse, read


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A problem of the file, not an OSError; so is a folder."""
    with pytest.raises(Problems, match=r"none.yaml:1:1: cannot be read: No such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(Problems, match=r":1:1: cannot be read: Is a directory"):
        read(tmp_path)


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    """One byte more than 10 MiB is too much; no more than that is read."""
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(module.MAX_BYTES + 1)

    with pytest.raises(Problems, match=r"huge.yaml:1:1: larger than 10 MiB"):
        read(path)


def test_every_value_has_its_place() -> None:
    """Lines and columns count from 1; a way that is not there ends at the nearest that is."""
    document = parse(Path("x.yaml"), b"a: 1\nb:\n  - x\n  - {c: y}\n")

    assert document.data == {"a": 1, "b": ["x", {"c": "y"}]}
    assert document.position(()) == (1, 1)
    assert document.position(("a",)) == (1, 4)
    assert document.position(("b", 0)) == (3, 5)
    assert document.position(("b", 1, "c")) == (4, 9)
    assert document.key_position(("b", 1, "c")) == (4, 6)
    assert document.position(("b", 1, "d", "e")) == (4, 5)


@given(
    st.one_of(st.binary(max_size=80), st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t~1.", max_size=60).map(str.encode))
)
def test_any_bytes_are_a_mapping_or_a_problem(source: bytes) -> None:
    """Whatever a file holds, reading it gives a mapping of text keys, or problems with a line and a column."""
    keys: list[object] = []
    problems: list[Problem] = []
    try:
        keys = list(parse(Path("x.yaml"), source).data)
    except Problems as found:
        problems = found.problems

    assert all(isinstance(key, str) for key in keys)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
