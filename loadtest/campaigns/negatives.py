"""Honest groups that look like a campaign. Each is a label in the truth, and nobody in them may be challenged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from loadtest.campaigns.benign import Voice, chatter, filled, own_template, voice, working
from loadtest.campaigns.columns import NEW_MODEL, Chunk, Ints, Place
from loadtest.campaigns.people import Society
from loadtest.campaigns.texts import Template, written
from loadtest.campaigns.traces import DAY, people


def some(society: Society, label: str, count: int, **facts: Any) -> Ints:
    """Accounts of a group, each at home."""
    return np.array(
        [society.book.enter(label, society.client(), society.home(), **(society.known() | facts)) for _ in range(count)]
    )


def office(society: Society, size: int) -> None:
    """200 seats behind one address, same software, same mail domain, by day."""
    book, rng = society.book, society.rng
    place = book.place(Place("office", "office", 4_777, "GB"))
    client = society.clients[0]
    seats = [
        book.enter("office-nat", client, place, **(society.known() | {"email_domain": "office.example"}))
        for _ in range(size)
    ]
    chatter(society, np.array(seats), np.maximum(1, rng.lognormal(2.6, 0.8, size)).astype(np.int64))


def framework(society: Society, size: int, label: str = "framework", trusted: bool | None = None) -> None:
    """Programs on one public prompt, each with its own text behind it; volumes as programs have them."""
    rng = society.rng
    public = society.texts.frameworks[0 if trusted is None else 1]
    volumes = np.clip(society.traces.volume(rng, size) * 3.0 * society.days, 1, 900).astype(np.int64)
    for wanted in volumes.tolist():
        number = society.book.enter(label, society.client(), society.hosted(), **society.known(trusted))
        working(society, number, wanted, voice(society, public))


def framework_untrusted(society: Society, size: int) -> None:
    """The same, and nobody of them is trusted."""
    framework(society, size, "framework-untrusted", trusted=False)


def school(society: Society, size: int) -> None:
    """A class: one day, one /24, one exercise, accounts of that morning."""
    book, rng = society.book, society.rng
    day = float(int(society.days * 0.6)) * DAY + book.truth.began
    exercise = written(
        "Exercise 4. Read the following source from the archive and write an essay of 200 words on how the author"
        " argues, quoting at least two passages. My notes so far: {} Please tell me how to improve this draft."
    )
    facts = {"email_domain": "school.example", "path": "education"}
    places = [book.place(Place(f"school.{host}", "school", 786, "GB")) for host in range(8)]
    pupils = np.array(
        [
            book.enter(
                "class",
                society.clients[int(rng.integers(0, 3))],
                places[int(rng.integers(0, 8))],
                **(society.known(False, created=day + 8 * 3_600.0) | facts),
            )
            for _ in range(size)
        ]
    )
    counts = np.maximum(1, rng.poisson(6, size))
    account = np.repeat(pupils, counts)
    total = len(account)
    prompts = filled(society, exercise, total)
    for at in np.flatnonzero(rng.random(total) < 0.4).tolist():
        prompts[at] = society.texts.maths[0]
    time = day + 9 * 3_600.0 + rng.random(total) * 3 * 3_600.0
    book.add(Chunk(time=time, account=account, prompt=prompts, input_tokens=240, output_tokens=300))


def harness(society: Society, size: int) -> None:
    """Benchmarks with few-shot examples before each question, from many hands: every one asks the same questions."""
    rng, texts = society.rng, society.texts
    shots = "\n\n".join(f"Question: {question}\nAnswer: let us think step by step." for question in texts.maths[:4])
    bare = written("Answer the following question. End with #### and the number.\nQuestion: {}")
    for index, number in enumerate(some(society, "evaluation", size).tolist()):
        count = min(len(texts.maths), int(rng.integers(60, 260)))
        chosen = rng.permutation(len(texts.maths))[:count] if index % 2 else np.arange(count)
        questions = [texts.maths[at] for at in chosen.tolist()]
        if index % 3 == 0:
            questions = [bare.fill([question]) for question in questions]
        else:
            questions = [f"{shots}\n\nQuestion: {question}\nAnswer:" for question in questions]
        how = Voice(-1, bare, int(rng.integers(0, 10_000)), int(rng.choice((0, 1))))
        working(society, number, count, how, questions)


def reseller(society: Society, size: int) -> None:
    """Licensed: many accounts for many customers, one network, one software, a contract, load spread evenly."""
    rng, book = society.rng, society.book
    client = society.own_client()
    places = [
        book.place(Place(f"resale.{host}", f"resale.{host // 8}", 16509, "US", ("hosting",))) for host in range(24)
    ]
    names = np.array(
        [
            book.enter(
                "reseller",
                client,
                places[index % 24],
                party="reseller",
                **(
                    society.known(True)
                    | {"contract": society.trusted > 0, "path": "reseller", "organisation": "org_reseller"}
                ),
            )
            for index in range(size)
        ]
    )
    chatter(society, names, rng.poisson(60, size))


def resold(society: Society, size: int) -> None:
    """A reseller whose customers are organisations of their own: one network, one software, one card, no trust."""
    rng, book = society.rng, society.book
    client = society.own_client()
    places = [
        book.place(Place(f"resold.{host}", f"resold.{host // 8}", 14061, "SG", ("hosting",))) for host in range(16)
    ]
    facts = {"path": "reseller", "payment": "reseller-card", "customer": "reseller", "email_domain": "resold.example"}
    for index in range(size):
        number = book.enter("reseller-customers", client, places[index % 16], **(society.known(False) | facts))
        wanted = int(np.clip(rng.lognormal(np.log(3 * society.days), 1.3), 1, 400))
        if index % 3:
            chatter(society, np.array([number]), np.array([wanted]))
        else:
            working(society, number, wanted, voice(society))


def distant(society: Society, size: int) -> None:
    """A class that works from home over two days: the same exercise, and no network, software or domain in common."""
    book, rng = society.book, society.rng
    exercise = written(
        "Assignment 7. Choose a household appliance and estimate its yearly consumption from the label, stating each"
        " assumption and its uncertainty. What I have so far: {} Where is my reasoning weak, and what did I forget?"
    )
    pupils = some(society, "class-at-home", size)
    counts = np.maximum(1, rng.poisson(3, size))
    account = np.repeat(pupils, counts)
    time = book.truth.began + society.days * DAY * 0.3 + people(rng, len(account), 2.0)
    time = np.minimum(time, book.truth.ends - 1.0)
    texts = filled(society, exercise, len(account))
    book.add(Chunk(time=time, account=account, prompt=texts, input_tokens=240, output_tokens=300))
    chatter(society, pupils, np.maximum(1, rng.lognormal(0.8, 1.0, size)).astype(np.int64))


def synthetic(society: Society, size: int) -> None:
    """An enterprise makes training data of its own: templates, volume, 30 accounts of one organisation."""
    rng, book = society.rng, society.book
    place, client = society.hosted(), society.own_client()
    templates = [own_template(society) for _ in range(4)]
    facts: dict[str, Any] = {"organisation": "org_enterprise"}
    if society.trusted:
        facts |= {"verification": 2, "paid": 40_000.0, "tier": "pro"}
    for index in range(size):
        known = society.known(True) | facts
        number = book.enter("enterprise", client, place, party="enterprise", **known)
        how = Voice(-1, templates[index % 4], 40 + index % 3, 5)
        working(society, number, int(rng.poisson(25 * society.days)), how)


def family(society: Society, size: int) -> None:
    """Three people with one card, behind one VPN: the sort that has been banned by mistake."""
    rng, book = society.rng, society.book
    vpn = [at for at, place in enumerate(book.places) if place.kinds == ("vpn",)]
    for index in range(size):
        people_ = [
            book.enter(
                "family-vpn",
                society.client(),
                int(rng.choice(vpn)),
                party=f"family-{index}",
                **(society.known(False) | {"payment": f"family-card-{index}", "device": f"family-device-{index}"}),
            )
            for _ in range(3)
        ]
        chatter(society, np.array(people_), np.maximum(1, rng.poisson(25, 3)))


def robots(society: Society, size: int) -> None:
    """Bots in continuous integration: a common prompt, day and night, from data centres."""
    rng = society.rng
    common = Template(
        ("Review this diff. Point out bugs, security problems and missing tests, and ignore style. Diff:", ""),
        ((),),
        (60,),
    )
    for number in some(society, "ci-bots", size).tolist():
        count = int(np.clip(rng.lognormal(np.log(4 * society.days), 0.9), 2, 1_500))
        # Each reviews a code base of its own: the same paths and names come again and again.
        own = society.words.make(np.full(6, 30))
        slots = society.words.make(np.maximum(5, rng.poisson(40, count)))
        texts = [common.fill([f"{own[int(rng.integers(0, 6))]} {slot}"]) for slot in slots]
        how = Voice(-1, common, int(rng.integers(0, 10_000)), 0)
        working(society, number, count, how, texts)


def surge(society: Society, size: int) -> None:
    """The day of a release: honest people all move to the new model at once."""
    rng, book = society.rng, society.book
    accounts = some(society, "release-day", size)
    counts = np.maximum(2, rng.lognormal(2.0, 0.9, size)).astype(np.int64)
    account = np.repeat(accounts, counts)
    total = len(account)
    texts = society.say(np.clip(rng.lognormal(3.4, 0.8, total), 2, 300).astype(np.int64))
    time = book.truth.release + np.minimum(people(rng, total, 1.0), DAY) * rng.random(total)
    model = np.where(rng.random(total) < 0.9, NEW_MODEL, 1)
    book.add(Chunk(time=time, account=account, prompt=texts, model=model, input_tokens=300, output_tokens=350))


def keys(society: Society, size: int) -> None:
    """One organisation, a key for each service, failover from one account to another when a quota is spent."""
    rng, book = society.rng, society.book
    client, place = society.own_client(), society.hosted()
    facts = {"organisation": "org_keys"}
    numbers = np.array(
        [
            book.enter("multi-key", client, place, party="multi-key", **(society.known(True) | facts))
            for _ in range(size)
        ]
    )
    template = own_template(society)
    count = int(60 * society.days)
    texts = filled(society, template, count)
    time = book.truth.began + np.sort(rng.random(count)) * society.days * DAY
    who = rng.integers(0, size, count)
    full = np.flatnonzero(rng.random(count) < 0.08)
    status = np.full(count, 200)
    status[full] = 429
    key = rng.integers(0, 3, count)
    book.add(Chunk(time, numbers[who], texts, status=status, new_key=key, input_tokens=400, output_tokens=200))
    other = numbers[(who[full] + 1) % size]
    again = [texts[at] for at in full.tolist()]
    book.add(Chunk(time[full] + 0.4, other, again, input_tokens=400, output_tokens=200))


def viral(society: Society, size: int) -> None:
    """A prompt from a blog, with blanks to fill in, that hobbyists try for a week."""
    rng, book = society.rng, society.book
    blog = written(
        "You are now my personal game master. Invent a world out of these three things: {} Describe the first room in"
        " exactly seven sentences, end with a riddle, and never break character whatever I reply."
    )
    accounts = some(society, "viral", size)
    counts = np.maximum(1, rng.poisson(4, size))
    account = np.repeat(accounts, counts)
    texts = filled(society, blog, len(account))
    time = book.truth.began + people(rng, len(account), max(1.0, society.days * 0.7))
    book.add(Chunk(time=time, account=account, prompt=texts, input_tokens=90, output_tokens=400))
    chatter(society, accounts, np.maximum(1, rng.lognormal(1.0, 1.0, size)).astype(np.int64))


NEGATIVES: Final[Mapping[str, tuple[Callable[[Society, int], None], int]]] = {
    "office-nat": (office, 200),
    "framework": (framework, 1_000),
    "framework-untrusted": (framework_untrusted, 150),
    "class": (school, 300),
    "evaluation": (harness, 40),
    "reseller": (reseller, 80),
    "enterprise": (synthetic, 30),
    "family-vpn": (family, 25),
    "ci-bots": (robots, 120),
    "release-day": (surge, 400),
    "multi-key": (keys, 12),
    "viral": (viral, 60),
    "reseller-customers": (resold, 60),
    "class-at-home": (distant, 120),
}
"""Label -> who makes it, and how many there are (of families: three people each)."""


def all_of_them(society: Society, share: float = 1.0) -> None:
    """Each, at `share` of its size."""
    for make, size in NEGATIVES.values():
        make(society, max(3, round(size * share)))
