"""One file of the policies, changed and put into force; or nothing is changed.

    the text is checked in the whole folder -> written -> reloaded on all workers -> noted

Where a worker refuses what the check let pass, the old text is put back. One change at a time: who comes second is told
what stands there now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.control.rules_files.folder import LARGEST, Content, NotWritable, PolicyFolder, digest_of, named
from gateway.control.rules_files.workshop import Workshop
from gateway.control.rulesets import Outcome
from gateway.rules.whole import Whole

CHECK_WITHIN: Final = 20.0
"""Seconds for the check of a folder; for the shipped policies it takes a third of one."""


class Rules(Protocol):
    """As gateway.control.rulesets.Rulesets."""

    @property
    def in_force(self) -> Whole: ...

    async def reload(self, who: str, *, insist: bool = False) -> Outcome: ...


class Note(Protocol):
    """Takes a line for the audit, and does not wait for it to be written; as gateway.control.access.notes.Note."""

    def __call__(self, who: str, did: str, subject: str, **detail: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the check has to know of tidegate.yaml."""

    policies: Path
    data: Path
    captchas: tuple[str, ...] = ()
    providers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> kinds of evidence that its approval gives."""
    log: Path | None = None
    """The exchange log."""

    def question(self, do: str, files: Mapping[str, str | None] | None = None, **more: Any) -> dict[str, Any]:
        """For a bench."""
        return {
            "do": do,
            "policies": str(self.policies),
            "data": str(self.data),
            "captchas": self.captchas,
            "providers": {name: sorted(gives) for name, gives in self.providers.items()},
            "log": str(self.log) if self.log is not None else None,
            "files": dict(files or {}),
            **more,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants. `text` None: without the file. `match` is the digest that they saw; empty: no file."""

    who: str
    path: str
    text: str | None
    match: str
    reason: str


class Conflict(Exception):
    """Somebody changed the file meanwhile."""

    def __init__(self, now: Content | None) -> None:
        super().__init__("somebody changed this file since you opened it")
        self.now = now


class WouldRefuse(Exception):
    """The folder would be wrong with it: nothing was changed."""

    def __init__(self, problems: list[dict[str, Any]], said: str) -> None:
        super().__init__(said)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of it."""

    digest: str
    outcome: Outcome
    warnings: list[dict[str, Any]]


class Saving:
    """All changes of one folder."""

    def __init__(
        self, deployment: Deployment, workshop: Workshop, rules: Rules, note: Note, folder: PolicyFolder | None = None
    ) -> None:
        self.deployment = deployment
        self.folder = folder or PolicyFolder(deployment.policies)
        self._workshop = workshop
        self._rules = rules
        self._note = note
        self._turn = asyncio.Lock()

    async def change(self, change: Change) -> Saved:
        """Raises NoFile, NotWritable, Conflict, WouldRefuse; and of the workshop Busy and GivenUp."""
        named(change.path)
        if change.text is not None and len(change.text.encode()) > LARGEST:
            raise NotWritable(f"a file of more than {LARGEST >> 20} MiB is not written from here")
        async with self._turn:
            before = await asyncio.to_thread(self._there, change.path)
            if change.match != (before.digest if before is not None else ""):
                raise Conflict(before)
            if said := await asyncio.to_thread(self.folder.refuses, change.path):
                raise NotWritable(said)
            warnings = await self._checked(change)
            # Somebody may have saved by another editor while it was checked.
            if (now := await asyncio.to_thread(self._there, change.path)) != before:
                raise Conflict(now)
            # Whoever asked may go away: what has begun is ended, or put back.
            return await asyncio.shield(self._apply(change, before, warnings))

    def _there(self, path: str) -> Content | None:
        if not self.folder.exists(path):
            return None
        return self.folder.read(path)

    async def _checked(self, change: Change) -> list[dict[str, Any]]:
        question = self.deployment.question("check", {change.path: change.text})
        found = await self._workshop.ask(question, CHECK_WITHIN)
        rows = found["problems"]
        # A test that no longer fits is told; one that is being written has to be one.
        blocks = [row for row in rows if row["severity"] == "error" and _blocks(row, change.path)]
        if blocks:
            said = f"{len(blocks)} problem{'s' if len(blocks) != 1 else ''} found: nothing was saved"
            raise WouldRefuse(blocks, said)
        return [row for row in rows if row not in blocks]

    async def _apply(self, change: Change, before: Content | None, warnings: list[dict[str, Any]]) -> Saved:
        after = await asyncio.to_thread(self._put, change, before)
        outcome = await self._rules.reload(change.who, insist=True)
        if outcome.word == "refused":
            await asyncio.to_thread(self._put_back, change.path, before, after)
            # The files are again what they were, and what is in force is told so.
            await self._rules.reload(change.who)
            self._noted(change, before, after, outcome)
            rows = [_row(change.path, problem) for problem in outcome.problems]
            raise WouldRefuse(rows, "it was refused when it was put into force: the old text was put back")
        self._noted(change, before, after, outcome)
        return Saved(after, outcome, warnings)

    def _put(self, change: Change, before: Content | None) -> str:
        if change.text is None:
            self.folder.remove(change.path)
            return ""
        data = change.text.encode()
        self.folder.write(change.path, data, before.mode if before is not None else 0o644)
        return digest_of(data)

    def _put_back(self, path: str, before: Content | None, after: str) -> None:
        """Unless somebody has written something else meanwhile."""
        now = self._there(path)
        if (now.digest if now is not None else "") != after:
            return
        if before is None:
            self.folder.remove(path)
        else:
            self.folder.write(path, before.data, before.mode)

    def _noted(self, change: Change, before: Content | None, after: str, outcome: Outcome) -> None:
        did = "delete" if change.text is None else "write" if before is not None else "create"
        self._note(
            change.who, f"policies.{did}", change.path,
            before=before.digest if before is not None else "", after=after, reason=change.reason,
            outcome=outcome.word, generation=self._rules.in_force.generation,
        )  # fmt: skip


def _blocks(row: Mapping[str, Any], path: str) -> bool:
    return not row["in_tests"] or row["path"] == path


def _row(path: str, message: str) -> dict[str, Any]:
    row = {"severity": "error", "path": path, "line": 1, "column": 1, "message": message}
    return row | {"excerpt": "", "in_tests": False}
