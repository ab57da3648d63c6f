"""ACCOUNTS: what is known of accounts, from a file or a folder of parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.facts_rows import facts_of
from gateway.detect.backtest.files import Refuse, batches

MANY: Final = 65_536
"""Rows at once."""


def facts_in(path: Path, refuse: Refuse) -> Iterator[AccountFacts]:
    """Row by row; `refuse` is told of each that makes no sense. Raises RowError."""
    for batch in batches(path, refuse, None, MANY):
        for index in range(len(batch)):
            try:
                facts = facts_of(batch.row(index))
            except (ValueError, TypeError) as error:
                refuse(batch.path, batch.numbers[index], str(error))
            else:
                yield facts
