"""What the detector's process can do: exchanges a second, memory by accounts, how long a burst is felt.

    python loadtest/detector.py [--accounts 10000,100000] [--seconds 40] [--burst 20000]

One process, as `tidegate detect run` is, with a Redis of its own. The exchanges are packed before the clock runs: what
is measured is reading, unpacking, hearing and looking. Times are of this machine at this moment: the processor's own
time stands beside them, which other work on it changes less.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from redis.asyncio import Redis

from gateway.app.detector import Process
from gateway.app.detector_facts import DirectoryFacts
from gateway.app.detector_levels import Levels
from gateway.app.detector_telling import Telling
from gateway.campaigns.event import Event
from gateway.campaigns.wire import FIELD_EVENTS, FIELD_VERSION, VERSION, pack
from gateway.detect.detector import Detector
from gateway.detect.observations import STREAM
from gateway.detect.settings import Settings
from gateway.stores.embedded import EmbeddedServer, find_server
from gateway.tasks import spawn

ENTRY: Final = 256
"""Exchanges in one entry of the stream, as a busy sketcher writes them."""
SHINGLES: Final = 14
"""Of a prompt of some 60 words, a quarter of which is kept."""
CAMPAIGN: Final = 0.3
"""The share of exchanges that shows one of 50 templates."""
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class World:
    """Exchanges of so many accounts, of which a tenth are a campaign's."""

    def __init__(self, accounts: int, seed: int = 7) -> None:
        self._random = np.random.default_rng(seed)
        self._accounts = accounts
        self._templates = [self._shingles(SHINGLES) for _ in range(50)]
        self._time = time.time()
        self._made = 0

    def events(self, count: int, rate: float = 2_000.0) -> Iterator[Event]:
        """So many, `rate` a second of their own clock."""
        members = max(1, self._accounts // 10)
        for draw, who, which in zip(
            self._random.random(count).tolist(),
            self._random.integers(0, self._accounts, count).tolist(),
            self._random.integers(0, len(self._templates), count).tolist(),
            strict=True,
        ):
            self._made += 1
            is_campaign = draw < CAMPAIGN
            own = self._shingles(SHINGLES // 2 if is_campaign else SHINGLES)
            number = who % members if is_campaign else who
            prompt = np.union1d(self._templates[which], own) if is_campaign else own
            yield Event(
                f"x{self._made}", self._time + self._made / rate, f"account-{number}", tier="free", created=1.7e9,
                address=f"{number % 60_000:016x}", network=f"{number % 9_000:016x}", asn=number % 400, country="DE",
                headers="aa", sdk=f"{number % 9:016x}", dialect="openai", route="chat.completions", model="m-large",
                input_tokens=400, usage_input=400, usage_output=300, status=200, seconds=2.0, prompt=prompt,
                prompt_words=60, prompt_hash=int(own[0]) >> 1,
            )  # fmt: skip

    def entries(self, count: int) -> list[bytes]:
        waiting = self.events(count)
        found = []
        while batch := [event for event, _ in zip(waiting, range(ENTRY), strict=False)]:
            found.append(pack(batch))
        return found

    def _shingles(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        return np.sort(self._random.integers(0, 1 << 62, count, dtype=np.uint64))


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    accounts: int
    events: int
    wall: float
    processor: float
    grown: float
    """Megabytes of the whole process."""
    held: float
    """Megabytes, as the detector says."""
    burst: float
    """Seconds until a burst was heard."""
    look: float


async def measure(accounts: int, seconds: float, burst: int) -> Row:
    """In at most about so many seconds."""
    world = World(accounts)
    async with EmbeddedServer(binary=find_server()) as server:
        redis = Redis(unix_socket_path=server.socket)
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings()
            detector = Detector(settings)
            # Every account once, as after a day: what is measured is how it goes with so many known.
            before = _resident()
            known = (Event(f"k{at}", time.time() - 60.0, f"account-{at}", model="m-large") for at in range(accounts))
            while batch := [event for event, _ in zip(known, range(8192), strict=False)]:
                detector.hear(batch)
            process = Process(
                detector, redis, settings, Path(folder), DirectoryFacts(None, time.time),
                Telling(redis, None, time.time), Levels(None), "loadtest",
            )  # fmt: skip
            stopping = asyncio.Event()
            entries = world.entries(int(min(40_000, max(8_000, 1_000 * seconds))))
            storm = world.entries(burst)
            gc.collect()
            task = spawn(process.run(stopping), name="detector")
            began, used = time.monotonic(), time.process_time()
            await _tell(redis, entries)
            heard = await _heard(process, len(entries) * ENTRY - ENTRY, began + seconds)
            wall, processor = time.monotonic() - began, time.process_time() - used
            began = time.monotonic()
            await _tell(redis, storm)
            await _heard(process, heard + burst - ENTRY, began + seconds)
            felt = time.monotonic() - began
            state = process.state()
            stopping.set()
            await task
            await redis.aclose()
    return Row(
        accounts,
        heard,
        wall,
        processor,
        (_resident() - before) / 1e6,
        state["bytes"] / 1e6,
        felt,
        state["look_seconds"],
    )


async def _tell(redis: Redis, entries: list[bytes]) -> None:
    for entry in entries:
        await redis.xadd(STREAM, {FIELD_VERSION: VERSION, FIELD_EVENTS: entry})


async def _heard(process: Process, wanted: int, until: float) -> int:
    while process.state()["events"] < wanted and time.monotonic() < until:  # noqa: ASYNC110 - as an operator looks
        await asyncio.sleep(0.02)
    return int(process.state()["events"])


def _resident() -> float:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Throughput, memory and lag of the detector's process.")
    parser.add_argument("--accounts", default="10000,100000,1000000")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each number of accounts, about")
    parser.add_argument("--burst", type=int, default=20_000)
    given = parser.parse_args()
    out = sys.stdout
    out.write("|  accounts | exchanges/s | per core-second | grown, MB | held, bytes/account | burst, s | look, s |\n")
    out.write("|---:|---:|---:|---:|---:|---:|---:|\n")
    for accounts in map(int, given.accounts.split(",")):
        row = asyncio.run(measure(accounts, given.seconds, given.burst))
        out.write(
            f"| {row.accounts:,} | {row.events / row.wall:,.0f} | {row.events / row.processor:,.0f} | {row.grown:,.0f}"
            f" | {row.held * 1e6 / row.accounts:,.0f} | {row.burst:.1f} | {row.look:.2f} |\n"
        )
        out.flush()


if __name__ == "__main__":
    main()
