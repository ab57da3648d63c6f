"""The whole command, once: it measures, writes what it was asked for, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest import scenarios
from loadtest.bench import Plan
from loadtest.load import find_wrk
from loadtest.targets import TARGETS, find_nginx

ROOT = Path(__file__).parents[2]


@pytest.mark.timing
@pytest.mark.skipif(
    find_wrk() is None or find_nginx() is None, reason="no wrk or nginx: install Debian's wrk and nginx"
)
def test_a_short_run_measures_tidegate_beside_nginx(tmp_path: Path) -> None:
    """Every answer is as expected, the figures are there, the page is written, and the temporary folder is empty."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    found, page, chart = tmp_path / "results.json", tmp_path / "benchmarks.md", tmp_path / "benchmarks.svg"
    command = [sys.executable, "-m", "loadtest", "--quick", "--seconds", "0.5", "--scenario", "json-64"]
    command += [
        "--json",
        str(found),
        "--write",
        str(page),
        "--plot",
        str(chart),
        "--peers-venv",
        str(tmp_path / "none"),
    ]

    run = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "TMPDIR": str(temporary)},
    )

    assert run.returncode == 0, run.stderr
    results = json.loads(found.read_text())
    by_target = {sample["target"]: sample["values"] for sample in results["samples"]}
    assert {"tidegate", "tidegate-auth", "nginx"} <= set(by_target)
    for values in by_target.values():
        assert values["requests"] > 0
        assert values["cpu_us"] > 0
        assert values["rss_mib"] > 0
        assert values["apart"] == (len(os.sched_getaffinity(0)) > 1)
    assert by_target["tidegate"]["redis_us"] > 0
    assert "Envoy" in results["absent"] or "envoy" in by_target
    assert "# Benchmarks" in page.read_text()
    assert chart.read_text().startswith("<svg")
    assert list(temporary.iterdir()) == []


def test_every_scenario_names_targets_that_exist() -> None:
    """And every name can be asked for once."""
    assert len(set(scenarios.NAMES)) == len(scenarios.NAMES)
    assert set(scenarios.NAMES) >= scenarios.QUICK
    for scenario in scenarios.SCENARIOS:
        assert set(scenario.targets) <= {*TARGETS, scenarios.DIRECT}


def test_groups_agree_on_what_they_share() -> None:
    """Scenarios of one group have one upstream and one number of workers."""
    shared: dict[str, set[tuple[bool, int]]] = {}
    for scenario in scenarios.SCENARIOS:
        shared.setdefault(scenario.group, set()).add((scenario.streams, scenario.workers))

    assert all(len(settings) == 1 for settings in shared.values())


def test_a_plan_keeps_to_the_targets_that_were_asked_for() -> None:
    """The upstream itself stays: added latency is measured against it."""
    plan = Plan(("json-64",), 1, 1.0, 10, 100, ("nginx",))
    half = next(scenario for scenario in scenarios.SCENARIOS if scenario.kind == "paced")

    assert plan.of(half) == [scenarios.DIRECT, "nginx"]
    assert plan.steps() == 1
