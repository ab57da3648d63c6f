"""What the durable directory costs a worker: `python -m loadtest.directory [--accounts 10000] [--remember 100000]`.

One run, on a SQLite file of its own: so many accounts with a key and an evidence each are put in, and a directory as a
worker has it is filled through its loader. Measured are

- a cold account: milliseconds from `load` to its record, one after another, and 64 at a time;
- memory: bytes an account that is remembered, and an account that auth knows as well;
- auth on callers that it knows: CPU a decision with one account, and with many in turn, of a directory of that size;
- a flood of prefixes that do not exist: how many a second, and how long a cold account waits among them.

Prints a table, and a JSON object in the last line. `--accounts 1000000` is the real thing: some minutes, 1 GB of disk.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import random
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from gateway.accounts import keys
from gateway.accounts.directory import KeyRecord
from gateway.accounts.live_directory import LiveDirectory
from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import migrate, tables
from gateway.accounts.sql.database import Database, Writing
from gateway.accounts.sql.keys import PEPPER
from gateway.accounts.stored import StoredAccounts
from gateway.policies import Services
from gateway.policies.auth.config import AuthConfig
from gateway.policies.auth.policy import Auth
from gateway.policy import Action, Ask, Context, Decision
from loadtest import proc

SECRETS: Final = Secrets({"bench": b"a secret of the load test, 32 bytes"})
ASK: Final = Ask("openai", "chat.completions", "m-small")
CHUNK: Final = 5_000
"""Accounts in one transaction."""
TOGETHER: Final = 64
DECISIONS: Final = 20_000
ROUNDS: Final = 15
FLOOD: Final = 2.0
"""Seconds."""
FLOODING: Final = 1_000
"""Prefixes that are asked for at once."""


def prefix(number: int) -> str:
    """Of the key of that account."""
    return f"B{number:09}"


def key(number: int) -> bytes:
    """Well formed, and made again whenever it is wanted: a million minted ones would have to be kept."""
    body = f"tg_{prefix(number)}_{'0' * 34}"
    return (body + base62(zlib.crc32(body.encode()))).encode()


def base62(number: int) -> str:
    """Six digits."""
    digits = []
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits.append(keys.ALPHABET[digit])
    return "".join(reversed(digits))


def fill(database: Database, count: int) -> None:
    """Put the accounts in."""
    pepper = SECRETS.key(PEPPER)

    def organisation(writing: Writing) -> None:
        writing.connection.execute(tables.organisations.insert(), {"id": "corp", "created": 1.0})

    database.write("bench", organisation)
    for first in range(0, count, CHUNK):
        numbers = range(first, min(count, first + CHUNK))

        def chunk(writing: Writing, numbers: range = numbers) -> None:
            same = {"created": 1.0}
            accounts = [{"id": f"bench-{n}", "organisation": "corp", "tier": "bench", **same} for n in numbers]
            writing.connection.execute(tables.accounts.insert(), accounts)
            minted = [
                {"prefix": prefix(n), "account": f"bench-{n}", "digest": keys.digest(pepper, key(n)), **same}
                for n in numbers
            ]
            writing.connection.execute(tables.keys.insert().values(name="ci", pepper="bench"), minted)
            shown = [{"account": f"bench-{n}", "kind": "email", "obtained": 1.0} for n in numbers]
            writing.connection.execute(tables.evidence.insert(), shown)

        database.write("bench", chunk)


class Worker:
    """What a worker has in front of the database."""

    def __init__(self, database: Database, remember: int) -> None:
        self.stored = StoredAccounts(database, SECRETS, time.time, remember)
        self.directory = LiveDirectory(stored=self.stored)
        config = AuthConfig(remember=max(16, remember))
        self.auth = Auth(config, Services(time.time, self.directory, {}))

    async def load(self, number: int) -> float:
        """Seconds until the record of that account was there."""
        begun = time.perf_counter()
        record = await self.directory.load(prefix(number))
        assert isinstance(record, KeyRecord)
        return time.perf_counter() - begun

    async def load_all(self, numbers: Sequence[int], together: int) -> list[float]:
        """Seconds of each, so many at a time."""
        taken = []
        for first in range(0, len(numbers), together):
            some = numbers[first : first + together]
            taken += await asyncio.gather(*(self.load(number) for number in some))
        return taken

    async def know(self, numbers: Iterable[int]) -> None:
        """Auth has seen them all."""
        for number in numbers:
            answer = self.auth.decide(context(key(number)))
            decision = answer if isinstance(answer, Decision) else await answer
            assert decision.action is Action.ALLOW

    async def close(self) -> None:
        await self.stored.close()


def context(credential: bytes) -> Context:
    fields = {b"authorization": b"Bearer " + credential, b"host": b"localhost"}
    return Context("x", time.time(), "POST", "/v1/chat/completions", fields, "127.0.0.1", ASK)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    at = {"p50": 0.5, "p99": 0.99}
    return {f"{name}_ms": round(ordered[int(len(ordered) * share)] * 1e3, 3) for name, share in at.items()}


async def cold(database: Database, accounts: int, asked: int) -> dict[str, Any]:
    """Latency of accounts that nobody has asked for yet."""
    figures: dict[str, Any] = {}
    for name, together in (("one_by_one", 1), (f"by_{TOGETHER}", TOGETHER)):
        worker = Worker(database, accounts)
        numbers = random.sample(range(accounts), min(asked, accounts))
        await worker.load_all(numbers[:TOGETHER], TOGETHER)  # Connections are made, statements compiled.
        figures[name] = percentiles(await worker.load_all(numbers[TOGETHER:], together))
        await worker.close()
    return figures


async def memory(database: Database, held: int) -> tuple[Worker, dict[str, Any]]:
    """Resident bytes for each account that is remembered."""
    worker = Worker(database, held)
    await worker.load_all(range(min(held, 1000)), 500)
    before, first = resident(), min(held, 1000)
    await worker.load_all(range(first, held), 500)
    remembered = resident()
    await worker.know(range(held))
    known = resident()
    figures = {
        "accounts": held,
        "bytes_each": round((remembered - before) / max(1, held - first)),
        "bytes_each_known_to_auth_as_well": round((known - before) / max(1, held - first)),
        "process_mb": round(known / 1e6, 1),
    }
    return worker, figures


def resident() -> int:
    gc.collect()
    return proc.rss_kib(os.getpid()) * 1024


def warm(worker: Worker, held: int) -> dict[str, Any]:
    """CPU of a decision on callers that auth knows: one, and as many as there are up to DECISIONS, in random order."""
    one = [context(key(7 % held)) for _ in range(DECISIONS)]
    some = random.sample(range(held), min(held, DECISIONS))
    many = [context(key(some[number % len(some)])) for number in range(DECISIONS)]
    best = {"one": float("inf"), "many": float("inf")}
    for _ in range(ROUNDS):
        for name, contexts in (("one", one), ("many", many)):
            best[name] = min(best[name], _decide(worker.auth, contexts))
    return {
        "one_account_us": round(best["one"] * 1e6, 3),
        "many_accounts_us": round(best["many"] * 1e6, 3),
        "accounts_in_turn": len(some),
        "ratio": round(best["many"] / best["one"], 3),
    }


def _decide(auth: Auth, contexts: Sequence[Context]) -> float:
    """CPU seconds a decision."""
    decide = auth.decide
    begun = time.process_time()
    for each in contexts:
        decide(each)
    return (time.process_time() - begun) / len(contexts)


async def flood(database: Database, accounts: int) -> dict[str, Any]:
    """Well-formed keys that nobody made, as many as can be asked; a cold account every 20 ms among them."""
    worker = Worker(database, accounts)
    unknown = (f"U{number:09}" for number in itertools.count())
    ends = time.monotonic() + FLOOD
    waited: list[float] = []

    async def customers() -> None:
        numbers = iter(random.sample(range(accounts), min(accounts, 1000)))
        while time.monotonic() < ends:
            waited.append(await worker.load(next(numbers)))
            await asyncio.sleep(0.02)

    async def attackers() -> None:
        while time.monotonic() < ends:
            await asyncio.gather(*(worker.directory.load(name) for name in itertools.islice(unknown, FLOODING)))

    await asyncio.gather(customers(), attackers(), attackers())
    loader = worker.stored.keys
    figures = {"unknown_per_second": round(loader.loaded / FLOOD), "batches_per_second": round(loader.batches / FLOOD)}
    await worker.close()
    return {**figures, "a_cold_account_among_them": percentiles(waited)}


async def measure(database: Database, accounts: int, remember: int, asked: int) -> dict[str, Any]:
    figures: dict[str, Any] = {"cold": await cold(database, accounts, asked)}
    worker, figures["memory"] = await memory(database, min(accounts, remember))
    figures["auth"] = warm(worker, min(accounts, remember))
    await worker.close()
    figures["flood"] = await flood(database, accounts)
    return figures


def rows(figures: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in figures.items():
        here = f"{path} {name}".strip()
        if isinstance(value, dict):
            yield from rows(value, here)
        else:
            yield f"{here.replace('_', ' '):<60} {value:>14}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000, help="in the directory, 1000 at least")
    parser.add_argument("--remember", type=int, default=100_000, help="accounts that the worker holds")
    parser.add_argument("--asked", type=int, default=2_000, help="cold accounts")
    chosen = parser.parse_args()
    accounts = max(1000, chosen.accounts)
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        database = Database("sqlite:///directory.db", time.time, Path(folder))
        migrate.upgrade(database)
        begun = time.monotonic()
        fill(database, accounts)
        figures: dict[str, Any] = {"accounts": accounts, "fill_seconds": round(time.monotonic() - begun, 1)}
        figures["file_mb"] = round(sum(each.stat().st_size for each in Path(folder).iterdir()) / 1e6, 1)
        figures |= uvloop.run(measure(database, accounts, chosen.remember, chosen.asked))
        database.close()
    print("\n".join(rows(figures)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
