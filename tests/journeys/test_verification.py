"""From a refusal to a tier and down again: real processes, the official SDK, a browser, a provider's protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import openai
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys, standing
from gateway.accounts.sql.database import Database, Writing
from gateway.app.configuration import read_configuration
from gateway.app.directory import open_durable
from gateway.demo.verification.world import CREDENTIALS
from gateway.stores.embedded import EmbeddedServer, free_port
from tests import servers
from tests.browser import chromium
from tests.journeys import harness
from tests.journeys.harness import Account, Caller, Gateway, Standin, World, until
from tests.journeys.test_faults import streaming

pytestmark = pytest.mark.timing

CHAIN: Final = """\
chain:
  - {name: auth, kind: auth, on_failure: deny}
  - {name: tiers, kind: kyc, on_failure: deny}
  - {name: quota, kind: quota, on_failure: degrade}
"""
TIERS: Final = """\
tiers:
  - {name: free, withholds: {models: [m-frontier*]}}
  - {name: verified, requires: [document, liveness], quota: free}
evidence:
  document: {provider: stripe, lasts: 365d}
  liveness: {provider: stripe, lasts: 365d}
falls: {chargeback: free, reversal: free}
"""
QUOTA: Final = """\
limits:
  - {name: requests, measure: requests, per: [account], capacity: 10k, every: 1m}
  - {name: output, measure: output_tokens, per: [account], capacity: 1M, every: 1m}
"""


@dataclass
class Stage:
    """A gateway of two workers, its directory, and a stand-in for Stripe."""

    gateway: Gateway
    database: Database
    secrets: Secrets
    provider: str
    """The stand-in's address."""
    inference: Standin
    redis: EmbeddedServer

    def account(self, name: str, *evidence: str, **links: str) -> Account:
        """A new one of the directory."""

        def make(writing: Writing) -> Account:
            accounts.create(writing, accounts.NewAccount(name))
            for kind in evidence:
                standing.add_evidence(writing, name, kind)
            for kind, value in links.items():
                standing.add_link(writing, self.secrets, name, kind, value)
            key, prefix = keys.create(writing, self.secrets, name, "first")
            return Account(name, key, prefix)

        return self.database.write("test", make)

    async def lose_redis(self) -> None:
        """For good."""
        process = self.redis.process
        assert process is not None
        process.kill()

    async def tell(self, path: str, **content: Any) -> Any:
        """Drive the stand-in."""
        async with aiohttp.ClientSession() as http, http.post(f"{self.provider}{path}", json=content) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


@contextlib.asynccontextmanager
async def provider(hooks: str) -> AsyncIterator[str]:
    """The stand-in for providers, in a process of its own."""
    command = [sys.executable, "-m", "gateway.demo.verification", "--port", "0", "--hooks", hooks]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        address = await asyncio.wait_for(process.stdout.readline(), harness.START_LIMIT)
        yield address.decode().strip()
    finally:
        process.kill()
        await process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One for both journeys; the second takes Redis away."""
    tmp_path = tmp_path_factory.mktemp("verification")
    port = free_port()
    async with (
        servers.server("valkey", port=0) as redis,
        harness.standin() as inference,
        provider(f"http://127.0.0.1:{port}/tidegate/hooks/{{provider}}") as address,
    ):
        world = World(tmp_path, redis.tcp_url, inference.url)
        world.write({"chain": CHAIN, "tiers": TIERS, "quota": QUOTA}, {})
        (tmp_path / "accounts.yaml").unlink()
        known = CREDENTIALS["stripe"]
        entry = {"name": "stripe", "kind": "stripe", "url": address, "key": known.key}
        settings: dict[str, Any] = {
            "listen": f"127.0.0.1:{port}",
            "public_url": f"http://127.0.0.1:{port}",
            "providers": [entry | {"webhook_secrets": list(known.webhook_secrets)}],
            "timeouts": {"store": "200ms", "drain": "2s"},
        }
        async with harness.gateway(world, 2, **settings) as gateway:
            durable = open_durable(read_configuration(gateway.config))
            assert durable is not None
            yield Stage(gateway, durable.database, durable.secrets, address, inference, redis)
            durable.close()


async def ask(gateway: Gateway, account: Account, model: str = "m-frontier") -> str:
    """The official SDK's answer: `answered`, or the code of its exception."""
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=account.key) as client:
        try:
            await client.chat.completions.create(model=model, messages=[{"role": "user", "content": "When?"}])
        except openai.PermissionDeniedError as error:
            return str(error.code)
    return "answered"


async def test_from_a_refusal_to_a_tier(stage: Stage) -> None:
    """The SDK is told where to go; a person goes there, and shows a document at the provider; less than a second after
    that has told us, the next call of the SDK is answered. What the person has shown is nowhere.
    """
    if chromium.missing():
        pytest.skip(chromium.missing())
    account = stage.account("newcomer")
    async with openai.AsyncOpenAI(base_url=f"{stage.gateway.url}/v1", api_key=account.key) as client:
        with pytest.raises(openai.PermissionDeniedError) as refused:
            await client.chat.completions.create(model="m-frontier", messages=[{"role": "user", "content": "When?"}])
    error = refused.value
    assert isinstance(error.body, dict)
    assert error.code == "verification_required"
    assert (error.body["required_tier"], error.body["missing"]) == ("verified", ["document", "liveness"])
    assert error.response.headers["x-should-retry"] == "false"
    assert len(stage.gateway.access_log) <= 1, "the SDK has not tried again"

    number = "L01X00T478"
    async with chromium.chromium() as browser:
        page = await browser.new_page()
        await page.goto(error.body["verification_url"])
        await page.get_by_role("button").first.click()
        await page.get_by_role("button", name="Verify now").click()
        await page.get_by_label(re.compile("number", re.IGNORECASE)).fill(number)
        await page.get_by_role("button", name="Approve").click()
        approved = time.monotonic()
        await until(lambda: _answered(stage.gateway, account), limit=5.0)
        waited = time.monotonic() - approved
        await page.goto(f"{stage.gateway.url}/tidegate/account")
        shown = await page.get_by_role("main").inner_text()
    assert "verified" in shown
    assert waited < 1.0, f"{waited:.2f} s from the person's last click"

    # A link that was used shows nobody anything, and the number is in no file and not in Redis.
    async with aiohttp.ClientSession() as http, http.get(error.body["verification_url"]) as answer:
        assert "newcomer" not in await answer.text()
    await _is_nowhere(stage, number)


async def _answered(gateway: Gateway, account: Account) -> bool:
    return await ask(gateway, account) == "answered"


async def _is_nowhere(stage: Stage, text: str) -> None:
    """Not in the database, the logs, the configuration's folder, or Redis."""
    for path in stage.gateway.config.parent.rglob("*"):
        if path.is_file():
            assert text.encode() not in path.read_bytes(), path
    async with Redis.from_url(stage.redis.tcp_url) as redis:
        keys: list[Any] = await redis.keys("*")
        for key in keys:
            kept: Any = await redis.dump(key)
            assert text.encode() not in key + (kept or b"")


async def test_a_tier_is_lost_under_a_stream_and_without_redis(stage: Stage) -> None:
    """A payment is taken back while Redis is away: the webhook is kept and worked off, and within a second no worker
    gives the model any more. The stream that runs was granted before, and runs to its end.
    """
    account = stage.account("buyer", "document", "liveness", customer="cus_1", payment="card-1")
    url = stage.gateway.url
    assert await ask(stage.gateway, account) == "answered"
    async with harness.caller() as caller, streaming(caller, url, account, 1, tokens=120, pace=30.0) as streams:
        await stage.lose_redis()
        await stage.tell("/standin/dispute", customer="cus_1", fingerprint="card-1")
        disputed = time.monotonic()
        await until(lambda: _fell(caller, url, account), limit=10.0)
        waited = time.monotonic() - disputed
        assert not streams[0].whole
    assert streams[0].whole
    assert waited < 2.0, f"{waited:.2f} s, of which half a second is the clerk's look and half the workers'"
    audit = stage.database.read(
        lambda connection: json.dumps(
            [
                list(row)
                for row in connection.exec_driver_sql("select who, did, subject from audit where did like 'fall%'")
            ]
        )
    )
    assert json.loads(audit) == [["provider:stripe", "fall.add", "buyer"]]


async def _fell(caller: Caller, url: str, account: Account) -> bool:
    """Each of several calls, which meet both workers, is refused for the tier."""
    replies = await caller.many([url], account, 6, model="m-frontier")
    return all(reply.status == 403 and reply.reason == "payment_reversed" for reply in replies)
