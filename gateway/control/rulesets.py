"""The supervisor's rulesets: a change is made and checked here, offered to all workers, and taken by all or by none.

The one in force is never given up for something that does not check or does not load: what is wrong is kept, told and
counted until the files on disk change again. After a rollback the files on disk are set aside: the same content is not
applied again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from gateway.control.audit import Audit
from gateway.control.fleet import Answer, Said
from gateway.rules.problems import Problem, Problems
from gateway.rules.whole import Signature, Whole, forget, point

log = logging.getLogger(__name__)

KEPT: Final = 20
"""Wholes on the disk to go back to."""
LOOK_EVERY: Final = 0.25
"""Seconds between two looks at the files."""
QUIET: Final = 0.1
"""Seconds without a change after which an edit counts as done: editors save in more than one step."""
PATIENCE: Final = 2.0
"""Seconds after which files that never rest are read all the same."""
RECONCILE_EVERY: Final = 5.0
"""Seconds between two looks at what each worker serves by."""
GENTLE: Final = 5
"""How much nicer the making thread is than the workers (nice(2); on Linux each thread has its own)."""


class Disk(Protocol):
    """As gateway.rules.whole.OnDisk."""

    def signature(self) -> Signature: ...

    def list_ages(self, now: float) -> list[tuple[str, float, bool]]: ...


DiskT = TypeVar("DiskT", bound=Disk)
Make = Callable[[int], tuple[Whole, DiskT]]
"""Generation -> a new whole of the files on disk, and which files that are. Raises Problems."""


class Crew(Protocol):
    """As gateway.control.fleet.Fleet."""

    async def prepare(self, whole: Whole, only: str = "") -> list[Answer]: ...

    async def commit(self, whole: Whole, only: str = "") -> list[Answer]: ...

    async def discard(self, whole: Whole) -> list[Answer]: ...

    async def versions(self) -> dict[str, tuple[int, str]]: ...


class Outcome(NamedTuple):
    """What came of a change that somebody wanted."""

    word: str
    """applied, unchanged, refused, set_aside, rolled_back, unknown."""
    version: tuple[int, str]
    """What is in force now."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The files on disk, where they are not what is in force because they cannot be."""

    since: float
    problems: tuple[str, ...]
    shown: tuple[str, ...]
    """The same for people: with the lines that they stand in, where those hold no secret."""


@dataclass(slots=True)
class Past:
    """One whole that is or was in force."""

    whole: Whole
    since: float
    """Unix time at which it last came into force."""
    who: str
    action: str


class Rulesets(Generic[DiskT]):
    """Changes are made one after another; whoever asks while one is under way waits for it."""

    def __init__(
        self,
        first: Whole,
        disk: DiskT,
        make: Make[DiskT],
        crew: Crew,
        audit: Audit,
        now: Callable[[], float],
        seen: Callable[[DiskT], None] = lambda _: None,
    ) -> None:
        """`seen` is called with what the files on disk name, whenever they have been read."""
        self.in_force = first
        self.files = "in_force"
        """What the files on disk are: in_force, refused, set_aside."""
        self.refused: Refused | None = None
        self.set_aside: set[str] = set()
        """Digests that somebody went back from: not applied again by themselves. Of policies alone where these made the
        difference, so that a list that is fetched anew does not bring bad rules back.
        """
        self.history = [Past(first, now(), "start", "start")]
        """The newest last, at most KEPT."""
        self.reloads = {"applied": 0, "unchanged": 0, "refused": 0, "set_aside": 0, "rolled_back": 0}
        self.last_success = now()
        self._generation = first.generation
        self._on_disk = first.digest
        self._disk = disk
        self._seen = seen
        self._make = make
        self._crew = crew
        self._audit = audit
        self._now = now
        self._making = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "ruleset", initializer=_be_gentle)
        point(first.folder.parent, first)

    # -- changes ----------------------------------------------------------------------------------------------------

    async def reload(self, who: str, *, insist: bool = False) -> Outcome:
        """Make the files on disk the ones in force. `insist`: also those that somebody went back from."""
        async with self._making:
            made = asyncio.get_running_loop().run_in_executor(self._thread, self._make, self._generation + 1)
            # Looked at rather than caught: what somebody's policy raises while it is made must not end the watching.
            await asyncio.wait([made])
            # Only now: a rollback does not wait for what is being made, which may take long.
            async with self._turn:
                before = self.in_force.version
                error = made.exception()
                if error is None:
                    outcome = await self._apply(*made.result(), who, insist=insist)
                else:
                    outcome = self._refuse(_problems_of(error))
                self.reloads[outcome.word] += 1
                if outcome.word != "unchanged" or who != "file watch":
                    more = {"problems": outcome.problems} if outcome.problems else {}
                    self._audit.note(who, "reload", outcome.word, before, outcome.version, **more)
                return outcome

    async def _apply(self, whole: Whole, disk: DiskT, who: str, *, insist: bool) -> Outcome:
        self._disk, self._on_disk = disk, whole.digest
        self._seen(disk)
        if whole.digest == self.in_force.digest:
            await _forget(whole)
            if self.refused is not None:
                log.info("the policies on disk are those in force again: %s", self.in_force.name)
            self._settled("in_force")
            return self._outcome("unchanged")
        if self.set_aside & {whole.digest, whole.policies} and not insist:
            await _forget(whole)
            self._settled("set_aside")
            log.warning("the policies on disk were set aside by a rollback, and have not changed since: not applied")
            return self._outcome("set_aside")
        self._generation = whole.generation
        failed = await self._hand_out(whole, must_answer=True)
        if failed:
            await _forget(whole)
            return self._refuse([f"{answer.worker}: {problem}" for answer in failed for problem in answer.problems])
        self._settled("in_force")
        self.set_aside -= {whole.digest, whole.policies}
        self._came(whole, who, "reload")
        await self._prune()
        log.info("policies reloaded: generation %d, digest %s, by %s", *whole.version, who)
        return self._outcome("applied")

    async def rollback(self, who: str, wanted: str = "") -> Outcome:
        """Go back to the generation before, or to one that is named by its digest's beginning or its generation."""
        async with self._turn:
            before = self.in_force
            past = self._find(wanted)
            if past is None:
                outcome = self._outcome("unknown", (f"there is no ruleset `{wanted}` to go back to",))
            else:
                outcome = await self._go_back(past.whole, who)
            more = {"problems": outcome.problems} if outcome.problems else {}
            self._audit.note(who, "rollback", outcome.word, before.version, outcome.version, **more)
            return outcome

    async def _go_back(self, whole: Whole, who: str) -> Outcome:
        left = self.in_force
        if whole.digest == left.digest:
            return self._outcome("unchanged")
        # One that hangs must not keep the others on rules that somebody wants to be rid of.
        failed = await self._hand_out(whole, must_answer=False)
        if failed:
            problems = tuple(f"{answer.worker}: {problem}" for answer in failed for problem in answer.problems)
            log.error("no rollback to %s:\n%s", whole.name, "\n".join(problems))
            return self._outcome("refused", problems)
        if self.refused is None:
            self.files = "in_force" if whole.digest == self._on_disk else "set_aside"
        self.set_aside -= {whole.digest, whole.policies}
        self.set_aside.add(left.policies if left.policies != whole.policies else left.digest)
        self._came(whole, who, "rollback")
        self.reloads["rolled_back"] += 1
        log.warning("policies rolled back by %s: from %s to %s", who, left.name, whole.name)
        return self._outcome("rolled_back")

    def _find(self, wanted: str) -> Past | None:
        """The newest that is meant."""
        for past in sorted(self.history, key=lambda past: past.whole.generation, reverse=True):
            whole = past.whole
            if not wanted and whole.generation < self.in_force.generation:
                return past
            if wanted and (wanted in (str(whole.generation), whole.name) or whole.digest.startswith(wanted)):
                return past
        return None

    async def _hand_out(self, whole: Whole, *, must_answer: bool) -> list[Answer]:
        """Both phases. Returns who refused; then nothing has changed."""
        answers = await self._crew.prepare(whole)
        stops = {Said.REFUSED, Said.SILENT} if must_answer else {Said.REFUSED}
        failed = [answer for answer in answers if answer.said in stops]
        if failed:
            await self._crew.discard(whole)
            return failed
        # Before anybody is told: a worker that starts in between finds it.
        try:
            point(whole.folder.parent, whole)
        except OSError as error:
            said = f"what is in force cannot be noted for workers that start: {error}"
            if must_answer:
                await self._crew.discard(whole)
                return [Answer("supervisor", Said.REFUSED, (said,))]
            # Whoever flees from bad rules must get away from a full disk, too; `look` puts right who starts by others.
            log.error("%s", said)
        self.in_force = whole
        for answer in await self._crew.commit(whole):
            if answer.said is not Said.DONE:
                await self._catch_up(answer.worker)
        return []

    async def _catch_up(self, worker: str) -> None:
        """One that missed a change: it was starting, or hung."""
        whole = self.in_force
        ready = await self._crew.prepare(whole, only=worker)
        if ready and ready[0].said is Said.DONE:
            done = await self._crew.commit(whole, only=worker)
            if done and done[0].said is Said.DONE:
                log.info("%s caught up with %s", worker, whole.name)
                return
        # One that starts loads what is in force by itself; the next look at all of them sees the rest.
        if ready and ready[0].said is not Said.ABSENT:
            log.error("%s does not serve by %s yet: %s", worker, whole.name, "; ".join(ready[0].problems))

    def note_denied(self, path: str) -> None:
        """Somebody without the token wanted a change."""
        self._audit.note("nobody", path, "denied", self.in_force.version, self.in_force.version)

    # -- what is kept -----------------------------------------------------------------------------------------------

    def _outcome(self, word: str, problems: Sequence[str] = ()) -> Outcome:
        return Outcome(word, self.in_force.version, tuple(problems))

    def _refuse(self, problems: Sequence[Problem | str]) -> Outcome:
        said = tuple(str(problem) for problem in problems)
        shown = tuple(problem.shown() if isinstance(problem, Problem) else problem for problem in problems)
        self.files, self.refused = "refused", Refused(self._now(), said, shown)
        log.error("policies not reloaded, %s stays in force:\n%s", self.in_force.name, "\n".join(shown))
        return self._outcome("refused", said)

    def _settled(self, files: str) -> None:
        self.files, self.refused = files, None

    def _came(self, whole: Whole, who: str, action: str) -> None:
        self.last_success = self._now()
        self.history = [past for past in self.history if past.whole.generation != whole.generation]
        self.history.append(Past(whole, self.last_success, who, action))

    async def _prune(self) -> None:
        gone, self.history = self.history[:-KEPT], self.history[-KEPT:]
        for past in gone:
            await _forget(past.whole)
        self.set_aside &= {digest for past in self.history for digest in (past.whole.digest, past.whole.policies)}

    def status(self) -> dict[str, Any]:
        """For people and programs."""
        here = self.history[-1]
        return {
            "generation": self.in_force.generation,
            "digest": self.in_force.digest,
            "name": self.in_force.name,
            "since": here.since,
            "who": here.who,
            "action": here.action,
            "entries": self.in_force.entries,
            "files": self.files,
            "refused_since": self.refused.since if self.refused else None,
            "problems": self.refused.problems if self.refused else (),
            "shown": self.refused.shown if self.refused else (),
            "set_aside": sorted(self.set_aside),
            "reloads": dict(self.reloads),
            "last_success": self.last_success,
            "lists": self._disk.list_ages(self._now()),
        }

    def past(self) -> list[dict[str, Any]]:
        """What is or was in force, by when it last came, the newest first."""
        return [
            {
                "generation": past.whole.generation,
                "digest": past.whole.digest,
                "name": past.whole.name,
                "made": past.whole.made,
                "since": past.since,
                "who": past.who,
                "action": past.action,
                "in_force": past.whole is self.in_force,
                "entries": past.whole.entries,
            }
            for past in reversed(self.history)
        ]

    # -- by itself --------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Reload when the files change, for ever."""
        seen = await asyncio.to_thread(self._disk.signature)
        # What is in force was read before anybody watched: an edit in between is found now.
        await self.reload("file watch")
        while True:
            await asyncio.sleep(LOOK_EVERY)
            found = await asyncio.to_thread(self._disk.signature)
            if found != seen:
                found = await self._rest(found)
                # As they were before they are read: a change meanwhile is another one.
                seen = found
                before = self._disk
                await self.reload("file watch")
                if self._disk is not before:
                    seen = await self._joined(seen)

    async def _joined(self, seen: Signature) -> Signature:
        """The new ruleset may name other files: those count as seen, and changes of the rest do not."""
        names = {item[0] for item in seen}
        return seen | {item for item in await asyncio.to_thread(self._disk.signature) if item[0] not in names}

    async def _rest(self, found: Signature) -> Signature:
        """Wait until nobody writes."""
        for _ in range(int(PATIENCE / QUIET)):
            await asyncio.sleep(QUIET)
            again = await asyncio.to_thread(self._disk.signature)
            if again == found:
                break
            found = again
        return found

    async def reconcile(self) -> None:
        """See that every worker serves by what is in force, for ever."""
        while True:
            await asyncio.sleep(RECONCILE_EVERY)
            await self.look()

    async def look(self) -> None:
        """Once."""
        if self._turn.locked():
            return
        async with self._turn:
            for worker, version in (await self._crew.versions()).items():
                if version != self.in_force.version:
                    await self._catch_up(worker)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._audit.close()


def _problems_of(error: BaseException) -> Sequence[Problem | str]:
    if isinstance(error, Problems):
        return error.problems
    log.error("the policies on disk cannot be made", exc_info=error)
    return [f"a policy cannot be made, it is broken: {type(error).__name__}: {error}"]


async def _forget(whole: Whole) -> None:
    await asyncio.to_thread(forget, whole)


def _be_gentle() -> None:
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GENTLE)
