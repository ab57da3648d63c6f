"""What a puzzle costs a phone: the widget's own worker in Chromium, on the puzzles that we hand out."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

import gateway.control.challenge
from gateway.accounts.secrets import Secrets
from gateway.challenges.ladder import Step
from gateway.challenges.token import Challenge
from gateway.challenges.work import TRIES, Work
from tests.browser.chromium import chromium, missing, tab

NOW: Final = 1_800_000_000.0
WORKER: Final = Path(gateway.control.challenge.__file__).parent / "static" / "altcha" / "pbkdf2.js"
PHONE: Final = 6
"""A phone of the lower middle, in Lighthouse's terms: a desktop's processor slowed down by that. It is calculated with
and not set: `Emulation.setCPUThrottlingRate` does not slow down the threads in which Chromium derives keys."""
PAGE: Final = """<!doctype html><title>Work</title>"""
SOLVE: Final = """async ([puzzle, workers]) => {
  const all = [...Array(workers).keys()].map(() => new Worker("/pbkdf2.js"));
  const begun = performance.now();
  const found = await Promise.any(all.map((worker, index) => new Promise((resolve) => {
    worker.onmessage = ({ data }) => data && resolve(data);
    worker.postMessage({ type: "work", challenge: puzzle, counterStart: index, counterStep: workers });
  })));
  const took = performance.now() - begun;
  for (const worker of all) worker.terminate();
  return [found, took];
}"""
"""As the widget does it: each worker its share of the counters."""

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there is one")


async def _served(request: web.Request) -> web.Response:
    if request.path == "/pbkdf2.js":
        return web.Response(body=WORKER.read_bytes(), content_type="text/javascript")
    policy = "default-src 'none'; script-src 'self'; worker-src 'self'; img-src data:"
    return web.Response(text=PAGE, content_type="text/html", headers={"Content-Security-Policy": policy})


@pytest.mark.timing
async def test_a_phone_is_kept_for_less_than_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest search there is at a difficulty of 1, by two workers, slowed down by six; and its answer is taken."""
    work = Work(Secrets({"one": b"s" * 32}))
    challenge = Challenge("c", "captcha/calls", "acme", Step.WORK, "", "", NOW + 3600)
    monkeypatch.setattr("gateway.challenges.work.randbelow", lambda bound: bound - 1)
    app = web.Application()
    app.router.add_get("/{path:.*}", _served)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with chromium() as browser, tab(browser, address) as page:
            await page.goto(address)
            times = []
            for _ in range(5):
                puzzle = work.puzzle(challenge, "token", 1.0, NOW)
                solution: dict[str, Any]
                solution, took = await page.evaluate(SOLVE, [puzzle, 2])
                times.append(took)
                assert solution["counter"] == TRIES - 1
                answer = b64encode(json.dumps({"challenge": puzzle, "solution": solution}).encode()).decode()
                assert work.check(answer, NOW) == "token"
    finally:
        await runner.cleanup()
    assert min(times) * PHONE < 2000, times
