"""Events on the wire and in files, however a stranger spells them."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.campaigns.event import NAMES, Event, Minted
from gateway.campaigns.wire import event_of, pack, row, unpack

u64 = st.integers(0, 2**64 - 1)
sketches = st.lists(u64, unique=True, max_size=20).map(lambda hashes: np.array(sorted(hashes), np.uint64))
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(0, 1e12, allow_nan=False)
events = st.builds(
    lambda **members: Event(**members),  # noqa: PLW0108 - else hypothesis makes up what is not stated
    exchange=names.filter(bool), time=numbers, account=names.filter(bool), organisation=names, key=names, tier=names,
    verification=st.integers(0, 9), created=numbers, address=names, network=names, asn=st.integers(0, 2**32),
    network_kinds=st.lists(names, max_size=2).map(tuple), streaming=st.booleans(),
    features=st.lists(names, max_size=3).map(sorted).map(tuple),
    input_tokens=st.integers(0, 2**31), output_cap=st.integers(0, 2**31), seconds=numbers,
    system=sketches, prompt=sketches, prompt_hash=st.integers(0, 2**63 - 1),
    turns=st.lists(st.integers(0, 2**63 - 1), max_size=2).map(tuple),
    minted=st.lists(st.builds(Minted, names, st.integers(0, 2**63 - 1)), max_size=3).map(tuple),
)  # fmt: skip
LEAST: Final = {"exchange": "x", "time": 1.0, "account": "a"}


def plain(event: Event) -> dict[str, Any]:
    return event._asdict() | {"system": event.system.tolist(), "prompt": event.prompt.tolist()}


@given(st.lists(events, max_size=5))
def test_a_batch_comes_back(batch: list[Event]) -> None:
    """All of it, of the same types."""
    back = unpack(pack(batch))
    assert [plain(event) for event in back] == [plain(event) for event in batch]
    assert [list(map(type, event)) for event in back] == [list(map(type, event)) for event in batch]


@given(events)
def test_a_row_comes_back(event: Event) -> None:
    """Through JSON; what has its default need not be there."""
    line = orjson.loads(orjson.dumps(row(event)))
    assert plain(event_of(line)) == plain(event)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{}", id="no batch"),
        pytest.param(b"[1]", id="no event"),
        pytest.param(b'[["x",1.0]]', id="too short"),
        pytest.param(b'[["x","1.0","a"]]', id="a time as text"),
        pytest.param(b'[["x",1.0,"a","","","",true]]', id="a flag for a number"),
        pytest.param(b"\xff\xfe", id="no JSON"),
    ],
)
def test_what_is_no_batch_is_refused(packed: bytes) -> None:
    """With a ValueError: anybody may write into a stream."""
    with pytest.raises(ValueError, match=r"."):
        unpack(packed)


def test_other_versions_are_read() -> None:
    """A newer writer's further members are left out, an older one's missing members have their default."""
    assert unpack(b'[["x",1.0,"a"]]') == [Event("x", 1.0, "a")]
    whole = orjson.loads(pack([Event("x", 1.0, "a")]))[0]
    assert plain(unpack(orjson.dumps([[*whole, {"new": 1}]]))[0]) == plain(Event("x", 1.0, "a"))


@pytest.mark.parametrize(
    ("member", "value", "read"),
    [
        pytest.param("time", 1_767_225_600, 1_767_225_600.0, id="whole seconds"),
        pytest.param("time", "1767225600.5", 1_767_225_600.5, id="a number as text"),
        pytest.param("time", "2026-01-01T00:00:00Z", 1_767_225_600.0, id="ISO 8601"),
        pytest.param("time", "2026-01-01T01:00:00+01:00", 1_767_225_600.0, id="with a zone"),
        pytest.param("time", "2026-01-01", 1_767_225_600.0, id="a day"),
        pytest.param("time", dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 1_767_225_600.0, id="of Parquet"),
        pytest.param("time", np.datetime64("2026-01-01T00:00:00"), 1_767_225_600.0, id="of numpy"),
        pytest.param("created", None, 0.0, id="null"),
        pytest.param("created", float("nan"), 0.0, id="NaN, as pandas has it"),
        pytest.param("account", 17, "17", id="a number for a name"),
        pytest.param("asn", "64500", 64500, id="a number as text, whole"),
        pytest.param("asn", 64500.0, 64500, id="a float that is whole"),
        pytest.param("streaming", 1, True, id="1"),
        pytest.param("streaming", "false", False, id="false"),
        pytest.param("features", "vision, tools", ("tools", "vision"), id="commas, sorted"),
        pytest.param("features", [], (), id="empty"),
        pytest.param("network_kinds", ["vpn"], ("vpn",), id="a list"),
        pytest.param("prompt_hash", "00000000000000ff", 255, id="hexadecimal"),
        pytest.param("turns", ["0x0a", 11], (10, 11), id="either"),
        pytest.param("minted", [{"account": "b", "id": 7}], (Minted("b", 7),), id="objects"),
        pytest.param("minted", [["b", "7"]], (Minted("b", 7),), id="pairs"),
        pytest.param("minted", "b:7,c:d:8", (Minted("b", 7), Minted("c:d", 8)), id="one text"),
        pytest.param("unheard_of", object(), None, id="what is not known is left out"),
    ],
)
def test_rows_may_be_spelled_in_several_ways(member: str, value: object, read: object) -> None:
    """All of which docs/events.md names."""
    event = event_of({**LEAST, member: value})
    assert getattr(event, member, None) == read


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([3, 1, 2, 2], id="numbers, in any order, more than once"),
        pytest.param(["0000000000000001", "0x0000000000000002", "3"], id="hexadecimal"),
        pytest.param("1,2,3", id="commas"),
        pytest.param("AQAAAAAAAAACAAAAAAAAAAMAAAAAAAAA", id="base64"),
        pytest.param(b"\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", id="bytes"),
        pytest.param(np.array([1, 2, 3], np.int64), id="numpy"),
        pytest.param(pa.array([[1, 2, 3]], pa.list_(pa.uint64())).to_pylist()[0], id="of Parquet"),
    ],
)
def test_sketches_may_be_spelled_in_several_ways(value: object) -> None:
    """And are distinct and ascending when they are read."""
    assert event_of({**LEAST, "prompt": value}).prompt.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param({"time": 1, "account": "a"}, "“exchange” is missing", id="no exchange"),
        pytest.param({"exchange": "x", "account": "a"}, "“time” is missing", id="no time"),
        pytest.param({"exchange": "x", "time": 1, "account": ""}, "must not be empty", id="empty account"),
        pytest.param({**LEAST, "time": "noon"}, "“time” must be Unix time", id="time"),
        pytest.param({**LEAST, "time": -1}, "“time” must be a number from 0 on", id="before 1970"),
        pytest.param({**LEAST, "time": float("inf")}, "“time” must be a number", id="infinite"),
        pytest.param({**LEAST, "account": ["a"]}, "“account” must be a string, not a list", id="list of accounts"),
        pytest.param({**LEAST, "asn": 1.5}, "“asn” must be a whole number, not '1.5'", id="half"),
        pytest.param({**LEAST, "asn": True}, "“asn” must be a whole number", id="flag"),
        pytest.param({**LEAST, "asn": -1}, "“asn” must be a whole number from 0", id="negative"),
        pytest.param({**LEAST, "streaming": "maybe"}, "“streaming” must be true or false", id="no flag"),
        pytest.param({**LEAST, "features": 3}, "“features” must be a list", id="no list"),
        pytest.param({**LEAST, "features": [None]}, "“features” must be a string, not null", id="null in a list"),
        pytest.param({**LEAST, "prompt": "not base64!"}, "“prompt” must be a list of hashes", id="no base64"),
        pytest.param({**LEAST, "prompt": "QUJD"}, "“prompt” must be a list of hashes", id="three bytes"),
        pytest.param({**LEAST, "prompt": [2**64]}, "“prompt” must be", id="65 bits"),
        pytest.param({**LEAST, "prompt": [-1]}, "“prompt” must be", id="a negative hash"),
        pytest.param({**LEAST, "prompt": [1.5]}, "“prompt” must be", id="half a hash"),
        pytest.param({**LEAST, "prompt_hash": "zz"}, "“prompt_hash” must be a hash", id="no hash"),
        pytest.param({**LEAST, "minted": [7]}, "“minted” must hold objects", id="no pair"),
        pytest.param({**LEAST, "minted": [{"id": 7}]}, "“minted” must be a string, not null", id="whose?"),
        pytest.param({**LEAST, "seconds": "1s"}, "“seconds” must be a number", id="a unit"),
    ],
)
def test_a_bad_row_is_refused_by_its_member(line: dict[str, object], said: str) -> None:
    """With a ValueError that names it."""
    with pytest.raises(ValueError, match=r".") as caught:
        event_of(line)
    assert said in str(caught.value)


@given(st.dictionaries(st.sampled_from(NAMES), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=16),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=5,
)))  # fmt: skip
def test_any_row_is_read_or_refused(line: dict[str, object]) -> None:
    """Never anything but an event or a ValueError."""
    try:
        event = event_of({**LEAST, **line})
    except ValueError:
        return
    assert [plain(back) for back in unpack(pack([event]))] == [plain(event)]
