"""W3C Trace Context: read strictly, written so that it reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.trace_context import TraceContext, read, written

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        pytest.param(b"00-%b-%b-01" % (TRACE, SPAN), True, id="sampled"),
        pytest.param(b"00-%b-%b-00" % (TRACE, SPAN), False, id="not sampled"),
        pytest.param(b" 00-%b-%b-03\t" % (TRACE, SPAN), True, id="other flags too, and space around it"),
        pytest.param(b"01-%b-%b-01-more" % (TRACE, SPAN), True, id="a later version may have more behind it"),
        pytest.param(b"00-%b-%b-01-more" % (TRACE, SPAN), None, id="version 00 may not"),
        pytest.param(b"ff-%b-%b-01" % (TRACE, SPAN), None, id="version ff"),
        pytest.param(b"00-%b-%b-01" % (b"0" * 32, SPAN), None, id="trace of zeros"),
        pytest.param(b"00-%b-%b-01" % (TRACE, b"0" * 16), None, id="span of zeros"),
        pytest.param(b"00-%b-%b-01" % (TRACE.upper(), SPAN), None, id="upper case"),
        pytest.param(b"00-%b-%b" % (TRACE, SPAN), None, id="no flags"),
        pytest.param(b"00-%b-%b-01, 00-%b-%b-01" % (TRACE, SPAN, TRACE, SPAN), None, id="two fields"),
        pytest.param(b"", None, id="empty"),
        pytest.param(None, None, id="none"),
    ],
)
def test_read(stated: bytes | None, found: bool | None) -> None:
    """What the specification allows is read, and nothing else."""
    context = read(stated)
    assert context == (None if found is None else TraceContext(int(TRACE, 16), int(SPAN, 16), found))


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_round_trip(trace: int, span: int, sampled: bool) -> None:
    """What is written reads back."""
    assert read(written(TraceContext(trace, span, sampled))) == TraceContext(trace, span, sampled)


@given(st.binary(max_size=80))
def test_never_raises(stated: bytes) -> None:
    """Callers choose it."""
    read(stated)
