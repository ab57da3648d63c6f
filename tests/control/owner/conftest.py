"""One world a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.control.owner.world import World, gateway


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway with mail, one provider, and an account `acme` that ann@example.com may sign in to."""
    async with gateway(tmp_path) as made:
        made.account("acme", "ann@example.com", name="Acme Robotics", organisation="acme-group")
        yield made
