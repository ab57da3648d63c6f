"""The last overrides in a file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gateway.accounts.overrides_kept import KeptOverrides
from gateway.overrides.override import Kind, Override, Scope
from gateway.overrides.whole import Overrides

ONE = Override(
    1, 5, "rpm", Scope(accounts=frozenset({"b", "a"}), model="m-*"), Kind.SET, 0.1 + 0.2, reason="why", expires=50.0
)
OTHER = Override(2, 6, "*", Scope(country="NO"), Kind.FREEZE, expires=math.inf)


def test_there_and_back(tmp_path: Path) -> None:
    """To the digit, without what has ended meanwhile; for its owner alone, and no draft is left."""
    kept = KeptOverrides(tmp_path / "overrides.json")
    assert kept.read(0.0) is None
    kept.write(Overrides([ONE], 5))
    kept.write(Overrides([ONE, OTHER], 6))
    found = kept.read(49.0)
    assert found is not None and (found.all, found.revision, found.next_expiry) == ((ONE, OTHER), 6, 50.0)
    later = kept.read(50.0)
    assert later is not None and later.all == (OTHER,)
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("overrides.json", 0o600)]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"revision":1,"overrides":[{}]}', '{"revision":"x","overrides":[]}', "\xff"]
)
def test_what_is_not_whole_is_said(tmp_path: Path, content: str) -> None:
    """Half of a file is none."""
    path = tmp_path / "overrides.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"."):
        KeptOverrides(path).read(0.0)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """It is an OSError, and the old file stays."""
    with pytest.raises(OSError, match="No such file"):
        KeptOverrides(tmp_path / "gone" / "overrides.json").write(Overrides())
