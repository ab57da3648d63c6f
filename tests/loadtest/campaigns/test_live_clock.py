"""A gateway on the clock of a world: what it takes for now, in every process that it starts."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from gateway.policies.risk.config import RiskConfig
from gateway.rules.build import policy_kinds
from gateway.rules.ruleset import load
from loadtest.campaigns.live import paced
from loadtest.campaigns.live_clock import SLACK, WEEK, WorldClock, moved
from loadtest.machine import ROOT


def test_there_and_back() -> None:
    """A minute here is two hours there, from the moment at which both began."""
    clock = WorldClock(1_000.0, 50_000.0, 120.0)
    assert clock.at(1_060.0) == 50_000.0 + 7_200.0
    assert clock.wall(57_200.0) == 1_060.0
    assert clock.at(940.0) == 50_000.0 - 7_200.0


@pytest.mark.parametrize("first", [pytest.param(1e9, id="long ago"), pytest.param(4e9, id="to come")])
@pytest.mark.parametrize("speed", [1.0, 144.0, 5_000.0])
def test_never_ahead_of_redis(first: float, speed: float) -> None:
    """Whenever a world is, it is moved by whole weeks to where it ends before now, and not long before."""
    now, seconds = 1.8e9, 300.0
    later = moved(first, seconds, speed, now)
    assert later % WEEK == 0.0
    clock = WorldClock(now, first + later, speed)
    ends = now + seconds + SLACK
    assert ends - WEEK - (seconds + SLACK) < clock.at(ends) <= ends


def test_a_supervisor_starts_its_own_on_it(tmp_path: Path) -> None:
    """What stands for `python` says what the gateway's Unix time is, also where its child is started with it; and runs
    nothing but a gateway.
    """
    clock = WorldClock(time.time(), 1_000_000_000.0, 3_600.0)
    interpreter = clock.interpreter(tmp_path)
    code = tmp_path / "sitecustomize.py"
    # In the place of the command: it looks at what a command would see, and does what a supervisor does.
    code.write_text(
        "import sys, types\n"
        "def main():\n"
        "    import subprocess\n"
        "    from gateway.app.worker import wall\n"
        "    from gateway.app.detector import monotonic\n"
        "    import time\n"
        "    print(wall(), monotonic is time.monotonic, sys.argv[1:], flush=True)\n"
        "    if sys.argv[1] == 'serve':\n"
        "        subprocess.run([sys.executable, '-m', 'gateway', 'worker'], check=True)\n"
        "sys.modules['gateway.cli'] = types.SimpleNamespace(main=main)\n"
    )
    said = subprocess.run(
        [interpreter, "-m", "gateway", "serve"],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, timeout=30,
    ).stdout.splitlines()  # fmt: skip
    assert [line.split(" ", 1)[1] for line in said] == ["True ['serve']", "True ['worker']"]
    first, second = (float(line.split(" ", 1)[0]) for line in said)
    assert 1_000_000_000.0 < first < second < clock()
    other = subprocess.run([interpreter, "-c", "1"], capture_output=True, text=True, check=False, timeout=30)
    assert (other.returncode, "only `-m gateway`" in other.stderr) == (1, True)


def test_rules_for_a_fast_world(tmp_path: Path) -> None:
    """The shared budget comes back as fast as the world goes; all else that answers campaigns is as it is shipped."""
    paced(ROOT / "policies", tmp_path / "policies", 144.0)
    found, shipped = (
        next(
            entry.config.campaigns
            for entry in load(folder, policy_kinds(), {}).entries
            if isinstance(entry.config, RiskConfig) and entry.config.campaigns is not None
        )
        for folder in (tmp_path / "policies", ROOT / "policies")
    )
    assert found.budget is not None
    assert shipped.budget is not None
    assert found.budget.every == shipped.budget.every / 144.0
    assert found.model_copy(update={"budget": shipped.budget}) == shipped
