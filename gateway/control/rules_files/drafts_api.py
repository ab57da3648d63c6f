"""What may be asked of a draft before it is saved, and of rules that are not enforced yet.

POST /policies/check    POST /policies/test    POST /policies/replay    POST /policies/share
GET /policies/words     GET /policies/shadow   GET /policies/diff
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

from gateway.control.access.content import query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import checked
from gateway.control.jobs import LONGEST, Failed, Jobs, Tell, owner_of
from gateway.control.jobs import Busy as JobsBusy
from gateway.control.operations import Operation
from gateway.control.rules_files.answers import (
    DiffQuery,
    DraftShape,
    ReplayShape,
    ShareShape,
    SinceQuery,
    bordered,
    content_of,
    draft_of,
    failed,
    may,
    told,
)
from gateway.control.rules_files.diff import diff
from gateway.control.rules_files.folder import PolicyFolder
from gateway.control.rules_files.rollout import with_share
from gateway.control.rules_files.saving import CHECK_WITHIN, Deployment
from gateway.control.rules_files.tree import tree, veiled
from gateway.control.rules_files.workshop import GivenUp, Workshop
from gateway.control.rulesets import Past
from gateway.rules.whole import Whole

TEST_WITHIN: Final = 120.0
LOOK_WITHIN: Final = 60.0
SHADOW_KEPT: Final = 10.0
"""Seconds for which a look at the log is good for others who ask the same."""
DISK: Final = "disk"

Snapshots = Callable[[], Awaitable[list[dict[str, Any]]]]


class Rules(Protocol):
    """As gateway.control.rulesets.Rulesets."""

    history: list[Past]

    @property
    def in_force(self) -> Whole: ...


class DraftsApi:
    """`rules` are the live Rulesets, `snapshots` asks the workers, `now` is Unix time, `jobs` those of the port."""

    def __init__(
        self,
        deployment: Deployment,
        workshop: Workshop,
        rules: Rules,
        snapshots: Snapshots,
        jobs: Jobs,
        now: Callable[[], float],
    ) -> None:
        self._deployment = deployment
        self._workshop = workshop
        self._rules = rules
        self._snapshots = snapshots
        self._jobs = jobs
        self._now = now
        self._replays = Workshop(1, 1)
        """Of its own: whoever checks while it runs does not wait for it."""
        self._shadow: tuple[float, float, int, dict[str, Any]] | None = None

    async def close(self) -> None:
        await self._replays.close()

    def operations(self) -> list[Operation]:
        write, look = Permission.WRITE, Permission.LOOK
        busy = {429: "Too many checks are under way.", 503: "There was no answer in time."}
        return bordered(
            [
                Operation(
                    "POST", "/policies/check", self.check, write, "What is wrong with the folder with these texts.",
                    content=DraftShape, errors=busy,
                ),
                Operation(
                    "POST", "/policies/test", self.test, write, "Run the tests of the folder with these texts in it.",
                    content=DraftShape, errors=busy,
                ),
                Operation(
                    "POST", "/policies/replay", self.replay, write,
                    "A job: exchanges of the past under the folder with these texts in it.",
                    content=ReplayShape, status=202, errors=busy,
                ),
                Operation(
                    "POST", "/policies/share", self.share, write,
                    "A file's text with a rule enforced for a share of the accounts; nothing is saved.",
                    content=ShareShape,
                ),
                Operation("GET", "/policies/words", self.words, write, "What an editor completes.", errors=busy),
                Operation(
                    "GET", "/policies/shadow", self.shadow, look, "What is not enforced for all, and what it would.",
                    query=SinceQuery, errors=busy,
                ),
                Operation(
                    "GET", "/policies/diff", self.diff, write, "Two generations of the history, as unified diffs.",
                    query=DiffQuery, errors={404: "There is no such generation on the disk."},
                ),
            ]
        )  # fmt: skip

    async def check(self, request: web.Request) -> web.Response:
        asked = await draft_of(request)
        question = self._deployment.question("check", asked.files)
        found = await self._workshop.ask(question, CHECK_WITHIN)
        if not may(request, Permission.PEOPLE):
            found["problems"] = await asyncio.to_thread(veiled, found["problems"], self._deployment.policies)
        return told(found)

    async def test(self, request: web.Request) -> web.Response:
        asked = await draft_of(request)
        return told(await self._workshop.ask(self._deployment.question("test", asked.files), TEST_WITHIN))

    async def replay(self, request: web.Request) -> web.Response:
        asked = await draft_of(request, ReplayShape)
        against = str(self._policies) if asked.against == "in_force" else None
        question = self._deployment.question(
            "replay", asked.files, in_force=against, since=self._now() - asked.since, until=self._now()
        )
        people = may(request, Permission.PEOPLE)

        async def work(tell: Tell) -> dict[str, Any]:
            try:
                found = await self._replays.ask(question, LONGEST, tell)
            except GivenUp as error:
                raise Failed(str(error)) from error
            if found.get("error"):
                raise Failed(found["error"])
            # A job is its owner's alone, so what its owner may see decides.
            return found if people else without_people(found)

        try:
            job = self._jobs.start("policies.replay", owner_of(request), work)
        except JobsBusy as error:
            return failed(str(error), 429)
        return told({"job": job.id}, 202)

    async def share(self, request: web.Request) -> web.Response:
        asked = checked(ShareShape, await content_of(request))
        text = await asyncio.to_thread(with_share, asked.text, asked.name, asked.share)
        return told({"text": text})

    async def words(self, _: web.Request) -> web.Response:
        question = self._deployment.question("words", in_force=str(self._policies))
        return told(await self._workshop.ask(question, CHECK_WITHIN))

    async def shadow(self, request: web.Request) -> web.Response:
        """With `live`: what the workers have counted since they began to serve by these rules."""
        since = query(request, SinceQuery).since
        generation, kept = self._rules.in_force.generation, self._shadow
        fresh = kept is not None and kept[1:3] == (since, generation) and self._now() - kept[0] < SHADOW_KEPT
        if kept is None or not fresh:
            question = self._deployment.question("shadow", since=self._now() - since, until=self._now())
            question["policies"] = str(self._policies)
            kept = self._shadow = (self._now(), since, generation, await self._workshop.ask(question, LOOK_WITHIN))
        found, live = kept[3], matched(await self._snapshots())
        rows = [row | {"live": live.get((row["entry"], row["rule"]), NOTHING)} for row in found["rules"]]
        content = found | {"rules": rows, "generation": generation, "since": since}
        return told(content if may(request, Permission.PEOPLE) else without_people(content))

    async def diff(self, request: web.Request) -> web.Response:
        """Nothing stated: what is on the disk against what is in force."""
        asked = query(request, DiffQuery)
        before = self._folder_of(asked.from_ or str(self._rules.in_force.generation))
        after = self._folder_of(asked.to or DISK)
        if before is None or after is None:
            return failed("there is no such generation on the disk any more", 404)
        found = await asyncio.to_thread(self._diff, before, after)
        return told({"files": found})

    def _diff(self, before: Path, after: Path) -> list[dict[str, Any]]:
        policies = self._deployment.policies
        if policies not in (before, after):
            return diff(before, after)
        # Lists and tests stand in the folder and in no whole: they are no difference, and may name accounts.
        rows = tree(PolicyFolder(policies), before if after == policies else after)
        only = frozenset(row["path"] for row in rows if row["state"] in {"differs", "new", "gone"})
        return diff(before, after, only)

    def _folder_of(self, wanted: str) -> Path | None:
        if wanted == DISK:
            return self._deployment.policies
        for past in reversed(self._rules.history):
            whole = past.whole
            if wanted in (str(whole.generation), whole.name) or (len(wanted) >= 4 and whole.digest.startswith(wanted)):
                folder = whole.folder / "policies"
                return folder if folder.is_dir() else None
        return None

    @property
    def _policies(self) -> Path:
        return self._rules.in_force.folder / "policies"


NOTHING: Final = {"enforced": 0, "shadow": 0}


def matched(snapshots: Sequence[dict[str, Any]]) -> dict[tuple[str, str], dict[str, int]]:
    """(entry, rule) -> how often it applied, enforced and in shadow, on all workers; by entry alone with rule ''."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for snapshot in snapshots:
        for entry, rule, _, _, enforced, count in snapshot["matched"]:
            for key in {(entry, rule), (entry, "")}:
                sums = found.setdefault(key, dict(NOTHING))
                sums["enforced" if enforced else "shadow"] += count
    return found


def without_people(found: dict[str, Any]) -> dict[str, Any]:
    """Numbers stay; whose they are is for whoever may see accounts."""
    hidden = found | {"people": False}
    if "hurt" in hidden:
        hidden["hurt"] = []
    if "would" in hidden:
        hidden["would"] = [row | {"top": []} for row in hidden["would"]]
    if "groups" in hidden:
        hidden["groups"] = {
            change: [group | {"example": ""} for group in groups] for change, groups in hidden["groups"].items()
        }
    return hidden
