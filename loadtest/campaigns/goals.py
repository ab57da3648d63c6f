"""What would count: the three columns of detection.md, section 7, and where a judgement stands in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from loadtest.campaigns.judge import Judgement

COLUMNS: Final = ("pass", "strong", "best")
LEAK: Final[Mapping[str, tuple[float, float, float]]] = {
    "lazy": (0.05, 0.01, 0.003),
    "mid": (0.10, 0.03, 0.01),
    "careful": (0.40, 0.15, 0.08),
}
"""Attacker -> the most that may leak. For others nobody has said what would count."""


class Goal(NamedTuple):
    """One line of the table."""

    name: str
    of: Callable[[Judgement], float]
    bounds: tuple[float, float, float]
    at_least: bool = False
    """The bounds are the least, not the most."""
    share: bool = True
    """Shown in per cent."""
    only: str = ""
    """For this attacker alone."""

    def grade(self, value: float) -> str:
        """The best column that is reached, or `missed`; empty where there is nothing to grade."""
        if math.isnan(value):
            return ""
        reached = "missed"
        for column, bound in zip(COLUMNS, self.bounds, strict=True):
            if value >= bound if self.at_least else value <= bound:
                reached = column
        return reached

    def show(self, value: float) -> str:
        if math.isnan(value):
            return "-"
        if math.isinf(value):
            return "never"
        return f"{100 * value:.3g} %" if self.share else f"{value:,.1f}"


GOALS: Final = (
    *(Goal(f"leak, {name}", lambda one: one.leak, bounds, only=name) for name, bounds in LEAK.items()),
    Goal("new-model leak, first 24 h", lambda one: one.new_model_leak, (0.20, 0.05, 0.02), only="mid"),
    Goal("campaign alarm, hours", lambda one: one.alarm.minutes / 60, (24.0, 4.0, 1.0), share=False),
    Goal("campaign alarm, share of exchanges", lambda one: one.alarm.share, (0.01, 0.001, 0.0002)),
    Goal("90 % contained, exchanges each", lambda one: one.until_contained["p90"], (100.0, 20.0, 5.0), share=False),
    Goal("honest accounts challenged", lambda one: one.benign.challenged, (0.005, 0.001, 0.0001)),
    Goal("worst hard negative challenged", lambda one: one.worst[1], (0.10, 0.02, 0.005)),
    Goal("honest accounts suspended", lambda one: one.benign.suspended, (0.0, 0.0, 0.0)),
    Goal("honest requests delayed", lambda one: one.benign.delayed + one.benign.refused, (0.005, 0.001, 0.0002)),
    Goal("cluster precision", lambda one: one.precision, (0.95, 0.99, 0.999), at_least=True),
)


def graded(attacker: str, judgement: Judgement) -> list[tuple[Goal, float, str]]:
    """Each goal that concerns this attacker, with the value and the column reached."""
    rows = []
    for goal in GOALS:
        if goal.only in {"", attacker}:
            value = goal.of(judgement)
            rows.append((goal, value, goal.grade(value)))
    return rows
