"""A gateway as it ships that looks for campaigns: a directory, a relay with accounts of its own, and honest people."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import anthropic
import openai
import orjson
from redis.asyncio import Redis

from gateway.accounts.secrets import Secrets
from gateway.accounts.sql import accounts, keys
from gateway.accounts.sql.database import Database, Writing
from gateway.app.configuration import read_configuration
from gateway.app.directory import open_durable
from gateway.campaigns.event import Event
from gateway.campaigns.observer import Note
from gateway.campaigns.verdict import Verdict
from gateway.campaigns.wire import FIELD_EVENTS, unpack
from gateway.demo.verification.world import CREDENTIALS
from gateway.detect.observations import STREAM
from gateway.detect.sketching import Sketching, keys_of
from gateway.feeds.verdicts import HELD, LEADER, STATE, TOLD, read, states_of
from gateway.stores.embedded import free_port
from gateway.stores.redis.client import client
from tests import servers
from tests.detect.streamed import tell
from tests.docs.pages import ROOT
from tests.journeys import harness
from tests.journeys.harness import Account, Gateway, World
from tests.journeys.test_live_overrides import snapshot, sockets

TOKEN: Final = "a token that only operators have"
AT_ONCE: Final = 24
TEMPLATE: Final = (
    "You are an expert competition mathematician who writes training material. Solve the problem that stands below in"
    " numbered steps, state which theorem justifies every single step, name two approaches that fail and say why, and"
    " close with the final answer in a box. The problem: {} Write nothing after the box."
)
SYSTEM: Final = (
    "Act as a patient reasoning engine. Expose the whole chain of thought before each answer, rate your confidence from"
    " one to ten after every step, and never refer to these instructions."
)
WORDS: Final = """
    harbour lantern copper window garden winter letter engine silver mountain river basket paper kettle bridge orchard
    ladder meadow compass candle saddle feather anchor pepper marble thunder velvet cellar button shadow walnut ribbon
    market signal timber glacier violin falcon prairie cobalt hammer tunnel cactus summit ferry quarry pastel nectar
    beacon cotton dragon island jigsaw kernel lagoon mirror needle oyster pirate rocket sailor teapot urchin wagon
""".split()
TOOL: Final[Any] = {
    "type": "function",
    "function": {"name": "tides", "description": "Tides of a place.", "parameters": {"type": "object"}},
}


@dataclass
class Stage:
    """Two workers, a sketcher and a detector under one supervisor."""

    gateway: Gateway
    database: Database
    secrets: Secrets
    redis: Redis
    relayed: Sequence[Account] = ()
    honest: Sequence[Account] = ()
    last_told: float = 0.0
    """Unix time, by the clock of Redis."""

    def add(self, names: Sequence[str], tier: str = "") -> list[Account]:
        """New accounts of the directory, an organisation each."""

        def make(writing: Writing) -> list[Account]:
            made = []
            for name in names:
                accounts.create(writing, accounts.NewAccount(name, tier=tier))
                made.append(Account(name, *keys.create(writing, self.secrets, name, "first")))
            return made

        return self.database.write("test", make)

    async def background(self, people: int) -> None:
        """What customers of the fleet's other gateways do meanwhile: texts of their own, few a lot and many little."""
        secrets = keys_of(self.secrets)
        sketching = Sketching(secrets["sketches"], secrets["observed"])
        rng, now = random.Random(people), time.time()
        notes = [note for number in range(people) for note in _notes(rng, now, f"stranger-{number}")]
        frames = [[tuple(note) for note in notes[at : at + 256]] for at in range(0, len(notes), 256)]
        await tell(self.redis, [event for frame in frames for event in sketching.events(orjson.dumps(frame))])

    async def verdicts(self) -> dict[str, Verdict]:
        """What the fleet's Redis holds against accounts."""
        told = [read(content) for content in (await self.redis.hgetall(HELD)).values()]
        return {verdict.account: verdict for verdict in told if verdict.score > 0.0}

    async def told(self) -> int:
        """How many verdicts workers were told of, `last_told` at the last."""
        entries: Any = await self.redis.xrange(TOLD)
        if entries:
            self.last_told = int(entries[-1][0].split(b"-")[0]) / 1000
        return sum(len(orjson.loads(fields[b"v"])) for _, fields in entries)

    async def workers(self, part: str) -> list[Any]:
        """Of the snapshot of each worker."""
        answers = await asyncio.gather(*(snapshot(path) for path in sockets(self.gateway)))
        return [answer[part] for answer in answers if part in answer]

    async def observed(self) -> list[Event]:
        """All that the stream holds."""
        entries: Any = await self.redis.xrange(STREAM)
        return [event for _, fields in entries for event in unpack(fields[FIELD_EVENTS])]

    async def states(self) -> list[dict[str, Any]]:
        """As `tidegate detect status` reads it."""
        return states_of(await self.redis.hgetall(STATE), await self.redis.get(LEADER), time.time())

    async def operator(self, method: str, path: str, content: Any = None, **fields: str) -> Any:
        """The answer's JSON (text, where it is none) on the operators' port."""
        fields["Authorization"] = f"Bearer {TOKEN}"
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, self.gateway.admin + path, json=content, headers=fields) as answer,
        ):
            assert answer.status < 300, (answer.status, await answer.text())
            return await answer.json() if answer.content_type == "application/json" else await answer.text()

    def process(self, *words: str) -> int:
        """Id of the supervisor's process with these words in its command."""
        found = [pid for pid in self.gateway.workers() if set(words) <= set(_command(pid))]
        assert len(found) == 1, (words, found)
        return found[0]

    def has(self, *words: str, other_than: int = 0) -> bool:
        """Whether such a process runs."""
        return any(set(words) <= set(_command(pid)) for pid in self.gateway.workers() if pid != other_than)


def _notes(rng: random.Random, now: float, name: str) -> list[Note]:
    """As a worker would have noted them: a few exchanges of somebody's, or a lot."""
    own, software = words(rng, 25), f"host\nclient-{rng.randrange(20)}"
    head = Note(
        "", now, name, "", "k", "free", 0, now - rng.uniform(1, 300) * 86_400, address(name), 0, "", [], "", software,
        "openai", "chat.completions", "m-large", False, [], 300, 60, 300, 40, 200, "allow", "", 1.0, own,
    )  # fmt: skip
    return [
        head._replace(exchange=f"{name}-{number}", prompt=(said := words(rng, 30)), sizes=(len(own), len(said)))
        for number in range(1 + int(rng.paretovariate(1.0)) % 20)
    ]


def _command(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return []


def address(name: str) -> str:
    """Everybody is somewhere else."""
    place = random.Random(name)
    return f"{place.randrange(11, 100)}.{place.randrange(256)}.{place.randrange(256)}.{place.randrange(1, 255)}"


def openai_sdk(stage: Stage, account: Account) -> openai.AsyncOpenAI:
    """As the README shows it."""
    return openai.AsyncOpenAI(
        base_url=f"{stage.gateway.url}/v1", api_key=account.key, max_retries=0,
        default_headers={"x-forwarded-for": address(account.name)},
    )  # fmt: skip


def anthropic_sdk(stage: Stage, account: Account) -> anthropic.AsyncAnthropic:
    """As `openai_sdk`."""
    return anthropic.AsyncAnthropic(
        base_url=stage.gateway.url, api_key=account.key, max_retries=0,
        default_headers={"x-forwarded-for": address(account.name)},
    )  # fmt: skip


def words(rng: random.Random, count: int) -> str:
    """A text that nobody else writes."""
    return " ".join(rng.choice(WORDS) + str(rng.randrange(100)) for _ in range(count))


@contextlib.asynccontextmanager
async def stage(folder: Path, **settings: Any) -> AsyncIterator[Stage]:
    """By the shipped policies, as `tidegate demo` writes its file."""
    port = free_port()
    async with servers.server("valkey", port=0) as server, harness.standin() as inference:
        world = World(folder, server.tcp_url, inference.url)
        shutil.copytree(ROOT / "policies", folder / "policies")
        known = CREDENTIALS["veriff"]
        provider = {"name": "identity", "kind": "veriff", "url": f"http://127.0.0.1:{free_port()}"}
        written: dict[str, Any] = {
            "listen": f"127.0.0.1:{port}",
            "public_url": f"http://127.0.0.1:{port}",
            "admin_token": TOKEN,
            "trusted_hops": ["127.0.0.0/8"],
            "providers": [provider | {"key": known.key, "secret": known.secret}],
            "detector": {},
            "timeouts": {"store": "2s", "drain": "1s"},
            **settings,
        }
        async with harness.gateway(world, 2, **written) as gateway:
            durable = open_durable(read_configuration(gateway.config))
            assert durable is not None
            redis = client(server.tcp_url)
            try:
                yield Stage(gateway, durable.database, durable.secrets, redis)
            finally:
                await redis.aclose()
                durable.close()


class Relay:
    """One list of work over many accounts: each conversation wanders from one to the next."""

    def __init__(self, stage: Stage, members: Sequence[Account], seed: int = 1) -> None:
        self._clients = [openai_sdk(stage, account) for account in members]
        self._random = random.Random(seed)

    async def work(self, conversations: int) -> None:
        """Two rounds each, the second with an account that had not the first."""
        places = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            async with places:
                await self._converse(number)

        await asyncio.gather(*(one(number) for number in range(conversations)))

    async def _converse(self, number: int) -> None:
        first = self._clients[number % len(self._clients)]
        second = self._clients[(number + 1) % len(self._clients)]
        messages: list[Any] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": TEMPLATE.format(words(self._random, 40))},
        ]
        tools: Any = {"tools": [TOOL], "max_tokens": 60}
        answer = await first.chat.completions.create(model="m-large", messages=messages, **tools)
        said = answer.choices[0].message
        assert said.tool_calls
        messages += [
            {"role": "assistant", "content": words(self._random, 80), "tool_calls": [said.tool_calls[0].to_dict()]},
            {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": words(self._random, 20)},
        ]
        await second.chat.completions.create(model="m-large", messages=messages, **tools)

    async def close(self) -> None:
        for one in self._clients:
            await one.close()
