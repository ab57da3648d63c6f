"""What the detector is told of an exchange: its text as it came, cut, and what is known when it has ended.

Only where exchanges are observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.campaigns.words import NO_WORDS, Words
from gateway.policy import Action

if TYPE_CHECKING:
    from gateway.chain.chain import Asked
    from gateway.dialects.interface import Dialect
    from gateway.edge.exchange import Exchange
    from gateway.policy import Ask, Context, Outcome, Principal

    Said = Words | tuple[Dialect, dict[str, Any]]
    """What a request says; or its document, of which that is taken later."""
    Ended = tuple[Context, Principal, Asked | None, Said | None, Outcome, str, int, float]
    """With the reason, the status of the answer, and the seconds that it took."""

SMALL: Final = 4096
"""Bytes of a body whose document is kept as it is: no more memory than the pieces of a long one, whatever stands in it.
To take its words in the midst of an exchange costs three times what it costs for many at once.
"""
LONGEST: Final = 256
"""Characters of a fingerprint: who states it is no caller, but repeats one."""
HEAD: Final = 4096
"""Characters of what is told of the request's fields: callers choose them."""
SDK: Final = (
    b"user-agent",
    b"x-stainless-lang",
    b"x-stainless-package-version",
    b"x-stainless-os",
    b"x-stainless-arch",
    b"x-stainless-runtime",
    b"x-stainless-runtime-version",
)
"""What stays the same from one request of a client to the next."""


def read_observed(exchange: Exchange, method: str, path: str) -> Ask:
    """As `Dialect.read`, and what the request says is kept with the exchange. Raises MalformedRequest."""
    kept: list[dict[str, Any]] = []
    dialect = exchange.dialect
    ask = dialect.read(method, path, exchange.body, kept)
    if kept:
        document = kept[0]
        exchange.said = (dialect, document) if len(exchange.body) <= SMALL else dialect.words(ask, document)
    return ask


def note_of(ended: Ended) -> tuple[Any, ...]:
    """A `campaigns.observer.Note` of an exchange that has ended."""
    context, principal, asked, said, outcome, reason, status, seconds = ended
    ask, location = context.ask, context.location
    if said is None:
        words = NO_WORDS
    elif isinstance(said, Words):
        words = said
    else:
        dialect, document = said
        words = dialect.words(ask, document)
    action = "allow"
    if asked is not None and asked.decision.action is not Action.ALLOW:
        action, reason = asked.decision.action.value, asked.decision.reason
    usage, profile, fields = outcome.usage, principal.profile, context.fields
    head = [b",".join(fields)]
    for name in SDK:
        if value := fields.get(name):
            head.append(value)  # noqa: PERF401 - half as fast again as a comprehension beside a join
    return (
        context.exchange, context.now,
        principal.account, principal.organisation, principal.key, principal.tier, profile.verification, profile.created,
        context.client_address, location.asn, location.country,
        sorted(location.network_kinds) if location.network_kinds else (),
        context.ja4[:LONGEST], b"\n".join(head).decode("latin-1")[:HEAD],
        ask.dialect, ask.route, ask.model, ask.streaming, sorted(ask.features) if ask.features else (),
        ask.input_tokens, ask.output_cap or 0,
        usage.input + usage.cached + usage.cache_creation if usage is not None else 0,
        usage.output if usage is not None else outcome.delivered,
        status, action, reason, seconds,
        *words,
    )  # fmt: skip
