"""What was found, as parts of a page. Each says with which command, on which machine and at which commit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from loadtest.campaigns.evasion import changed, worth
from loadtest.campaigns.figures import amount, at_most, mean, per_cent, share
from loadtest.campaigns.goals import GOALS, Goal
from loadtest.campaigns.judge import Judgement
from loadtest.campaigns.records import Record
from loadtest.campaigns.trials import ALL, FAMILIES, Key, Results
from loadtest.campaigns.world import Options

CONTAINED: Final = "contained after, p50 / p90"
BEST: Final = 5
"""Evasions that are shown."""


def judgements(records: Iterable[Record]) -> list[Judgement]:
    return [record.judgement for record in records]


def rows(head: Sequence[str], body: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """A table; all but the first `left` columns are figures."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *body)]


def source(about: Mapping[str, Any], base: Options, records: Iterable[Record]) -> list[str]:
    """Where figures come from."""
    known = list(records)
    exchanges = sorted(record.exchanges for record in known)
    accounts = known[0].people + sum(map(len, known[0].labs.values())) if known else 0
    commits = ", ".join(sorted({record.commit for record in known if record.commit})) or str(about.get("commit", ""))
    dirty = " (+: with changes that were not committed)" if "+" in commits else ""
    size = f"{exchanges[0]:,} to {exchanges[-1]:,} exchanges" if exchanges else "no world"
    return [
        f"`{about.get('command', '')}` on {about.get('machine', 'an unknown machine')}; commit {commits}{dirty};"
        f" worlds of the `{base.half}` half, scale {base.scale:g}, {base.days:g} days, about {accounts:,} accounts,"
        f" {size}, hard negatives at {base.negatives:.0%} of their size, a look every"
        f" {about.get('look', 60):g} s of the events' clock.",
        "",
    ]


def table(results: Results) -> str:
    """Attackers by cover, what would count, and honest people."""
    found = results.table
    every = [record for records in found.values() for record in records]
    out = source(results.about, results.bases["table"], every)
    out += [
        "Means over worlds of different seeds, ± half of the 95 % interval (Student's t). A world is a hundredth or so"
        " of a campaign and its first days: as many exchanges an account as in the real ones, and fewer accounts. So"
        " the hours until it is seen weigh more than they would over 45 days, and a template takes longer to be heard"
        " from enough accounts. `Strict` counts an honest account once a challenge was said of it; `met` counts one"
        " that asked again and was held, challenged or refused at least once.",
        "",
    ]
    head = ("attacker", "cover", "worlds", "leak", "leak, new model", "alarm, hours", "alarm, exchanges", CONTAINED,
            "recall", "precision", "honest challenged, strict / met", "refused")  # fmt: skip
    out += rows(head, (_attacker(key, records) for key, records in found.items()), 2)
    if "table" in results.missing:
        out += ["", f"No time for {results.missing['table']}."]
    out += ["", "### What would count", "", *_goals(found), "", "### Honest groups", "", *_negatives(every), ""]
    return "\n".join(out)


def _attacker(key: Key, records: Sequence[Record]) -> tuple[str, ...]:
    every = judgements(records)

    def of(read: Callable[[Judgement], float]) -> list[float]:
        return [read(one) for one in every]

    return (
        key[0],
        f"{key[1]} %",
        str(len(every)),
        share(of(lambda one: one.leak)),
        share(of(lambda one: one.new_model_leak)),
        amount(of(lambda one: one.alarm.minutes / 60)),
        amount(of(lambda one: one.alarm.exchanges)),
        " / ".join(amount(of(lambda one, at=at: one.until_contained[at])) for at in ("p50", "p90")),  # type: ignore[misc]
        share(of(lambda one: one.recall)),
        share(of(lambda one: one.precision)),
        " / ".join((share(of(lambda one: one.benign.challenged)), share(of(lambda one: one.benign.met)))),
        share(of(lambda one: one.benign.refused)),
    )


def _goals(found: Mapping[Key, Sequence[Record]]) -> list[str]:
    """A column for each attacker at the least cover that was tried of it."""
    least = {name: min(cover for other, cover in found if other == name) for name, _ in found}
    body = []
    for goal in GOALS:
        cells = []
        for name, cover in least.items():
            values = [goal.of(one) for one in judgements(found[name, cover])]
            mine = goal.only in {"", name}
            cells.append(f"{_reached(goal, values)} ({goal.grade(mean(values).value)})" if mine else "")
        if any(cells):
            bounds = " / ".join(map(goal.show, goal.bounds))
            body.append((goal.name, bounds, *(cell.replace(" ()", "") for cell in cells)))
    head = ("goal", "pass / strong / best", *(f"{name}, {cover} %" for name, cover in least.items()))
    return rows(head, body)


def _reached(goal: Goal, values: Sequence[float]) -> str:
    return share(values) if goal.share and all(map(math.isfinite, values)) else amount(values, goal.show)


def _negatives(records: Sequence[Record]) -> list[str]:
    every = judgements(records)
    names = sorted({name for one in every for name in one.negatives})
    body = []
    for name in ("all", *names):
        groups = [
            one.benign if name == "all" else one.negatives[name]
            for one in every
            if name == "all" or name in one.negatives
        ]
        challenged = sum(round(group.challenged * group.accounts) for group in groups)
        people = sum(group.accounts for group in groups)
        body.append(
            (
                name,
                str(groups[0].accounts),
                per_cent(mean([group.told for group in groups]).value),
                per_cent(challenged / max(1, people)),
                per_cent(mean([group.met for group in groups]).value),
                per_cent(max(group.challenged for group in groups)),
                per_cent(at_most(challenged, people)),
            )
        )
    head = ("honest group", "accounts a world", "told of", "challenged, strict", "met", "in the worst world",
            "95 %: below")  # fmt: skip
    return [
        *rows(head, body),
        "",
        "The bound takes accounts as if they were independent; worlds of one seed have the same honest people.",
    ]


def ablation(results: Results) -> str:
    """Leak and false alarms without each family and signal, less those with all."""
    every = [record for records in results.ablation.values() for record in records.values()]
    out = source(results.about, results.bases["ablation"], every)
    for (name, cover), records in results.ablation.items():
        whole = records[ALL].judgement
        out += [f"### {name}, {cover} % cover", ""]
        out += [
            f"With all: leak {per_cent(whole.leak)}, alarm after {amount([whole.alarm.minutes / 60])} h, honest"
            f" challenged {per_cent(whole.benign.challenged)}.",
            "",
        ]
        body = [
            (
                left_out,
                "family" if left_out in FAMILIES else "signal",
                per_cent(one.leak),
                f"{100 * (one.leak - whole.leak):+.1f}",
                amount([one.alarm.minutes / 60]),
                per_cent(one.recall),
                per_cent(one.benign.challenged),
                f"{100 * (one.benign.challenged - whole.benign.challenged):+.2f}",
                per_cent(one.worst[1]),
            )
            for left_out, one in ((key, record.judgement) for key, record in records.items() if key != ALL)
        ]
        head = ("without", "", "leak", "points more", "alarm, hours", "recall", "honest challenged", "points more",
                "worst group")  # fmt: skip
        out += [*rows(head, body, 2), ""]
    out.append("One world each: differences of a point or two may be chance.")
    if "ablation" in results.missing:
        out += ["", f"No time for {results.missing['ablation']}."]
    return "\n".join([*out, ""])


def baselines(results: Results) -> str:
    """What others do, on the same worlds."""
    every = [record for records in results.baselines.values() for record in records.values()]
    out = source(results.about, results.bases["baselines"], every)
    for (name, cover), records in results.baselines.items():
        out += [f"### {name}, {cover} % cover", ""]
        body = [
            (
                method,
                per_cent(one.leak),
                amount([one.alarm.minutes / 60]),
                per_cent(one.recall),
                per_cent(one.precision),
                per_cent(one.benign.challenged),
                f"{one.worst[0]} {per_cent(one.worst[1])}" if one.worst[1] > 0 else "none",
                f"{record.ran:.0f}",
            )
            for method, record in records.items()
            for one in (record.judgement,)
        ]
        head = ("method", "leak", "alarm, hours", "recall", "precision", "honest challenged", "worst group", "seconds")
        out += [*rows(head, body), ""]
    out.append(
        "Thresholds of the baselines are set on half of the honest accounts of the very world, which flatters them."
        " An account that one of them finds is contained for good."
    )
    if "baselines" in results.missing:
        out += ["", f"No time for {results.missing['baselines']}."]
    return "\n".join([*out, ""])


def evasion(results: Results) -> str:
    """What an attacker finds who may try again and again."""
    base, attempts = results.bases["evasion"], results.evasion
    out = source(results.about, base, [attempt.record for attempt in attempts])
    out += [
        f"A random walk over {len(attempts)} worlds from `{base.attacker.name}`: some knobs of the attacker are turned,"
        " the world is run, and what leaks most (then: costs least) is where the next step begins. Dollars are for"
        " accounts, cover, rewording and the exchanges themselves, per 1,000 that leaked.",
        "",
    ]
    body = [
        (
            changed(base.attacker, attempt.attacker),
            per_cent(attempt.leak),
            f"${attempt.cost:,.0f}" if math.isfinite(attempt.cost) else "-",
            amount([attempt.record.judgement.alarm.minutes / 60]),
            per_cent(attempt.challenged),
        )
        for attempt in [*attempts[:1], *sorted(attempts[1:], key=worth, reverse=True)[:BEST]]
    ]
    out += rows(("what was turned", "leak", "per 1,000", "alarm, hours", "honest challenged"), body)
    if "evasion" in results.missing:
        out += ["", f"No time for {results.missing['evasion']}."]
    return "\n".join([*out, ""])
