"""Processes that can be given up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.control.rules_files import workshop as module
from gateway.control.rules_files.workshop import Busy, GivenUp, Workshop
from gateway.tasks import spawn
from tests.control.rules_files.world import lay


@pytest.fixture
async def shop() -> AsyncIterator[Workshop]:
    made = Workshop(1, 0)
    yield made
    await made.close()


def question(folder: Path, do: str = "check", **more: Any) -> dict[str, Any]:
    return {"do": do, "policies": str(folder), "data": str(folder.parent), "captchas": [], "providers": {}, **more}


async def test_who_hangs_or_dies_is_given_up_and_the_next_is_answered(shop: Workshop, tmp_path: Path) -> None:
    """Neither is left behind, nor its folder; and a second question at once is told that it is too many."""
    folder = lay(tmp_path)
    assert (await shop.ask(question(folder), 20.0))["ok"]
    [process] = shop._all
    with pytest.raises(GivenUp, match=r"within 0\.001 s"):
        await shop.ask(question(folder), 0.001)
    assert not shop._all and not process._work.exists()
    asked = spawn(shop.ask(question(folder), 20.0), "asked")
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="too many"):
        await shop.ask(question(folder), 20.0)
    assert (await asked)["ok"]
    [process] = shop._all
    os.kill(process._process.pid, 9)
    with pytest.raises(GivenUp):
        await shop.ask(question(folder), 20.0)
    assert not shop._all and module.AT_ONCE == 2


async def test_what_breaks_in_an_answer_ends_none_of_the_next(shop: Workshop, tmp_path: Path) -> None:
    """A stranger's policy may raise anything."""
    with pytest.raises(GivenUp, match="broken"):
        await shop.ask({"do": "check"}, 20.0)
    assert (await shop.ask(question(lay(tmp_path)), 20.0))["ok"]
