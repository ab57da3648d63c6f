"""What is left of an exchange that has ended: its event for the exchange log, its line of the access log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway import dialects
from gateway.history.event import event_of
from gateway.policy import Outcome

if TYPE_CHECKING:
    from gateway.chain.chain import Asked
    from gateway.edge.connection import ClientConnection
    from gateway.edge.exchange import Exchange
    from gateway.history.columns import Event
    from gateway.wire.request_head import BadHead

UNREAD: Final = 32
"""Characters of a method that was not checked yet."""


def event_of_head(
    client: ClientConnection, bad: BadHead, request_id: str, now: float, version: tuple[int, str]
) -> Event:
    """Of a request that ended before it was one. Only a target that was checked has a path."""
    method, path = client.method.decode("latin-1")[:UNREAD], client.path.decode("latin-1")
    dialect = dialects.of(method, path, client.fields).name
    outcome = Outcome(bad.status, reached=False)
    return event_of(
        request_id, now, method, path, dialect, None, None, version, outcome, bad.reason, bad.status, 0.0, 0.0
    )


def event_of_exchange(exchange: Exchange, outcome: Outcome, reason: str, status: int, elapsed: float) -> Event:
    """In the order of `columns.EVENT`."""
    context, asked = exchange.context, exchange.asked
    return event_of(
        exchange.id,
        context.now if context is not None else exchange.edge.wall(),
        context.method if context is not None else exchange.method.decode("latin-1"),
        context.path if context is not None else exchange.client.path.decode("latin-1"),
        exchange.dialect.name,
        context,
        asked,
        asked.chain.version if asked is not None else exchange.edge.chain.version,
        outcome,
        reason,
        status,
        elapsed,
        exchange.decided - exchange.began if exchange.decided else 0.0,
        "" if exchange.request_id is exchange.id else exchange.request_id,
    )


def line_of(exchange: Exchange, outcome: Outcome, reason: str, status: int, elapsed: float) -> dict[str, object]:
    """Of the access log."""
    context, asked, usage = exchange.context, exchange.asked, outcome.usage
    line: dict[str, object] = {
        "time": context.now if context is not None else exchange.edge.wall(),
        "exchange": exchange.id,
        "request_id": exchange.request_id,
        "method": exchange.method.decode(),
        "path": exchange.client.path.decode(),
        "status": status,
        "seconds": round(elapsed, 6),
    }
    if exchange.decided:
        line["decision_seconds"] = round(exchange.decided - exchange.began, 6)
    if reason:
        line["reason"] = reason
    if context is not None:
        ask = context.ask
        line["client"] = context.client_address
        if context.location.country:
            line["country"] = context.location.country
        line["route"] = ask.route
        if ask.model:
            line["model"] = ask.model
        if ask.streaming:
            line["streaming"] = True
        if context.principal is not None:
            line["account"] = context.principal.account
            line["key"] = context.principal.key
            line["tier"] = context.principal.tier
        if context.weight:
            line["weight"] = context.weight
        if context.tags:
            line["tags"] = sorted(context.tags)
    if asked is not None:
        line["ruleset"] = asked.chain.version
        if asked.entry:
            line["policy"] = asked.entry
            if asked.decision.note:
                line["note"] = asked.decision.note
        if asked.matches:
            line["rules"] = _applied(asked, enforced=True)
            line["shadow"] = _applied(asked, enforced=False)
    if usage is not None:
        line["usage"] = usage._asdict()
    if outcome.aborted:
        line["aborted"] = True
        line["delivered"] = outcome.delivered
    return line


def _applied(asked: Asked, *, enforced: bool) -> list[str]:
    """The rules that applied, or that would have: `entry/rule action`."""
    return [f"{entry.name}/{match.rule} {match.action}" for entry, match in asked.matches if match.enforced is enforced]
