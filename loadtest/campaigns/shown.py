"""A judgement as tables in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from loadtest.campaigns.goals import COLUMNS, graded
from loadtest.campaigns.judge import Group, Judgement, Moment

WIDTH = 130


def console() -> Console:
    """What is piped has no width of its own, and these tables need some."""
    made = Console()
    if not made.is_terminal:
        made.width = WIDTH
    return made


def show(attacker: str, judgement: Judgement, to: Console) -> None:
    goals = Table("goal", "reached", *COLUMNS, "", title=f"{attacker}: {judgement.attempts:,} distillation exchanges")
    for goal, value, grade in graded(attacker, judgement):
        goals.add_row(goal.name, goal.show(value), *map(goal.show, goal.bounds), grade)
    to.print(goals)
    labs = ", ".join(f"{lab} {leak:.2%}" for lab, leak in judgement.leak_by_lab.items())
    to.print(f"leak {judgement.leak:.3%} ({labs}); new model {judgement.new_model_leak:.2%}")
    for name, moment in (
        ("alarm", judgement.alarm),
        ("confirmed", judgement.confirmed),
        ("50 % of accounts", judgement.half),
        ("90 % of accounts", judgement.nine_tenths),
    ):
        to.print(f"{name}: {shown_moment(moment)}")
    until = judgement.until_contained
    to.print(
        f"exchanges until contained: p50 {until['p50']:,.0f}, p90 {until['p90']:,.0f}; recall {judgement.recall:.2%},"
        f" precision {judgement.precision:.2%}, purity {judgement.purity:.2%}; burnt per 1,000: {judgement.burnt:.1f}"
    )
    groups = Table("honest", "accounts", "told", "challenged", "verified", "suspended", "delayed", "refused")
    for name, group in {"all": judgement.benign, **judgement.negatives}.items():
        groups.add_row(name, f"{group.accounts:,}", *shown_group(group))
    to.print(groups)


def shown_moment(moment: Moment) -> str:
    if moment.minutes == float("inf"):
        return "never"
    return f"{moment.minutes:,.0f} min, {moment.exchanges:,.0f} exchanges ({moment.share:.3%})"


def shown_group(group: Group) -> list[str]:
    shares = (group.told, group.challenged, group.verified, group.suspended, group.delayed, group.refused)
    return [f"{share:.2%}" if share else "0" for share in shares]
