"""The stand-in for providers of captchas: in Chromium, by its own words, and as a program."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page

from gateway.challenges.providers.contract import Verdict, Widget
from gateway.challenges.providers.hosted import Hosted
from gateway.demo.captcha.application import StandIn, serving
from gateway.demo.captcha.world import KINDS, LASTS, Settings, World
from tests.browser.chromium import chromium, missing, tab
from tests.challenges.providers.standing import NOW, Clock, answered, entry, provider

EXECUTE = """
const at = document.querySelector(".tidegate-scored");
const say = (value) => Object.assign(document.querySelector("form").appendChild(document.createElement("input")),
  { type: "hidden", name: document.querySelector("form").dataset.field, value });
if (at) {
  const api = at.dataset.execute.split(".").reduce((found, name) => found[name], window);
  api.ready(async () => say(await api.execute(at.dataset.sitekey, { action: at.dataset.action })));
}
"""
"""What a page has to do where there is nothing to tick."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests here."""
    if missing():
        pytest.skip(missing())
    async with chromium() as opened:
        yield opened


@asynccontextmanager
async def shown(widget: Widget) -> AsyncIterator[str]:
    """The address of a page with that widget, under a policy that allows it and nothing else."""
    attributes = " ".join(f'{name}="{escape(value)}"' for name, value in widget.attributes.items())
    scripts = "".join(f'<script src="{escape(script)}"></script>' for script in widget.scripts)
    policy = {"default-src": ("'none'",), "script-src": ("'self'",)}
    for directive, sources in widget.sources.items():
        policy[directive] = (*policy.get(directive, ()), *sources)
    page = (
        f"<!doctype html><title>A check</title><form data-field={widget.field}>"
        f"<{widget.element} {attributes}></{widget.element}></form>{scripts}<script src=/execute.js></script>"
    )

    async def serve(request: web.Request) -> web.Response:
        if request.path == "/execute.js":
            return web.Response(text=EXECUTE, content_type="text/javascript")
        if request.path == "/favicon.ico":
            return web.Response(status=204)
        csp = "; ".join(f"{directive} {' '.join(sources)}" for directive, sources in policy.items())
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": csp})

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def given(page: Page, field: str) -> str:
    """What the widget put into the form."""
    answer = page.locator(f"input[name={field}][value]:not([value=''])")
    await answer.wait_for(state="attached")
    return str(await answer.input_value())


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("kind", "score"),
    [(kind, None) for kind in KINDS] + [("recaptcha", 0.5), ("recaptcha_enterprise", 0.5)],
    ids=[*KINDS, "recaptcha v3", "recaptcha_enterprise by score"],
)
async def test_a_browser_gets_an_answer_and_it_is_good_once(browser: Browser, kind: str, score: float | None) -> None:
    """The page that `issue` describes, in Chromium under its own policy: a tick, an answer, a pass; no third party."""
    async with serving(Settings(now=lambda: NOW)) as standin:
        captcha = Hosted(entry(kind, standin.address, hostnames=("127.0.0.1",), score=score), Clock())
        widget = captcha.issue("a-challenge", "token")
        async with shown(widget) as address, tab(browser, address, standin.address) as page:
            await page.goto(address)
            if score is None:
                await page.get_by_label("I am a person").check()
            response = await given(page, widget.field)
        assert await captcha.validate(answered(response)) == Verdict(True)
        assert not (await captcha.validate(answered(response, "another"))).passed
        await captcha.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_used_once(kind: str) -> None:
    """Used, then used up; too late, expired; of another kind, unknown; by the same key, the same again."""
    now = [1000.0]
    world = World(Settings(now=lambda: now[0]))
    answer, late = world.give(kind, "a.example"), world.give(kind, "a.example")
    assert world.use(kind, answer)[1] == ""
    assert world.use(kind, answer)[1] == "used"
    assert world.use("other", answer)[1] == "unknown"
    now[0] += LASTS[kind] + 1
    assert world.use(kind, late)[1] == "expired"
    keyed = world.give(kind, "a.example")
    assert [world.use(kind, keyed, key)[1] for key in ("k", "k", "l", "")] == ["", "", "used", "used"]


async def _post(standin: StandIn, path: str, content: object) -> tuple[int, dict[str, object]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(standin.address + path, json=content) as answer,
    ):
        return answer.status, await answer.json()


async def test_it_is_driven_over_http() -> None:
    """As another process drives it: an answer is ordered, behaviour is changed, and what was asked is told."""
    async with provider("hcaptcha") as (captcha, standin):
        _, ordered = await _post(standin, "/standin/answers", {"kind": "hcaptcha", "host": "ask.example.com"})
        assert (await captcha.validate(answered(str(ordered["answer"])))).passed
        assert (await _post(standin, "/standin/behaviour", {"code": "already-seen-response"}))[0] == 200
        assert (await captcha.validate(answered("x"))).reason == "duplicate"
        assert (await _post(standin, "/standin/behaviour", {"nonsense": 1}))[0] == 400
        assert (await _post(standin, "/standin/answers", {"kind": "nonsense"}))[0] == 400
        async with aiohttp.ClientSession() as session, session.get(f"{standin.address}/standin/asked") as told:
            said = await told.text()
        assert standin.world.settings.secret not in said
        assert said.count('"kind"') == 2


async def test_its_widget_wants_the_site_key() -> None:
    """A page with another one gets no answer."""
    async with serving(Settings()) as standin:
        assert (await _post(standin, "/widget/turnstile/answer", {"sitekey": "another"}))[0] == 400
        assert (await _post(standin, "/widget/nobody/answer", {"sitekey": Settings().site_key}))[0] == 400


def test_it_is_a_program() -> None:
    """`python -m gateway.demo.captcha` says where it serves, and ends when it is told to."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway.demo.captcha", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        running.terminate()
        assert running.wait(10) == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+\n", said)
