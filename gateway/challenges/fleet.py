"""What is held of accounts in the whole fleet: in Redis, remembered by each worker, told by a stream.

A change is made by compare and swap: it begins with what this worker remembers, and where the fleet has another record
by now, with that one. Changes of one name that come while one is under way go with the next write, together.

When Redis is away, what is remembered stays in force to its end; what has to be changed or looked up raises
Unavailable. When Redis has lost what it had (emptied, or failed over before the last writes were copied):

- Records stay in force in every worker that remembers them, and the next that looks at one, or changes it, writes it
  back. To free an account, `Lifted` is the way; to delete its key is none.
- A budget that is gone is spent, so nothing that was drawn comes back: whoever held it is challenged again. Of what was
  drawn in the moment before a failover, Redis may have forgotten as much as it had not copied.
- A worker that starts then knows nothing of it, until somebody writes it back.

Times come from the clocks of the workers, which are taken to agree to some seconds: a change is never made at a time
before that of the record that it changes. Which of two records is newer is told by Redis's clock alone.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from gateway.challenges.fleet_calls import STREAM, Calls, Counts, Found, Record, read, version_of
from gateway.challenges.fleet_memory import NAMES, Remembered
from gateway.challenges.interface import Changed, Name, Told, Unavailable
from gateway.challenges.ladder import NOTHING_HELD, Clearance, Event, Held, Ladder
from gateway.challenges.steps import after, lasts
from gateway.fleet_stream import follow
from gateway.tasks import spawn

DEADLINE: Final = 0.25
"""Seconds."""
READ_BACK: Final = 86_400.0
"""Seconds of the stream that a worker reads when it starts."""
AHEAD: Final = 86_400.0
"""Seconds that a record in the stream may be ahead of our clock: one from further in the future would stay for ever."""
TRIES: Final = 100
"""Of one write. Somebody else's went through whenever one fails; in general the deadline is what ends it."""
WAITERS: Final = 10_000
CROWDED: Final = 1.0
"""Seconds that one more waits."""
LONGEST_NAME: Final = 512
UNCERTAIN: Final = 1_000
"""Writes without an answer of which it is remembered what they would have changed."""


class _Asked(NamedTuple):
    """One call of `change`."""

    ladder: Ladder
    events: tuple[Event, ...]
    done: asyncio.Future[tuple[Held, Held]]


class RedisEscalations:
    """By a `redis.asyncio` client as `gateway.stores.redis.client` makes it: the caller's to close. `now` gives Unix
    time in seconds.

    Follows the fleet while `run` runs. What `told` names is called in the process that made the change, once; also for
    one of which Redis gave no answer, when the stream says that it was made. It must raise nothing.
    """

    def __init__(
        self,
        redis: Any,
        now: Callable[[], float],
        told: Iterable[Told] = (),
        *,
        deadline: float = DEADLINE,
        names: int = NAMES,
    ) -> None:
        self._redis = redis
        self._now = now
        self._told = tuple(told)
        self._deadline = deadline
        self._calls = Calls(redis, now, deadline)
        self.counts: Counts = self._calls.counts
        self._memory = Remembered(now, self._forgot, names)
        self._asked: dict[Name, list[_Asked]] = {}
        """Calls that wait for the next write of a name. One is under way wherever there is an entry."""
        self._waiters: dict[Name, set[asyncio.Future[None]]] = {}
        self._waiting = 0
        self._caught_up = asyncio.Event()
        self._word = secrets.token_hex(6)
        self._writes = 0
        self._underway: dict[str, list[Changed]] = {}
        """What writes change that were not answered yet, or never."""

    @property
    def held(self) -> Mapping[Name, Held]:
        """As `Escalations.held`: the newest of at most so many names that this worker has changed, looked at or heard
        of. Some may be over by now: they are what the ladder makes of them at that time.
        """
        return self._memory.held

    @property
    def available(self) -> bool:
        """Whether the last that was heard of Redis were answers."""
        return not self._calls.outages

    async def run(self) -> None:
        """Follow the fleet until cancelled; it never gives up."""
        await follow(
            self._redis, STREAM, self._now, READ_BACK, self._hear, self._calls.outages, caught_up=self._caught_up.set
        )

    async def caught_up(self, seconds: float) -> bool:
        """Wait until `run` has read what was held before, so long at most; whether it has."""
        try:
            async with asyncio.timeout(seconds):
                await self._caught_up.wait()
        except TimeoutError:
            return False
        return True

    async def look(self, rule: str, subject: str) -> Held:
        """As `Escalations.look`. What is newer here was lost there, and is written back."""
        name = (rule, subject)
        await self._calls.in_time(self._look(name))
        self.counts.looks += 1
        return self._memory.of(name) or NOTHING_HELD

    async def change(self, rule: str, subject: str, ladder: Ladder, *events: Event) -> tuple[Held, Held]:
        """As `Escalations.change`. What raised Unavailable may have been made all the same."""
        name = (rule, subject)
        asked = _Asked(ladder, events, asyncio.get_running_loop().create_future())
        if name in self._asked:
            self._asked[name].append(asked)
        else:
            self._asked[name] = [asked]
            # Of its own, so that a caller who leaves does not leave others without an answer.
            spawn(self._change_all(name), name="change what is held")
        try:
            async with asyncio.timeout(self._deadline):
                return await asked.done
        except TimeoutError as error:
            raise Unavailable("no answer in time") from error

    async def draw(self, rule: str, subject: str, clearance: Clearance, wanted: int) -> int:
        """As `Escalations.draw`. A budget that Redis has no more is spent."""
        if wanted <= 0 or clearance.expires <= self._now():
            return 0
        if not clearance.exchanges:
            return wanted
        taken = await self._calls.in_time(self._calls.draw((rule, subject), clearance.id, wanted))
        self.counts.draws += 1
        return taken

    async def solvers(self, solver: str, subject: str, within: float) -> int:
        """As `Escalations.solvers`; no more than the first thousand are known."""
        return await self._calls.in_time(self._calls.solve(solver, subject, within))

    async def wait(self, rule: str, subject: str, seconds: float) -> None:
        """As `Escalations.wait`. Where too many wait it is over soon; not at once, for who waits looks again then."""
        if self._waiting >= WAITERS:
            await asyncio.sleep(min(seconds, CROWDED))
            return
        name = (rule, subject)
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(name, set()).add(woken)
        self._waiting += 1
        try:
            await asyncio.wait((woken,), timeout=seconds)
        finally:
            self._waiting -= 1
            others = self._waiters.get(name, set())
            others.discard(woken)
            if not others:
                self._waiters.pop(name, None)

    async def _look(self, name: Name) -> None:
        found = await self._calls.find(name)
        self._learn(name, found.record)
        held, version = self._memory.of(name), self._memory.version(name)
        if held is None or found.version >= version:
            return
        # Or the stream was faster than this answer: then somebody else's record is there, and it stays.
        until = self._memory.until(name)
        record = Record(version, self._next_writer(), until, held)
        answer = await self._calls.change(name, found.version, record, until - self._now(), ())
        if not isinstance(answer, Found):
            self.counts.restored += 1
            self._learn(name, record._replace(version=answer.version))

    def _next_writer(self) -> str:
        self._writes += 1
        return f"{self._word}.{self._writes}"

    async def _change_all(self, name: Name) -> None:
        """Until nobody asks for more of this name."""
        try:
            while asked := [one for one in self._asked[name] if not one.done.done()]:
                self._asked[name] = []
                await self._change_these(name, asked)
        finally:
            del self._asked[name]

    async def _change_these(self, name: Name, asked: list[_Asked]) -> None:
        writer = self._next_writer()
        failure = Unavailable("the change broke: the log says why")
        try:
            changes = await self._calls.in_time(self._swap(name, writer, asked))
            self._made(writer)
            for one, change in zip(asked, changes, strict=True):
                if not one.done.done():
                    one.done.set_result((change.before, change.after))
        except Unavailable as error:
            failure = error
        finally:
            if len(self._underway) > UNCERTAIN:
                del self._underway[next(iter(self._underway))]
            for one in asked:
                if not one.done.done():
                    one.done.set_exception(failure)

    async def _swap(self, name: Name, writer: str, asked: list[_Asked]) -> list[Changed]:
        """Compare and swap, until it holds: what each has changed."""
        expected, looked = self._memory.version(name), False
        for _ in range(TRIES):
            changes = self._applied(name, asked)
            if changes[-1].after is not changes[0].before:
                self._underway[writer] = changes
                found = await self._write(name, expected, writer, asked[-1].ladder, changes)
            elif looked:
                return changes
            else:
                found = await self._calls.find(name)
            if found is None:
                return changes
            looked, expected = True, found.version
            self._learn(name, found.record)
            if found.record is not None and found.record.writer == writer:
                return changes  # redis-py has sent it twice: this answers the second.
            self._underway.pop(writer, None)
        raise TimeoutError("others change it all the time")

    def _applied(self, name: Name, asked: list[_Asked]) -> list[Changed]:
        """What each would change, one after the other, of what is remembered."""
        held = self._memory.of(name) or NOTHING_HELD
        changes = []
        for one in asked:
            before, now = held, max(self._now(), held.at)
            for event in one.events:
                held = after(one.ladder, held, event, now)
            changes.append(Changed(*name, before, held, now))
        return changes

    async def _write(
        self, name: Name, expected: int, writer: str, ladder: Ladder, changes: list[Changed]
    ) -> Found | None:
        """None where it was taken; what is there instead where it was not."""
        before, held, now = changes[0].before, changes[-1].after, changes[-1].now
        for_how_long = lasts(ladder, held, now)
        record = Record(self._memory.version(name), writer, now + for_how_long, held)
        known = {clearance.id for clearance in before.clearances}
        budgets = [one for one in held.clearances if one.exchanges and one.id not in known]
        answer = await self._calls.change(name, expected, record, for_how_long, budgets)
        if isinstance(answer, Found):
            self.counts.conflicts += 1
            return answer
        self.counts.changes += 1
        self._learn(name, record._replace(version=answer.version))
        return None

    def _made(self, writer: str) -> None:
        """Tell of that write, if it is one of ours and was not told: its answer and the stream both say that it is."""
        loop = asyncio.get_running_loop()
        for change in self._underway.pop(writer, ()):
            if change.after is not change.before:
                for told in self._told:
                    # Before whoever asked for the change goes on; and what it raises ends nothing of ours.
                    loop.call_soon(told, change)

    def _learn(self, name: Name, record: Record | None) -> bool:
        """Whether it is news. Wakes who waits for it."""
        if record is None:
            return False
        self._made(record.writer)
        if not self._memory.learn(name, record):
            return False
        for woken in self._waiters.get(name, ()):
            if not woken.done():
                woken.set_result(None)
        return True

    def _hear(self, fields: Mapping[Any, Any]) -> None:
        """An entry of the stream. Anybody may write there, and most that is heard is known."""
        try:
            name, text = (fields[b"r"].decode(), fields[b"s"].decode()), fields[b"v"]
            version = version_of(text)
            if 0 < version <= self._memory.version(name) and not self._underway:
                return
            if version > (self._now() + AHEAD) * 1e6 or max(map(len, name)) > LONGEST_NAME:
                raise ValueError("no entry")
            record = read(text)
        except (KeyError, ValueError):
            self.counts.unreadable += 1
            return
        if self._learn(name, record):
            self.counts.heard += 1

    def _forgot(self) -> None:
        self.counts.forgotten += 1
