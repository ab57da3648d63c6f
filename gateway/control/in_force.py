"""One worker's rulesets: the one in force, the one before it, and one that is ready to take its place.

A change has two phases, so that all workers change or none: `prepare` loads a whole beside the event loop and tells
what is wrong with it; `commit` swaps one reference. Exchanges end on the chain that they began with, and a chain is
closed when the last of them has let go of it.

Operators may put everything in shadow (`gateway.overrides`): then the rules in force are loaded anew, with nothing
enforced but who is asking, and swapped in by `renew`; and so is whatever is prepared meanwhile. What they were before
is kept, so that the end of it is a swap.
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


Load = Callable[[Path, bool], Loaded]
"""Called with a whole's folder, and whether it is to be in shadow, in a thread. Raises Problems."""

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
        self._origins: weakref.WeakKeyDictionary[Chain, _Origin] = weakref.WeakKeyDictionary()
        self.chain: Chain | None = None
        self.previous: Chain | None = None
        """Kept whole, so that going back is a swap."""
        self.prepared: Chain | None = None
        self.aside: Chain | None = None
        """What is in force, as it was before it came into shadow."""
        self.shadowed = False
        """Whether what is loaded from now on is to be in shadow. `renew` brings what is in force there."""

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
            known = self._known(version)
            if known is not None and self._is_right(known):
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
            if version != self.version:
                self.previous, self.aside = self.chain, None
            else:
                # In shadow or out of it the rules are the same: what there was before them stays what it was.
                self.aside = self.chain if self.shadowed else None
            self._put(chain)
        return True

    def is_renewed(self) -> bool:
        """Whether what is in force is in shadow where it is to be, and only there."""
        return self.chain is None or self._is_right(self.chain)

    async def renew(self) -> None:
        """Bring what is in force into shadow, or out of it, as `shadowed` says. Raises Problems."""
        while not self.is_renewed():
            async with self._loading:
                before = self.chain
                if before is None or self._is_right(before):
                    continue
                aside = self.aside
                if aside is None or not self._is_right(aside) or aside.version != before.version:
                    aside = await self._load(self._origins[before].folder)
                # Somebody may have committed another one meanwhile: that one is next.
                if self.chain is before and self._is_right(aside):
                    self.aside = before if self.shadowed else None
                    self._put(aside)

    def _put(self, chain: Chain) -> None:
        self.chain = chain
        self._swap(chain)
        # What came stays for long: the collector need not look at it again and again.
        gc.freeze()

    def discard(self) -> None:
        """Forget what was prepared."""
        self.prepared = None

    async def close(self) -> None:
        """The worker ends: close everything now."""
        chains = [chain for chain in (self.chain, self.previous, self.prepared, self.aside) if chain is not None]
        for finalizer in [self._closers.pop(chain) for chain in chains if chain in self._closers]:
            detached = finalizer.detach()
            if detached is not None:
                await detached[2][1]()

    def _known(self, version: Version) -> Chain | None:
        """One that is as it is to be before one that is not: `renew` is for that."""
        known = [self.chain, self.previous, self.prepared, self.aside]
        chains = [chain for chain in known if chain is not None and chain.version == version]
        return next(filter(self._is_right, chains), chains[0] if chains else None)

    def _is_right(self, chain: Chain) -> bool:
        return self._origins[chain].shadowed == self.shadowed

    async def _load(self, folder: Path) -> Chain:
        shadowed = self.shadowed
        with _short_turns():
            loaded = await asyncio.to_thread(self._read, folder, shadowed)
        ending = weakref.finalize(loaded.chain, _close_in, asyncio.get_running_loop(), loaded.close)
        ending.atexit = False
        self._closers[loaded.chain] = ending
        self._ages[loaded.chain] = loaded.ages
        self._origins[loaded.chain] = _Origin(folder, shadowed)
        return loaded.chain


class _Origin(NamedTuple):
    """Where a chain came from."""

    folder: Path
    shadowed: bool


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
