"""The stand-in, served in a thread of its own: the synchronous SDKs block the test's own loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from gateway.demo.inference import Settings, serving


@pytest.fixture(scope="module")
def standin() -> Iterator[str]:
    """The address of a stand-in that serves for the whole module."""
    loop = asyncio.new_event_loop()
    address: list[str] = []
    serves, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving(Settings()) as (url, _):
            address.append(url)
            serves.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    serves.wait(10)
    yield address[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()
