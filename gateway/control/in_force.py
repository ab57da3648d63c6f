"""One worker's rulesets: the one in force, the one before it, and one that is ready to take its place.

A change has two phases, so that all workers change or none: `prepare` loads a whole beside the event loop and tells
what is wrong with it; `commit` swaps one reference. Exchanges end on the chain that they began with, and a chain is
closed when the last of them has let go of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import weakref
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from gateway.chain.chain import Chain
from gateway.feeds.locator import Age
from gateway.rules.problems import Problems
from gateway.tasks import spawn

Version = tuple[int, str]
"""Generation and digest."""


class Loaded(NamedTuple):
    """A whole that can be served by."""

    chain: Chain
    close: Callable[[], Awaitable[None]]
    ages: Callable[[float], Sequence[Age]] = lambda _: ()
    """Of its geo databases at a Unix time."""


Load = Callable[[Path], Loaded]
"""Called with a whole's folder, in a thread. Raises Problems."""

SWITCH: Final = 0.0005
"""Seconds after which the loading thread has to let go of the interpreter while requests wait for it. Python's own
5 ms would be what each wake-up of the event loop costs for as long as a ruleset is loaded.
"""


class InForce:
    """What a worker serves by."""

    def __init__(self, load: Load, swap: Callable[[Chain], None]) -> None:
        self._read = load
        self._swap = swap
        self._loading = asyncio.Lock()
        self._closers: weakref.WeakKeyDictionary[Chain, weakref.finalize[..., Chain]] = weakref.WeakKeyDictionary()
        self._ages: weakref.WeakKeyDictionary[Chain, Callable[[float], Sequence[Age]]] = weakref.WeakKeyDictionary()
        self.chain: Chain | None = None
        self.previous: Chain | None = None
        """Kept whole, so that going back is a swap."""
        self.prepared: Chain | None = None

    @property
    def version(self) -> Version:
        return self.chain.version if self.chain is not None else (0, "")

    def ages(self, now: float) -> Sequence[Age]:
        """Of the geo databases in force; `now` is Unix time."""
        return self._ages[self.chain](now) if self.chain is not None else ()

    async def begin(self, folder: Path) -> Chain:
        """The first one, before anything is served. Raises Problems."""
        self.chain = await self._load(folder)
        return self.chain

    async def prepare(self, folder: Path, version: Version) -> list[str]:
        """Load it, or find it in memory; returns what is wrong with it. It then waits for `commit` or `discard`."""
        async with self._loading:
            if self._known(version) is not None:
                return []
            try:
                self.prepared = await self._load(folder)
            except Problems as problems:
                return [str(problem) for problem in problems.problems]
            if self.prepared.version != version:
                found, self.prepared = self.prepared.version, None
                return [f"{folder} holds {found}, and not {version}"]
            return []

    def commit(self, version: Version) -> bool:
        """From the next exchange on this one holds. False where it was not prepared."""
        chain = self._known(version)
        if chain is None:
            return False
        self.prepared = None
        if chain is not self.chain:
            self.previous, self.chain = self.chain, chain
            self._swap(chain)
            # What came stays for long: the collector need not look at it again and again.
            gc.freeze()
        return True

    def discard(self) -> None:
        """Forget what was prepared."""
        self.prepared = None

    async def close(self) -> None:
        """The worker ends: close everything now."""
        chains = [chain for chain in (self.chain, self.previous, self.prepared) if chain is not None]
        for finalizer in [self._closers.pop(chain) for chain in chains if chain in self._closers]:
            detached = finalizer.detach()
            if detached is not None:
                await detached[2][1]()

    def _known(self, version: Version) -> Chain | None:
        for chain in (self.chain, self.previous, self.prepared):
            if chain is not None and chain.version == version:
                return chain
        return None

    async def _load(self, folder: Path) -> Chain:
        with _short_turns():
            loaded = await asyncio.to_thread(self._read, folder)
        ending = weakref.finalize(loaded.chain, _close_in, asyncio.get_running_loop(), loaded.close)
        ending.atexit = False
        self._closers[loaded.chain] = ending
        self._ages[loaded.chain] = loaded.ages
        return loaded.chain


def _close_in(loop: asyncio.AbstractEventLoop, close: Callable[[], Awaitable[None]]) -> None:
    """The last reference to a chain has gone, in whatever thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: spawn(_run(close), name="close a ruleset"))


async def _run(close: Callable[[], Awaitable[None]]) -> None:
    await close()


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
