"""An exchange that has ended -> an event. On the hot path: one flat tuple, nothing formatted.

An enum's `value` costs 0.4 µs and a frozenset for JSON 0.3: so what is usual is spelled, and what is empty is ().
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

from gateway.history.columns import Event
from gateway.policy import NOWHERE, Action, Ask, Context, Decision, Evidence, Fall, Match, Outcome, Principal

LONGEST: Final = 256
"""Characters of a path, a model or a fingerprint: callers choose them."""
NOBODY: Final = Principal(account="", tier="")
NO_USAGE: Final = (None, None, None, None, None)
NOT_READ: Final = Ask(dialect="", route="malformed", generates=False)
"""What a request asked for that could not be read."""


class Named(Protocol):
    """An entry of the chain."""

    @property
    def name(self) -> str: ...


class Asked(Protocol):
    """What is needed of the chain's record of an exchange (`gateway.chain.chain.Asked`)."""

    decision: Decision
    entry: str

    @property
    def matches(self) -> Sequence[tuple[Named, Match]]: ...


def event_of(
    exchange: str,
    now: float,
    method: str,
    path: str,
    dialect: str,
    context: Context | None,
    asked: Asked | None,
    version: tuple[int, str],
    outcome: Outcome,
    reason: str,
    status: int,
    seconds: float,
    decision_seconds: float,
    request_id: str = "",
) -> Event:
    """In the order of `columns.EVENT`. `context` is None where the request could not be read, `asked` where nobody was.

    `now` counts only then; `reason` is why the exchange ended, unless the chain refused it. `request_id` is the
    one that the caller stated, if any: with it the answer was marked.
    """
    if context is None:
        ask, location, principal = NOT_READ, NOWHERE, NOBODY
        address = ja4 = ""
        weight, tags, captcha = 0, frozenset[str](), False
    else:
        ask, location, principal = context.ask, context.location, context.principal or NOBODY
        address, ja4, now = context.client_address, context.ja4, context.now
        weight, tags, captcha = context.weight, context.tags, context.captcha
    action = entry = ""
    rules: list[tuple[str, str, str, str, bool]] | tuple[()] = ()
    if asked is not None:
        decision = asked.decision
        action, entry = "allow", asked.entry
        if decision.action is not Action.ALLOW:
            action, reason = decision.action.value, decision.reason
        if asked.matches:
            rules = [(by.name, *match) for by, match in asked.matches]
    profile = principal.profile
    return (
        exchange, now, *version, method, path[:LONGEST],
        ask.route, dialect, ask.model[:LONGEST], ask.streaming, sorted(ask.features) if ask.features else (),
        ask.input_tokens, ask.output_cap, ask.items, ask.generates,
        address, location.country, location.asn, sorted(location.network_kinds) if location.network_kinds else (),
        location.latitude, location.longitude, location.radius, location.private, ja4[:LONGEST],
        principal.account, principal.organisation, principal.key, principal.tier,
        profile.created or None, profile.email_domain, profile.signup_country, profile.billing_country,
        profile.verification,
        action, reason, entry, rules, weight, sorted(tags) if tags else (), captcha,
        status, seconds, decision_seconds,
        *(outcome.usage or NO_USAGE), outcome.delivered, outcome.aborted, outcome.reached,
        profile.assigned, evidence_words(profile.evidence) if profile.evidence else (),
        fall_words(profile.falls) if profile.falls else (), profile.identity, profile.signup_burst,
        request_id,
    )  # fmt: skip


@lru_cache(maxsize=65_536)
def evidence_words(evidence: tuple[Evidence, ...]) -> tuple[str, ...]:
    """`document@1767225600`: kind and Unix second; with `-1830297600` behind that, where it ends by itself."""
    return tuple(
        f"{one.kind}@{one.obtained:.0f}" + ("" if math.isinf(one.expires) else f"-{one.expires:.0f}")
        for one in evidence
    )


@lru_cache(maxsize=65_536)
def fall_words(falls: tuple[Fall, ...]) -> tuple[str, ...]:
    """`chargeback`, or `analyst-1767225600` where it is over by then."""
    return tuple(fall.reason + ("" if math.isinf(fall.until) else f"-{fall.until:.0f}") for fall in falls)


def evidence_of(words: Sequence[str]) -> tuple[Evidence, ...]:
    """What `evidence_words` has written."""
    found = []
    for word in words:
        kind, _, times = word.partition("@")
        obtained, _, expires = times.partition("-")
        found.append(Evidence(kind, float(obtained or 0), float(expires) if expires else math.inf))
    return tuple(found)


def falls_of(words: Sequence[str]) -> tuple[Fall, ...]:
    """What `fall_words` has written."""
    parts = [word.partition("-") for word in words]
    return tuple(Fall(reason, float(until) if until else math.inf) for reason, _, until in parts)
