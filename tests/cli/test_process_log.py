"""The process's own log: lines for people, or JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from gateway.cli.process_log import log_to_stderr


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """What pytest has put there comes back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.mark.parametrize(
    ("message", "argument"),
    [
        pytest.param("policies in force: %s", "12", id="plain"),
        pytest.param("%s", 'a "quote"\nand a line\x1b[31m', id="what steers a terminal"),
        pytest.param("%s", "half \ud800 of a pair", id="what is no Unicode"),
    ],
)
def test_json_lines(capsys: pytest.CaptureFixture[str], message: str, argument: str) -> None:
    """One object a line, whatever is said; and nothing twice, though the log was text before."""
    logging.getLogger().handlers = []
    log_to_stderr()
    log_to_stderr("json")
    logging.getLogger("gateway.x").warning(message, argument)
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["level"], said["logger"]) == ("warning", "gateway.x")
    assert said["message"] == (message % argument).encode("utf-8", "backslashreplace").decode()
    assert "\x1b" not in line
    assert said["time"] > 0
    assert said["process"] > 0


def test_an_exception_is_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback of many lines is one member."""
    logging.getLogger().handlers = []
    log_to_stderr("json")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("gateway.x").exception("it failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


def test_who_embeds_us_keeps_its_own() -> None:
    """A handler that is there already is not ours to take away."""
    there = logging.getLogger().handlers[:]
    assert there, "pytest's"
    log_to_stderr("json")
    assert logging.getLogger().handlers == there
