"""A worker's half of a change: loaded beside the loop, swapped in one step, closed when nobody asks it any more."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.chain.chain import Asked, Chain
from gateway.control.in_force import SWITCH, InForce, Loaded
from gateway.rules.problems import Problem, Problems
from gateway.tasks import spawn
from gateway.testing import context

PATIENCE = 30.0
"""Seconds for a thread to have its turn, on a machine that does other things."""


class Shop:
    """Loads chains that hold nothing; the folder's name is generation and digest."""

    def __init__(self) -> None:
        self.loads: list[str] = []
        self.closed: list[str] = []
        self.swapped: list[tuple[int, str]] = []
        self.threads: set[int] = set()
        self.turns: list[float] = []
        self.kinds: list[bool] = []
        self.shadowed: weakref.WeakKeyDictionary[Chain, bool] = weakref.WeakKeyDictionary()
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.rules = InForce(self.load, self.swap)

    def swap(self, chain: Chain) -> None:
        self.swapped.append(chain.version)
        self.kinds.append(self.shadowed[chain])

    def load(self, folder: Path, shadowed: bool) -> Loaded:
        self.loads.append(folder.name)
        self.threads.add(threading.get_ident())
        self.turns.append(sys.getswitchinterval())
        self.gate.wait(5.0)
        if self.broken or folder.name == "broken":
            raise Problems([Problem(folder, 1, 1, "is broken")])
        generation, _, digest = folder.name.partition("-")
        nothing = cast("Any", None)
        chain = Chain((), nothing, nothing, {}, version=(int(generation), digest))
        self.shadowed[chain] = shadowed

        async def close() -> None:
            self.closed.append(folder.name)

        return Loaded(chain, close)


@pytest.fixture
async def shop() -> Shop:
    """With `1-a` in force."""
    made = Shop()
    await made.rules.begin(Path("/wholes/1-a"))
    return made


async def change(shop: Shop, name: str) -> None:
    generation, _, digest = name.partition("-")
    assert await shop.rules.prepare(Path("/wholes") / name, (int(generation), digest)) == []
    assert shop.rules.commit((int(generation), digest))


async def closed(shop: Shop, *names: str) -> bool:
    """Wait for it: the thread that loaded a chain lets go of it when it has its turn. A moment for none."""
    end = time.monotonic() + (PATIENCE if names else 0.1)
    while len(shop.closed) < max(1, len(names)) and time.monotonic() < end:
        await asyncio.sleep(0.002)
    return sorted(shop.closed) == sorted(names)


async def test_nothing_holds_before_the_commit(shop: Shop) -> None:
    """What is prepared serves nobody, and is loaded beside the loop, which gets its turn often meanwhile."""
    usual = sys.getswitchinterval()
    assert await shop.rules.prepare(Path("/wholes/2-b"), (2, "b")) == []
    assert shop.rules.version == (1, "a") and shop.swapped == []
    assert threading.get_ident() not in shop.threads
    assert shop.turns[-1] == pytest.approx(SWITCH, rel=0.01) and sys.getswitchinterval() == usual
    assert shop.rules.commit((2, "b"))
    assert shop.rules.version == (2, "b") and shop.swapped == [(2, "b")]


async def test_what_does_not_load_is_said(shop: Shop) -> None:
    """And nothing of it can be committed."""
    assert await shop.rules.prepare(Path("/wholes/broken"), (2, "b")) == ["/wholes/broken:1:1: is broken"]
    assert not shop.rules.commit((2, "b")) and shop.rules.version == (1, "a")


async def test_another_one_than_was_said_is_refused(shop: Shop) -> None:
    """A folder that holds something else than the supervisor thinks."""
    assert "holds (2, 'b')" in (await shop.rules.prepare(Path("/wholes/2-b"), (2, "c")))[0]
    assert not shop.rules.commit((2, "c")) and not shop.rules.commit((2, "b"))


async def test_what_was_discarded_cannot_be_committed(shop: Shop) -> None:
    """And it is closed."""
    await shop.rules.prepare(Path("/wholes/2-b"), (2, "b"))
    shop.rules.discard()
    assert not shop.rules.commit((2, "b")) and await closed(shop, "2-b")


async def test_going_back_is_a_swap(shop: Shop) -> None:
    """The one before is in memory: nothing is read."""
    await change(shop, "2-b")
    loads = len(shop.loads)
    await change(shop, "1-a")
    await change(shop, "2-b")
    assert len(shop.loads) == loads and shop.swapped == [(2, "b"), (1, "a"), (2, "b")] and shop.closed == []


async def test_a_commit_said_twice_changes_nothing(shop: Shop) -> None:
    """The supervisor may ask again where an answer was lost."""
    await change(shop, "2-b")
    assert shop.rules.commit((2, "b"))
    assert shop.swapped == [(2, "b")] and shop.rules.previous is not None
    assert shop.rules.previous.version == (1, "a")


async def test_a_chain_is_closed_when_its_last_exchange_lets_go(shop: Shop) -> None:
    """Not before: an answer may stream for an hour, and its policies settle it."""
    chain = shop.rules.chain
    assert chain is not None
    asked: Asked | None = Asked(chain, context(), lambda _: None)
    del chain
    await change(shop, "2-b")
    await change(shop, "3-c")
    assert await closed(shop)
    asked = None  # noqa: F841 - the exchange has ended
    assert await closed(shop, "1-a")


async def test_a_worker_that_ends_closes_all_of_them_once(shop: Shop) -> None:
    """What is in force, what is kept, and what was prepared."""
    await change(shop, "2-b")
    await shop.rules.prepare(Path("/wholes/3-c"), (3, "c"))
    await shop.rules.close()
    assert await closed(shop, "1-a", "2-b", "3-c")


# -- everything in shadow ---------------------------------------------------------------------------------------------


def kinds(shop: Shop) -> tuple[bool, ...]:
    """Whether each that was swapped in is in shadow."""
    return tuple(shop.kinds)


async def shadow(shop: Shop, *, on: bool) -> None:
    shop.rules.shadowed = on
    await shop.rules.renew()
    assert shop.rules.is_renewed()


async def test_what_is_in_force_comes_into_shadow_and_back(shop: Shop) -> None:
    """The same version; the end of it is a swap to what there was, and nothing is read."""
    before = shop.rules.chain
    await shadow(shop, on=True)
    assert shop.swapped == [(1, "a")] and kinds(shop) == (True,) and shop.loads == ["1-a", "1-a"]
    await shadow(shop, on=True)
    assert len(shop.swapped) == 1
    await shadow(shop, on=False)
    assert shop.rules.chain is before and kinds(shop) == (True, False) and len(shop.loads) == 2


async def test_a_worker_that_starts_in_shadow(shop: Shop) -> None:
    """Its first rules are in shadow at once; what is enforced afterwards is loaded."""
    other = Shop()
    other.rules.shadowed = True
    await other.rules.begin(Path("/wholes/1-a"))
    assert other.rules.is_renewed() and other.swapped == []
    await shadow(other, on=False)
    assert kinds(other) == (False,) and other.loads == ["1-a", "1-a"]


async def test_changes_of_rules_meanwhile_are_in_shadow_too(shop: Shop) -> None:
    """The next rules, and those before them; when it ends, what is in force then is enforced."""
    await change(shop, "2-b")
    await shadow(shop, on=True)
    await change(shop, "3-c")
    await change(shop, "1-a")
    await change(shop, "3-c")
    assert kinds(shop)[1:] == (True, True, True, True)
    await shadow(shop, on=False)
    assert shop.rules.version == (3, "c") and not kinds(shop)[-1]
    assert shop.rules.previous is not None and shop.rules.previous.version == (1, "a")
    await change(shop, "1-a")
    assert not kinds(shop)[-1]


@pytest.mark.parametrize("on", [True, False])
async def test_what_was_prepared_before_it_changed_is_brought_there(shop: Shop, on: bool) -> None:
    """Whatever a commit finds holds at once, and is renewed; it is never refused for that."""
    await shadow(shop, on=not on)
    assert await shop.rules.prepare(Path("/wholes/2-b"), (2, "b")) == []
    shop.rules.shadowed = on
    assert shop.rules.commit((2, "b")) and not shop.rules.is_renewed()
    await shop.rules.renew()
    assert shop.rules.version == (2, "b") and kinds(shop)[-1] is on
    assert shop.rules.previous is not None and shop.rules.previous.version == (1, "a")


async def test_a_commit_while_it_is_renewed(shop: Shop) -> None:
    """Rules that are just being loaded for shadow do not undo a change that came meanwhile."""
    await shop.rules.prepare(Path("/wholes/2-b"), (2, "b"))
    shop.rules.shadowed = True
    shop.gate.clear()
    renewing = spawn(shop.rules.renew(), "renew")
    while len(shop.loads) < 3:
        await asyncio.sleep(0.0005)
    assert shop.rules.commit((2, "b"))
    shop.gate.set()
    await renewing
    assert shop.swapped == [(2, "b"), (2, "b")] and kinds(shop)[-1] and shop.rules.is_renewed()


async def test_what_does_not_load_leaves_what_holds(shop: Shop) -> None:
    """It is said, and can be tried again."""
    shop.broken = True
    shop.rules.shadowed = True
    with pytest.raises(Problems):
        await shop.rules.renew()
    assert shop.swapped == [] and not shop.rules.is_renewed()
    shop.broken = False
    await shadow(shop, on=True)


async def test_what_is_kept_aside_is_closed_at_the_end(shop: Shop) -> None:
    """With the worker; and when other rules took its place."""
    await shadow(shop, on=True)
    await shop.rules.close()
    assert shop.closed == ["1-a", "1-a"]
