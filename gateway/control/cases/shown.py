"""Cases as the operators' port shows them, from rows. Nothing here asks anything but the database."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

import orjson
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from gateway.accounts.sql import cases, tables
from gateway.accounts.sql.case_decisions import NotSo, left_to_do
from gateway.campaigns.verdict import Level
from gateway.control.cases.preview import Rules, verdict_of
from gateway.control.cases.shapes import (
    CaseBrief,
    CaseShown,
    CasesQuery,
    CasesShown,
    FamilyShown,
    HistoryShown,
    HourShown,
    LineShown,
    MarkShown,
    ShareShown,
)

table, members = tables.cases, tables.case_accounts
HEAVY: Final = frozenset({"evidence", "marks", "edges", "timeline", "models", "countries"})
"""Columns that the list does without."""
CASES_MOST: Final = 5_000
"""That are looked through for a level."""
LINES: Final = 200
DECIDED: Final = (cases.APPROVED, cases.REJECTED, cases.MERGED, cases.CLOSED)
NO_TIER: Final = ""


def listed(connection: Connection, asked: CasesQuery, rules: Rules | None, caps: Mapping[str, float]) -> CasesShown:
    """One page."""
    columns = [column for column in table.c if column.name not in HEAVY]
    found = sql.select(*columns).order_by(table.c[asked.sort].desc(), table.c.id.desc())
    if asked.state == "decided":
        found = found.where(table.c.state.in_(DECIDED))
    elif asked.state != "all":
        found = found.where(table.c.state == asked.state)
    if asked.level:
        # What a case comes to is for the rules to say, and not in a column.
        rows = connection.execute(found.limit(CASES_MOST)).all()
        briefs = [one for row in rows if (one := brief(row, rules, caps)).level == asked.level]
        briefs = briefs[asked.skip : asked.skip + asked.limit + 1]
    else:
        rows = connection.execute(found.offset(asked.skip).limit(asked.limit + 1)).all()
        briefs = [brief(row, rules, caps) for row in rows]
    more = len(briefs) > asked.limit
    count = sql.select(table.c.state, sql.func.count().label("there")).group_by(table.c.state)
    counts = dict.fromkeys((cases.OPEN, *DECIDED), 0) | {one.state: one.there for one in connection.execute(count)}
    return CasesShown(cases=briefs[: asked.limit], counts=counts, next=asked.skip + asked.limit if more else None)


def brief(row: sql.Row[Any], rules: Rules | None, caps: Mapping[str, float]) -> CaseBrief:
    return CaseBrief(**_brief(row, rules, caps))


def _brief(row: sql.Row[Any], rules: Rules | None, caps: Mapping[str, float]) -> dict[str, Any]:
    verdict = verdict_of(row)
    plain = (
        "id", "cluster", "state", "opened", "updated", "began", "accounts", "exchanges", "score", "false_alarm",
        "action", "decided", "by", "reason", "wanted", "wanted_by", "wanted_why", "wanted_at", "merged_into",
    )  # fmt: skip
    return {name: getattr(row, name) for name in plain} | {
        "families": families(verdict.families, caps),
        "kinds": verdict.kinds,
        "most": Level(row.most).word,
        "level": None if rules is None else rules.levels.level(verdict, NO_TIER).word,
    }


def families(stated: tuple[tuple[str, float], ...], caps: Mapping[str, float]) -> list[FamilyShown]:
    return [FamilyShown(family=family, nats=nats, cap=caps.get(family, abs(nats))) for family, nats in stated]


def case(
    connection: Connection,
    number: int,
    rules: Rules | None,
    caps: Mapping[str, float],
    you: str,
    of_file: Container[str] = (),
) -> CaseShown:
    """Raises NoSuch."""
    row = cases.one(connection, number)
    counts = cases.counts(connection, number)
    since = sql.select(sql.func.count()).where(members.c.case == number, members.c.joined > (row.decided or 0.0))
    notes = sql.select(sql.func.count()).where(tables.case_notes.c.case == number)
    return CaseShown(
        **_brief(row, rules, caps),
        evidence=orjson.loads(row.evidence),
        marks=[
            MarkShown(id=mark[0], family=mark[1], words=mark[2], accounts=mark[3], nats=mark[4], sample=mark[5])
            for mark in orjson.loads(row.marks)
        ],
        timeline=[HourShown(at=at, exchanges=asked, accounts=there) for at, asked, there in orjson.loads(row.timeline)],
        models=[ShareShown(name=name, exchanges=count) for name, count in orjson.loads(row.models)],
        countries=[ShareShown(name=name, exchanges=count) for name, count in orjson.loads(row.countries)],
        members=counts,
        joined_since=(connection.scalar(since.where(members.c.state == cases.IN)) or 0) if row.decided else 0,
        to_do=len([one for one in _to_do(connection, number) if one not in of_file]),
        notes=connection.scalar(notes) or 0,
        revision=row.revision,
        you=you,
        you_were_first=bool(row.wanted) and row.wanted_by == you,
    )


def _to_do(connection: Connection, number: int) -> list[str]:
    try:
        return left_to_do(connection, number)
    except NotSo:
        return []


def history(connection: Connection, number: int) -> HistoryShown:
    """The newest first. Raises NoSuch."""
    cases.one(connection, number)
    audit, notes = tables.audit, tables.case_notes
    lines = sql.select(audit).where(audit.c.subject == cases.subject(number)).order_by(audit.c.id.desc())
    found = [
        LineShown(at=row.at, who=row.who, did=row.did, words=_words(row.did, orjson.loads(row.detail)))
        for row in connection.execute(lines.limit(LINES))
    ]
    written = sql.select(notes).where(notes.c.case == number).order_by(notes.c.id.desc()).limit(LINES)
    found += [LineShown(at=row.at, who=row.who, did="note", words=row.text) for row in connection.execute(written)]
    return HistoryShown(lines=sorted(found, key=lambda line: -line.at))


def _took(detail: dict[str, Any]) -> str:
    return f"took in case {detail['other']}"


def _words(did: str, detail: dict[str, Any]) -> str:
    reason = detail.get("reason", "")
    parts = {
        "case.open": lambda: f"opened with {detail['accounts']} accounts, {detail['score']} nats",
        "case.approve": lambda: f"approved ({detail['action']}) with {detail['accounts']} accounts",
        "case.reject": lambda: f"rejected; {len(detail['marks'])} marks count for nothing from now on",
        "case.want": lambda: f"wants to {detail['action']} {detail['accounts']} accounts: a second has to say so",
        "case.split": lambda: f"{detail['count']} accounts taken out: {', '.join(detail['accounts'])}",
        "case.merge": lambda: f"went into case {detail['into']}" if "into" in detail else _took(detail),
        "case.reopen": lambda: f"opened again, was {detail['before']}",
        "case.undo": lambda: f"what was done ({detail['before']}) is taken back",
        "case.carried": lambda: f"{detail['done']}: {detail['accounts']} accounts",
    }  # fmt: skip
    try:
        said = parts[did]()
    except (KeyError, TypeError):  # Its texts were erased, or a newer program wrote it.
        said = ""
    return ": ".join(part for part in (said, reason) if part)
