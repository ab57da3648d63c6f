"""gateway.demo.supervise: all of it starts, is told of, and ends together. A small server plays the gateway."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

GATEWAY = """
import http.server, sys, time, pathlib
text = pathlib.Path(sys.argv[1]).read_text()
host, port = next(line for line in text.splitlines() if line.startswith("admin")).split('"')[1].split(":")
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer((host, int(port)), Ready).serve_forever()
"""
CRASHING_GATEWAY = "import sys; sys.exit('no such policy: teapot')"

DEMO = """
import asyncio, contextlib, sys
from pathlib import Path
from gateway.demo.supervise import Options, run_until_signal

@contextlib.asynccontextmanager
async def redis():
    yield "redis://127.0.0.1:1/0"

options = Options(port=0, ready_file=Path(sys.argv[1]), gateway=(sys.executable, "-c", sys.argv[2]))
sys.exit(asyncio.run(run_until_signal(options, redis(), sys.stdout.write)))
"""


class Demo:
    """A demo in a process of its own, as from a terminal."""

    def __init__(self, process: subprocess.Popen[str], ready_file: Path) -> None:
        self.process = process
        self.ready_file = ready_file

    def ready(self) -> Any:
        """The ready file's content, once it is there."""
        self.until(self.ready_file.exists)
        return json.loads(self.ready_file.read_text())

    @staticmethod
    def until(holds: Any) -> None:
        """Wait for something to become true."""
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.02)

    def children(self) -> list[int]:
        """Process ids."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Start a demo with some program for its gateway."""
    with contextlib.ExitStack() as stack:

        def begin(gateway: str = GATEWAY) -> Demo:
            command = [sys.executable, "-c", DEMO, str(tmp_path / "ready.json"), gateway]
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=os.environ | {"TMPDIR": str(tmp_path)},
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return Demo(process, tmp_path / "ready.json")

        yield begin


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_ready_file_says_where_everything_is(start: Any) -> None:
    """Addresses that answer, a key for each account, and the process to end it by."""
    demo = start()
    ready = demo.ready()

    assert set(ready) == {"gateway", "admin", "upstream", "redis", "keys", "pid", "folder", "provider"}
    assert set(ready["keys"]) == {"free", "pro", "unlimited"}
    assert ready["pid"] == demo.process.pid
    with urllib.request.urlopen(f"{ready['upstream']}/standin/stats", timeout=5) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_all_of_it_cleanly(start: Any, number: signal.Signals) -> None:
    """Status 0, no traceback, no child, no ready file, no folder."""
    demo = start()
    demo.ready()
    children = demo.children()
    demo.process.send_signal(number)
    said, complained = demo.process.communicate(timeout=10)

    assert len(children) == 3
    assert (demo.process.returncode, complained) == (0, "")
    assert said.endswith("All of it has ended.\n")
    assert all(_gone(pid) for pid in children)
    assert not demo.ready_file.exists()
    folder = next(line.split()[1] for line in said.splitlines() if line.strip().startswith("folder"))
    assert not Path(folder).exists()


def test_no_child_outlives_a_kill(start: Any) -> None:
    """Even kill -9 leaves nothing behind."""
    demo = start()
    demo.ready()
    children = demo.children()
    demo.process.kill()
    demo.process.wait(10)

    demo.until(lambda: all(_gone(pid) for pid in children))


def test_a_gateway_that_cannot_start_is_told_of(start: Any) -> None:
    """Its own last words, status 1, no traceback."""
    demo = start(CRASHING_GATEWAY)
    said, complained = demo.process.communicate(timeout=20)

    assert demo.process.returncode == 1
    assert "gateway ended by itself (status 1)" in said
    assert "no such policy: teapot" in said
    assert "Traceback" not in said + complained


def test_a_child_that_dies_ends_the_demo(start: Any) -> None:
    """Half a demo is none."""
    demo = start()
    demo.ready()
    os.kill(demo.children()[0], signal.SIGKILL)
    said, _ = demo.process.communicate(timeout=10)

    assert demo.process.returncode == 1
    assert "ended by itself (SIGKILL)" in said
