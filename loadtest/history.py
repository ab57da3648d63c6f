"""`python -m loadtest.history FOLDER`: an exchange log as a gateway would have written it, of people who do not exist.

An honest population (most at home, some in offices, students behind the VPN of their campus, build servers of paying
customers in data centres) and a campaign: many accounts made within two days, in data centres, that use up the free
tier. Everything follows from the seed. Addresses are those for documentation and benchmarks (RFC 5737, RFC 2544).
"""

from __future__ import annotations

import csv
import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.history.columns import EVENT, SCHEMA
from gateway.history.parquet import by_day, table_of, write_part
from gateway.history.spool import Head, Rows

NOW: Final = 1_795_305_600.0
"""2026-11-22, midnight UTC: where the log ends if nothing else is said."""
DAY: Final = 86_400.0
PART: Final = 65_536
COUNTRIES: Final = {"US": 30, "DE": 12, "GB": 9, "IN": 9, "FR": 8, "JP": 6, "BR": 5, "NL": 4, "NO": 3, "PL": 3, "KE": 2}
MODELS: Final = {"m-small": 60, "m-large": 30, "m-vision": 6, "m-embed": 4}
FALLBACK_SIZES: Final = ((4808, 10), (3180, 8), (110, 27), (7433, 14), (34, 12), (1100, 250), (620, 480), (210, 90))
"""Tokens asked and answered, where no trace is given: a few rows of Azure's (2023, code and conversation)."""


@dataclass(slots=True)
class Person:
    """An account and its habits."""

    account: str
    tier: str
    country: str
    kinds: tuple[str, ...]
    address: str
    asn: int
    created: float
    email_domain: str
    verification: int
    pause: float
    """Mean seconds between two exchanges."""
    key: str = ""
    organisation: str = ""
    honest: bool = True
    begins: float = 0.0


def population(dice: random.Random, honest: int, campaign: int, since: float, until: float) -> list[Person]:
    """Honest people, and a campaign that begins in the middle."""
    people = [_honest(dice, number, since) for number in range(honest)]
    middle = (since + until) / 2
    for number in range(campaign):
        created = middle - dice.uniform(0, 2 * DAY)
        people.append(
            Person(
                f"c{number:06d}", "free", dice.choice(("NL", "DE", "US")), ("hosting",), f"198.18.{number % 250}.7",
                64_511, created, dice.choice(("mail.example", "tmp.example")), 0, 240.0, honest=False,
                begins=max(middle, created), key=f"kc{number:06d}",
            )
        )  # fmt: skip
    return people


def _honest(dice: random.Random, number: int, since: float) -> Person:
    country = dice.choices(list(COUNTRIES), list(COUNTRIES.values()))[0]
    tier = dice.choices(("free", "pro", "enterprise"), (80, 18, 2))[0]
    kinds: tuple[str, ...] = ()
    domain, verification = "home.example", int(dice.random() < 0.3)
    address, asn = f"203.0.{number % 200}.{number % 251}", 64_500 + number % 10
    pause = {"free": 3600.0, "pro": 600.0, "enterprise": 60.0}[tier] * dice.lognormvariate(0, 1)
    created = since - dice.uniform(1, 900) * DAY
    if tier == "free" and dice.random() < 0.04:
        # A campus: its VPN ends in a rented data centre.
        kinds, domain, verification, address, asn = ("hosting", "vpn"), "uni.example", 1, "198.51.100.9", 64_510
    elif tier != "free" and dice.random() < 0.2:
        # A build server.
        kinds, verification, pause = ("hosting",), 1, pause / 4
    return Person(
        f"a{number:06d}", tier, country, kinds, address, asn, created, domain, verification, pause,
        key=f"ka{number:06d}", organisation=f"o{number // 7:05d}" if tier == "enterprise" else "",
    )  # fmt: skip


def arrivals(people: list[Person], dice: random.Random, since: float) -> Iterator[tuple[float, Person]]:
    """Who asks when, in order, without end. Honest people sleep: at four at night they ask a quarter as often."""
    queue = [(max(since, person.begins) + dice.expovariate(1 / person.pause), n) for n, person in enumerate(people)]
    heapq.heapify(queue)
    while True:
        now, number = queue[0]
        person = people[number]
        awake = 0.625 - 0.375 * cos((now % DAY - 4 * 3600) / DAY * 2 * pi) if person.honest else 1.0
        heapq.heapreplace(queue, (now + dice.expovariate(awake / person.pause), number))
        yield now, person


def events(
    people: list[Person], sizes: list[tuple[int, int]], dice: random.Random, since: float
) -> Iterator[list[Any]]:
    """Events as a worker notes them; what the free tier's quota refuses was refused then, too."""
    names, weights = list(MODELS), list(MODELS.values())
    for number, (now, person) in enumerate(arrivals(people, dice, since)):
        asked, answered = sizes[dice.randrange(len(sizes))]
        refused = person.tier == "free" and dice.random() < (0.01 if person.honest else 0.05)
        cap = 1024 if dice.random() < 0.4 else None
        values: dict[str, Any] = {
            "exchange": f"{number:020x}", "time": now, "generation": 1, "digest": "synthetic", "method": "POST",
            "path": "/v1/chat/completions", "route": "chat.completions", "dialect": "openai",
            "model": dice.choices(names, weights)[0], "streaming": dice.random() < 0.5,
            "features": ["tools"] if dice.random() < 0.2 else [], "input_tokens": asked, "output_cap": cap, "items": 1,
            "generates": True, "client_address": person.address, "country": person.country, "asn": person.asn,
            "network_kinds": person.kinds, "latitude": None, "longitude": None, "radius": 0.0, "private": False,
            "ja4": "", "account": person.account, "organisation": person.organisation, "key": person.key,
            "tier": person.tier, "assigned": "", "evidence": [], "falls": [], "identity": "", "signup_burst": 0,
            "created": person.created, "email_domain": person.email_domain,
            "signup_country": person.country, "billing_country": person.country if person.tier != "free" else "",
            "verification": person.verification, "action": "throttle" if refused else "allow",
            "reason": "quota_exceeded" if refused else "", "entry": "quota" if refused else "",
            "rules": [["quota", "", "throttle", "quota_exceeded", True]] if refused else [], "weight": 0, "tags": [],
            "captcha": False, "status": 429 if refused else 200,
            "seconds": 0.001 if refused else round(0.3 + answered * 0.015, 6), "decision_seconds": 0.0002,
            "usage_input": None if refused else asked,
            "usage_output": None if refused else min(answered, cap or answered),
            "usage_cached": None if refused else 0, "usage_cache_creation": None if refused else 0,
            "usage_reasoning": None if refused else 0, "delivered": 0, "aborted": False, "reached": not refused,
            "request_id": "",
        }  # fmt: skip
        yield [values[name] for name in EVENT]


def write(folder: Path, made: Iterator[list[Any]], rows: int, until: float) -> int:
    """Parts of PART rows; returns how many rows there are."""
    head = Head(SCHEMA, "synthetic", EVENT)
    time = EVENT.index("time")
    within = itertools.takewhile(lambda event: event[time] < until, itertools.islice(made, rows))
    written = 0
    for number in itertools.count():
        batch = list(itertools.islice(within, PART))
        if not batch:
            return written
        table, unfit = table_of(Rows(head, batch, 0))
        if unfit:
            raise ValueError(f"{unfit} events are none")
        for day, part in by_day(table).items():
            write_part(folder / f"date={day}" / f"part-{number:06d}.parquet", part, [f"synthetic-{number}"])
        written += table.num_rows
    return written


def sizes_of(trace: Path | None) -> list[tuple[int, int]]:
    """(tokens asked, answered) of a trace with the columns ContextTokens and GeneratedTokens, or of a few rows."""
    if trace is None:
        return list(FALLBACK_SIZES)
    with trace.open(newline="") as file:
        return [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(file)]


def main(
    folder: Path,
    rows: Annotated[int, typer.Option(min=1, help="At most so many exchanges.")] = 1_000_000,
    days: Annotated[float, typer.Option(help="The log spans so many days.")] = 1.0,
    honest: Annotated[int, typer.Option(help="Accounts of honest people.")] = 20_000,
    campaign: Annotated[int, typer.Option(help="Accounts of the campaign.")] = 1_000,
    sizes: Annotated[Path | None, typer.Option(help="A CSV with ContextTokens and GeneratedTokens.")] = None,
    until: Annotated[float, typer.Option(help="Unix time at which it ends.")] = NOW,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Write a synthetic exchange log."""
    dice = random.Random(seed)
    since = until - days * DAY
    people = population(dice, honest, campaign, since, until)
    written = write(folder, events(people, sizes_of(sizes), dice, since), rows, until)
    print(f"{written} exchanges of {len(people)} accounts in {folder}")


if __name__ == "__main__":
    typer.run(main)
