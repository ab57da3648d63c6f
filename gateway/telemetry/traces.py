"""Which exchanges are traced, and what is noted of them on the way: for most of them a look at a random number.

Spans are made of it elsewhere (`otlp`), in a thread. A trace begins here, unless a trusted hop states one: then its
decision to sample holds, as parent-based samplers do. What a caller states goes on to the upstream untouched where its
exchange is not traced, and is replaced where it is: nobody outside joins our traces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from gateway.telemetry.trace_context import FIELD, TraceContext, read, written

STATE: Final = b"tracestate"


class Step(Protocol):
    """As gateway.chain.timed.Step."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def began(self) -> float: ...
    @property
    def ended(self) -> float: ...
    @property
    def said(self) -> str: ...
    @property
    def reason(self) -> str: ...


class Random(Protocol):
    """As random.Random."""

    def random(self) -> float: ...
    def getrandbits(self, k: int, /) -> int: ...


class Trace:
    """Of one exchange that is traced. Times are the edge's clock; 0 for what has not happened."""

    __slots__ = ("connecting", "headed", "parent", "sent", "span", "trace", "upstream")

    def __init__(self, trace: int, parent: int, span: int, upstream: int) -> None:
        self.trace = trace
        self.parent = parent
        """The span of a trusted hop before us; 0 where the trace begins here."""
        self.span = span
        self.upstream = upstream
        """The span that the inference API is told of."""
        self.connecting = 0.0
        self.sent = 0.0
        self.headed = 0.0

    @property
    def dropped(self) -> tuple[bytes, ...]:
        """Request fields that do not go on as they came."""
        return (FIELD,) if self.parent else (FIELD, STATE)

    def line(self) -> bytes:
        """The field for the upstream."""
        return b"%b: %b\r\n" % (FIELD, written(TraceContext(self.trace, self.upstream, sampled=True)))


class Traced(NamedTuple):
    """An exchange that was traced, and has ended."""

    trace: Trace
    wall: float
    """Unix time at `began`."""
    began: float
    ended: float
    steps: Sequence[Step]
    attributes: Mapping[str, str | int | float | bool]
    failed: bool
    """The answer was one of ours or the upstream's own fault (5xx)."""


class Traces:
    """`take` gets what was traced, on the hot path: it must not wait."""

    def __init__(self, share: float, random: Random, take: Callable[[Traced], None]) -> None:
        self._share = share
        self._random = random.random
        self._bits = random.getrandbits
        self.take = take

    def begin(self, fields: Mapping[bytes, bytes], *, trusted: bool) -> Trace | None:
        """None for an exchange that is not traced. `trusted`: whoever is in front of us may state the trace."""
        context = read(fields.get(FIELD)) if trusted else None
        if context is None:
            if self._random() >= self._share:
                return None
            return Trace(self._id(128), 0, self._id(64), self._id(64))
        if not context.sampled:
            return None
        return Trace(context.trace, context.span, self._id(64), self._id(64))

    def _id(self, bits: int) -> int:
        """Never 0, which means none."""
        return self._bits(bits) or 1
