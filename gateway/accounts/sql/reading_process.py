"""The process that reads a large file of accounts: `gateway.accounts.sql.reading` starts it, and hears its frames."""

from __future__ import annotations

import os
import pickle
import signal
import sys

from gateway.accounts.sql.reading import frames


def main() -> None:
    """The process."""
    descriptor, format_, secrets, now, mints = pickle.load(sys.stdin.buffer)  # noqa: S301 - of whom started us
    out = sys.stdout.buffer
    # Its owner ends us, and Ctrl-C is told to it as well.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        with os.fdopen(descriptor, "rb") as file:
            for frame in frames(file, format_, secrets, now, mints=mints):
                pickle.dump(frame, out, pickle.HIGHEST_PROTOCOL)
                out.flush()
    except OSError as error:
        pickle.dump(error, out)
        out.flush()


if __name__ == "__main__":
    main()
