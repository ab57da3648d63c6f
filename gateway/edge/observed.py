"""What the detector is told of an exchange: its text as it came, cut, and what is known when it has ended.

Only where exchanges are observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.campaigns.words import NO_WORDS
from gateway.policy import Action

if TYPE_CHECKING:
    from gateway.campaigns.words import Words
    from gateway.chain.chain import Asked
    from gateway.edge.exchange import Exchange
    from gateway.policy import Ask, Context, Outcome, Principal

    Ended = tuple[Context, Principal, Asked | None, Words | None, Outcome, str, int, float]
    """With the reason, the status of the answer, and the seconds that it took."""

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
        exchange.words = dialect.words(ask, kept[0])
    return ask


def note_of(ended: Ended) -> tuple[Any, ...]:
    """A `campaigns.observer.Note` of an exchange that has ended."""
    context, principal, asked, words, outcome, reason, status, seconds = ended
    ask, location = context.ask, context.location
    action = "allow"
    if asked is not None and asked.decision.action is not Action.ALLOW:
        action, reason = asked.decision.action.value, asked.decision.reason
    usage, profile, fields = outcome.usage, principal.profile, context.fields
    head = b"\n".join((b",".join(fields), *filter(None, map(fields.get, SDK))))
    return (
        context.exchange, context.now,
        principal.account, principal.organisation, principal.key, principal.tier, profile.verification, profile.created,
        context.client_address, location.asn, location.country,
        sorted(location.network_kinds) if location.network_kinds else (),
        context.ja4[:LONGEST], head.decode("latin-1")[:HEAD],
        ask.dialect, ask.route, ask.model, ask.streaming, sorted(ask.features) if ask.features else (),
        ask.input_tokens, ask.output_cap or 0,
        usage.input + usage.cached + usage.cache_creation if usage is not None else 0,
        usage.output if usage is not None else outcome.delivered,
        status, action, reason, seconds,
        *(words or NO_WORDS),
    )  # fmt: skip
