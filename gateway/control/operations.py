"""The contract of the admin API: an operation says what it takes, what it answers, and which permission it needs.

Everything on the operators' port is registered as one of these, so the guard, the OpenAPI document and the table of
roles can leave none out. A handler is called for whoever may; it gets an aiohttp request and answers JSON.

Who asks: `who(request)`, for the audit. Errors are JSON, `{"error": "one sentence for people"}`, for wrong fields with
`"fields": {"name": "what is wrong"}`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from gateway.control.access.roles import Permission, Role
from gateway.control.account_changes import by

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    """As aiohttp has it: `/accounts/{id}`."""
    handler: Handler
    needs: Permission | None
    """None: open to whoever reaches the port (probes, sign-in)."""
    summary: str
    """One line for the reference."""
    query: Any = None
    """The type of what may stand in the query (a pydantic model); None: nothing."""
    content: Any = None
    """The type of the request's content (a pydantic model); None: none."""
    answer: Any = None
    """The type of the usual answer's content, where it is stated; else any JSON object."""
    status: int = 200
    """Of the usual answer."""
    errors: Mapping[int, str] = field(default_factory=dict)
    """Statuses beside 401, 403, 422 and 503 that callers meet, and when."""
    media: str = "application/json"
    """Of the usual answer: `text/event-stream` for a feed that does not end."""
    own: bool = False
    """It changes nothing but what its asker has started: then whoever may look may do it."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who asks, as far as a credential proved it."""

    name: str
    """Stands in the audit: `admin_token`, `token:NAME`, `oidc:SUBJECT`."""
    role: Role
    csrf: str = ""
    """What a session has to send with each change; empty for a bearer."""


OPERATOR: Final = web.RequestKey("operator", Operator)
"""Set by the guard before a handler is called."""
ACTOR: Final = "X-Tidegate-Actor"
"""On whose behalf a system asks: stands in the audit beside the token's name."""


def who(request: web.Request) -> str:
    """For the audit: what a credential proved, and whom its bearer names."""
    operator = request.get(OPERATOR)
    return by(operator.name if operator is not None else "nobody", request.headers.get(ACTOR, ""))
