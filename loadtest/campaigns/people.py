"""Who honest people are: software, networks, when they signed up, what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from loadtest.campaigns.columns import Book, Client, Ints, Place
from loadtest.campaigns.grammar import Half
from loadtest.campaigns.texts import Reels, Texts
from loadtest.campaigns.traces import DAY, Traces

COUNTRIES: Final = ("US", "IN", "GB", "DE", "BR", "JP", "FR", "CA", "KR", "NG", "ID", "PL", "AU", "MX", "SG", "CN")
SHARES: Final = np.array([24, 16, 7, 6, 7, 6, 5, 5, 4, 3, 4, 3, 3, 3, 2, 2], float)
HOSTING_ASNS: Final = (16509, 14618, 15169, 8075, 14061, 24940, 16276, 20473)
MAIL: Final = ("gmail.com", "outlook.com", "qq.com", "icloud.com", "proton.me", "yahoo.com")


@dataclass(slots=True)
class Society:
    """What all groups of a world draw from."""

    book: Book
    texts: Texts
    traces: Traces
    rng: np.random.Generator
    began: float
    days: float
    trusted: float
    """Share of honest accounts that somebody has reason to trust."""
    clients: list[int]
    """Common software, the most used first."""
    shared: list[int]
    """Places that strangers share: carrier NAT, VPN exits."""
    words: Reels
    """What nobody has said before."""

    def say(self, lengths: Ints) -> list[str]:
        """What people write: half of them with a common opening."""
        made = self.words.make(lengths)
        opened = self.rng.random(len(made)) < 0.5
        which = self.rng.integers(0, len(self.texts.openings), len(made))
        return [
            f"{self.texts.openings[opening]} {text}" if with_one else text
            for text, with_one, opening in zip(made, opened.tolist(), which.tolist(), strict=True)
        ]

    @property
    def half(self) -> Half:
        return self.texts.half

    def client(self) -> int:
        """Of an honest account: a common bundle mostly, sometimes something of its own."""
        if self.rng.random() < 0.12:
            return self.own_client()
        rank = int(min(self.rng.zipf(1.5), len(self.clients))) - 1
        return self.clients[rank]

    def own_client(self) -> int:
        number = len(self.book.clients)
        return self.book.client(Client(f"sdk-{number}", f"hdr-{number % 40}", f"ja4-{number % 25}"))

    def home(self, country: str = "") -> int:
        """An access line of one's own; now and then one that many share."""
        if self.shared and self.rng.random() < 0.07:
            return int(self.rng.choice(self.shared))
        number = len(self.book.places)
        where = country or str(self.rng.choice(COUNTRIES, p=SHARES / SHARES.sum()))
        asn = 3_000 + sum(map(ord, where)) * 7 + int(self.rng.zipf(1.8)) % 12
        return self.book.place(Place(f"a{number}", f"n{number}", asn, where))

    def hosted(self, networks: int = 400) -> int:
        """A machine in a data centre: neighbours share the network."""
        number = len(self.book.places)
        asn = HOSTING_ASNS[int(self.rng.integers(0, len(HOSTING_ASNS)))]
        network = f"h{asn}-{int(self.rng.integers(0, networks))}"
        return self.book.place(Place(f"a{number}", network, asn, "US" if asn % 2 else "DE", ("hosting",)))

    def known(self, trusted: bool | None = None, *, created: float = 0.0) -> dict[str, Any]:
        """What the directory knows of an honest account. `trusted` None: as the population's share is."""
        rng = self.rng
        if not self.trusted:
            # Nobody has told anything: not of those either who would be known.
            trusted = False
        elif trusted is None:
            trusted = bool(rng.random() < self.trusted)
        # Sign-ups grow over three years; every tenth came in the last month.
        age = float(rng.exponential(300.0)) * DAY if trusted else float(rng.exponential(200.0)) * DAY
        age = max(age, 60 * DAY) if trusted else age
        facts: dict[str, Any] = {
            "created": created or round(self.began - age, 0),
            "tier": "free",
            "verification": 0,
            "paid": 0.0,
            "email_domain": str(rng.choice(MAIL)),
            "signup_country": str(rng.choice(COUNTRIES, p=SHARES / SHARES.sum())),
        }
        number = len(self.book.accounts)
        if trusted:
            facts |= {
                "tier": "pro",
                "verification": int(rng.integers(2, 4)),
                "paid": round(float(rng.lognormal(5.5, 1.2)), 2),
                "contract": bool(rng.random() < 0.08),
                "payment": f"card-{number}",
                "phone": f"phone-{number}",
                "document": f"doc-{number}",
            }
        elif rng.random() < 0.45:
            facts |= {
                "payment": f"card-{number}",
                "paid": round(float(rng.lognormal(2.5, 1.0)), 2) if rng.random() < 0.6 else 0.0,
                "verification": int(rng.random() < 0.3),
            }
        if rng.random() < 0.5:
            facts["device"] = f"dev-{number}"
        return facts


def society(book: Book, texts: Texts, traces: Traces, rng: np.random.Generator, days: float, trusted: float) -> Society:
    """With its common software and shared networks."""
    made = Society(book, texts, traces, rng, book.truth.began, days, trusted, [], [], Reels(texts, rng))
    made.clients = [made.own_client() for _ in range(60)]
    for kind, count, kinds in (("cg", 25, ()), ("vpn", 30, ("vpn",))):
        for number in range(count):
            for host in range(6):
                where = str(rng.choice(COUNTRIES))
                made.shared.append(
                    book.place(Place(f"{kind}{number}.{host}", f"{kind}{number}", 9_000 + number, where, kinds))
                )
    return made


def mixed(values: Ints) -> Ints:
    """SplitMix64's finaliser, 62 bits: hashes of turns and ids from numbers."""
    bits = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(((bits ^ (bits >> np.uint64(31))) >> np.uint64(2)).astype(np.int64))
