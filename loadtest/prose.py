"""The sentences of the page that no sample changes."""

from __future__ import annotations

from typing import Final

from loadtest import payloads

WRITTEN: Final = """\
This page is written whole by a run of `loadtest/`, from its raw samples. Do not edit it. To make it anew, on a quiet
machine:

    make bench BENCH_ARGS="--install-peers --json results.json --write docs/benchmarks.md --plot docs/benchmarks.svg"\
"""

COLUMNS: Final = """\
CPU is the median of the rounds (least to most). `cores` is how much of a core the target used: where it is below 0.95
the generator, the upstream or Redis was the limit, and then req/s and p99 are theirs. `× nginx` and `× Envoy` are
ratios of CPU a request to those two as plain proxies, in this run.\
"""

HALF_LOAD: Final = """\
Half load: 64 connections that pause between an answer and the next request, so that all together send half of what
Tidegate carried at full load in this run. The rate is the same for everybody. Added is the percentile through the
target less that of the upstream asked directly.\
"""

LIMITS: Final = """\
One machine, loopback, no TLS, HTTP/1.1: a network adds its own time to every trip to Redis. The generator is a closed
loop, so its percentiles under full load say how long the queue is that 64 or 256 connections make; only those at half
load say what a caller would feel. Figures of two runs, or of two machines, are not to be compared: ratios within one
run are.\
"""


def method(generator: str) -> str:
    """How it is measured, as a list."""
    lines = (
        f"Load: {generator}, one thread; 256 API keys in turn, each of an account of its own; a body of "
        f"{payloads.BODY_SIZE} bytes; nine fields; connections are kept.",
        f"Upstream: nginx `return 200` with a JSON answer of {len(payloads.answer())} bytes that states its usage; for "
        f"streams a small server of our own that sends {payloads.CHUNKS} chunks of about 120 bytes, one every "
        f"{payloads.CHUNK_EVERY * 1000:g} ms, with the usage at the end.",
        "Places: the target alone on one core; generator, upstream and Redis on the others. With two workers nobody is "
        "pinned.",
        "Order: all targets of a group are up at once and take turns, round by round, and another begins each round. "
        "So a slow minute of a shared machine meets all of them. It still does not hurt them equally: a large program "
        "suffers more from a neighbour's use of the cache than a small one.",
        "CPU a request: utime and stime of the target's whole tree of processes (supervisor and workers), from /proc, "
        "over the sample, divided by the answers.",
        "RSS: of that tree, in the middle of the sample; pages that two of its processes share count twice.",
        "Redis: the CPU that the server says it used over the sample, divided by the answers. It is not in the "
        "target's own figure.",
        "Idle streams: a fresh process each time; what its resident memory grew by, divided by the streams. Memory of "
        "the kernel's sockets is not in it.",
        "In process: the best of 640 groups of 16 exchanges, in turn, on the target's core.",
    )
    return "\n".join(f"- {line}" for line in lines)
