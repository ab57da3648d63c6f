"""What a dialect knows: what a request asks for, what an answer used, and how to say no so that its SDK understands.

Pure functions on bytes: no socket, no clock. The edge picks a dialect by `dialects.of(method, path, fields)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from gateway.campaigns.words import Words
from gateway.policy import NO_MEMBERS, Ask, Limit, Usage

NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})


class MalformedRequest(Exception):
    """The request's content cannot be read, or can be read in two ways. `detail` is shown to the caller."""

    def __init__(self, detail: str, reason: str = "malformed_content", status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason
        self.status = status


class Refusal(NamedTuple):
    """A no, before it is put into a dialect's words."""

    status: int
    reason: str
    detail: str
    request_id: str
    retry_after: float | None
    """Seconds; None: do not retry."""
    link: str
    """The page that explains `reason`, or where its remedy is."""
    members: Mapping[str, str | Sequence[str]] = NO_MEMBERS
    """More members of the error object, beside the dialect's own."""
    type: str = ""
    """The error's type, where it is not the usual one of its status."""
    page: str = ""
    """Where a browser is sent in place of an error; empty for all that is no browser."""
    fields: Mapping[str, str] = NO_FIELDS
    """More fields of the answer."""


class StreamReader(Protocol):
    """Reads one event stream as it passes. It never changes what passes but for the usage chunk that we asked for."""

    usage: Usage | None
    """What the stream has stated so far; final once it ended. Anthropic: from message_start and message_delta."""
    complete: bool
    """True once the stream said that it ended well (`[DONE]`, `message_stop`, `response.completed`…)."""

    def feed(self, piece: bytes) -> bytes:
        """Bytes as they came, any cut. Returns what to pass on now: `piece` itself where nothing is taken out."""

    def finish(self) -> bytes:
        """The upstream ended: returns what was held back, if anything."""

    @property
    def between_events(self) -> bool:
        """True where what was passed on ends with a whole event: only there can an event of our own be put in.

        Where it is False and the stream must be cut, write a blank line first (it closes the broken event).
        """

    @property
    def so_far(self) -> Usage | None:
        """For the Outcome: `usage`, but with no fewer output tokens than `delivered` where the stream broke."""

    @property
    def delivered(self) -> int:
        """Output tokens passed on so far, estimated without parsing each event: enough to charge a broken stream."""


class Dialect(Protocol):
    name: str

    def read(self, method: str, path: str, body: bytes, kept: list[dict[str, Any]] | None = None) -> Ask:
        """What is asked. Raises MalformedRequest. The document of the body is put into `kept`, for `words`."""

    def words(self, ask: Ask, document: dict[str, Any]) -> Words:
        """What a document that `read` has kept says. In bounded time, whatever its size."""

    def prepare(self, ask: Ask, body: bytes) -> bytes:
        """The body for the upstream: the same object, but where `ask.inject_usage`."""

    def usage(self, ask: Ask, body: bytes) -> Usage | None:
        """From a whole JSON answer; None if it states none."""

    def stream(self, ask: Ask) -> StreamReader:
        """A reader for an answer of type text/event-stream."""

    def refusal(self, refusal: Refusal) -> bytes:
        """JSON body of an error answer."""

    def refusal_event(self, refusal: Refusal, ask: Ask | None = None) -> bytes:
        """The event with which a running stream is ended, whole, with its closing blank line.

        Give the `ask` where it is known: OpenAI's responses have another shape of error than its chat completions.
        """

    def request_id_field(self) -> bytes:
        """The field that carries the request id in answers: b"x-request-id", or b"request-id"."""

    def limit_fields(self, limits: tuple[Limit, ...], remaining: Sequence[float], now: float) -> bytes:
        """Fields of an answer, each line ended by CRLF: the dialect's own and the IETF draft's. On the hot path.

        `remaining` is what is left of each limit, in its units; below 0 where there is debt, and then shown as 0.
        """


Fields = Mapping[bytes, bytes]
