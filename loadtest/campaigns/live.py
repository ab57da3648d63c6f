"""A world through the real gateway, over HTTP, in a small part of its time: `python -m loadtest.campaigns live`.

Every process of the gateway has the world's clock (`live_clock`): times of exchanges, what the detector remembers and
for how long, when verdicts end. The shared budget comes back as fast as the world goes, as Redis measures it by its
own clock. All else is as it is shipped, but for quotas of accounts, which are left out.

Not as fast as the world: the way of an exchange to the detector, the pause between two looks, what a look costs, the
way of a verdict to the workers. A second of these is `speed` seconds in which a campaign goes on: what leaks here is
more than would leak in the world's own time. What leaks in the backtest of the same exchanges is told beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import aiohttp
import numpy as np
import numpy.typing as npt
import orjson
import pyarrow.parquet as pq
import typer
from redis import Redis
from ruamel.yaml import YAML

from gateway.accounts.evidence import LINKS
from gateway.accounts.sql import accounts, keys, migrate, standing
from gateway.accounts.sql.database import Writing
from gateway.app.configuration import read_configuration
from gateway.campaigns.minted import Mint
from gateway.campaigns.verdict import Level, Verdict
from gateway.demo.verification.world import CREDENTIALS
from gateway.detect.backtest.whole import Wanted, backtest
from gateway.detect.detector import Detector
from gateway.detect.settings import Settings
from gateway.feeds.verdicts import HELD, TOLD, read, verdict_of
from gateway.policies.risk.campaigns import Response
from gateway.policies.risk.config import RiskConfig
from gateway.rules.build import policy_kinds
from gateway.rules.directory_file import open_directory
from gateway.rules.ruleset import load
from loadtest.campaigns.judge import Judgement, judge
from loadtest.campaigns.live_clock import WorldClock, moved
from loadtest.campaigns.runs import ALLOW, LEVELS, REFUSED_BEFORE, Run, Word
from loadtest.campaigns.shown import console, show, shown_moment
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
START: Final = 20.0
"""Seconds within which the gateway serves; the first exchange is then."""
LOOK: Final = 0.5
"""Seconds on the wall between two looks."""
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
    beside: Judgement
    """Of the backtest of the same exchanges."""
    hurt: Sequence[str]
    """By which evidence honest accounts were challenged, a line for each cluster."""


def live(
    data: Annotated[
        Path | None, typer.Option(help="Folder of real traces and prompts; without it, our own grammar.")
    ] = None,
    policies: Annotated[Path, typer.Option(help="Folder with chain.yaml.")] = Path("policies"),
    name: Annotated[str, typer.Option("--attacker")] = "lazy",
    cover: Annotated[int, typer.Option(min=0, max=99)] = 0,
    scale: Annotated[float, typer.Option(min=0.0001, max=1.0)] = 0.03,
    negatives: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.1,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    minutes: Annotated[float, typer.Option(min=0.1, max=60.0, help="On the wall.")] = 5.0,
    speed: Annotated[float, typer.Option(min=1.0, help="Times as fast as in the world.")] = 144.0,
    out: Annotated[Path | None, typer.Option(help="Folder for live.json.")] = None,
) -> None:
    """A world through the real gateway, over HTTP on the loopback, in a small part of its time."""
    days = max(0.5, minutes * speed / 1440.0)
    options = Options(
        seed=seed, half="report", scale=scale, days=days, negatives=negatives, attacker=attacker(name, cover)
    )
    with tempfile.TemporaryDirectory(prefix="tidegate-campaigns-") as temporary:
        folder = Path(temporary)
        make(options, data, folder / "world")
        (folder / "live").mkdir()
        ran = through(folder / "world", folder / "live", policies, minutes * 60.0, speed)
    show(name, ran.judgement, console())
    print(f"{ran.exchanges:,} exchanges in {ran.seconds:.0f} s, the latest {ran.late:.2f} s late; {dict(ran.reasons)}")
    for line in ran.hurt:
        print(line)
    beside = ran.beside
    print(
        f"the backtest of the same exchanges: leak {beside.leak:.3%}, alarm {shown_moment(beside.alarm)}, recall"
        f" {beside.recall:.2%}, precision {beside.precision:.2%}, honest challenged {beside.benign.challenged:.3%}"
    )
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        found = {"live": ran.judgement.plain(), "backtest": beside.plain(), "reasons": dict(ran.reasons)}
        (out / "live.json").write_text(json.dumps(found, indent=1) + "\n")


def through(world: Path, folder: Path, policies: Path, seconds: float, speed: float) -> Ran:
    """The first exchanges of a world that was made, `speed` times as fast as in it, for so many seconds."""
    truth = Truth.read(world)
    table = pq.read_table(world / "events.parquet")
    # What a quota of the log refused has no like here: it is neither sent nor shown to the backtest.
    sent = (truth.times < truth.times[0] + seconds * speed) & (table["status"].to_numpy() < 400)
    pq.write_table(table.filter(sent), folder / "events.parquet")
    for name in ("kinds", "new", "of", "times"):
        setattr(truth, name, getattr(truth, name)[sent])
    beside = judge(truth, _backtest(world, folder, policies, sent))
    rows = table.filter(sent).to_pylist()
    asking = {row["account"] for row in rows}
    facts = [orjson.loads(line) for line in (world / "accounts.jsonl").read_bytes().splitlines()]
    rig, cores = Rig(folder, Peers(folder)), Cores.free()
    with rig.redis(cores) as redis, rig.upstream(cores, streams=True):
        first = float(truth.times[0])
        later = moved(first, seconds, speed, time.time())
        serving = _Serving(rig, policies, [one for one in facts if one["account"] in asking], first, later, speed)
        clock = WorldClock(time.time() + START, first + later, speed)
        with serving.gateway(cores, clock):
            asked = asyncio.run(serving.ask(rows, clock))
        run = serving.run(redis, asked, clock)
        hurt = list(serving.hurt(redis, {one.account: one.label for one in truth.accounts}))
    reasons = Counter(reason for _, reason in asked.answers)
    return Ran(judge(truth, run), len(rows), time.time() - clock.here, asked.late, reasons, beside, hurt)


def _backtest(world: Path, folder: Path, policies: Path, sent: npt.NDArray[np.bool_]) -> Run:
    """Of those exchanges of the world that are sent, which were written to the folder."""
    wanted = Wanted(folder / "events.parquet", folder / "found", world / "accounts.jsonl", policies)
    backtest(wanted, Settings(look=60.0), Detector, time.perf_counter, environment=os.environ)
    whole = Run.read(folder / "found", len(sent))
    return replace(whole, decisions=whole.decisions[sent])


@dataclass(slots=True)
class _Asked:
    answers: list[tuple[int, str]]
    """Status and reason, in the order of the exchanges."""
    late: float


class _Serving:
    """A gateway of two workers, and its directory with the world's accounts."""

    def __init__(
        self,
        rig: Rig,
        policies: Path,
        facts: Sequence[Mapping[str, Any]],
        first: float,
        later: float,
        speed: float,
    ) -> None:
        """`first` is when the world begins, `later` by how many seconds it is moved."""
        self._rig = rig
        self._later = later
        self._folder = rig.own("gateway")
        self._port, self._admin = free_port(), free_port()
        paced(policies, self._folder / "policies", speed)
        self._config = self._folder / "tidegate.yaml"
        self._config.write_bytes(orjson.dumps(self._settings()))
        database, self._secrets = open_directory(read_configuration(self._config), lambda: first + later)
        with contextlib.closing(database):
            migrate.upgrade(database)
            self._keys = database.write("loadtest", lambda writing: self._fill(writing, facts))
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
            "detector": {"look": f"{LOOK}s"},
            "timeouts": {"drain": "1s", "store": "2s"},
        }

    def _fill(self, writing: Writing, facts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Account -> its key."""
        made = {}
        for one in facts:
            name, tier, created = one["account"], one.get("tier", ""), one["created"] + self._later
            new = accounts.NewAccount(
                name, one.get("organisation", ""), tier="" if tier == "free" else tier, created=created,
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
    def gateway(self, cores: Cores, clock: WorldClock) -> Iterator[None]:
        """Raises CannotStart where it does not serve by the time at which the world begins."""
        command = (clock.interpreter(self._folder), "-m", "gateway", "serve", "--config", self._config)
        with Child(command, cores.target, self._folder / "log", cwd=ROOT) as child:
            look = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            child.wait_for(answers_with(self._admin, look), clock.here - time.time())
            yield

    async def ask(self, rows: Sequence[Mapping[str, Any]], clock: WorldClock) -> _Asked:
        """Each at its time."""
        mint, places = Mint(self._secrets.key("minted")), asyncio.Semaphore(AT_ONCE)
        asked = _Asked([(0, "")] * len(rows), 0.0)
        timeout = aiohttp.ClientTimeout(total=30.0)

        async def one(http: aiohttp.ClientSession, at: int, row: Mapping[str, Any]) -> None:
            due = clock.wall(row["time"] + self._later)
            await asyncio.sleep(max(0.0, due - time.time()))
            async with places:
                asked.late = max(asked.late, time.time() - due)
                fields = {
                    "authorization": f"Bearer {self._keys[row['account']]}",
                    "x-forwarded-for": _address(row["network"], row["address"]),
                    "user-agent": row["sdk"],
                }
                url = f"http://127.0.0.1:{self._port}/v1/chat/completions"
                async with http.post(url, data=_body(row, mint, clock()), headers=fields) as answer:
                    content = await answer.read()
                    reason = "" if answer.status == 200 else str(orjson.loads(content)["error"]["code"])
                    asked.answers[at] = answer.status, reason

        async with aiohttp.ClientSession(timeout=timeout, headers={"content-type": "application/json"}) as http:
            await asyncio.gather(*(one(http, at, row) for at, row in enumerate(rows)))
        await asyncio.sleep(LAST)
        return asked

    def run(self, redis: Redis, asked: _Asked, clock: WorldClock) -> Run:
        """What happened, on the world's clock, for the judge."""
        decisions = np.array(
            [ALLOW if status == 200 else DECISIONS.get(reason, REFUSED_BEFORE) for status, reason in asked.answers],
            dtype=object,
        )
        response = self._response()
        words = []
        entries: Any = redis.xrange(TOLD)
        if entries and redis.xinfo_stream(TOLD)["entries-added"] != len(entries):
            raise SystemExit("Redis does not hold all that was told any more: fewer minutes, or fewer accounts")
        for id_, fields in entries:
            at = clock.at(int(id_.split(b"-")[0]) / 1000) - self._later
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

    def hurt(self, redis: Redis, labels: Mapping[str, str]) -> Iterator[str]:
        """By which evidence honest accounts were challenged."""
        response = self._response()
        entries: Any = redis.xrange(TOLD)
        told = (verdict_of(said) for _, fields in entries for said in orjson.loads(fields[b"v"]))
        return hurt(told, labels, lambda verdict: response.level(verdict, self._tiers[verdict.account]))

    def _response(self) -> Response:
        for entry in load(self._folder / "policies", policy_kinds(), {}).entries:
            if isinstance(entry.config, RiskConfig) and entry.config.campaigns is not None:
                return Response(entry.config.campaigns, entry.name)
        raise SystemExit("no entry of these policies answers campaigns")


def hurt(told: Iterable[Verdict], labels: Mapping[str, str], level: Callable[[Verdict], Level]) -> Iterator[str]:
    """A line for each cluster of which honest accounts were challenged: who was ever said to be of it, and the evidence
    of the highest score that was said of one of those.
    """
    members: dict[str, dict[str, str]] = {}
    worst: dict[str, Verdict] = {}
    for verdict in told:
        if not verdict.cluster:
            continue
        label = labels[verdict.account]
        members.setdefault(verdict.cluster, {})[verdict.account] = label
        if label != "campaign" and level(verdict) >= Level.CHALLENGE:
            worst[verdict.cluster] = max(worst.get(verdict.cluster, verdict), verdict, key=lambda one: one.score)
    for cluster, verdict in worst.items():
        families = ", ".join(f"{family} {nats:.1f}" for family, nats in verdict.families)
        who = ", ".join(f"{count} {label}" for label, count in Counter(members[cluster].values()).most_common())
        yield f"{cluster} ({who}), {verdict.score:.1f} nats: {families}. {'; '.join(verdict.evidence)}"


def paced(policies: Path, folder: Path, speed: float) -> None:
    """These rules in a folder that is made, for a world that goes so fast: without quotas of accounts, and a shared
    budget comes back as fast.
    """
    shutil.copytree(policies, folder)
    (folder / "quota.yaml").write_text(UNLIMITED)
    yaml = YAML(typ="rt")
    for entry in load(folder, policy_kinds(), {}).entries:
        config = entry.config
        if isinstance(config, RiskConfig) and config.campaigns is not None and config.campaigns.budget is not None:
            written = yaml.load(entry.path)
            written["campaigns"]["budget"]["every"] = f"{config.campaigns.budget.every / speed:.3f}s"
            yaml.dump(written, entry.path)


def _body(row: Mapping[str, Any], mint: Mint, now: float) -> bytes:
    """Turns stand for themselves by their hash: the same one is the same text. So do ids that were minted."""
    messages: list[dict[str, Any]] = []
    if row["system_text"]:
        messages.append({"role": "system", "content": row["system_text"]})
    messages += [{"role": "assistant", "content": _turn(turn)} for turn in row["turns"]]
    for minted in row["minted"]:
        given = mint.mint(f"call_{minted['id'] % 10**24:024d}", minted["account"], str(minted["id"]), now)
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
