"""Wholes without content, and workers that do as they are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gateway.control.audit import Audit
from gateway.control.fleet import Answer, Said
from gateway.control.rulesets import Rulesets
from gateway.rules.problems import Problem, Problems
from gateway.rules.whole import Signature, Whole, name_of


@dataclass
class Disk:
    """The files on disk: their content is one word, and that of their lists another."""

    wholes: Path
    word: str = "a"
    listed: str = ""
    broken: BaseException | None = None
    version: int = 0
    gate: threading.Event | None = None
    """What making waits for."""

    def write(self, word: str, listed: str = "") -> None:
        self.word, self.listed = word, listed
        self.broken = None
        self.version += 1

    def break_(self, error: BaseException | None = None) -> None:
        self.broken = error or Problems([Problem(Path("chain.yaml"), 3, 7, "is wrong")])
        self.version += 1

    def make(self, generation: int) -> tuple[Whole, Disk]:
        if self.gate is not None:
            self.gate.wait(10.0)
        if self.broken is not None:
            raise self.broken
        policies = self.word * 32
        digest = self.word * (32 - len(self.listed)) + self.listed
        folder = self.wholes / name_of((generation, digest))
        folder.mkdir(parents=True)
        return Whole(folder, generation, digest, policies, 0.0, ("auth",)), self

    def signature(self) -> Signature:
        return frozenset({("chain.yaml", 1, self.version, 0)})

    def list_ages(self, now: float) -> list[tuple[str, float, bool]]:
        return []


@dataclass
class Worker:
    """What it answers to each step; DONE if nothing else is said."""

    says: dict[str, Said] = field(default_factory=dict)
    version: tuple[int, str] = (0, "")
    prepared: tuple[int, str] = (0, "")

    def hear(self, step: str, whole: Whole) -> Said:
        said = self.says.get(step, Said.DONE)
        if said is Said.DONE and step == "prepare":
            self.prepared = whole.version
        elif step == "discard":
            self.prepared = (0, "")
        elif said is Said.DONE and step == "commit":
            if whole.version not in {self.prepared, self.version}:
                return Said.REFUSED
            self.version = whole.version
        return said


class Crew:
    """Workers by name, and the steps that they were asked for."""

    def __init__(self, count: int, first: Whole) -> None:
        self.workers = {f"worker-{index}": Worker(version=first.version) for index in range(count)}
        self.steps: list[str] = []
        self.after: Callable[[str], None] = lambda _: None

    async def _ask(self, step: str, whole: Whole, only: str) -> list[Answer]:
        self.steps.append(f"{step} {whole.generation}{' ' + only if only else ''}")
        chosen = {name: worker for name, worker in self.workers.items() if only in ("", name)}
        answers = []
        for name, worker in chosen.items():
            said = worker.hear(step, whole)
            answers.append(Answer(name, said, () if said is Said.DONE else (f"cannot {step}",)))
        self.after(step)
        return answers

    async def prepare(self, whole: Whole, only: str = "") -> list[Answer]:
        return await self._ask("prepare", whole, only)

    async def commit(self, whole: Whole, only: str = "") -> list[Answer]:
        return await self._ask("commit", whole, only)

    async def discard(self, whole: Whole) -> list[Answer]:
        return await self._ask("discard", whole, "")

    async def versions(self) -> dict[str, tuple[int, str]]:
        return {name: worker.version for name, worker in self.workers.items()}

    @property
    def serves(self) -> set[tuple[int, str]]:
        return {worker.version for worker in self.workers.values()}


@dataclass
class World:
    """A supervisor's rulesets with everything around them."""

    rulesets: Rulesets[Disk]
    disk: Disk
    crew: Crew
    audit: Path
    clock: list[float]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.audit.read_bytes().splitlines()]

    @property
    def words(self) -> list[str]:
        return [f"{line['who']} {line['action']} {line['outcome']}" for line in self.lines]

    def folders(self) -> set[str]:
        return {path.name for path in self.disk.wholes.iterdir() if path.is_dir()}


def world(folder: Path, count: int = 2) -> World:
    """Generation 1 with content `a` is in force."""
    disk = Disk(folder / "wholes")
    first, _ = disk.make(1)
    crew = Crew(count, first)
    clock = [1000.0]
    audit = folder / "audit.log"
    rulesets = Rulesets(first, disk, disk.make, crew, Audit(audit, lambda: clock[0]), lambda: clock[0])
    return World(rulesets, disk, crew, audit, clock)
