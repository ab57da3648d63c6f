"""What the whole suite shares: skips that count as failures on request, wall-clock tests without the tracer, and
properties that no busy machine fails.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

_SKIPS = pytest.StashKey[list[tuple[str, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --no-skips."""
    parser.addoption(
        "--no-skips", action="store_true", help="fail if any test was skipped: for machines that have everything"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the list of skips; a machine that does other things is no fault of a property. Processes that are started
    keep what they compiled: a gateway is six of them, and each would take a second for it, in every test.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("busy")
    config.stash[_SKIPS] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that holds a wall-clock bound is not traced: `no_cover` is pytest-cov's marker."""
    for item in items:
        if item.get_closest_marker("timing") is not None:
            item.add_marker("no_cover")


class _SkipWatch:
    """Notes every skip of a test or of a whole module, with its reason."""

    def __init__(self, config: pytest.Config) -> None:
        self._skips = config.stash[_SKIPS]

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self._skips.append((report.nodeid, reason.removeprefix("Skipped: ")))

    pytest_runtest_logreport = note
    pytest_collectreport = note


def pytest_sessionstart(session: pytest.Session) -> None:
    """Watch for skips where they are forbidden."""
    if session.config.getoption("--no-skips"):
        session.config.pluginmanager.register(_SkipWatch(session.config), "skip-watch")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run with a forbidden skip has failed, even if every test that ran passed."""
    if session.config.stash[_SKIPS] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the forbidden skips before pytest's closing line."""
    skips = config.stash[_SKIPS]
    if skips:
        terminalreporter.section("skipped, but --no-skips was given", red=True)
        for test, reason in skips:
            terminalreporter.write_line(f"{test}: {reason}")
