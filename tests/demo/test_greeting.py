"""gateway.demo.greeting: what the demo tells people to paste works."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from gateway.demo.greeting import Ready, commands, greeting, rules

TITLES = list(commands(Ready("", "", "", "", {"free": "", "pro": ""}, 0)))
SECRET = "upstream-secret"


@pytest.mark.parametrize("title", TITLES)
def test_a_command_works_as_it_stands(title: str, standin: str) -> None:
    """Pasted into a shell it talks to the address with the key that it names. The stand-in plays the gateway here."""
    if shutil.which("curl") is None and "SDK" not in title:
        pytest.skip("needs curl")
    ready = Ready(standin, "", "", "", {"free": SECRET, "pro": SECRET}, 0)
    command = commands(ready)[title].replace(".venv/bin/python", sys.executable)

    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
    assert "tide" in ended.stdout or ended.stdout.count("200 ") == 30


def test_the_greeting_names_everything() -> None:
    """Addresses, keys by account, and the commands in full."""
    ready = Ready(
        "http://g",
        "http://a",
        "http://u",
        "redis://r",
        {"free": "tg_1", "pro": "tg_2", "unlimited": "tg_3"},
        1,
        "/some/folder",
    )
    text = greeting(ready)

    for part in (*ready[:4], *ready.keys.values(), "/some/folder", *commands(ready).values(), *rules(ready).values()):
        assert part in text
