"""What an override would have done: exchanges of the past through the limits in force, without it and with it.

Only limits are asked, and what they go by (who asks, and where accounts stand): what another entry refused then is
refused on both sides. All is on the clock of then, as in `replay`: each exchange is asked when it came and settled when
it ended, with what it used; buckets are full at the beginning.

A log that is too large is not read faster than it can be. Where every limit is an account's own, so many accounts are
left out that the rest takes about a minute, and the factor is said. Where accounts share a limit that would be another
traffic, so the time is made shorter instead.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from gateway.history.columns import HistoryError
from gateway.history.reading import Log, open_log
from gateway.overrides.live import LiveOverrides
from gateway.overrides.override import Kind, Override
from gateway.overrides.whole import Overrides
from gateway.policies.kyc.config import KycConfig
from gateway.policies.quota.config import QuotaConfig
from gateway.policy import PolicyKind
from gateway.rehearsal.buckets import Buckets
from gateway.rehearsal.past import ALLOWED, COLUMNS, Past, Reader
from gateway.rehearsal.preview_sums import HOUR, Sums, told
from gateway.rehearsal.rehearsal import Rehearsal
from gateway.rehearsal.replay import Side, identifying
from gateway.rules.ruleset import Entry
from gateway.rules.whole import lists_of

Tell = Callable[[float], None]
"""Hears the share that is done."""

PATIENCE: Final = 50.0
"""Seconds for all: a log that would take longer is not looked at whole."""
TRIED: Final = 4_000
"""Exchanges by which it is found out how fast this machine is just now."""
EVERY: Final = 5_000
"""Exchanges between two words about how far it is."""
OWN: Final = frozenset({"account", "key"})
"""A limit per one of these is an account's own."""
HARMLESS: Final = ("request.", "account.", "client.", "time.")
"""What a condition may read for limits to be asked without the entries before them."""


def keeps(entry: Entry) -> bool:
    """What limits go by, and limits; but for what is in shadow for everybody, and refuses nobody."""
    return entry.kind.identifies or (entry.rollout > 0.0 and isinstance(entry.config, KycConfig | QuotaConfig))


def is_apart(entries: Sequence[Entry]) -> bool:
    """Whether limits can be asked without the other entries: no condition reads what those find out."""
    return all(
        entry.when is None or all(name.startswith(HARMLESS) for name in entry.when.reads)
        for entry in entries
        if keeps(entry)
    )


def are_own(entries: Sequence[Entry]) -> bool:
    """Whether every limit is an account's own: then accounts can be left out, and change nothing for the others."""
    return all(
        set(limit.per) & OWN
        for entry in entries
        if isinstance(entry.config, QuotaConfig)
        for limit in entry.config.limits
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked."""

    policies: Path
    data: Path
    log: Path
    since: float
    until: float
    before: Sequence[Override]
    """All that hold, without the change."""
    after: Sequence[Override]
    changed: Sequence[Override]
    """Those that differ: whom they mean is looked at."""
    at_most: int | None = None
    """Exchanges; as many as are read within PATIENCE if not stated."""
    stopwatch: Callable[[], float] = time.perf_counter


def preview(
    wanted: Wanted,
    tell: Tell,
    kinds: Mapping[str, PolicyKind[Any]] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Raises Problems."""
    with contextlib.ExitStack() as stack:
        old, apart = _rehearsal(wanted, wanted.before, kinds, environment, apart=True)
        stack.callback(old.close)
        if not apart:
            old, _ = _rehearsal(wanted, wanted.before, kinds, environment, apart=False)
            stack.callback(old.close)
        new, _ = _rehearsal(wanted, wanted.after, kinds, environment, apart=apart)
        stack.callback(new.close)
        return _asked(wanted, old, new, tell, apart=apart)


def _rehearsal(
    wanted: Wanted,
    overrides: Sequence[Override],
    kinds: Mapping[str, PolicyKind[Any]] | None,
    environment: Mapping[str, str],
    *,
    apart: bool,
) -> tuple[Rehearsal, bool]:
    """And whether limits can be asked without the other entries."""
    live = LiveOverrides(Overrides(_lasting(overrides)))
    # Buckets answer all that a replay asks of Counters.
    make: Any = Buckets
    made = Rehearsal(
        wanted.policies,
        environment,
        kinds,
        data=wanted.data,
        compiled=lists_of(wanted.policies),
        make_store=make,
        overrides=live,
        keep=keeps if apart else None,
    )
    return made, is_apart(made.ruleset.entries)


def _lasting(overrides: Sequence[Override]) -> list[Override]:
    """As if they had held all the time; what puts all in shadow is no limit."""
    return [one for one in overrides if one.kind is not Kind.SHADOW]


def _asked(wanted: Wanted, old: Rehearsal, new: Rehearsal, tell: Tell, *, apart: bool) -> dict[str, Any]:
    notes = ["Buckets were full at the beginning; what a model answers without a cap is reserved as its like used."]
    entries = old.ruleset.entries
    limiting = frozenset(entry.name for entry in entries if isinstance(entry.config, QuotaConfig | KycConfig))
    whom = _whom(wanted.changed) if are_own(entries) else None
    names = identifying(old)
    try:
        at_most = wanted.at_most if wanted.at_most is not None else _at_most(wanted, old, new, names)
        log, factor, since = _opened(wanted, whom, at_most, own=are_own(entries), notes=notes)
    except HistoryError as error:
        return told(Sums(), 1, [str(error)], wanted.since, wanted.until)
    before = None if any(one.kind is Kind.SHADOW for one in wanted.before) else Side(old)
    after = None if any(one.kind is Kind.SHADOW for one in wanted.after) else Side(new)
    sums = Sums()
    for past in _pasts(log, names, whom, factor, tell):
        verdict = past.verdict
        if not verdict.action:
            sums.add(past, None, None)
        elif verdict.action != "allow" and verdict.entry in names:
            sums.add(past, verdict, verdict)
        elif apart and verdict.action != "allow" and verdict.entry not in limiting:
            # Another entry refused it: limits were not asked, or gave back what they had taken.
            sums.add(past, ALLOWED if before is None else verdict, ALLOWED if after is None else verdict)
        else:
            one = ALLOWED if before is None else before.ask(past)
            other = ALLOWED if after is None else after.ask(past)
            sums.add(past, one, other)
    if log.first > since + HOUR:
        minutes = (wanted.until - log.first) / 60
        covered = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
        notes.append(f"The exchange log begins only then: it covers {covered} of the time that was asked for.")
    if sums.unjudged:
        notes.append(f"{sums.unjudged:,} cannot be judged: who asked is not in the log.")
    notes += [f"{entry} failed {count:,} times ({what})" for (entry, what), count in new.failures.items()]
    return told(sums, factor, notes, wanted.since, wanted.until)


def _at_most(wanted: Wanted, old: Rehearsal, new: Rehearsal, names: frozenset[str]) -> int:
    """How many exchanges can be asked within PATIENCE, by trying some; both are as they were before."""
    log = open_log(wanted.log, wanted.since, wanted.until, COLUMNS)
    if log.rows <= TRIED:
        return TRIED
    sides = (Side(old), Side(new))
    # The clock is looked at after the first, which makes what is made once.
    began = 0.0
    for number, past in enumerate(_pasts(log, names, None, 1, lambda _: None)):
        for side in sides:
            if past.verdict.action:
                side.ask(past)
        if number == TRIED // 8:
            began = wanted.stopwatch()
        if number == TRIED:
            break
    spent = wanted.stopwatch() - began
    old.reset()
    new.reset()
    return max(TRIED, int((TRIED - TRIED // 8) / max(spent, 1e-6) * PATIENCE))


def _whom(changed: Sequence[Override]) -> tuple[frozenset[str], frozenset[str]] | None:
    """Accounts and organisations, where the changed ones name whom they mean; None for anybody."""
    accounts: set[str] = set()
    organisations: set[str] = set()
    for one in changed:
        scope = one.scope
        if scope.account or scope.accounts:
            accounts.update(scope.accounts or (scope.account,))
        elif scope.organisation:
            organisations.add(scope.organisation)
        else:
            return None
    return frozenset(accounts), frozenset(organisations)


def _opened(
    wanted: Wanted, whom: tuple[frozenset[str], frozenset[str]] | None, at_most: int, *, own: bool, notes: list[str]
) -> tuple[Log, int, float]:
    """The log, of how many accounts one is looked at, and since when."""
    log = open_log(wanted.log, wanted.since, wanted.until, COLUMNS)
    rows = log.rows
    if whom is not None and rows > at_most:
        names = open_log(wanted.log, wanted.since, wanted.until, ("account", "organisation"))
        rows = sum(_chosen(table, whom, 1).num_rows for table in names.batches())
    if rows <= at_most:
        return log, 1, wanted.since
    if own:
        factor = math.ceil(rows / at_most)
        notes.append(
            f"Sampled: one account of {factor} was looked at, {rows:,} exchanges being too many for a minute;"
            f" for the whole, multiply by {factor}."
        )
        return log, factor, wanted.since
    since = _later(log, at_most)
    hours = (wanted.until - since) / HOUR
    notes.append(
        f"Only the last {hours:.1f} h: {rows:,} exchanges are too many for a minute, and accounts share limits, so none"
        " can be left out."
    )
    return open_log(wanted.log, since, wanted.until, COLUMNS), 1, since


def _later(log: Log, at_most: int) -> float:
    """Since when there are about so many."""
    rows = 0
    for piece in reversed(log.pieces):
        rows += piece.rows
        if rows > at_most:
            # A piece in whole: a piece is a few minutes, and half of one has no time in its name.
            following = [one.first for one in log.pieces if one.first > piece.first]
            return (min(following) if following else piece.first) / 1e6
    return log.since


def _chosen(table: pa.Table, whom: tuple[frozenset[str], frozenset[str]] | None, factor: int) -> pa.Table:
    """Rows of those whom it is about; of one account of `factor`."""
    if whom is not None:
        mask = pc.is_in(table.column("account").cast(pa.string()), pa.array(sorted(whom[0]), pa.string()))
        if whom[1]:
            organisations = pa.array(sorted(whom[1]), pa.string())
            mask = pc.or_(mask, pc.is_in(table.column("organisation").cast(pa.string()), organisations))
        table = table.filter(mask)
    if factor > 1:
        accounts = table.column("account").cast(pa.string())
        kept = [name for name in pc.unique(accounts).to_pylist() if is_sampled(name or "", factor)]
        table = table.filter(pc.is_in(accounts, pa.array(kept, pa.string())))
    return table


def is_sampled(account: str, factor: int) -> bool:
    """Always the same ones."""
    return zlib.crc32(account.encode("utf-8", "surrogatepass")) % factor == 0


def _pasts(
    log: Log, names: Collection[str], whom: tuple[frozenset[str], frozenset[str]] | None, factor: int, tell: Tell
) -> Iterator[Past]:
    reader, done, total = Reader(frozenset(names)), 0, max(1, log.rows)
    for table in log.batches():
        chosen = _chosen(table, whom, factor)
        part = table.num_rows / max(1, chosen.num_rows)
        for number, past in enumerate(reader.read(chosen)):
            if number % EVERY == 0:
                tell(min(1.0, (done + number * part) / total))
            yield past
        done += table.num_rows
        tell(min(1.0, done / total))
