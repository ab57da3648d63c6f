"""Friction that grows with suspicion, as customers meet it: real processes, the official SDKs, real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import anthropic
import httpx2
import openai
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys
from gateway.accounts.sql.database import Database, Writing
from gateway.app.configuration import read_configuration
from gateway.app.directory import open_durable
from gateway.stores.embedded import EmbeddedServer
from tests import servers
from tests.browser import chromium
from tests.docs.pages import ROOT
from tests.journeys import harness
from tests.journeys.harness import Account, Gateway, Reply, World, until
from tests.journeys.test_faults import streaming

pytestmark = [pytest.mark.timing, pytest.mark.asyncio(loop_scope="session")]

CHAIN: Final = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: rules, kind: rules, on_failure: deny}
  - {name: captcha, kind: captcha, on_failure: deny}
"""
RULES: Final = """\
rules:
  - {name: fast, when: request.model == "m-work", action: weigh, weight: 45}
  - {name: faster, when: request.model == "m-captcha", action: weigh, weight: 70}
  - {name: demanded, when: request.model == "m-demanded", action: challenge}
  - {name: another, when: request.model == "m-another", action: challenge}
"""
CAPTCHA: Final = """\
ladders:
  - {name: main, steps: {work: 40, captcha: 60}}
half_life: 1h
"""
QUESTION: Final[Any] = [{"role": "user", "content": "When is high tide?"}]
HOME: Final = {"x-forwarded-for": "192.0.2.7"}
ELSEWHERE: Final = {"x-forwarded-for": "198.51.100.7"}


def _helper() -> Any:
    path = ROOT / "examples" / "proof-of-work" / "python" / "proof_of_work.py"
    spec = importlib.util.spec_from_file_location("proof_of_work_of_customers", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


helper = _helper()


@dataclass
class Stage:
    """Two gateways, each a worker of one fleet; a directory; a stand-in for the inference API."""

    gateways: list[Gateway]
    database: Database
    secrets: Secrets
    redis: EmbeddedServer

    @property
    def first(self) -> Gateway:
        return self.gateways[0]

    @property
    def other(self) -> Gateway:
        return self.gateways[1]

    def account(self, name: str) -> Account:
        """A new one of the directory."""

        def make(writing: Writing) -> Account:
            accounts.create(writing, accounts.NewAccount(name))
            key, prefix = keys.create(writing, self.secrets, name, "first")
            return Account(name, key, prefix)

        return self.database.write("test", make)

    def second_key(self, account: Account) -> Account:
        """The same account by another key of its own."""

        def make(writing: Writing) -> Account:
            key, prefix = keys.create(writing, self.secrets, account.name, "second")
            return Account(account.name, key, prefix)

        return self.database.write("test", make)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One for all journeys: each takes an account of its own. The last one takes Redis away."""
    folder = tmp_path_factory.mktemp("challenges")
    async with servers.server("valkey", port=0) as redis, harness.standin() as inference:
        world = World(folder, redis.tcp_url, inference.url)
        world.write({"chain": CHAIN, "rules": RULES, "captcha": CAPTCHA}, {})
        (folder / "accounts.yaml").unlink()
        settings: dict[str, Any] = {"trusted_hops": ["127.0.0.1/32"], "timeouts": {"store": "500ms", "drain": "2s"}}
        async with harness.gateways(world, 2, 1, **settings) as both:
            durable = open_durable(read_configuration(both[0].config))
            assert durable is not None
            yield Stage(both, durable.database, durable.secrets, redis)
            durable.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium; each person has a context of their own."""
    if chromium.missing():
        pytest.skip(chromium.missing())
    async with chromium.chromium() as one:
        yield one


class Counting(httpx2.BaseTransport):
    """Notes what goes over the wire."""

    def __init__(self) -> None:
        self.inner = httpx2.HTTPTransport()
        self.sent: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()

    @property
    def calls(self) -> list[httpx2.Request]:
        """Without puzzles."""
        return [request for request in self.sent if request.url.path.startswith("/v1/")]


@contextlib.contextmanager
def asking(
    sdk: str, gateway: Gateway, account: Account, fields: dict[str, str] = HOME, *, helped: bool = False
) -> Iterator[tuple[Any, Counting]]:
    """A question to be asked by an official SDK as it comes; what it sends. `helped`: above a ProofOfWork."""
    wire = Counting()
    http = httpx2.Client(transport=helper.ProofOfWork(wire) if helped else wire, headers=fields)

    def ask_openai(model: str, *, stream: bool = False) -> str:
        answer: Any = client.chat.completions.create(model=model, messages=QUESTION, max_tokens=5, stream=stream)
        if stream:
            return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
        return str(answer.choices[0].message.content)

    def ask_anthropic(model: str, *, stream: bool = False) -> str:
        if stream:
            with client.messages.stream(model=model, messages=QUESTION, max_tokens=5) as events:
                return "".join(events.text_stream)
        return str(client.messages.create(model=model, messages=QUESTION, max_tokens=5).content[0].text)

    client: Any
    if sdk == "openai":
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=account.key, http_client=http) as client:
            yield ask_openai, wire
    else:
        with anthropic.Anthropic(base_url=gateway.url, api_key=account.key, http_client=http) as client:
            yield ask_anthropic, wire


SDKS: Final = [pytest.param("openai", openai, id="openai"), pytest.param("anthropic", anthropic, id="anthropic")]


async def ask(gateway: Gateway, account: Account, model: str = "m-large", **fields: str) -> Reply:
    """One plain call, on a connection of its own."""
    body = {"model": model, "max_tokens": 5, "messages": QUESTION}
    headers = account.bearer | HOME | {name.replace("_", "-"): value for name, value in fields.items()}
    target = f"{gateway.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as http, http.post(target, json=body, headers=headers) as answer:
        return Reply(answer.status, answer.headers, await answer.read(), 0.0)


async def get(url: str, **fields: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.get(url, headers=fields) as answer:
        return answer.status, await answer.json(content_type=None)


async def passes(gateway: Gateway, account: Account, model: str = "m-large", **fields: str) -> bool:
    return (await ask(gateway, account, model, **fields)).status == 200


async def work(reply: Reply) -> str:
    """The answer to the puzzle of a refusal."""
    status, puzzle = await get(reply.fields["Tidegate-Challenge"])
    assert status == 200
    return str(helper.solve(helper.read(json.dumps(puzzle).encode())))


async def solve(browser: Browser, url: str) -> float:
    """A person opens the address and passes what is asked; when the page said so (`time.monotonic`)."""
    context = await browser.new_context()
    context.set_default_timeout(chromium.PATIENCE)
    page = await context.new_page()
    await page.goto(url)
    await expect(page.get_by_role("status")).to_contain_text("Tick the box", timeout=chromium.PATIENCE)
    await page.get_by_role("checkbox", name="I am here").click(force=True)
    await expect(page.get_by_role("heading", level=1)).to_have_text("This check is passed", timeout=chromium.PATIENCE)
    passed = time.monotonic()
    await context.close()
    return passed


# --- a person


@pytest.mark.parametrize(("sdk", "errors"), SDKS)
async def test_a_person_passes_and_the_next_call_is_answered(
    stage: Stage, browser: Browser, sdk: str, errors: Any
) -> None:
    """The SDK raises the right error, once, with the address in it; a person passes there; within a second the same
    call is answered, by another worker.
    """
    account = stage.account(f"person-{sdk}")
    with asking(sdk, stage.first, account) as (question, wire), pytest.raises(errors.PermissionDeniedError) as refused:
        await asyncio.to_thread(question, "m-captcha")
    fields = refused.value.response.headers
    error = refused.value.response.json()["error"]
    assert len(wire.sent) == 1, "the SDK has not tried again"
    assert (error["type"], fields["x-should-retry"]) == ("challenge_required", "false")
    assert error["challenge_url"] in str(refused.value)
    assert error["challenge_url"].startswith(f"{stage.first.url}/tidegate/challenge/")
    assert set(error) >= {"challenge_id", "challenge_url", "status_url", "expires_at", "kinds"}
    assert "captcha" in error["kinds"]
    assert "tidegate-challenge" not in fields, "no program is asked"

    passed = await solve(browser, error["challenge_url"])

    with asking(sdk, stage.other, account) as (question, _):
        answer = await asyncio.to_thread(question, "m-captcha")
    assert answer.startswith("The tide")
    assert time.monotonic() - passed < 1.0


async def test_who_waits_is_told_at_once(stage: Stage, browser: Browser) -> None:
    """The state of a challenge, asked of another worker with `?wait=`, comes as soon as it is passed there; the call
    that was refused is answered right then.
    """
    account = stage.account("waits")
    error = (await ask(stage.first, account, "m-captcha")).json["error"]
    status_url = error["status_url"].replace(stage.first.url, stage.other.url)
    assert (await get(status_url))[1]["status"] == "open"

    waiting = asyncio.create_task(get(f"{status_url}?wait=20"))
    passed = await solve(browser, error["challenge_url"])
    status, told = await waiting
    took = time.monotonic() - passed

    assert (status, told["status"], told["id"]) == (200, "passed", error["challenge_id"])
    assert took < 1.0
    assert await passes(stage.other, account, "m-captcha")


async def test_a_browser_is_shown_a_page_and_comes_back(stage: Stage) -> None:
    """Who asks for a page is sent to the challenge with the way back; a program on the same path is not."""
    account = stage.account("browser")
    await ask(stage.first, account, "m-captcha")
    async with aiohttp.ClientSession(headers=account.bearer | HOME) as http:
        path = f"{stage.first.url}/v1/models?limit=3"
        async with http.get(path, headers={"accept": "text/html,*/*"}, allow_redirects=False) as answer:
            assert answer.status == 303
            target = answer.headers["location"]
        async with http.get(path, allow_redirects=False) as answer:
            assert answer.status == 403
        async with http.get(target) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
    assert re.fullmatch(rf"{stage.first.url}/tidegate/challenge/[\w-]+\?to=/v1/models%3Flimit%3D3", target)


async def test_an_owner_with_two_keys_solves_once(stage: Stage, browser: Browser) -> None:
    """What one key was asked for is passed for the account."""
    account = stage.account("two-keys")
    second = stage.second_key(account)
    error = (await ask(stage.first, account, "m-captcha")).json["error"]
    assert (await ask(stage.other, second)).json["error"]["challenge_id"] == error["challenge_id"]

    await solve(browser, error["challenge_url"])

    assert await passes(stage.first, account)
    assert await passes(stage.other, second)


# --- a program


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("sdk", "errors"), SDKS)
async def test_with_the_transport_nobody_notices(stage: Stage, sdk: str, errors: Any, stream: bool) -> None:
    """One puzzle for an account: the SDK has its answer, and the next ones, on every worker, cost nothing."""
    account = stage.account(f"program-{sdk}-{'stream' if stream else 'whole'}")
    with asking(sdk, stage.first, account, helped=True) as (question, wire):
        answer = await asyncio.to_thread(question, "m-work", stream=stream)
        again = await asyncio.to_thread(question, "m-work", stream=stream)
    with asking(sdk, stage.other, account) as (question, _):
        elsewhere = await asyncio.to_thread(question, "m-work", stream=stream)

    assert answer.startswith("The tide") and answer == again == elsewhere
    assert [("tidegate-answer" in call.headers) for call in wire.calls] == [False, True, False]
    assert len(wire.sent) - len(wire.calls) == 1


async def test_many_at_once_solve_once(stage: Stage) -> None:
    """Ten requests of one process that meet the challenge together: one answer, ten replies."""
    account = stage.account("many")
    with asking("openai", stage.first, account, helped=True) as (question, wire):
        answers = await asyncio.gather(*(asyncio.to_thread(question, "m-work") for _ in range(10)))

    assert all(answer.startswith("The tide") for answer in answers)
    assert sum("tidegate-answer" in call.headers for call in wire.calls) == 1


async def test_two_processes_of_a_customer_do_not_meet(stage: Stage) -> None:
    """Both were refused, both have worked, on two workers: the second answer is no attack, and both go on."""
    account = stage.account("processes")
    first = await ask(stage.first, account, "m-work")
    answers = [await work(first), await work(await ask(stage.other, account, "m-work"))]

    replies = await asyncio.gather(
        ask(stage.first, account, "m-work", tidegate_answer=answers[0]),
        ask(stage.other, account, "m-work", tidegate_answer=answers[1]),
    )

    assert [reply.status for reply in replies] == [200, 200]


async def test_work_is_none_where_a_person_is_asked(stage: Stage) -> None:
    """An answer to an easier challenge does not pass a harder one."""
    account = stage.account("climbs")
    answer = await work(await ask(stage.first, account, "m-work"))

    harder = await ask(stage.first, account, "m-captcha", tidegate_answer=answer)

    assert (harder.status, harder.json["error"]["kinds"][0]) == (403, "captcha")


# --- what it is not worth


async def test_a_clearance_is_worth_nothing_elsewhere(stage: Stage) -> None:
    """Another network of the account is asked anew; another account from the same network is asked as before; and the
    answer is worth nothing a second time.
    """
    account, other = stage.account("here"), stage.account("not-here")
    answer = await work(await ask(stage.first, account, "m-work"))
    assert await passes(stage.first, account, "m-work", tidegate_answer=answer)
    assert await passes(stage.other, account, "m-work")

    elsewhere = await ask(stage.other, account, "m-work", **ELSEWHERE)
    assert elsewhere.status == 403
    stolen = await ask(stage.other, account, "m-work", tidegate_answer=answer, **ELSEWHERE)
    assert stolen.status == 403
    assert (await ask(stage.first, other, "m-work", tidegate_answer=answer)).status == 403
    assert await passes(stage.first, account, "m-work"), "what others tried is no matter of the honest caller's"


async def test_a_rule_s_challenge_is_passed_for_that_rule_alone(stage: Stage, browser: Browser) -> None:
    """`action: challenge` lets pass who has passed; another rule still asks, and so does the ladder."""
    account = stage.account("rule")
    refused = await ask(stage.first, account, "m-demanded")
    assert (refused.status, refused.json["error"]["type"]) == (403, "challenge_required")

    await solve(browser, refused.json["error"]["challenge_url"])

    assert await passes(stage.other, account, "m-demanded")
    assert (await ask(stage.other, account, "m-another")).status == 403
    assert (await ask(stage.other, account, "m-captcha")).status == 403


# --- what goes on


async def test_a_running_stream_is_not_broken(stage: Stage) -> None:
    """A challenge that is put meanwhile is for what comes next."""
    account = stage.account("streams")
    async with harness.caller() as caller, streaming(caller, stage.first.url, account, 2, tokens=60) as streams:
        assert (await ask(stage.first, account, "m-captcha")).status == 403
        assert (await ask(stage.other, account)).status == 403
    assert [(stream.broke, stream.tokens) for stream in streams] == [(False, 59)] * 2, "all, and the first of them"


async def test_an_operator_lets_go(stage: Stage) -> None:
    """`tidegate challenge lift`: within a second the account is answered on every worker."""
    account = stage.account("lifted")
    assert (await ask(stage.first, account, "m-captcha")).status == 403
    command = [sys.executable, "-m", "gateway", "challenge", "lift", account.name, "--reason", "ticket 7"]
    process = await asyncio.create_subprocess_exec(
        *command, "--config", str(stage.first.config), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert (process.returncode, out.decode()) == (0, f"{account.name} stands on observe under captcha/main\n")
    for gateway in stage.gateways:
        await until(lambda gateway=gateway: passes(gateway, account), limit=1.0)  # type: ignore[misc]


# --- without Redis


async def test_without_redis_nobody_is_locked_out_and_nobody_slips_through(stage: Stage) -> None:
    """Who is not suspected, and who has passed, goes on; who is suspected gets what `on_failure` says: 503, and no
    challenge that could not be passed.
    """
    honest, cleared, suspected = (stage.account(name) for name in ("honest", "cleared", "suspected"))
    answer = await work(await ask(stage.first, cleared, "m-work"))
    assert await passes(stage.first, cleared, "m-work", tidegate_answer=answer)
    assert await passes(stage.first, honest)
    await passes(stage.first, suspected)
    process = stage.redis.process
    assert process is not None
    process.kill()

    for _ in range(3):
        assert await passes(stage.first, honest)
        assert await passes(stage.first, cleared, "m-work")
        assert (await ask(stage.first, suspected, "m-captcha")).status == 503
