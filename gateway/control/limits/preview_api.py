"""A change of overrides, tried on the last day before it is saved: a job, in a process of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gateway.accounts.sql import overrides as rows
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import content
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import Wrong
from gateway.control.jobs import Busy, Jobs, Tell, in_process, owner_of
from gateway.control.limits import words
from gateway.control.limits.meant import UNCHANGED, Meant, of_again, of_new
from gateway.control.limits.overrides_api import Steering, read_scope
from gateway.control.limits.rules import InForce
from gateway.control.limits.shapes import DAY, JobStarted, NewShape, PreviewShape, ScopeShape
from gateway.control.operations import Operation
from gateway.overrides.override import Override
from gateway.overrides.written import change_in, change_text, clash, document_of

COMMAND: Final = ("quota", "rehearse")
"""What does the work: `python -m gateway quota rehearse`."""
LOOKED: Final = "a preview"
"""Stands for why, and by whom, of what nobody sets."""
NO_LOG: Final = (
    "there is no exchange log, so nobody knows what was asked for: state `exchange_log` in tidegate.yaml, start again"
)


class PreviewApi:
    """Its `operations` are for the port. `log` is the exchange log's folder; None where nothing is kept."""

    def __init__(self, steering: Steering, jobs: Jobs, log: Path | None, data: Path) -> None:
        self._of = steering
        self._jobs = jobs
        self._log = log
        self._data = data

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST", "/overrides/preview", self.preview, Permission.TUNE,
                "Who would have been refused in the last 24 hours, or no longer: a job.",
                content=PreviewShape, answer=JobStarted, status=202,
                errors={404: "there is no such override", 409: "there is no exchange log", 429: "too many jobs wait"},
            )
        ]  # fmt: skip

    async def preview(self, request: web.Request) -> web.Response:
        asked = await content(request, PreviewShape)
        if self._log is None:
            raise Refused(409, NO_LOG)
        rules, now = await self._of.in_force(), self._of.now()
        before, after, changed = await self._sides(asked, rules, now)
        told: Mapping[str, Any] = {
            "policies": str(rules.policies),
            "data": str(self._data),
            "log": str(self._log),
            "since": now - DAY,
            "until": now,
            "before": [document_of(one) for one in before],
            "after": [document_of(one) for one in after],
            "changed": [document_of(one) for one in changed],
        }
        limit = rules.of(changed[0].limit) if changed else None
        sentence = words.said(changed[-1], None if limit is None else limit.limit, now) if changed else ""
        if asked.withdraw:
            sentence = f"taken back: {sentence}"

        async def work(tell: Tell) -> dict[str, Any]:
            return await in_process(COMMAND, told, tell) | {"said": sentence}

        try:
            job = self._jobs.start("overrides.preview", owner_of(request), work)
        except Busy as error:
            raise Refused(429, str(error), headers={"Retry-After": "5"}) from error
        return said({"job": job.id}, 202)

    async def _sides(
        self, asked: PreviewShape, rules: InForce, now: float
    ) -> tuple[list[Override], list[Override], list[Override]]:
        """All that hold without the change, with it, and what differs. Raises Wrong, NoSuch, Refused."""
        database = self._of.database
        held: list[Override] = []
        if database is not None:
            held = list((await database.reading(lambda connection: rows.read(connection, now))).overrides)
        if asked.id is not None:
            number = asked.id
            row = await self._of.directory().reading(lambda connection: rows.one(connection, number))
            others = [one for one in held if one.id != row.id]
            current = [one for one in held if one.id == row.id]
            if asked.withdraw:
                return held, others, current
            ends = math.inf if row.expires is None else row.expires
            meant = of_again(asked, row.limit, read_scope(row), ends, rules, now)
            made = _override(meant, row.id, now)
            return held, [*others, made], [*current, made]
        if asked.withdraw:
            raise Wrong({"id": "is needed: which one is to be taken back"})
        meant = of_new(_new(asked), rules, now)
        same = [
            one
            for one in held
            if one.limit == meant.limit
            and one.scope == meant.scope
            and clash(meant.change, change_text(change_in(one)))
        ]
        made = _override(meant, 0, now)
        # The newest of all: as it will be once it is set.
        made = replace(made, revision=max((one.revision for one in held), default=0) + 1)
        return held, [*(one for one in held if one not in same), made], [*same, made]


def _new(asked: PreviewShape) -> NewShape:
    """As it would be set. Raises Wrong."""
    wrong = {name: "is needed" for name in ("limit", "change") if getattr(asked, name) is None}
    if wrong or asked.limit is None or asked.change is None:
        raise Wrong(wrong)
    stated: dict[str, Any] = {
        name: getattr(asked, name) for name in ("lasts", "expires") if name in asked.model_fields_set
    }
    return NewShape.model_construct(
        _fields_set={"limit", "scope", "change", *stated},
        limit=asked.limit,
        scope=asked.scope or ScopeShape(),
        change=asked.change,
        lasts=stated.get("lasts"),
        expires=stated.get("expires"),
        reason=asked.reason or LOOKED,
        # To look at it does nothing to anybody.
        confirm=True,
    )


def _override(meant: Meant, number: int, now: float) -> Override:
    change = meant.change
    return Override(
        number, 2**52, meant.limit, meant.scope,
        change.kind, change.capacity, change.refill, change.every, change.factor,
        LOOKED, LOOKED, now, math.inf if meant.expires == UNCHANGED else meant.expires,
    )  # fmt: skip
