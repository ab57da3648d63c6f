"""summary.json: what a run came to, and what it could not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.verdict import Level
from gateway.detect.backtest.acting import Acting
from gateway.detect.backtest.run import Course
from gateway.detect.settings import Settings

SEES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "links: minted ids": (("minted",),),
    "links: wandering turns": (("turns", "assistant_texts"),),
    "links: failover": (("prompt_hash", "prompt_text"), ("action",)),
    "content: templates": (("system", "system_text", "prompt", "prompt_text"),),
    "content: capabilities": (("features",),),
    "work: one list": (("prompt", "prompt_text"), ("prompt_hash", "prompt_text")),
    "network: place": (("network",),),
    "network: software": (("ja4", "headers", "sdk"),),
    "pivot: models": (("model",),),
    "parties: organisations": (("organisation",),),
}
"""Signal -> columns of EVENTS that it needs: of each group one at the least."""
KNOWS: Final[Mapping[str, tuple[str, ...]]] = {
    "links: payment, document, device, phone": ("links",),
    "registration: cohorts": ("created", "email_domain", "signup_country", "path"),
    "trust": ("verification", "paid", "contract", "cleared", "created"),
}
"""Signal -> what it needs to know of accounts: one at the least. Of it `created`, `verification` and `organisation`
may stand in EVENTS as well."""


class Input(NamedTuple):
    """What was read."""

    rows: int
    bad: int
    stated: Collection[str]
    """Columns of EVENTS that say something."""
    facts: Collection[AccountFacts] | None
    """None where nobody named a file of accounts."""


def blind(given: Input) -> list[str]:
    """Signals that could not see anything."""
    known = {name for name in ("created", "verification", "organisation") if name in given.stated}
    for fact in given.facts or ():
        known.update(name for name, value in fact._asdict().items() if value)
    stated = {*given.stated, *(known & {"organisation"})}
    found = [
        signal
        for signal, groups in SEES.items()
        if not all(any(column in stated for column in group) for group in groups)
    ]
    return found + [signal for signal, names in KNOWS.items() if known.isdisjoint(names)]


def summary(given: Input, course: Course, acting: Acting, clusters: int) -> dict[str, Any]:
    """Of everything but the command: that is added by who runs it."""
    alarm = course.alarm
    accounts = Counter(acting.reached.values())
    accounts[Level.OBSERVE] = len(course.tiers) - sum(accounts.values())
    return {
        "events": course.events,
        "rows": given.rows,
        "bad_rows": given.bad,
        "accounts": len(course.tiers),
        "accounts_known": None if given.facts is None else len(given.facts),
        "from": course.first,
        "until": course.last,
        "looks": course.looks,
        "verdicts": course.verdicts,
        "clusters": clusters,
        "clusters_at_the_end": clusters - len(course.gone),
        "accounts_told": len(course.told),
        "accounts_stopped": len(acting.stopped),
        "levels": {
            level.word: {"accounts": accounts[level], "exchanges": acting.levels[level]}
            for level in Level
            if level is not Level.SUSPEND
        },
        "decisions": dict(sorted(acting.decided.items())),
        "first_alarm": None if alarm is None else asdict(alarm),
        "blind": blind(given),
        "columns": sorted(given.stated),
    }


def settings_row(settings: Settings) -> dict[str, Any]:
    """For the record."""
    row = asdict(settings)
    return row | {"without": sorted(settings.without), "caps": {str(name): cap for name, cap in settings.caps.items()}}
