"""The whole operators' port for a module: what its tests do, they do as operators of their own names."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.control.whole_port import WholePort, whole_port
from tests.stores.conftest import valkey_url

__all__ = ["valkey_url"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> AsyncIterator[WholePort]:
    """For tests with `loop_scope="module"`."""
    async with whole_port(tmp_path_factory.mktemp("port"), valkey_url) as port:
        yield port
