"""One world a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control.challenge.world import Place, challenges


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A gateway with challenges, an account `acme`, and owner's pages."""
    async with challenges(tmp_path) as made:
        yield made
