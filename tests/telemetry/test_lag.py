"""How late an event loop is."""

from __future__ import annotations

import asyncio
import time

from gateway.telemetry.lag import Lag


async def test_a_loop_that_is_held_up_is_late() -> None:
    """By as long as it was held up, told once."""
    lag = Lag(time.monotonic)
    assert lag.take() == 0.0
    lag.start()
    await asyncio.sleep(0)
    time.sleep(0.3)
    assert 0.15 < lag.take() < 5
    await asyncio.sleep(0.25)
    lag.take()
    lag.close()
    assert lag.take() == 0.0
