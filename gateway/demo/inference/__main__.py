"""python -m gateway.demo.inference --port 9000 --latency 0.05 --tokens-per-second 200"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

import uvloop

from gateway.demo.inference.application import Settings, serving
from gateway.demo.inference.wishes import Wishes


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. The first line of output is the address, once it serves."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.inference", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000, help="0: any that is free")
    parser.add_argument("--secret", default="upstream-secret", help="the credential that it wants")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before the head of an answer")
    parser.add_argument("--tokens-per-second", type=float, default=0.0, help="0: as fast as it goes")
    parser.add_argument("--tokens", type=int, default=40, help="output tokens where nothing caps them")
    options = parser.parse_args(arguments)
    usual = Wishes(delay=options.latency, tokens=options.tokens, tokens_per_second=options.tokens_per_second)
    uvloop.run(_serve(Settings(options.secret, usual), options.host, options.port))
    return 0


async def _serve(settings: Settings, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings, host, port) as (address, _):
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
