"""python -m gateway.demo.captcha --port 9200"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

import uvloop

from gateway.demo.captcha.application import serving
from gateway.demo.captcha.world import Settings


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. The first line of output is the address, once it serves."""
    known = Settings()
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.captcha", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9200, help="0: any that is free")
    parser.add_argument("--site-key", default=known.site_key)
    parser.add_argument("--secret", default=known.secret)
    parser.add_argument("--project", default=known.project)
    options = parser.parse_args(arguments)
    uvloop.run(_serve(Settings(options.site_key, options.secret, options.project), options.host, options.port))
    return 0


async def _serve(settings: Settings, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings, host, port) as standin:
        sys.stdout.write(f"{standin.address}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
