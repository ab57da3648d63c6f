"""Who is held to challenges, as commands and the admin port show it, and how a person ends that.

Names are read from the keys (`gateway.challenges.fleet_calls`): all of them, since no list is kept of them. It takes
Redis about a second for a million keys of any kind, in steps that keep nobody waiting.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple
from urllib.parse import unquote

from pydantic import Field, StringConstraints
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from gateway.accounts.sql.database import Writing
from gateway.challenges.fleet_calls import budget_key, read
from gateway.challenges.interface import Escalations, Name, Unavailable
from gateway.challenges.ladder import Clearance, Held, Ladder, Lifted, Open, Step
from gateway.challenges.steps import suspicion
from gateway.challenges.terms import Terms
from gateway.control.account_shapes import Reason, Shape
from gateway.control.account_shown import Shown, when
from gateway.stores.keys import safe

PREFIX: Final = "tg:c:{"
AT_ONCE: Final = 500
"""Keys that are asked for in one step."""
PATIENCE: Final = 30.0
"""Seconds for all of them."""
CUT: Final = "~"
"""In a name that was too long for a key: the rest of it is a digest."""
STEPS: Final[dict[str, Step]] = {step.name.lower(): step for step in Step}

_KEY: Final = re.compile(r"tg:c:\{([^{}]+)\}(.+)", re.DOTALL)
_GLOB: Final = re.compile(r"[\\?\[\]*^]")


class LiftShape(Shape):
    """A person's decision."""

    to: Literal["observe", "slow", "work", "captcha", "verify"] = "observe"
    """The step on which it stands from now on, at most."""
    rule: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,47}/[ -~]{0,128}$")] | None = None
    """`ENTRY/NAME`; all that hold it if not stated."""
    reason: Reason


class ListShape(Shape):
    """Who is listed."""

    step: Literal["observe", "slow", "work", "captcha", "verify", "review"] = "slow"
    """From which step on."""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 50


class Row(NamedTuple):
    """One rule that holds one subject."""

    name: Name
    held: Held
    left: tuple[int | None, ...] = ()
    """What is left of each clearance's budget, where that was asked for; None for any number."""


class NotHeld(Exception):
    """Nothing of it is held. The text is for people."""


TermsOf = Callable[[str], Terms | None]
"""Rule -> on what terms it challenges; None where no rule in force is called so."""


async def rows(redis: Any, now: float, subject: str = "") -> list[Row]:
    """All that is held, or all of one subject; by a `redis.asyncio` client. Raises Unavailable.

    Of a name that was too long for a key there is its beginning, and CUT; a subject that was asked for is whole.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            found = [row async for row in _found(redis, now, subject)]
            return [row._replace(left=await _left(redis, row)) for row in found] if subject else found
    except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
        raise Unavailable(str(error) or type(error).__name__) from error


async def _found(redis: Any, now: float, subject: str) -> AsyncIterator[Row]:
    named = _GLOB.sub(r"\\\g<0>", safe(subject)) + "}" if subject else ""
    pattern = f"{PREFIX}{named}*"
    seen: set[bytes] = set()
    batch: list[bytes] = []
    async for key in redis.scan_iter(match=pattern.encode("utf-8", "surrogatepass"), count=AT_ONCE):
        if key not in seen:
            seen.add(key)
            batch.append(key)
        if len(batch) >= AT_ONCE:
            for row in await _read(redis, batch, now, subject):
                yield row
            batch = []
    for row in await _read(redis, batch, now, subject):
        yield row


async def _read(redis: Any, keys: Sequence[bytes], now: float, subject: str) -> list[Row]:
    """What is over, or no record of ours, is left out: the fleet does not see it either."""
    found = []
    for key, text in zip(keys, await _values(redis, keys), strict=True):
        try:
            # As it was written: a token may name an account with half of a surrogate pair.
            parts = _KEY.fullmatch(key.decode("utf-8", "surrogatepass"))
            record = read(text or b"")
        except ValueError:
            continue
        if parts is not None and record.until > now:
            found.append(Row((_plain(parts[2]), subject or _plain(parts[1])), record.held))
    return found


async def _values(redis: Any, keys: Sequence[bytes]) -> list[bytes | None]:
    if not keys:
        return []
    one_by_one: Any = redis
    if isinstance(redis, RedisCluster):
        return [await one_by_one.get(key) for key in keys]
    values: list[bytes | None] = await redis.mget(keys)
    return values


async def _left(redis: Any, row: Row) -> tuple[int | None, ...]:
    """A budget that is gone is spent."""
    left: list[int | None] = []
    for one in row.held.clearances:
        if not one.exchanges:
            left.append(None)
            continue
        stated: bytes = await redis.get(budget_key(row.name, one.id)) or b""
        left.append(int(stated) if stated.isdigit() else 0)
    return tuple(left)


def _plain(name: str) -> str:
    """What `gateway.stores.keys.safe` made it of."""
    return "" if name == "*" else unquote(name, errors="surrogatepass")


def listed(found: Iterable[Row], step: str, terms: TermsOf, now: float) -> list[Row]:
    """From that step on: the highest first, then the most suspected."""

    def place(row: Row) -> tuple[int, float, str, str]:
        return -row.held.step, -suspicion(_ladder(row, terms), row.held, now), row.name[1], row.name[0]

    return sorted((row for row in found if _asked(row, now) >= STEPS[step]), key=place)


def _asked(row: Row, now: float) -> Step:
    """The highest of what it stands on and what it was challenged for: where a rule of another entry challenges, nobody
    climbs.
    """
    return max([row.held.step, *(one.step for one in row.held.open if one.until > now)])


def shown(row: Row, terms: TermsOf, now: float) -> Shown:
    """As JSON has it. The step is the last that was written down: it is looked at again with the next exchange."""
    (rule, subject), held = row.name, row.held
    left = row.left or (None,) * len(held.clearances)
    return {
        "account": subject,
        "rule": rule,
        "in_force": terms(rule) is not None,
        "step": held.step.name.lower(),
        "since": when(held.since or None),
        "suspicion": round(suspicion(_ladder(row, terms), held, now), 1),
        "tried": held.tried.name.lower(),
        "passed": when(held.met or None),
        "open": [_open(one) for one in held.open if one.until > now],
        "clearances": [
            _clearance(one, there) for one, there in zip(held.clearances, left, strict=True) if one.expires > now
        ],
    }


def _open(one: Open) -> Shown:
    return {
        "id": one.id,
        "step": one.step.name.lower(),
        "key": one.key,
        "from": one.network,
        "asked": when(one.asked),
        "expires": when(one.until),
        "wrong": one.wrong,
    }


def _clearance(one: Clearance, left: int | None) -> Shown:
    """`left` is null where any number passes, or where it was not asked for."""
    return {
        "id": one.id,
        "step": one.step.name.lower(),
        "key": one.key,
        "from": one.network,
        "expires": when(one.expires),
        "exchanges": one.exchanges or None,
        "left": left,
    }


async def lift(
    escalations: Escalations, found: Sequence[Row], subject: str, asked: LiftShape, terms: TermsOf
) -> list[str]:
    """The rules under which it stands lower now, or is suspected of less. `found` is all that is held of the subject.

    Raises NotHeld, Unavailable; then some may be lifted already, and asking again does the rest.
    """
    named = [row for row in found if asked.rule in (None, row.name[0])]
    if not named:
        under = f" under {asked.rule}" if asked.rule else ""
        raise NotHeld(f"nothing is held of `{subject}`{under}")
    if any(CUT in row.name[0] for row in named):
        raise NotHeld("a rule's name is too long to be told from its key: name it in full")
    changed = []
    for row in named:
        rule = row.name[0]
        before, after = await escalations.change(rule, subject, _ladder(row, terms), Lifted(STEPS[asked.to]))
        if after is not before:
            changed.append(rule)
    return changed


def noted(writing: Writing, subject: str, asked: LiftShape, rules: Sequence[str]) -> None:
    """In the audit. A subject that is no account is an address, which does not stand there."""
    named = "address" if "=" in subject else subject
    writing.audit("challenge.lift", named, rules=list(rules), to=asked.to, reason=asked.reason)


def _ladder(row: Row, terms: TermsOf) -> Ladder:
    """Of a rule that is gone, one that asks for nothing."""
    known = terms(row.name[0])
    return known.ladder if known is not None else Ladder({})
