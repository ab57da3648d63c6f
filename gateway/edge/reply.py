"""Refusals as bytes: status, the fields that make SDKs do the right thing, and a body in the caller's dialect."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from gateway import dialects
from gateway.dialects.interface import Dialect, Refusal
from gateway.edge.challenged import challenged
from gateway.policy import Action, Decision, Limit
from gateway.wire.reasons import REASONS
from gateway.wire.request_head import BadHead
from gateway.wire.status import status_line

if TYPE_CHECKING:
    from gateway.chain.chain import Asked

LONGEST_RETRY: Final = 60.0
"""Seconds. The Anthropic SDK honours `retry-after` up to 60 s and falls back to hammering beyond it; OpenAI's up to
120 s.
"""

USUAL_STATUS: Final = {Action.DENY: 403, Action.CHALLENGE: 403, Action.THROTTLE: 429, Action.ALLOW: 200}

NEVER: Final = 10 * 366 * 86400.0
"""Seconds from which on waiting is not an answer; also what is not a number ends here."""

DIGITS: Final = 12
"""Of a ruleset's digest: as many as tell two apart."""

CLOSE: Final = b"Connection: close\r\n"


FAILURES: Final = {
    # what the upstream did -> status, reason, detail
    "upstream_unreachable": (503, "upstream_unreachable", "The inference API cannot be reached at the moment."),
    "upstream_busy": (503, "upstream_busy", "The inference API takes no more requests at the moment."),
    "closed": (502, "upstream_failed", "The inference API closed the connection without an answer."),
    "broken": (502, "upstream_failed", "The inference API broke its answer off."),
    "bad_answer": (502, "upstream_failed", "The inference API gave an answer that cannot be passed on."),
    "timeout": (504, "upstream_timeout", "The inference API did not answer in time."),
}
CUT_REASON: Final = "quota_exceeded"


def failure(what: str, request_id: str, link: Callable[[str], str]) -> Refusal:
    """What the caller is told when the upstream fails."""
    status, reason, detail = FAILURES[what]
    return Refusal(status, reason, detail, request_id, 1.0, link(reason))


def cut(request_id: str, link: str) -> Refusal:
    """What ends a stream whose quota is used up."""
    detail = "The quota was used up while this answer was running, so it ends here."
    return Refusal(429, CUT_REASON, detail, request_id, None, link)


def refusal_of(decision: Decision, request_id: str, linked: Callable[[str], str]) -> Refusal:
    """A chain's no as a value for the dialect. `linked` makes whole what begins with `/`."""
    status = decision.status or USUAL_STATUS[decision.action]
    wait = decision.retry_after
    if wait is not None and not 0 <= wait < NEVER:
        # Of a policy of somebody else's: no number that a field could hold.
        wait = None
    members = {
        name: linked(value) if name.endswith("_url") and isinstance(value, str) else value
        for name, value in decision.members.items()
    }
    link = decision.link or (f"/tidegate/reasons/{decision.reason}" if decision.reason in REASONS else "")
    refusal = Refusal(status, decision.reason, decision.detail, request_id, wait, linked(link), members)
    return refusal if decision.action is not Action.CHALLENGE else challenged(refusal)


def ruleset_field(asked: Asked | None) -> bytes:
    """For operators: by which rules it was decided; empty where nobody was asked."""
    if asked is None:
        return b""
    generation, digest = asked.chain.version
    return b"Tidegate-Ruleset: %d-%b\r\n" % (generation, digest[:DIGITS].encode())


def refuse_head(
    bad: BadHead, method: bytes, path: bytes, fields: Mapping[bytes, bytes], request_id: str, link: str
) -> bytes:
    """The whole answer to a request that nobody was asked about; the connection closes after it."""
    dialect = dialects.of(method.decode("latin-1"), path.decode("latin-1"), fields)
    detail = f"{bad.detail[0].upper()}{bad.detail[1:]}."
    refusal = Refusal(bad.status, bad.reason, detail, request_id, 1.0 if bad.status == 503 else None, link)
    return refuse(dialect, refusal, close=True, head_only=method == b"HEAD")


def refuse(
    dialect: Dialect,
    refusal: Refusal,
    *,
    limits: tuple[Limit, ...] = (),
    remaining: Sequence[float] = (),
    now: float = 0.0,
    close: bool = False,
    head_only: bool = False,
    ruleset: bytes = b"",
) -> bytes:
    """The whole answer. `head_only` for HEAD: the same fields and no content. `ruleset` is a whole field line."""
    if refusal.page:
        return _sent_on(refusal, ruleset, close=close)
    content = dialect.refusal(refusal)
    parts = [
        status_line(refusal.status),
        b"Content-Type: application/json\r\nContent-Length: %d\r\n%b: %b\r\n"
        % (len(content), dialect.request_id_field(), refusal.request_id.encode("latin-1")),
    ]
    wait = refusal.retry_after
    if wait is None:
        parts.append(b"X-Should-Retry: false\r\n")
    else:
        parts.append(
            b"Retry-After: %d\r\nRetry-After-Ms: %d\r\nX-Should-Retry: %b\r\n"
            % (math.ceil(wait), math.ceil(wait * 1000), b"true" if wait <= LONGEST_RETRY else b"false")
        )
    if refusal.status == 401:
        parts.append(b'WWW-Authenticate: Bearer realm="tidegate"\r\n')
    parts += [f"{name}: {value}\r\n".encode("latin-1") for name, value in refusal.fields.items()]
    if limits:
        parts.append(dialect.limit_fields(limits, remaining, now))
    if ruleset:
        parts.append(ruleset)
    if close:
        parts.append(CLOSE)
    parts.append(b"\r\n")
    if not head_only:
        parts.append(content)
    return b"".join(parts)


def _sent_on(refusal: Refusal, ruleset: bytes, *, close: bool) -> bytes:
    """To a page, where its reader can do something about it."""
    return b"%bLocation: %b\r\nCache-Control: no-store\r\nContent-Length: 0\r\n%b%b\r\n" % (
        status_line(refusal.status),
        refusal.page.encode("latin-1"),
        ruleset,
        CLOSE if close else b"",
    )
