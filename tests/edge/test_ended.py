"""What is left of an exchange that has ended, for those who look."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.history.columns import AT
from gateway.history.recent import Recent
from gateway.policy import Action, Decision
from gateway.telemetry.sums import Sums
from tests.edge.conftest import Serve, post

DENY = Decision(Action.DENY, "rule_denied")


class Log:
    """Instead of an exchange log."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def note(self, event: Any) -> None:
        self.events.append(event)


@pytest.mark.parametrize(
    ("logged", "followed", "kept"),
    [
        pytest.param(False, False, ["deny", ""], id="off, nobody follows: what was refused"),
        pytest.param(False, True, ["allow", "deny", ""], id="off, somebody follows: all"),
        pytest.param(True, False, ["allow", "deny", ""], id="on: all"),
    ],
)
async def test_what_is_remembered(serve: Serve, logged: bool, followed: bool, kept: list[str]) -> None:
    """Refusals always, malformed ones too; what passed where the log makes its event anyway, or somebody follows."""
    async with serve() as served:
        edge, log = served.edge, Log()
        recent = edge.recent = Recent(time.monotonic)
        recent.followed = followed
        edge.sums = Sums()
        if logged:
            edge.exchange_log = log  # type: ignore[assignment]
        await served.exchange(post())
        served.policy.decision = DENY
        await served.exchange(post(fields=b"X-Request-Id: theirs-1\r\n"))
        await served.exchange(post(body=b'{"model":'))
        events = recent.since(0, 10).events
        assert [event[AT["action"]] for event in events] == kept
        assert events[-2][AT["request_id"]] == "theirs-1"
        assert events[-1][AT["request_id"]] == ""
        assert events[-1][AT["reason"]] == "malformed_content"
        if logged:
            assert all(mine is theirs for mine, theirs in zip(events, log.events, strict=True))
        rows = edge.sums.take()
        assert sum(int(row[3]) for row in rows) == 3
        assert sum(int(row[4]) for row in rows) == 2


MALFORMED = [
    pytest.param(b"GARBAGE\r\n\r\n", 400, "", "", id="no request line"),
    pytest.param(b"POST /v1/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "POST", "/v1/x", id="a field twice"),
    pytest.param(b"BREW /v1/x?key=secret HTTP/1.1\r\nHost: a\r\n\r\n", 400, "", "", id="a method that nobody has"),
    pytest.param(b"GET /v1/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 17_000 + b"\r\n\r\n", 431, "", "", id="too large"),
    pytest.param(
        b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        400,
        "POST",
        "/v1/x",
        id="a bad chunk",
    ),
]


@pytest.mark.parametrize(("sent", "status", "method", "path"), MALFORMED)
async def test_a_head_that_cannot_be_read_leaves_an_event(
    serve: Serve, sent: bytes, status: int, method: str, path: str
) -> None:
    """By the request id that its answer had; with nothing of what was not checked."""
    async with serve() as served:
        log = Log()
        served.edge.exchange_log = log  # type: ignore[assignment]
        served.edge.recent = Recent(time.monotonic)
        answer = await served.exchange(sent)
        (event,) = log.events
        assert served.edge.recent.since(0, 9).events == [event]
        assert event[AT["exchange"]].encode() in answer.split(b"\r\n\r\n")[0]
        assert (event[AT["status"]], event[AT["method"]], event[AT["path"]]) == (status, method, path)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert event[AT["reason"]].encode() in answer
        assert (event[AT["action"]], event[AT["route"]], event[AT["reached"]]) == ("", "malformed", False)
        assert b"secret" not in repr(event).encode()
