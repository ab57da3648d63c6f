"""loadtest.load: the line of figures that a generator ends with."""

from __future__ import annotations

import pytest

from loadtest.generator import Figures, whole
from loadtest.load import LoadFailed, Measured, parse

WRK = """\
Running 2s test @ http://127.0.0.1:8080
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.66ms    1.05ms  34.69ms   98.51%
    Req/Sec    39.67k     2.41k   42.61k    85.00%
  79187 requests in 2.01s, 101.95MB read
Requests/sec:  39393.10
Transfer/sec:     50.72MB
LOADTEST {"requests": 79187, "seconds": 2.010174, "p50_ms": 1.5510, "p99_ms": 3.4210, "refused": 2, "broken": 1}
"""


def test_figures_are_read_among_what_wrk_prints() -> None:
    """The script's own line is read, whatever stands around it."""
    assert parse(WRK) == Measured(79187, 2.010174, 1.551, 3.421, 2, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unable to connect to 127.0.0.1:1 Connection refused",
        "LOADTEST {",
        'LOADTEST {"requests": 1}',
        "LOADTEST []",
    ],
    ids=["nothing", "an error", "half a line", "figures missing", "not an object"],
)
def test_a_run_without_figures_is_an_error(text: str) -> None:
    """Never a sample of noughts."""
    with pytest.raises(LoadFailed):
        parse(text)


def test_our_own_generator_speaks_the_same_line() -> None:
    """Percentiles are of the sorted latencies, in milliseconds."""
    figures = Figures()
    figures.latencies = [0.001 * number for number in range(100, 0, -1)]
    figures.refused = 3

    assert parse("noise\n" + figures.line(2.0)) == pytest.approx((100, 2.0, 51.0, 100.0, 3, 0))


def test_no_answers_are_figures_too() -> None:
    """A target that answers nothing gives noughts and no exception."""
    assert parse(Figures().line(1.0)).requests == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", True),
        (b"HTTP/1.1 429 X\r\ncontent-length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", True),
    ],
    ids=["half a head", "half a body", "whole", "empty", "chunks to come", "last chunk"],
)
def test_an_answer_is_whole_when_its_framing_says_so(answer: bytes, expected: bool) -> None:
    """By length or by the last chunk."""
    assert whole(answer) is expected
