"""One Valkey, one stand-in and two gateways of two workers each for all journeys: a test takes accounts of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.stores.embedded import EmbeddedServer
from tests import servers
from tests.journeys import harness
from tests.journeys.harness import Account, Caller, Gateway, Standin, World

QUOTA = """\
assumed_output: 512
limits:
  - {name: pro-requests, measure: requests, per: [account], tiers: [pro], capacity: 10k, every: 1d}
  - {name: pro-input, measure: input_tokens, per: [account], tiers: [pro], capacity: 10M, refill: 1k, every: 1d}
  - {name: pro-output, measure: output_tokens, per: [account], tiers: [pro], capacity: 1M, refill: 1k, every: 1d}
  - {name: pro-spend, measure: spend, per: [account], tiers: [pro], capacity: $1000, every: 1d}
  - {name: pro-slots, measure: concurrency, per: [account], tiers: [pro], capacity: 50}

  # A second is a wait that an SDK sits out; a day is not.
  - {name: short-requests, measure: requests, per: [account], tiers: [short], capacity: 1, every: 1s}
  - {name: daily-requests, measure: requests, per: [account], tiers: [daily], capacity: 1, every: 1d}
  - {name: single-slots, measure: concurrency, per: [account], tiers: [single], capacity: 1}

  - {name: burst-requests, measure: requests, per: [account], tiers: [burst], capacity: 300, refill: 20, every: 1s}

  # Each measure is the short one in its turn.
  - {name: all-requests, measure: requests, per: [account], tiers: [all], capacity: 10, every: 1d}
  - {name: all-input, measure: input_tokens, per: [account], tiers: [all], capacity: 1000, every: 1d}
  - {name: all-output, measure: output_tokens, per: [account], tiers: [all], capacity: 1000, every: 1d}
  - {name: all-spend, measure: spend, per: [account], tiers: [all], capacity: $0.012, every: 1d}
  - {name: all-slots, measure: concurrency, per: [account], tiers: [all], capacity: 2}

  - {name: cut-output, measure: output_tokens, per: [account], tiers: [cut], capacity: 200, every: 1d,
     on_exhausted: cut}
  - {name: debt-output, measure: output_tokens, per: [account], tiers: [debt], capacity: 200, every: 1h}

  - {name: live-requests, measure: requests, per: [account], tiers: [live], capacity: 10, every: 1d}

  - {name: known-tokens, measure: total_tokens, per: [account, model], tiers: [known], models: [m-*],
     capacity: 1000, every: 1d}
"""
TIERS = {
    "pro": 40, "short": 4, "daily": 3, "single": 2, "burst": 2, "all": 18, "cut": 2, "debt": 1, "live": 1, "known": 2,
    "nobody": 1,
}  # fmt: skip
PRICES = harness.PRICES + "m-dear: {input: 1, cached_input: 1, cache_creation: 1, output: 20}\n"


@dataclass
class Fleet:
    """What the journeys share."""

    world: World
    gateways: list[Gateway]
    standin: Standin
    redis: EmbeddedServer

    @property
    def url(self) -> str:
        return self.gateways[0].url

    @property
    def urls(self) -> list[str]:
        return [gateway.url for gateway in self.gateways]

    def account(self, tier: str) -> Account:
        return self.world.account(tier)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for everything that the shared gateways read and write."""
    with harness.scratch(tmp_path_factory, "fleet") as place:
        yield place


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fleet(folder: Path) -> AsyncIterator[Fleet]:
    """Two gateways of two workers each, on one Valkey."""
    async with servers.server("valkey", port=0) as redis, harness.standin() as standin:
        world = World(folder, redis.tcp_url, standin.url)
        world.write({"quota": QUOTA, "prices": PRICES}, TIERS)
        # The journeys through it are about what is decided, not about how fast: a busy machine must not refuse.
        settings = {"timeouts": {"store": "2s", "drain": "1s", "first_byte": "2s", "idle": "5s"}}
        async with harness.gateways(world, 2, 2, **settings) as both:
            yield Fleet(world, both, standin, redis)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    """Raw requests."""
    async with harness.caller() as made:
        yield made
