"""A process that takes webhooks and works them off, to be killed: `python -m tests.verification.office URL PORT`."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from aiohttp import web

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql.database import Database
from gateway.control import hooks
from gateway.control.hooks import Hooks
from gateway.tasks import spawn
from gateway.verification import clerk, inbox
from gateway.verification.clerk import Clerk
from gateway.verification.consequences import World
from gateway.verification.inbox import Inbox
from tests.verification.fakes import PROVIDER, FakeProvider, approved

# Whoever comes after us does not wait for a minute.
inbox.LEASE = 4.0  # type: ignore[misc]
clerk.MARGIN = 1.0  # type: ignore[misc]


async def main(url: str, port: int) -> None:
    """Until it is told to stop, or killed."""
    database = Database(url, time.time)
    provider = FakeProvider()
    provider.usual = approved(100.0)
    worker = Clerk(database, {PROVIDER: provider}, World(Secrets({"s1": b"1" * 32}), dict), time.time)
    app = web.Application()
    hooks.add_to(app, Hooks({PROVIDER: provider}, Inbox(database, time.time, worker.poke), time.time))
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    working = spawn(worker.run(), "clerk")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", flush=True)
    await stop.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await runner.cleanup()
    database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
