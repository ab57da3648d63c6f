"""python -m gateway.demo.captcha --port 9200"""

from __future__ import annotations

import argparse
import sys

import uvloop

from gateway.demo.captcha.application import serving
from gateway.demo.captcha.world import Settings
from gateway.demo.served import until_signal


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
    settings = Settings(options.site_key, options.secret, options.project)
    uvloop.run(until_signal(serving(settings, options.host, options.port)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
