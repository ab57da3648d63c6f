"""A million accounts: `python -m loadtest.million [--accounts 1000000] [--write docs/million.md]`.

Makes a file of accounts, brings it into a SQLite directory (and kills that in the middle, twice), takes the schema
back and brings it forward again (killed in the middle as well), exports, and lets a gateway of one worker serve from
it: what a cold account costs, and what a request costs when it may be of any of many accounts. On loopback alone, all
of it ended by itself: some ten minutes for a million, half a minute for 2,000. Prints a page, and a JSON object last.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import resource
import secrets as random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.accounts.keys import digest, mint
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import bulk, export, migrate
from gateway.accounts.sql.database import Database
from gateway.accounts.sql.keys import PEPPER
from loadtest import million_page, million_served
from loadtest.machine import ROOT

SECRET: Final = "a secret of the load test, which guards nothing"
SECRETS: Final = Secrets({"load": SECRET.encode()})
BEFORE: Final = "0001"
"""The revision to which the schema is taken back."""
SEALS: Final = frozenset({"salt", "digest", "link"})
"""Columns of the audit: its chain of hashes."""
LIMIT: Final = 1800.0
"""Seconds for any one step."""
LINKED: Final = 4
"""One account in so many has a link."""


def write(path: Path, accounts: int, known: int) -> list[str]:
    """A file of accounts: each with a key, most with an e-mail address shown. Returns the keys of the first `known`;
    nobody has those of the others.
    """
    pepper = SECRETS.key(PEPPER)
    keys = []
    with path.open("wb") as file:
        for number in range(accounts):
            if number < known:
                key = mint()
                keys.append(key.key)
                prefix, proof = key.prefix, digest(pepper, key.key.encode()).hex()
            else:
                prefix, proof = f"x{number:09}", hashlib.blake2b(b"%d" % number, digest_size=32).hexdigest()
            row: dict[str, Any] = {
                "id": f"acct-{number:07}",
                "organisation": f"org-{number // 8}",
                "created": 1_700_000_000 + number,
                "email_domain": f"mail-{number % 5000}.example",
                "signup_country": ("DE", "US", "IN", "BR")[number % 4],
                "keys": [{"name": "default", "prefix": prefix, "digest": proof, "pepper": "load"}],
            }
            if number % 3:
                row["evidence"] = {"email": 1_700_000_000 + number}
            if number % LINKED == 0:
                row["links"] = {"payment": f"pm-{number}"}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return keys


def opened(folder: Path) -> Database:
    return Database("sqlite:///directory.db", time.time, folder)


# What runs in a process of its own: its memory is its own, and it may be killed.


def importing(folder: Path) -> dict[str, Any]:
    database = opened(folder)
    migrate.upgrade(database)
    read = 0.0
    began = time.monotonic()

    def tell(progress: bulk.Progress) -> None:
        nonlocal read
        if progress.step == "reading":
            read = time.monotonic() - began

    sizes, done = [0], threading.Event()

    def watch() -> None:
        # It is at its longest after the last progress that is told, and then emptied.
        log = folder / "directory.db-wal"
        while not done.wait(0.01):
            with contextlib.suppress(FileNotFoundError):
                sizes[0] = max(sizes[0], log.stat().st_size)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        loaded = bulk.load(database, SECRETS, folder / "accounts.jsonl", who="load", progress=tell)
    finally:
        done.set()
        watching.join()
    seconds = time.monotonic() - began
    database.close()
    if loaded.wrong:
        raise RuntimeError(f"the file is wrong: {loaded.problems[:3]}")
    return {"accounts": loaded.accounts, "seconds": seconds, "moving": seconds - read, "wal_mib": sizes[0] / 2**20}


def exporting(folder: Path) -> dict[str, Any]:
    began = time.monotonic()
    with (folder / "export.jsonl").open("wb") as out:
        dumped = export.dump(opened(folder), out)
    size = (folder / "export.jsonl").stat().st_size
    return {"accounts": dumped.accounts, "seconds": time.monotonic() - began, "mib": size / 2**20}


def going_back(folder: Path) -> dict[str, Any]:
    began = time.monotonic()
    migrate.downgrade(opened(folder), BEFORE)
    return {"seconds": time.monotonic() - began}


def going_forward(folder: Path) -> dict[str, Any]:
    began = time.monotonic()
    migrate.upgrade(opened(folder))
    return {"seconds": time.monotonic() - began}


STEPS: Final[dict[str, Callable[[Path], dict[str, Any]]]] = {
    "import": importing,
    "export": exporting,
    "back": going_back,
    "forward": going_forward,
}


def step(name: str, folder: Path, kill: float = 0.0) -> dict[str, Any]:
    """What it found, with its CPU seconds and its highest resident memory. `kill`: it is killed (SIGKILL) so many
    seconds after it began, and what is found is nothing; or it was done before.
    """
    command = [sys.executable, "-m", "loadtest.million", "--step", name, "--folder", str(folder), "--kill", str(kill)]
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False, timeout=LIMIT)
    if kill and ended.returncode == -signal.SIGKILL:
        return {}
    ended.check_returncode()
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def checksum(folder: Path) -> tuple[str, dict[str, int]]:
    """(SHA-256 of all rows of all tables, table -> how many rows). The database must be whole: raises RuntimeError.

    What seals the audit is left out: a step back forgets it, and a step forward seals it with other salts.
    """
    found = hashlib.sha256()
    counts: dict[str, int] = {}
    with sqlite3.connect(folder / "directory.db") as connection:
        whole = connection.execute("PRAGMA quick_check").fetchone()[0]
        if whole != "ok":
            raise RuntimeError(f"the database is not whole: {whole}")
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
        for (table,) in connection.execute(names).fetchall():
            named = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            columns = sorted(f'"{name}"' for name in named - (SEALS if table == "audit" else frozenset()))
            order = ", ".join(str(number) for number in range(1, len(columns) + 1))
            rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")
            counts[table] = 0
            for some in _pages(rows):
                counts[table] += len(some)
                found.update(repr((table, some)).encode())
    return found.hexdigest(), counts


def _pages(rows: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    while some := rows.fetchmany(10_000):
        yield some


def measure(folder: Path, accounts: int, seen: int, rounds: int, requests: int) -> dict[str, Any]:
    """The whole story."""
    load = os.getloadavg()[0]
    keys = write(folder / "accounts.jsonl", accounts, min(seen, accounts))
    migrate.upgrade(opened(folder))
    _, empty = checksum(folder)
    # A run that is not killed comes first: when to kill follows from it.
    trial = folder / "trial"
    trial.mkdir()
    os.link(folder / "accounts.jsonl", trial / "accounts.jsonl")
    imported = step("import", trial)
    full = checksum(trial)[1]
    shutil.rmtree(trial)
    reading = imported["seconds"] - imported["moving"]
    kills = []
    for when, after in {"reading": 0.5 * reading, "moving": reading + 0.5 * imported["moving"]}.items():
        if checksum(folder)[1] != full:
            hit = not step("import", folder, after)
            kills.append({"what": f"import, while {when}", "hit": hit, "whole": checksum(folder)[1] in (empty, full)})
    if checksum(folder)[1] == empty:
        step("import", folder)
    size = (folder / "directory.db").stat().st_size / 2**20
    before, counts = checksum(folder)
    back = step("back", folder)
    forward = step("forward", folder)
    after_way = checksum(folder)[0]
    kills.append(_killed_migration(folder, before, back))
    exported = step("export", folder)
    served = million_served.measure(folder, SECRET, keys, rounds, requests)
    return {
        "load": load,
        "accounts": accounts,
        "rows": sum(counts.values()),
        "file_mib": (folder / "accounts.jsonl").stat().st_size / 2**20,
        "sql_mib": size,
        "import": imported,
        "export": exported,
        "migration": {"back": back, "forward": forward, "same": after_way == before},
        "kills": kills,
        "served": served,
    }


def _killed_migration(folder: Path, before: str, back: dict[str, Any]) -> dict[str, Any]:
    """In the middle of the way back; then whatever is left is brought forward."""
    hit = not step("back", folder, 0.5 * back["seconds"])
    untouched = migrate.status(opened(folder)).current != BEFORE and checksum(folder)[0] == before
    step("forward", folder)
    return {
        "what": "migration, on its way back",
        "hit": hit,
        "whole": untouched == hit and checksum(folder)[0] == before,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--seen", type=int, default=100_000, help="accounts that the worker serves")
    parser.add_argument("--rounds", type=int, default=10, help="of one account against many, in turn")
    parser.add_argument("--requests", type=int, default=5_000, help="of each side in a round")
    parser.add_argument("--write", type=Path, help="where the page goes")
    parser.add_argument("--step", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--kill", type=float, default=0.0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where everything is kept, rather than in a temporary folder")
    chosen = parser.parse_args()
    if chosen.step is not None:
        if chosen.kill:
            threading.Timer(chosen.kill, os.kill, (os.getpid(), signal.SIGKILL)).start()
        found = STEPS[chosen.step](chosen.folder)
        used = resource.getrusage(resource.RUSAGE_SELF)
        found |= {"cpu": used.ru_utime + used.ru_stime, "memory_mib": used.ru_maxrss / 1024}
        print(json.dumps(found), flush=True)
        # A timer that is still running is for nobody.
        os._exit(0)
    with tempfile.TemporaryDirectory(prefix=f"tidegate-million-{random.token_hex(2)}-", dir=chosen.folder) as name:
        found = measure(Path(name), chosen.accounts, chosen.seen, chosen.rounds, chosen.requests)
    text = million_page.page(found)
    print(text)
    print(json.dumps(found))
    if chosen.write is not None:
        chosen.write.write_text(text, encoding="utf-8")
    return 0 if found["migration"]["same"] and all(kill["whole"] for kill in found["kills"]) else 1


if __name__ == "__main__":
    sys.exit(main())
