"""A world through the real gateway, over HTTP, in a hundredth of its time: `python -m loadtest.campaigns live`.

Everything is as it is shipped but the quotas, which have no meaning at this pace. The detector's own times (looks,
seconds until it groups again) are those of the clock on the wall, a hundred times too slow for this world: what leaks
here is an upper bound, and what is proved is the way from a request to a refusal.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import numpy as np
import orjson
import pyarrow.parquet as pq
import typer
from redis import Redis

from gateway.accounts.evidence import LINKS
from gateway.accounts.sql import accounts, keys, migrate, standing
from gateway.accounts.sql.database import Writing
from gateway.app.configuration import read_configuration
from gateway.campaigns.minted import Mint
from gateway.demo.verification.world import CREDENTIALS
from gateway.feeds.verdicts import HELD, TOLD, read, verdict_of
from gateway.policies.risk.campaigns import Response
from gateway.policies.risk.config import RiskConfig
from gateway.rules.build import policy_kinds
from gateway.rules.directory_file import open_directory
from gateway.rules.ruleset import load
from loadtest.campaigns.judge import Judgement, judge
from loadtest.campaigns.runs import ALLOW, LEVELS, REFUSED_BEFORE, Run, Word
from loadtest.campaigns.shown import console, show
from loadtest.campaigns.truth import Truth
from loadtest.campaigns.world import Options, attacker, make
from loadtest.machine import ROOT
from loadtest.peers import Peers
from loadtest.processes import Child, Cores, answers_with, free_port
from loadtest.rig import Rig

DECISIONS: Final = {
    "cluster_budget_exhausted": "budget",
    "cluster_paced": "trace",
    "temporarily_withheld": "hold",
    "challenge_required": "challenge",
    "verification_required": "verify",
}
"""Reason -> what the judge calls it. Every other refusal was not for a campaign."""
AT_ONCE: Final = 32
LAST: Final = 3.0
"""Seconds for what is still on its way to the detector."""
UNLIMITED: Final = (
    "limits: [{name: requests, measure: requests, per: [account], capacity: 1M, refill: 1M, every: 1s}]\n"
)
TURN: Final = ("tide", "harbour", "lantern", "copper", "window", "garden", "winter", "letter", "engine", "silver")


@dataclass(frozen=True, slots=True)
class Ran:
    judgement: Judgement
    exchanges: int
    seconds: float
    late: float
    """Seconds by which the latest request was sent too late."""
    reasons: Mapping[str, int]


def live(
    data: Annotated[
        Path | None, typer.Option(help="Folder of real traces and prompts; without it, our own grammar.")
    ] = None,
    policies: Annotated[Path, typer.Option(help="Folder with chain.yaml.")] = Path("policies"),
    name: Annotated[str, typer.Option("--attacker")] = "lazy",
    cover: Annotated[int, typer.Option(min=0, max=99)] = 0,
    scale: Annotated[float, typer.Option(min=0.0001, max=1.0)] = 0.01,
    negatives: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.1,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    minutes: Annotated[float, typer.Option(min=0.1, max=60.0, help="On the wall.")] = 2.5,
    speed: Annotated[float, typer.Option(min=1.0, help="Times as fast as in the world.")] = 100.0,
    out: Annotated[Path | None, typer.Option(help="Folder for live.json.")] = None,
) -> None:
    """A world through the real gateway, over HTTP on the loopback, in a hundredth of its time."""
    days = max(0.5, minutes * speed / 1440.0)
    options = Options(
        seed=seed, half="report", scale=scale, days=days, negatives=negatives, attacker=attacker(name, cover)
    )
    with tempfile.TemporaryDirectory(prefix="tidegate-campaigns-") as temporary:
        folder = Path(temporary)
        make(options, data, folder / "world")
        (folder / "live").mkdir()
        ran = through(folder / "world", folder / "live", policies, minutes, speed)
    show(name, ran.judgement, console())
    print(f"{ran.exchanges:,} exchanges in {ran.seconds:.0f} s, the latest {ran.late:.2f} s late; {dict(ran.reasons)}")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "live.json").write_text(json.dumps(ran.judgement.plain(), indent=1) + "\n")


def through(world: Path, folder: Path, policies: Path, minutes: float, speed: float) -> Ran:
    """The first exchanges of a world that was made, `speed` times as fast as in it, for so many minutes."""
    truth = Truth.read(world)
    within = truth.times < truth.times[0] + minutes * 60.0 * speed
    rows = pq.read_table(world / "events.parquet").slice(0, int(within.sum())).to_pylist()
    for name in ("kinds", "new", "of", "times"):
        setattr(truth, name, getattr(truth, name)[within])
    facts = [orjson.loads(line) for line in (world / "accounts.jsonl").read_bytes().splitlines()]
    rig, cores = Rig(folder, Peers(folder)), Cores.free()
    with rig.redis(cores) as redis, rig.upstream(cores, streams=True):
        serving = _Serving(rig, policies, facts, truth.began)
        with serving.gateway(cores):
            began = time.time() + 0.5
            asked = asyncio.run(serving.ask(rows, began, speed))
        run = serving.run(redis, asked, truth, began, speed)
    return Ran(
        judge(truth, run), len(rows), time.time() - began, asked.late, Counter(reason for _, reason in asked.answers)
    )


@dataclass(slots=True)
class _Asked:
    answers: list[tuple[int, str]]
    """Status and reason, in the order of the exchanges."""
    late: float


class _Serving:
    """A gateway of two workers, and its directory with the world's accounts."""

    def __init__(self, rig: Rig, policies: Path, facts: Sequence[Mapping[str, Any]], began: float) -> None:
        self._rig = rig
        self._folder = rig.own("gateway")
        self._port, self._admin = free_port(), free_port()
        shutil.copytree(policies, self._folder / "policies")
        (self._folder / "policies" / "quota.yaml").write_text(UNLIMITED)
        self._config = self._folder / "tidegate.yaml"
        self._config.write_bytes(orjson.dumps(self._settings()))
        database, self._secrets = open_directory(read_configuration(self._config), time.time)
        with contextlib.closing(database):
            migrate.upgrade(database)
            older = time.time() - began
            self._keys = database.write("loadtest", lambda writing: self._fill(writing, facts, older))
        self._tiers = {one["account"]: one.get("tier", "free") for one in facts}

    def _settings(self) -> dict[str, Any]:
        known = CREDENTIALS["veriff"]
        provider = {"name": "identity", "kind": "veriff", "url": f"http://127.0.0.1:{free_port()}"}
        return {
            "listen": f"127.0.0.1:{self._port}",
            "admin": f"127.0.0.1:{self._admin}",
            "workers": 2,
            "redis": f"redis://127.0.0.1:{self._rig.redis_port}/0",
            "trusted_hops": ["127.0.0.0/8"],
            "providers": [provider | {"key": known.key, "secret": known.secret}],
            "upstreams": [{"url": f"http://127.0.0.1:{self._rig.upstream_port}", "bearer": "not-a-secret"}],
            "access_log": "off",
            "detector": {"look": "1s"},
            "timeouts": {"drain": "1s", "store": "2s"},
        }

    def _fill(self, writing: Writing, facts: Sequence[Mapping[str, Any]], older: float) -> dict[str, str]:
        """Account -> its key. The world was made for another time: everybody is as old as there."""
        made = {}
        for one in facts:
            name, tier = one["account"], one.get("tier", "")
            new = accounts.NewAccount(
                name, one.get("organisation", ""), tier="" if tier == "free" else tier, created=one["created"] + older,
                email_domain=one.get("email_domain", ""), signup_country=one.get("signup_country", ""),
            )  # fmt: skip
            accounts.create(writing, new)
            for kind in LINKS:
                if kind != "email_domain" and one.get(kind):
                    standing.add_link(writing, self._secrets, name, kind, str(one[kind]))
            for evidence in ("email", "document", "liveness")[: int(one.get("verification", 0))]:
                standing.add_evidence(writing, name, evidence)
            made[name] = keys.create(writing, self._secrets, name, "loadtest").key
        return made

    @contextlib.contextmanager
    def gateway(self, cores: Cores) -> Iterator[None]:
        command = (sys.executable, "-m", "gateway", "serve", "--config", self._config)
        with Child(command, cores.target, self._folder / "log", cwd=ROOT) as child:
            look = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            child.wait_for(answers_with(self._admin, look), 60)
            yield

    async def ask(self, rows: Sequence[Mapping[str, Any]], began: float, speed: float) -> _Asked:
        """Each at its time."""
        mint, places = Mint(self._secrets.key("minted")), asyncio.Semaphore(AT_ONCE)
        asked = _Asked([(0, "")] * len(rows), 0.0)
        timeout = aiohttp.ClientTimeout(total=30.0)

        async def one(http: aiohttp.ClientSession, at: int, row: Mapping[str, Any]) -> None:
            due = began + (row["time"] - rows[0]["time"]) / speed
            await asyncio.sleep(max(0.0, due - time.time()))
            async with places:
                asked.late = max(asked.late, time.time() - due)
                fields = {
                    "authorization": f"Bearer {self._keys[row['account']]}",
                    "x-forwarded-for": _address(row["network"], row["address"]),
                    "user-agent": row["sdk"],
                }
                url = f"http://127.0.0.1:{self._port}/v1/chat/completions"
                async with http.post(url, data=_body(row, mint), headers=fields) as answer:
                    content = await answer.read()
                    reason = "" if answer.status == 200 else str(orjson.loads(content)["error"]["code"])
                    asked.answers[at] = answer.status, reason

        async with aiohttp.ClientSession(timeout=timeout, headers={"content-type": "application/json"}) as http:
            await asyncio.gather(*(one(http, at, row) for at, row in enumerate(rows)))
        await asyncio.sleep(LAST)
        return asked

    def run(self, redis: Redis, asked: _Asked, truth: Truth, began: float, speed: float) -> Run:
        """What happened, on the world's clock, for the judge."""
        decisions = np.array(
            [ALLOW if status == 200 else DECISIONS.get(reason, REFUSED_BEFORE) for status, reason in asked.answers],
            dtype=object,
        )
        response = self._response()
        words = []
        entries: Any = redis.xrange(TOLD)
        for id_, fields in entries:
            at = truth.times[0] + (int(id_.split(b"-")[0]) / 1000 - began) * speed
            for verdict in map(verdict_of, orjson.loads(fields[b"v"])):
                if verdict.score > 0.0:
                    level = response.level(verdict, self._tiers[verdict.account])
                    words.append(Word(at, verdict.account, verdict.cluster, LEVELS[level.word], verdict.score))
        members: dict[str, list[str]] = {}
        held: Any = redis.hgetall(HELD)
        for verdict in map(read, held.values()):
            if verdict.score > 0.0:
                members.setdefault(verdict.cluster, []).append(verdict.account)
        return Run(decisions, tuple(words), {cluster: tuple(found) for cluster, found in members.items()})

    def _response(self) -> Response:
        for entry in load(self._folder / "policies", policy_kinds(), {}).entries:
            if isinstance(entry.config, RiskConfig) and entry.config.campaigns is not None:
                return Response(entry.config.campaigns, entry.name)
        raise SystemExit("no entry of these policies answers campaigns")


def _body(row: Mapping[str, Any], mint: Mint) -> bytes:
    """Turns stand for themselves by their hash: the same one is the same text. So do ids that were minted."""
    messages: list[dict[str, Any]] = []
    if row["system_text"]:
        messages.append({"role": "system", "content": row["system_text"]})
    messages += [{"role": "assistant", "content": _turn(turn)} for turn in row["turns"]]
    for minted in row["minted"]:
        given = mint.mint(f"call_{minted['id'] % 10**24:024d}", minted["account"], str(minted["id"]), time.time())
        call = {"id": given, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": given, "content": "done"},
        ]
    messages.append({"role": "user", "content": row["prompt_text"]})
    body: dict[str, Any] = {"model": row["model"], "messages": messages, "max_tokens": 5}
    if "tools" in row["features"]:
        body["tools"] = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    return orjson.dumps(body)


def _turn(turn: int) -> str:
    """80 words of its own."""
    digits = hashlib.blake2b(str(turn).encode(), digest_size=40).hexdigest()
    return " ".join(f"{TURN[int(digit, 16) % 10]}{at}{digit}" for at, digit in enumerate(digits))


def _address(network: str, address: str) -> str:
    """Of the world's /24 one of ours."""
    one, two, three = hashlib.blake2b(network.encode(), digest_size=3).digest()
    last = hashlib.blake2b(address.encode(), digest_size=1).digest()[0]
    return f"{11 + one % 100}.{two}.{three}.{last}"
