"""gateway.demo, whole: `tidegate demo` as a newcomer runs it, with a real gateway and a real Redis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.greeting import Ready, commands, friction, ladder, rules

TITLES = list(commands(Ready("", "", "", "", {"free": "", "pro": ""}, 0)))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """A demo with two workers, on free ports. It ends by SIGINT with status 0, a test in itself."""
    folder = tmp_path_factory.mktemp("demo")
    ready_file = folder / "ready.json"
    command = [
        sys.executable,
        "-m",
        "gateway",
        "demo",
        "--port",
        "0",
        "--workers",
        "2",
        "--ready-file",
        str(ready_file),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment | {"TMPDIR": str(folder)}
    ) as process:
        try:
            end = time.monotonic() + 60
            while not ready_file.exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end, "the demo does not serve"
                time.sleep(0.05)
            yield Ready(**json.loads(ready_file.read_text()))
        finally:
            process.send_signal(signal.SIGINT)
            _, complained = process.communicate(timeout=20)
    assert (process.returncode, complained) == (0, "")
    left = [path for path in Path(folder).iterdir() if not path.name.startswith("pytest")]
    assert left == [], "the demo leaves nothing behind"


@pytest.mark.parametrize("title", TITLES)
def test_what_the_demo_prints_works(title: str, demo: Ready) -> None:
    """Each line that it offers to paste is answered through the gateway; the free account runs into its quota."""
    command = commands(demo)[title].replace(".venv/bin/python", sys.executable)

    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
    if "quota" in title:
        codes = ended.stdout.split()
        assert set(codes) == {"200", "429"}
        assert codes[0] == "200"
    else:
        assert "tide" in ended.stdout


def test_what_the_demo_says_of_tiers_works(demo: Ready) -> None:
    """The refusal names the tier, what is missing and where; what is known of an account can be seen."""
    bin_of_ours = str(Path(sys.executable).parent)
    refused, known = (
        subprocess.run(
            ["/bin/sh", "-c", command.replace(".venv/bin", bin_of_ours)],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        for command in ladder(demo).values()
    )  # fmt: skip
    error = json.loads(refused)["error"]
    assert (error["code"], error["required_tier"]) == ("verification_required", "pro")
    assert error["verification_url"].startswith(f"{demo.gateway}/tidegate/account/link/")
    assert "missing: document, liveness" in known


def test_what_the_demo_says_of_challenges_works(demo: Ready) -> None:
    """Whom somebody suspects is told where to pass, is listed, and is let go by a person."""
    bin_of_ours = str(Path(sys.executable).parent)
    challenged, lifted = (
        subprocess.run(
            ["/bin/sh", "-c", command.replace(".venv/bin", bin_of_ours)],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        for command in friction(demo).values()
    )  # fmt: skip
    error = json.loads(challenged)["error"]
    assert (error["type"], error["code"]) == ("challenge_required", "challenge_required")
    assert error["challenge_url"].startswith(f"{demo.gateway}/tidegate/challenge/")
    assert error["kinds"] == ["captcha", "sign_in"]
    assert "captcha" in lifted.splitlines()[1]


SAID = {"Block an account": ("account_blocked", "rolled back"), "Test the rules": ("tests passed", "exchanges")}


@pytest.mark.parametrize("title", list(rules(Ready("", "", "", "", {"free": ""}, 0))))
def test_what_the_demo_says_of_rules_works(title: str, demo: Ready) -> None:
    """An edit is in force when the request comes, rules are tested, and the way back is one command."""
    bin_of_ours = str(Path(sys.executable).parent)
    command = rules(demo)[title].replace(".venv/bin", bin_of_ours)

    ended = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = next(words for beginning, words in SAID.items() if title.startswith(beginning))
    assert [word for word in said if word not in ended.stdout] == []
