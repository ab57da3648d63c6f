"""What a relay does with the work of a lab: accounts in turn, conversations that stick for an hour, failover.

Read from public relay code (detection.md, section 1): least recently used first, a conversation stays with its account
until it has rested for an hour, 200 ms between two requests of an account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadtest.campaigns.attackers import PERIOD, Attacker, Lab
from loadtest.campaigns.benign import models, sizes
from loadtest.campaigns.columns import NEW_MODEL, Chunk, Floats, Ints, Kind, Place
from loadtest.campaigns.people import COUNTRIES, MAIL, Society, mixed
from loadtest.campaigns.requests import Requests
from loadtest.campaigns.threads import Threads, brought_back, spread, threads
from loadtest.campaigns.traces import DAY

STICKY: Final = 3_600.0
SPACING: Final = 0.2
RESTS: Final = 0.06
"""Share of conversations of several turns that rest for longer than `STICKY`."""
REFUSED: Final = 0.015
"""Share of requests that an account's own quota refuses."""
ACCOUNTS_AT_LEAST: Final = 40

Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Work:
    """The exchanges of one lab. Columns of one length, in the order of conversations."""

    made: Threads
    time: Floats
    slot: Ints
    """Which of the relay's places for an account."""
    moved: Flags
    """It goes on at another account than it began."""
    before: Ints
    """Slot of the account where it began."""
    rest: Ints
    """The turn before which it rested."""


def campaign(society: Society, lab: Lab, attacker: Attacker, scale: float) -> None:
    """All accounts and exchanges of one lab in the world's period."""
    rng, book = society.rng, society.book
    count = round(lab.exchanges * scale * society.days / PERIOD)
    slots = max(ACCOUNTS_AT_LEAST, round(lab.accounts * scale * attacker.accounts))
    work = worked(society, lab, attacker, count, slots)
    enrolled = Enrolled(society, lab, attacker, slots, scale)
    account = enrolled.of(work.slot, work.time)
    before = np.where(work.moved, enrolled.of(work.before, work.time), -1)
    cover = (rng.random(len(work.made.heads)) < attacker.cover)[work.made.talk]
    turns = brought_back(book.conversations, work.made)
    replayed = work.moved & (not attacker.rewrites_ids) & (lab.turns > 1) & (before != account)
    ids = mixed((work.made.talk + book.conversations) * 64 + work.made.turn % np.maximum(1, work.rest))
    book.conversations += len(work.made.heads)
    features = np.array([feature for feature, _ in lab.features])
    shares = np.array([share for _, share in lab.features])
    of_lab = features[rng.choice(len(features), count, p=shares / shares.sum())][work.made.talk % count]
    of_others = rng.choice(7, count, p=(0.6, 0.1, 0.15, 0.03, 0.04, 0.04, 0.04))
    asked, generated = sizes(society, count, code=lab.code)
    system, prompts = Requests(society, attacker).texts(work.made, work.time, cover, account)
    chunk = Chunk(
        time=spaced(work.time, account),
        account=account,
        prompt=prompts,
        system=system,
        model=np.where(cover, models(society, work.time), lab_models(society, lab, work.time)),
        features=np.where(cover, of_others, of_lab),
        input_tokens=asked,
        output_tokens=np.where(cover, generated, generated * 2 + 200),
        kind=np.where(cover, int(Kind.COVER), int(Kind.DISTILLATION)),
        turns=turns,
        minted_account=np.where(replayed, before, -1),
        minted_id=np.where(replayed, ids, 0),
    )
    failing_over(society, attacker, chunk, enrolled, work.slot)
    book.add(chunk)


def worked(society: Society, lab: Lab, attacker: Attacker, count: int, slots: int) -> Work:
    """When, and at which slot."""
    rng, days = society.rng, society.days
    made = threads(rng, np.array([count]), lab.turns)
    talks = len(made.heads)
    starts = rng.random(talks) * days * DAY * 0.995
    # By day a little more than at night: the queue of a lab is never empty.
    starts = np.minimum(starts + 2_000.0 * np.sin(starts / DAY * 2 * np.pi), days * DAY - 60.0).clip(0.0)
    time = society.began + spread(rng, made, starts, 45.0)
    share = np.clip(starts / max(attacker.ramp * DAY, 1.0), 0.0, 1.0) if attacker.ramp else np.ones(talks)
    open_ = np.maximum(1, np.ceil(share * slots)).astype(np.int64)
    if attacker.sigma:
        edges = np.cumsum(rng.lognormal(0.0, attacker.sigma, slots))
        of_talk = np.searchsorted(edges, rng.random(talks) * edges[open_ - 1])
    else:
        of_talk = np.empty(talks, np.int64)
        of_talk[np.argsort(starts, kind="stable")] = np.arange(talks)
        of_talk %= open_
    length = np.diff(np.append(made.heads, count))
    rests = (length > 1) & (rng.random(talks) < RESTS)
    at = np.where(rests, 1 + (rng.random(talks) * (length - 1)).astype(np.int64), np.iinfo(np.int64).max)
    later = made.turn >= at[made.talk]
    time = time + np.where(later, (STICKY * (1.1 + 5 * rng.random(talks)))[made.talk], 0.0)
    moves = (rng.random(talks) < attacker.wander)[made.talk] & later
    begun = np.minimum(of_talk, slots - 1)[made.talk]
    step = 1 + rng.integers(0, max(1, slots - 1), talks)[made.talk]
    slot = np.where(moves, (begun + step) % open_[made.talk], begun)
    return Work(made, time, slot, moves & (slot != begun), begun, np.where(later, at[made.talk], 1))


def lab_models(society: Society, lab: Lab, time: Floats) -> Ints:
    """After a release the lab's share on the new model grows for a day."""
    since = np.clip((time - society.book.truth.release) / DAY, 0.0, 1.0)
    moved = society.rng.random(len(time)) < since * (lab.moves or 0.08)
    return np.where(moved, NEW_MODEL, 1)


def spaced(time: Floats, account: Ints) -> Floats:
    """No two requests of an account closer than `SPACING`."""
    order = np.lexsort((time, account))
    sorted_, owner = time[order], account[order]
    heads = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    within = np.arange(len(order)) - np.repeat(heads, np.diff(np.append(heads, len(order))))
    # A running maximum over all accounts at once: each is lifted above the one before it by more than the period.
    lift = owner * 1e8
    least = np.maximum.accumulate(sorted_ - sorted_.min(initial=0.0) - within * SPACING + lift) - lift
    out = np.empty_like(time)
    out[order] = least + within * SPACING + sorted_.min(initial=0.0)
    return out


def failing_over(society: Society, attacker: Attacker, chunk: Chunk, enrolled: Enrolled, slot: Ints) -> None:
    """Some are refused by an account's own quota, and tried at the next account: the refused copy comes first."""
    rng = society.rng
    full = np.flatnonzero(rng.random(len(chunk.time)) < REFUSED)
    when = chunk.time[full]
    society.book.add(
        Chunk(
            time=when,
            account=chunk.account[full],
            prompt=[chunk.prompt[at] for at in full.tolist()],
            system=chunk.whole("system")[full],
            model=chunk.whole("model")[full],
            features=chunk.whole("features")[full],
            input_tokens=chunk.whole("input_tokens")[full],
            status=429,
            kind=int(Kind.REFUSED),
        )
    )
    wait = attacker.failover * (0.5 + rng.random(len(full)))
    chunk.time[full] = when + wait
    next_ = (slot[full] + 1 + rng.integers(0, 5, len(full))) % enrolled.slots
    chunk.account[full] = enrolled.of(next_, when)


class Enrolled:
    """The accounts behind the relay's slots; where they are thrown away, one after another."""

    def __init__(self, society: Society, lab: Lab, attacker: Attacker, slots: int, scale: float) -> None:
        self.slots = slots
        self._society, self._lab, self._attacker = society, lab, attacker
        self._bundles = [society.own_client() for _ in range(attacker.bundles)]
        self._places = self._networks(scale)
        self._accounts: list[Ints] = []
        lives = 1
        if attacker.life:
            per_slot = lab.exchanges * scale * society.days / PERIOD / slots
            lives = max(1, int(np.ceil(per_slot / attacker.life)))
        self._lives = lives
        self._length = society.days * DAY / lives
        self._accounts = [self._generation(life) for life in range(lives)]

    def of(self, slot: Ints, time: Floats) -> Ints:
        """The account that a slot has at this time."""
        life = np.minimum((time - self._society.began) // self._length, self._lives - 1).astype(np.int64)
        return np.stack(self._accounts)[np.maximum(life, 0), slot]

    def _networks(self, scale: float) -> list[int]:
        book, rng = self._society.book, self._society.rng
        if not self._attacker.networks:
            return []
        start = len(book.places)
        return [
            book.place(
                Place(f"r{start}.{n}.{h}", f"r{start}.{n}", 60_000 + n % 9, str(rng.choice(COUNTRIES)), ("hosting",))
            )
            for n in range(max(8, round(self._attacker.networks * scale)))
            for h in range(4)
        ]

    def _generation(self, life: int) -> Ints:
        return np.array([self._enrol(number, life) for number in range(self.slots)])

    def _enrol(self, number: int, life: int) -> int:
        society, attacker = self._society, self._attacker
        rng, book = society.rng, society.book
        place = self._places[int(rng.integers(0, len(self._places)))] if self._places else society.home()
        client = self._bundles[int(rng.integers(0, len(self._bundles)))] if self._bundles else society.client()
        born = society.began + life * self._length - rng.random() * (attacker.age if life == 0 else 0.5) * DAY
        if attacker.name == "lazy":
            # In bursts: a shift that signs up accounts, every second day.
            born = born - born % (2 * DAY) + rng.random() * 4 * 3_600.0
        return book.enter("campaign", client, place, lab=self._lab.name, party="campaign", **self._known(number, born))

    def _known(self, number: int, born: float) -> dict[str, Any]:
        attacker, rng, book = self._attacker, self._society.rng, self._society.book
        unique = f"{self._lab.name}{len(book.accounts)}"
        facts: dict[str, Any] = {
            "created": round(born, 0),
            "tier": "free",
            "verification": int(rng.random() < 0.3),
            "paid": round(float(rng.lognormal(3.0, 0.8)), 2),
            "email_domain": f"mail-{number % 5}.example" if attacker.name == "lazy" else str(rng.choice(MAIL)),
            "signup_country": str(rng.choice(COUNTRIES)),
            "payment": f"card-{unique}",
            "device": f"dev-{unique}",
            "path": attacker.path,
        }
        if rng.random() < attacker.linked:
            if attacker.linked >= 1:
                facts["payment"] = f"card-{self._lab.name}-{number // attacker.per_card}"
            else:
                kind = str(rng.choice(("payment", "device", "phone")))
                shared = max(1, round(self.slots * attacker.linked / attacker.per_card))
                facts[kind] = f"{kind}-{self._lab.name}-{int(rng.integers(0, shared))}"
        if number < attacker.poisoned:
            facts |= {"verification": 3, "paid": 900.0, "document": f"doc-{unique}", "tier": "pro"}
            facts["created"] = min(born, self._society.began - 200 * DAY)
        return facts
