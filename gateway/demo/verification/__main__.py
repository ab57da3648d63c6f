"""python -m gateway.demo.verification --port 9100 --hooks http://127.0.0.1:8080/tidegate/hooks/{provider}"""

from __future__ import annotations

import argparse
import sys

import uvloop

from gateway.demo.served import until_signal
from gateway.demo.verification.application import serving
from gateway.demo.verification.world import Settings


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. The first line of output is the address, once it serves."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.verification", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0: any that is free")
    parser.add_argument("--hooks", default="", help="where webhooks go, with {provider} in it; nowhere if empty")
    parser.add_argument("--retries", default="0.2,1,5", help="seconds before each further attempt")
    options = parser.parse_args(arguments)
    retries = tuple(float(pause) for pause in options.retries.split(",") if pause)
    uvloop.run(until_signal(serving(Settings(options.hooks, retries=retries), options.host, options.port)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
