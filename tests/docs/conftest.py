"""One demo for all examples."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from gateway.demo.greeting import Ready

PATIENCE = 100.0
"""Seconds until a demo serves, on a machine that is busy."""


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ready]:
    """`tidegate demo` on free ports, as fast as it goes."""
    folder = tmp_path_factory.mktemp("demo")
    ready_file = folder / "ready.json"
    command = [sys.executable, "-m", "gateway", "demo", "--port", "0", "--ready-file", str(ready_file)]
    command += ["--dir", str(folder / "world"), "--latency", "0", "--tokens-per-second", "0"]
    environment = {key: value for key, value in os.environ.items() if key != "REDIS_URL"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            end = time.monotonic() + PATIENCE
            while not ready_file.exists():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end, "the demo does not serve"
                time.sleep(0.05)
            yield Ready(**json.loads(ready_file.read_text(encoding="utf-8")))
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
