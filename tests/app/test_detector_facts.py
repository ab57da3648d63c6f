"""What the directory tells the detector of accounts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.sql import standing, tables
from gateway.accounts.sql.database import Database
from gateway.accounts.sql.migrate import upgrade
from gateway.app.detector_facts import facts_of

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("kinds", "more", "trust"),
    [
        pytest.param(["document", "liveness"], {}, 2, id="a-person"),
        pytest.param(["registry", "document"], {}, 2, id="a-company"),
        pytest.param(["document", "document"], {}, 1, id="the-same-twice"),
        pytest.param(["document", "liveness"], {"expires": NOW - 1.0}, 0, id="expired"),
        pytest.param(["document", "liveness"], {"expires": NOW + 1.0}, 2, id="not-yet"),
        pytest.param(["email", "phone", "payment", "console"], {}, 0, id="what-a-campaign-has-for-each-account"),
    ],
)
def test_what_makes_an_account_trusted(tmp_path: Path, kinds: Sequence[str], more: dict[str, Any], trust: int) -> None:
    """Evidence that takes a person, and that still holds: two kinds of it."""
    database = Database("sqlite:///directory.db", time.time, tmp_path)
    with contextlib.closing(database):
        upgrade(database)

        def add(writing: Any) -> None:
            writing.connection.execute(tables.accounts.insert().values(id="a", created=1.0))
            for kind in kinds:
                standing.add_evidence(writing, "a", kind, obtained=NOW - 9.0, **more)

        database.write("test", add)
        (facts,) = database.read(lambda connection: facts_of(connection, ["a"], NOW))
        assert facts.verification == trust
