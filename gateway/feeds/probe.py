"""Whether a database can be read without harm: found out by a process of its own, which may die of it.

The extension of maxminddb 3.2 trusts the types in the data section: over a damaged record it may end the process with
SIGSEGV. So a new database is looked through by a child first, and no worker opens one that no child came back from.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from gateway.feeds.databases import Database, DatabaseRefused

MOST = 1_000_000
"""Networks of v4, and of v6, that are looked up: about two seconds each."""
OPEN_ONLY = 1
"""For `most`: no more than opening it looks at."""
TIMEOUT = 120.0


def check_database(path: Path, most: int = MOST) -> Database:
    """Open it, after a child has looked up `most` networks of v4, and of v6. Takes seconds, where those are many.

    Raises OSError, and DatabaseRefused.
    """
    with path.open("rb"):
        pass  # So that what cannot be read is an OSError.
    command = [sys.executable, "-m", __name__, str(path), str(most)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        raise DatabaseRefused("damaged: a search in it does not end") from None
    if done.returncode < 0:
        raise DatabaseRefused(f"damaged: the reader died of it ({signal.Signals(-done.returncode).name})")
    if done.returncode:
        raise DatabaseRefused(done.stdout.strip() or f"cannot be read: {done.stderr.strip()[-200:]}")
    return Database(path)


def main(path: str, most: str) -> int:
    """What the child does: exit status 1, and why on standard output."""
    try:
        Database(Path(path)).walk_all(int(most))
    except DatabaseRefused as error:
        sys.stdout.write(str(error))
        return 1
    except (RuntimeError, ValueError) as error:
        sys.stdout.write(f"damaged: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
