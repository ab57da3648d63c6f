"""Limits over the operators' port: what the rules state, what holds for an account and what it uses, and a reset."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from redis.exceptions import RedisClusterException, RedisError

from gateway.accounts.sql import overrides as rows
from gateway.accounts.sql.database import Writing
from gateway.control.access.answers import Refused, said
from gateway.control.access.content import content, query
from gateway.control.access.roles import Permission
from gateway.control.account_shapes import AccountShape, Wrong, checked
from gateway.control.limits import effective, shown
from gateway.control.limits.overrides_api import Steering
from gateway.control.limits.partitions import Asked, Candidate, Candidates, Known, candidates, in_use, most_used
from gateway.control.limits.principals import Found, find
from gateway.control.limits.rules import InForce, Stated
from gateway.control.limits.shapes import (
    AccountLimitsShown,
    AskedShape,
    LimitsShown,
    ResetShape,
    ResetShown,
)
from gateway.control.limits.words import UNITS, numbers
from gateway.control.operations import Operation, who
from gateway.overrides.override import ALL_LIMITS
from gateway.overrides.whole import NONE, Overrides
from gateway.policy import Measure
from gateway.rules.problems import did_you_mean
from gateway.stores.redis.usage import InUse, Usages

AWAY: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
MODELS_AT_MOST: Final = 500
RESET_AT_MOST: Final = 1000
"""Buckets whose figures are told and noted."""
NOTED_AT_MOST: Final = 20
"""Of them, in a line of the audit."""

ModelsOf = Callable[[str], Awaitable[Sequence[str]]]
"""Account -> models that it asked for lately."""


async def no_models(_: str) -> Sequence[str]:
    """Where nobody looks at traffic."""
    return ()


class AccountsLimits:
    """Its `operations` are for the port."""

    def __init__(self, steering: Steering, usages: Usages, models_of: ModelsOf = no_models) -> None:
        self._of = steering
        self._usages = usages
        self._models_of = models_of

    def operations(self) -> list[Operation]:
        one = "/accounts/{id}/limits"
        return [
            Operation(
                "GET", "/limits", self.limits, Permission.LOOK,
                "Every limit of the rules in force, and the overrides on each.", answer=LimitsShown,
            ),
            Operation(
                "GET", one, self.of_account, Permission.PEOPLE,
                "Of one account: each limit as it holds now, what bites and why, and what is in use.",
                query=AskedShape, answer=AccountLimitsShown,
            ),
            Operation(
                "POST", f"{one}/reset", self.reset, Permission.TUNE, "Usage of a limit back to nothing.",
                content=ResetShape, answer=ResetShown,
                errors={409: "no bucket of it can be reset: concurrency, or counted in each worker"},
            ),
        ]  # fmt: skip

    # -- what the rules state -----------------------------------------------------------------------------------------

    async def limits(self, request: web.Request) -> web.Response:
        rules, now = await self._of.in_force(), self._of.now()
        whole = await self._overrides(now)
        documents = await asyncio.to_thread(lambda: [shown.of_override(one, rules, now) for one in whole.all])
        kept, left_out = shown.for_caller(documents, request)
        by_limit: dict[str, list[dict[str, Any]]] = {}
        for one in kept:
            by_limit.setdefault(one["limit"], []).append(one)
        return said(
            {
                "ruleset": rules.name,
                "limits": [_stated(one) | {"overrides": by_limit.get(one.name, [])} for one in rules.limits],
                "for_all": by_limit.get(ALL_LIMITS, []),
                "without_limit": [one for one in kept if one["without_limit"]],
                "revision": whole.revision,
                "left_out": left_out,
            }
        )

    async def _overrides(self, now: float) -> Overrides:
        if self._of.database is None:
            return NONE
        found = await self._of.database.reading(lambda connection: rows.read(connection, now))
        # Ten thousand of them take a while to sort: not in the event loop.
        return await asyncio.to_thread(Overrides, found.overrides, found.revision, now)

    # -- of one account -----------------------------------------------------------------------------------------------

    async def of_account(self, request: web.Request) -> web.Response:
        account = account_of(request)
        asked = query(request, AskedShape)
        wanted = Asked(asked.model, asked.country, asked.address)
        rules, now = await self._of.in_force(), self._of.now()
        who_is, whole, named = await asyncio.gather(
            find(account, self._of.file, self._of.database, now), self._overrides(now), self._models_of(account)
        )
        known = Known(who_is.principal, who_is.keys, _models(rules, named))
        laid_out = await asyncio.to_thread(_lay_out, rules, known, wanted, whole, now)
        notes = [f"nobody knows an account {account}: as a token would name it"] if not who_is.known else []
        use, at = await self._read([one for _, _, found in laid_out for one in found.of], notes)
        answer = _account(who_is, wanted, rules, whole, now)
        answer["at"] = at or now
        answer["notes"] = notes
        # By place: two candidates may be one bucket, where overrides of models give it other numbers.
        place = 0
        for stated, document, found in laid_out:
            count = len(found.of)
            mine = None if use is None else use[place : place + count]
            answer["limits"].append(document | _used(stated, found, mine))
            place += count
        return said(answer)

    async def _read(self, wanted: Sequence[Candidate], notes: list[str]) -> tuple[Sequence[InUse] | None, float]:
        """None where Redis is away: then limits are shown without what is in use."""
        try:
            found = await self._usages.read([one.bucket for one in wanted])
        except AWAY:
            notes.append("Redis is away: what is in use is not known just now")
            return None, 0.0
        return found, max((one.now for one in found), default=0.0)

    # -- reset --------------------------------------------------------------------------------------------------------

    async def reset(self, request: web.Request) -> web.Response:
        account, asked = account_of(request), await content(request, ResetShape)
        rules, now, database = await self._of.in_force(), self._of.now(), self._of.directory()
        stated = rules.of(asked.limit)
        if stated is None:
            names = [one.name for one in rules.limits]
            there = did_you_mean(asked.limit, names) or f": there are {', '.join(names) or 'none'}"
            raise Wrong({"limit": f"the rules in force have no such limit{there}"})
        if stated.local:
            raise Refused(409, f"{stated.name} is counted in each worker apart: nobody can reset it")
        if stated.limit.measure is Measure.CONCURRENCY:
            raise Refused(409, "slots are held by exchanges that run: they come back when these end")
        who_is, whole, named = await asyncio.gather(
            find(account, self._of.file, database, now), self._overrides(now), self._models_of(account)
        )
        _own(stated, who_is)
        known = Known(who_is.principal, who_is.keys, _models(rules, named))
        wanted = Asked(asked.model, asked.country, asked.address)
        found = await asyncio.to_thread(candidates, stated, known, wanted, rules, whole, now)
        loop = asyncio.get_running_loop()

        def work(writing: Writing) -> list[dict[str, Any]]:
            # In the transaction, so that none is without its line and no line without one.
            resetting = self._usages.reset([one.bucket for one in found.of])
            used = asyncio.run_coroutine_threadsafe(resetting, loop).result()
            buckets = [
                {"partition": one.bucket.partition, "by": one.by, "used": was.used}
                for one, was in zip(found.of, used, strict=True)
                if was.there
            ]
            noted = [[one["partition"], one["used"]] for one in buckets[:NOTED_AT_MOST]]
            writing.audit(
                "limit.reset", account, limit=stated.name, reason=asked.reason, buckets=len(buckets), used=noted
            )
            return buckets

        buckets = await database.writing(who(request), work)
        notes = [found.note] if found.note else []
        if not set(stated.config.per) & {"account", "key"}:
            notes.append(f"others who share {', '.join(stated.config.per)} with it have it back, too")
        content_of = {"account": account, "limit": stated.name, "buckets": buckets[:RESET_AT_MOST]}
        return said(content_of | {"note": "; ".join(notes)})


def account_of(request: web.Request) -> str:
    """Raises Wrong."""
    return checked(AccountShape, {"id": request.match_info["id"]}).id


def _own(stated: Stated, who_is: Found) -> None:
    """What is everybody's is not reset by the name of one account. Raises Refused."""
    if not set(stated.config.per) & {"account", "key", "organisation", "identity"}:
        names = ", ".join(stated.config.per)
        raise Refused(409, f"{stated.name} is counted per {names}: it is not only {who_is.principal.account}'s")


def _models(rules: InForce, named: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*named, *rules.models())))[:MODELS_AT_MOST]


def _stated(one: Stated) -> dict[str, Any]:
    limit = one.limit
    return {
        "entry": one.entry.name,
        "name": one.name,
        "measure": limit.measure.value,
        "unit": UNITS[limit.measure],
        "per": list(one.config.per),
        "capacity": limit.capacity,
        "refill": limit.refill,
        "every": limit.every,
        "tiers": list(one.config.tiers),
        "models": list(one.config.models),
        "on_exhausted": limit.on_exhausted.value,
        "store": "local" if one.local else "shared",
        "mode": one.mode,
        "said": numbers(limit),
    }


Laid = tuple[Stated, dict[str, Any], Candidates]


def _lay_out(rules: InForce, known: Known, asked: Asked, whole: Overrides, now: float) -> list[Laid]:
    """Each limit, what holds of it, and the buckets that there may be. In a thread: there may be thousands."""
    found = []
    for stated in rules.limits:
        context = rules.context(known.principal, asked.model, asked.country, asked.address, now, stated.place)
        document = effective.shown(stated, whole, context, rules)
        if not rules.is_certain(stated):
            document["note"] = "the ladder before it is asked under a condition: the tier may be another one"
        none = Candidates((), complete=False, note="counted in each worker apart: nobody sees what is in use")
        made = none if stated.local else Candidates((), complete=True, note="")
        if not stated.local and document["applies"]:
            made = candidates(stated, known, asked, rules, whole, now)
        found.append((stated, document, made))
    return found


def _used(stated: Stated, found: Candidates, use: Sequence[InUse] | None) -> dict[str, Any]:
    if use is None:
        return {"buckets": None, "complete": False, "buckets_note": "Redis is away"}
    # A bucket that drains at once vanishes: what was asked for is shown as empty.
    buckets = [
        in_use(one, used)
        for one, used in zip(found.of, use, strict=True)
        if used.there or (one.asked and not stated.local)
    ]
    shown_ones = most_used(buckets)
    note = found.note
    if len(buckets) > len(shown_ones):
        note = f"{len(buckets)} are in use: these are the fullest" + (f"; {note}" if note else "")
    return {"buckets": shown_ones, "complete": found.complete and len(buckets) == len(shown_ones), "buckets_note": note}


def _account(who_is: Found, asked: Asked, rules: InForce, whole: Overrides, now: float) -> dict[str, Any]:
    """All but its limits. The tier is as the last entry of the chain sees it."""
    last = len(rules.ruleset.entries)
    context = rules.context(who_is.principal, asked.model, asked.country, asked.address, now, last)
    principal = context.principal or who_is.principal
    freeze = whole.frozen(principal, asked.model, asked.country)
    shadow = next((one for one in whole.all if whole.shadowed and one.kind.value == "shadow"), None)
    found: Mapping[str, Any] = {
        "account": principal.account,
        "known": who_is.known,
        "organisation": principal.organisation,
        "tier": principal.tier,
        "assigned": principal.profile.assigned or who_is.principal.tier,
        "model": asked.model,
        "country": asked.country,
        "revision": whole.revision,
        "frozen": None if freeze is None else shown.of_override(freeze, rules, now),
        "shadow": None if shadow is None else shown.of_override(shadow, rules, now),
        "limits": [],
    }
    return dict(found)
