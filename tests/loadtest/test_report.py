"""loadtest.report and loadtest.plot: tables, the page and the chart."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from loadtest import plot, report
from loadtest.results import Results, Sample


def measured() -> Results:
    """A run of three targets and two rounds, with one thing that went wrong."""
    cpu = {"tidegate": (30.0, 20.0), "nginx": (10.0, 10.0), "litellm": (8000.0, 8000.0)}
    samples = [
        Sample(
            "json-64", target, turn, {"cpu_us": value, "rps": 1e6 / value, "p50_ms": 1.0, "p99_ms": 2.0, "steal": 0.01}
        )
        for target, values in cpu.items()
        for turn, value in enumerate(values)
    ]
    samples.append(Sample("chain", "tidegate", 0, {"chain_us": 12.0, "`auth` decides": 1.5}))
    return Results(
        date="2026-11-30 10:00 UTC",
        commit="abcdef123456",
        dirty=True,
        machine={"cpu": "A CPU", "cores": 2},
        options={"rounds": 2, "seconds": 5.0, "generator": "wrk"},
        absent={"Envoy": "not installed"},
        kinds={"auth": True, "geo": False},
        samples=samples,
        problems=["json-64, tidegate, round 1: 3 of 9 answers had a status of 400 or above"],
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.5, "2.50x"), (0.25, "0.25x"), (1 / 42, "1/42"), (0.0, "0.00x"), (None, "–")],
    ids=str,
)
def test_a_small_ratio_is_a_fraction(value: float | None, text: str) -> None:
    """As the goals are written."""
    assert report.ratio(value) == text


def test_a_row_shows_median_and_spread_and_ratios() -> None:
    """Peers that are not there leave a dash."""
    rows = {row[0]: row[1:] for row in report.rows(measured(), "json-64")}

    assert list(rows) == ["Tidegate", "nginx", "LiteLLM proxy"]
    assert rows["Tidegate"][0] == "25.0 (20.0 to 30.0)"
    assert rows["Tidegate"][-2:] == ("2.50x", "–")
    assert rows["nginx"][-2:] == ("1", "–")


def test_the_page_says_all_that_a_reader_has_to_know() -> None:
    """Commit and whether it is clean, who is absent, what went wrong, goals with verdicts, unequal features."""
    page = report.page(measured(), "benchmarks.svg")

    for text in (
        "`abcdef123456`, **with changes that are not committed**",
        "Not measured: Envoy: not installed.",
        "3 of 9 answers had a status of 400",
        "| CPU a request, against nginx as a plain proxy | ≤ 3.50x | ≤ 2.50x | 2.50x | 2.00x | met, and the aim |",
        "| Policy chain in process, no I/O | ≤ 10.0 µs | ≤ 5.0 µs | 12.0 µs | 12.0 µs | NOT met |",
        "not measured",
        "asked auth; not in it: geo",
        "Noisy, with a worst round over 1.3 times the best: Tidegate in json-64.",
        "no key, no limit, no log",
        "![CPU of a request](benchmarks.svg)",
    ):
        assert text in page


def test_every_table_of_the_page_is_square() -> None:
    """Each row has as many cells as its head."""
    table: list[int] = []
    for line in report.page(measured()).splitlines():
        if line.startswith("|"):
            table.append(line.count("|"))
            assert table[0] == table[-1], line
        else:
            table = []


def test_a_run_that_measured_nothing_is_still_a_page() -> None:
    """And a terminal's tables, and a chart."""
    results = Results(options={"rounds": 1, "seconds": 1.0})

    assert "# Benchmarks" in report.page(results)
    report.show(results, Console(quiet=True))
    ET.fromstring(plot.chart(results))


def test_the_chart_is_xml_with_a_bar_a_target() -> None:
    """Longer for more, and none beyond the edge."""
    root = ET.fromstring(plot.chart(measured()))
    space = "{http://www.w3.org/2000/svg}"
    bars = [float(bar.get("width", "0")) for bar in root.findall(f"{space}rect")[1:]]

    assert len(bars) == 3
    assert bars[1] < bars[0] < bars[2] <= plot.WIDTH - plot.LEFT - plot.RIGHT
