"""The page of what rules cost."""

from __future__ import annotations

from typing import Any

from loadtest.measured import page

RULES: dict[str, Any] = {
    "items": 1_000_000,
    "warm_us": {"one rule": 0.5, "100 rules, two lists": 2.0},
    "warm_ratio": {"100 rules, two lists": 4.0},
    "cold_us": {"one rule": 1.25, "100 rules, two lists": 12.0},
}
QUIET: dict[str, Any] = {"requests": 1800, "errors": 0, "p50_ms": 2.0, "p99_ms": 10.0, "longest_ms": 15.0}
LIVE: dict[str, Any] = {
    "rate": 300.0,
    "workers": 2,
    "entries": 1_000_000,
    "quiet": QUIET,
    "list": QUIET | {"p99_to_quiet": 1.5, "seconds_to_all_workers": [4.25, 4.5]},
    "broken": QUIET | {"p99_to_quiet": 1.0, "seconds_to_all_workers": [0.4]},
    "rollback": QUIET | {"errors": 1, "p99_to_quiet": 1.0, "seconds_to_all_workers": [0.01]},
    "quiet_again": QUIET | {"p99_to_quiet": 0.9},
}


def test_every_figure_stands_on_the_page() -> None:
    """With its ratio, and also when it is bad."""
    text = page(RULES, LIVE, ([("auth, rules", 8.0)], 200_000, 21_000), 1.25)
    for row in (
        "| one rule | 0.50 | 1.0x | 1.2 |",
        "| 100 rules, two lists | 2.00 | 4.0x | 12.0 |",
        "| quiet | 1800 | 0 | 2.0 | 10.0 |  | 15.0 |  |",
        "| list | 1800 | 0 | 2.0 | 10.0 | 1.50x | 15.0 | 4.25, 4.50 |",
        "| rollback | 1800 | 1 | 2.0 | 10.0 | 1.00x | 15.0 | 0.01 |",
        "| auth, rules | 25,000 | 8.0 |",
    ):
        assert row in text
    assert "{" not in text
