"""A traced exchange: how it begins, and what it was, for its spans. Few are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.chain.timed import TimedAsked, begin_timed
from gateway.history.event import LONGEST
from gateway.policy import Action
from gateway.telemetry.traces import Trace, Traced

if TYPE_CHECKING:
    from gateway.chain.chain import Asked
    from gateway.edge.edge import Edge
    from gateway.edge.exchange import Exchange
    from gateway.policy import Context, Outcome

Value = str | int | float | bool


def begin_traced(exchange: Exchange, edge: Edge, context: Context, then: Callable[[Asked], None]) -> bool:
    """Ask the chain with a clock beside it; False, and nobody is asked, where this exchange is not traced."""
    client, traces = exchange.client, edge.traces
    trusted = edge.trusts_anyone and edge.trusted.trusts(client.peer)
    trace = traces.begin(client.fields, trusted=trusted) if traces is not None else None
    if trace is None:
        return False
    exchange.trace = trace
    begin_timed(edge.chain, context, then, edge.clock)
    return True


def traced_of(
    exchange: Exchange, trace: Trace, outcome: Outcome, reason: str, status: int, wall: float, ended: float
) -> Traced:
    """`wall` is Unix time now, `ended` the same by the edge's clock. Names by OpenTelemetry's semantic conventions for
    HTTP and generative AI where there are any. Never a prompt, an address or a key.
    """
    asked, context, usage = exchange.asked, exchange.context, outcome.usage
    said: dict[str, Value] = {
        "http.request.method": exchange.method.decode("latin-1"),
        "http.response.status_code": status,
        "tidegate.exchange": exchange.id,
        "tidegate.request_id": exchange.request_id,
        "tidegate.dialect": exchange.dialect.name,
    }
    if reason:
        said["tidegate.reason"] = reason
    if context is not None:
        said["tidegate.route"] = context.ask.route
        if context.ask.model:
            said["gen_ai.request.model"] = context.ask.model[:LONGEST]
        if context.principal is not None:
            said["tidegate.account"] = context.principal.account
            said["tidegate.tier"] = context.principal.tier
    if asked is not None:
        said["tidegate.generation"], said["tidegate.digest"] = asked.chain.version
        if asked.decision.action is not Action.ALLOW:
            said["tidegate.refused_by"] = asked.entry
            said["tidegate.reason"] = asked.decision.reason
    if usage is not None:
        said["gen_ai.usage.input_tokens"] = usage.input + usage.cached + usage.cache_creation
        said["gen_ai.usage.output_tokens"] = usage.output
    if outcome.aborted:
        said["tidegate.aborted"] = True
    steps = asked.steps if isinstance(asked, TimedAsked) else ()
    began = exchange.began
    return Traced(trace, wall - (ended - began), began, ended, steps, said, status >= 500)
