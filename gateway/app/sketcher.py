"""The sketcher's process: what this machine's workers note goes to the fleet's stream as events without text."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from gateway.accounts.secrets import Secrets
from gateway.app.clocks import wall
from gateway.app.configuration import Configuration
from gateway.app.directory import open_durable
from gateway.app.fleet_secret import shared_secrets
from gateway.campaigns.minted import Mint
from gateway.detect.observations import Hearing, Stream
from gateway.detect.sketching import Sketching, keys_of
from gateway.stores.redis.client import client
from gateway.tasks import spawn

DRAIN: Final = 2.0
"""Seconds for what waits when it is told to stop."""


async def work(configuration: Configuration, socket: Path, stopping: asyncio.Event) -> None:
    """Until `stopping`. Raises Problems, and OSError where the socket cannot be made."""
    detector = configuration.file.detector
    if detector is None:
        await stopping.wait()
        return
    redis = client(configuration.file.redis.get_secret_value())
    stopped = spawn(stopping.wait(), "stop of the sketcher")
    running = spawn(_run(configuration, redis, socket, detector.retention, detector.events_at_most), "observations")
    try:
        # One that crashes ends the process: who supervises it starts it again.
        await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
    finally:
        for task in (running, stopped):
            task.cancel()
        await asyncio.gather(running, stopped, return_exceptions=True)
        await redis.aclose()


async def _run(configuration: Configuration, redis: Any, socket: Path, retention: float, most: int) -> None:
    keys = keys_of(await _secrets(configuration, redis))
    sketching = Sketching(keys["sketches"], keys["observed"], Mint(keys["minted"]))
    stream = Stream(redis, wall, retention, most)
    hearing = Hearing(socket, sketching, stream)
    await hearing.open()
    try:
        await stream.run()
    finally:
        await hearing.close()
        await stream.finish(DRAIN)


async def _secrets(configuration: Configuration, redis: Any) -> Secrets:
    durable = await asyncio.to_thread(open_durable, configuration)
    if durable is None:
        return await shared_secrets(redis)
    await asyncio.to_thread(durable.close)
    return durable.secrets
