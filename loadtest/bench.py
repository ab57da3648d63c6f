"""The rounds: all targets of a group are up and take turns, so that a slow minute of the machine meets them all."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis

from loadtest import load, payloads, proc
from loadtest.load import Load, LoadFailed
from loadtest.machine import ROOT
from loadtest.peers import Peers
from loadtest.processes import CannotStart, Child, Cores, in_child
from loadtest.results import Results, Sample
from loadtest.rig import Rig, Running
from loadtest.scenarios import DIRECT, MEASURES, SCENARIOS, Scenario
from loadtest.targets import TARGETS

MIXED: Final = 0.1
"""Share of refused requests in the mixed scenario."""
SETTLE: Final = 0.3
"""Seconds between two samples: what one target still has to do is not the next one's."""
HOLD_LIMIT: Final = 60.0
MEASURE_LIMIT: Final = 600.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run."""

    names: tuple[str, ...]
    rounds: int
    seconds: float
    idle_streams: int
    accounts: int
    targets: tuple[str, ...]
    """Only these; empty means all."""

    def steps(self) -> int:
        """How many samples there will be at most: for a bar of progress."""
        scenarios = [scenario for scenario in SCENARIOS if scenario.name in self.names]
        samples = sum(len(self.of(scenario)) for scenario in scenarios) * self.rounds
        return samples + sum(name in self.names for name in MEASURES)

    def of(self, scenario: Scenario) -> list[str]:
        """The targets of a scenario that were asked for."""
        return [name for name in scenario.targets if not self.targets or name in (*self.targets, DIRECT)]


class Bench:
    """One run. Everything it starts is in its temporary folder and ends with it."""

    def __init__(
        self, plan: Plan, peers: Peers, folder: Path, results: Results, say: Say, step: Callable[[], None]
    ) -> None:
        self.plan = plan
        self.rig = Rig(folder, peers)
        self.results = results
        self.say = say
        self.step = step
        self.redis: Redis
        # Found before we go to our own core: after that we would see no other.
        self.pinned, self.free = Cores.pinned(), Cores.free()

    def run(self) -> None:
        """All of the plan."""
        self._note_absent()
        os.sched_setaffinity(0, self.pinned.rest)
        try:
            with self.rig.redis(self.pinned) as self.redis:
                self._note_redis()
                for group in dict.fromkeys(scenario.group for scenario in SCENARIOS):
                    wanted = [s for s in SCENARIOS if s.group == group and s.name in self.plan.names]
                    if wanted:
                        self._group(wanted)
                for name in MEASURES:
                    if name in self.plan.names:
                        self._measure(name, self.pinned)
                        self.step()
        finally:
            os.sched_setaffinity(0, self.free.target)

    def _note_redis(self) -> None:
        info: Any = self.redis.info("server")
        kind = "valkey" if "valkey_version" in info else "redis"
        self.results.versions[kind] = str(info.get("valkey_version", info["redis_version"]))

    def _note_absent(self) -> None:
        wanted = {name for s in SCENARIOS if s.name in self.plan.names for name in self.plan.of(s)}
        for name, target in TARGETS.items():
            why = target.absent(self.rig.peers) if name in wanted else ""
            if why:
                self.results.absent[target.title] = why
                self.say(f"{target.title} is not measured: {why}")

    # -- the rounds -------------------------------------------------------------------------------------------------

    def _group(self, scenarios: Sequence[Scenario]) -> None:
        first = scenarios[0]
        cores = self.free if first.workers > 1 else self.pinned
        names = dict.fromkeys(name for scenario in scenarios for name in self.plan.of(scenario))
        present = [name for name in names if name in TARGETS and not TARGETS[name].absent(self.rig.peers)]
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.rig.upstream(cores, streams=first.streams))
            if first.kind == "idle":
                self._idle_rounds(first, [name for name in present if name in self.plan.of(first)], cores)
                return
            running: dict[str, Running] = {}
            for name in present:
                self.say(f"starting {TARGETS[name].title}")
                try:
                    running[name] = stack.enter_context(self.rig.target(name, cores, first.workers))
                except CannotStart as error:
                    self._problem(f"{TARGETS[name].title} did not start: {str(error).splitlines()[-1]}")
                    continue
                self._warm_up(running[name], cores, streams=first.streams)
            for turn in range(self.plan.rounds):
                for scenario in scenarios:
                    self._round(scenario, running, turn, cores)

    def _warm_up(self, running: Running, cores: Cores, *, streams: bool) -> None:
        with contextlib.suppress(LoadFailed):
            body = payloads.body(stream=streams)
            self._load(running, cores, 64, self.rig.keys.allowed, body, running.target.warm_up)
        # Empties the buckets of those that are to be refused.
        if running.target.name == "tidegate" and not streams:
            with contextlib.suppress(LoadFailed):
                self._load(running, cores, 16, self.rig.keys.refused, payloads.body(), 0.5)

    def _round(self, scenario: Scenario, running: dict[str, Running], turn: int, cores: Cores) -> None:
        think = self._think(scenario, running, cores)
        names = self.plan.of(scenario)
        # Another one begins each round: nobody is always the one after the heaviest.
        names = names[turn % len(names) :] + names[: turn % len(names)]
        for name in names:
            self.step()
            one = running.get(name)
            if one is None and name != DIRECT:
                continue
            self.say(f"round {turn + 1}: {scenario.title}: {one.target.title if one else 'the upstream itself'}")
            try:
                self._sample(scenario, one, turn, cores, think)
            except LoadFailed as error:
                self._problem(f"{scenario.name}, {name}, round {turn + 1}: {error}")
            time.sleep(SETTLE)

    def _think(self, scenario: Scenario, running: dict[str, Running], cores: Cores) -> float:
        """Milliseconds of pause that make half of what Tidegate carried at full load."""
        if scenario.kind != "paced" or "tidegate" not in running:
            return 0.0
        full = self.results.median("json-64", "tidegate", "rps")
        if full is None:
            found = self._load(running["tidegate"], cores, 64, self.rig.keys.allowed, payloads.body(), 1.0)
            full = found.requests / found.seconds
        return scenario.connections / (full / 2) * 1000

    def _load(
        self,
        running: Running | None,
        cores: Cores,
        connections: int,
        keys: Sequence[str],
        body: bytes,
        seconds: float,
        think: float = 0.0,
        watch: Callable[[], None] = lambda: None,
    ) -> load.Measured:
        own_key = running.target.key if running else ""
        what = Load(
            port=running.site.port if running else self.rig.upstream_port,
            connections=connections,
            seconds=seconds,
            keys=[own_key] if own_key else keys,
            body=body,
            fields=running.target.fields(running.site) if running else (),
            think_ms=think,
        )
        return load.run(what, cores.rest, self.rig.folder, watch)

    def _sample(self, scenario: Scenario, running: Running | None, turn: int, cores: Cores, think: float) -> None:
        keys = getattr(self.rig.keys, scenario.keys)
        pid = running.child.pid if running else 0
        resident: list[int] = []
        watch = (lambda: resident.append(proc.rss_kib(pid))) if running else (lambda: None)
        neighbours, redis = proc.Neighbours(), self._redis_cpu()
        used = proc.cpu_seconds(pid) if running else 0.0
        began = time.monotonic()
        body = payloads.body(stream=scenario.streams)
        seconds = max(self.plan.seconds, running.target.least_seconds) if running else self.plan.seconds
        found = self._load(running, cores, scenario.connections, keys, body, seconds, think, watch)
        elapsed = time.monotonic() - began
        redis_after = self._redis_cpu()
        others, steal = neighbours.look()
        values = {
            "requests": float(found.requests),
            "rps": found.requests / found.seconds,
            "p50_ms": found.p50_ms,
            "p99_ms": found.p99_ms,
            "refused": float(found.refused),
            "broken": float(found.broken),
            "others": others,
            "steal": steal,
        }
        if running is not None and found.requests:
            used = proc.cpu_seconds(pid) - used
            values |= {
                "cpu_us": used / found.requests * 1e6,
                "busy": used / elapsed,
                "apart": float(not os.sched_getaffinity(pid) & os.sched_getaffinity(0)),
                "rss_mib": (resident[0] if resident else proc.rss_kib(pid)) / 1024,
            }
            if running.target.name in ("tidegate", "litellm"):
                values["redis_us"] = (redis_after - redis) / found.requests * 1e6
            if scenario.kind == "sse":
                values["chunk_us"] = values["cpu_us"] / payloads.CHUNKS
            if running.launch.grows and running.launch.grows.exists():
                os.truncate(running.launch.grows, 0)
        name = running.target.name if running else DIRECT
        self.results.samples.append(Sample(scenario.name, name, turn, values))
        self._check(scenario, name, turn, found)

    def _check(self, scenario: Scenario, name: str, turn: int, found: load.Measured) -> None:
        """Say where the answers were not those of the scenario: its figures then mean something else."""
        where = f"{scenario.name}, {name}, round {turn + 1}"
        wanted = {"allowed": 0.0, "refused": 1.0, "mixed": MIXED}[scenario.keys] if name != DIRECT else 0.0
        share = found.refused / found.requests if found.requests else 0.0
        if not found.requests:
            self._problem(f"{where}: no answer at all")
        elif abs(share - wanted) > (0.01 if wanted == MIXED else 0.0):
            self._problem(f"{where}: {found.refused} of {found.requests} answers had a status of 400 or above")
        if found.broken:
            self._problem(f"{where}: {found.broken} connections broke or timed out")

    def _redis_cpu(self) -> float:
        info: Any = self.redis.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    # -- idle streams -----------------------------------------------------------------------------------------------

    def _idle_rounds(self, scenario: Scenario, names: Sequence[str], cores: Cores) -> None:
        """Each time a fresh process: memory that was used once is not given back."""
        for turn in range(self.plan.rounds):
            for name in names:
                self.step()
                self.say(f"round {turn + 1}: {scenario.title}: {TARGETS[name].title}")
                try:
                    with self.rig.target(name, cores, 1) as running:
                        self._idle(scenario, running, turn, cores)
                except (CannotStart, LoadFailed) as error:
                    self._problem(f"{scenario.name}, {name}, round {turn + 1}: {error}")

    def _idle(self, scenario: Scenario, running: Running, turn: int, cores: Cores) -> None:
        self._load(running, cores, 8, self.rig.keys.allowed, payloads.body(), 1.0)
        before = proc.rss_kib(running.child.pid)
        # A descriptor for each leg, and some for the rest.
        count = min(self.plan.idle_streams, (os.sysconf("SC_OPEN_MAX") - 200) // 2)
        (self.rig.folder / "keys").write_text("\n".join(self.rig.keys.allowed) + "\n")
        (self.rig.folder / "body").write_bytes(payloads.body(model=payloads.IDLE_MODEL, stream=True))
        environment = {"LOADTEST_KEYS": str(self.rig.folder / "keys"), "LOADTEST_BODY": str(self.rig.folder / "body")}
        command = (sys.executable, "-m", "loadtest.generator", str(running.site.port), str(count), "hold")
        log = self.rig.folder / "hold.log"
        with Child(command, cores.rest, log, environment=environment, cwd=ROOT, piped=True) as child:
            held = self._held(child)
            time.sleep(1.0)
            after = proc.rss_kib(running.child.pid)
        if held < count:
            self._problem(f"{scenario.name}, {running.target.name}: {held} of {count} streams were opened")
        if not held:
            raise LoadFailed("no stream was opened")
        values = {"held": float(held), "stream_kib": (after - before) / held, "rss_mib": after / 1024}
        self.results.samples.append(Sample(scenario.name, running.target.name, turn, values))

    @staticmethod
    def _held(child: Child) -> int:
        """How many streams the generator says it holds."""
        pipe = child.process.stdout
        line = pipe.readline() if pipe else ""
        if not line.startswith("held "):
            raise LoadFailed(f"the generator holds nothing: {child.last_words().splitlines()[-1]}")
        return int(line.split()[1])

    # -- in process -------------------------------------------------------------------------------------------------

    def _measure(self, name: str, cores: Cores) -> None:
        self.say(MEASURES[name])
        url = f"redis://127.0.0.1:{self.rig.redis_port}/1"
        arguments = {"chain": [], "redis": [url], "accounts": [url, str(self.plan.accounts)]}[name]
        self.redis.flushall()
        try:
            run = subprocess.run(
                [sys.executable, "-m", "loadtest.inprocess", name, *arguments],
                capture_output=True,
                text=True,
                timeout=MEASURE_LIMIT,
                check=True,
                cwd=ROOT,
                preexec_fn=in_child(cores.target),
            )
            found = json.loads(run.stdout)
        except (subprocess.SubprocessError, ValueError) as error:
            words = getattr(error, "stderr", "") or ""
            self._problem(f"{name}: {error} {(str(words).strip().splitlines() or [''])[-1]}")
            return
        self._note(name, found)

    def _note(self, name: str, found: dict[str, Any]) -> None:
        samples = self.results.samples
        if name == "chain":
            self.results.kinds = found["kinds"]
            samples.append(Sample("chain", "tidegate", 0, {"chain_us": found["chain_us"], **found["pieces"]}))
        elif name == "redis":
            for half in ("take", "settle"):
                samples.extend(Sample("redis", half, turn, {"redis_us": us}) for turn, us in enumerate(found[half]))
        else:
            more = {"count": found["count"], "redis_bytes": found["redis_bytes"], "worker_bytes": found["worker_bytes"]}
            samples.append(Sample("accounts", "one", 0, found["one"]))
            samples.append(Sample("accounts", "many", 0, {**found["many"], **more}))

    def _problem(self, text: str) -> None:
        self.results.problems.append(text)
        self.say(f"! {text}")
