"""docs/events.md against the code: a stranger writes files by it alone."""

from __future__ import annotations

import io
import re
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gateway.campaigns.event import NAMES, SCHEMA
from gateway.campaigns.facts import AccountFacts
from gateway.campaigns.facts_rows import LINKS, NETWORK, TRUSTED, facts_of
from gateway.campaigns.sketch import BOUND, SHINGLE, WORDS
from gateway.campaigns.wire import FIELD_EVENTS, FIELD_VERSION, event_of
from gateway.campaigns.words import PIECE, TURN_WORDS
from gateway.detect.backtest.rows import TEXTS
from gateway.detect.observations import BACKLOG, ENTRY, STREAM
from gateway.detect.sketching import REMEMBERED, SYSTEMS
from gateway.dialects.said import FIRST, LAST
from tests.docs.pages import ROOT, blocks, text_of

PAGE: Final = ROOT / "docs" / "events.md"
TEXT: Final = text_of(PAGE)
ROW: Final = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
TABLES: Final = [ROW.findall(table) for table in TEXT.split("|---|---|---|---|")[1:]]
LINES: Final = [orjson.loads(line) for block in blocks("jsonl", pages=[PAGE]) for line in block.text.splitlines()]
TYPES: Final[dict[str, tuple[pa.DataType, Any]]] = {
    "string": (pa.string(), "7"),
    "double": (pa.float64(), 7.0),
    "int64": (pa.int64(), 7),
    "uint64": (pa.uint64(), 7),
    "bool": (pa.bool_(), True),
    "timestamp": (pa.timestamp("us", "UTC"), 7_000_000),
    "list of string": (pa.list_(pa.string()), ["7"]),
    "list of uint64": (pa.list_(pa.uint64()), [7]),
    "list of struct": (pa.list_(pa.struct({"account": pa.string(), "id": pa.uint64()})), [{"account": "b", "id": 7}]),
    "list of list of string": (pa.list_(pa.list_(pa.string())), [["payment", "7"]]),
}
COLUMNS: Final = [
    pytest.param(place, name, kind.strip(), id=f"{name} {kind.strip()}")
    for place, table in enumerate(TABLES)
    for name, _, kinds in table
    for kind in kinds.split(",")
]


def test_the_tables_are_those_of_the_code() -> None:
    """Member by member, in their order: that of the stream is the same."""
    members, texts, facts, links = ([name for name, *_ in table] for table in TABLES)
    assert members == list(NAMES)
    assert texts == list(TEXTS)
    assert facts == list(AccountFacts._fields)
    assert set(links) == {*LINKS, NETWORK, TRUSTED}


@pytest.mark.parametrize(("place", "name", "kind"), COLUMNS)
def test_parquet_of_these_types_is_read(place: int, name: str, kind: str) -> None:
    """Every type that a table names for a column: a file of it is read, and says what was written."""
    type_, value = TYPES[kind]
    rest = {} if name in {"exchange", "account"} else {"exchange": ["x"], "account": ["a"]}
    times = {} if name == "time" else {"time": [1.0]}
    file = io.BytesIO()
    pq.write_table(pa.table({**rest, **times, name: pa.array([value], type_)}), file)
    [row] = pq.read_table(file).to_pylist()
    row = {"exchange": "x", "account": "a", **row}
    if place >= 2:
        facts = facts_of(row)
        assert facts.links if name in {"links", NETWORK, *LINKS} else facts != AccountFacts("a")
    elif name not in TEXTS:
        read = getattr(event_of(row), name)
        assert read == (7 if name in {"time", "created"} else read) and (
            len(read) if hasattr(read, "__len__") else read
        )


@pytest.mark.parametrize("line", LINES, ids=lambda line: str(line.get("exchange", f"of {line['account']}")))
def test_the_examples_are_read(line: dict[str, Any]) -> None:
    """Each of them, whole: no member in it is left out."""
    if "exchange" in line:
        event = event_of(line)
        assert set(line) <= {*NAMES, *TEXTS}
        assert (event.account, event.exchange) == (line["account"], line["exchange"])
    else:
        assert set(line) <= {*AccountFacts._fields, *LINKS, NETWORK, TRUSTED}
        assert facts_of(line).links


def test_all_members_have_an_example() -> None:
    """Somewhere on the page, of events and of accounts."""
    assert {name for line in LINES for name in line} == {
        *NAMES, *TEXTS, *AccountFacts._fields, *LINKS, NETWORK,
    }  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(f"schema {SCHEMA}", id="version"),
        pytest.param(f"run of {SHINGLE} words", id="shingle"),
        pytest.param(f"below 2^{BOUND.bit_length() - 1} are kept", id="fraction"),
        pytest.param(f"more than {2 * PIECE:,} characters the first and the last {PIECE:,}", id="pieces"),
        pytest.param(f"more than {2 * WORDS:,} words the first and the last {WORDS}", id="words"),
        pytest.param(f"at least {TURN_WORDS} words", id="turns"),
        pytest.param(f"last {LAST} messages and the first {FIRST}", id="messages"),
        pytest.param(f"`{STREAM}`", id="stream"),
        pytest.param(f"at most {ENTRY} events", id="entry"),
        pytest.param(f"last {BACKLOG:,} events", id="backlog"),
        pytest.param(f"last {SYSTEMS:,} different ones", id="system prompts"),
        pytest.param(f"{REMEMBERED:,} others", id="cache"),
        pytest.param(f"| `{FIELD_VERSION.decode()}` |", id="field of the version"),
        pytest.param(f"| `{FIELD_EVENTS.decode()}` |", id="field of the events"),
    ],
)
def test_numbers_are_those_of_the_code(said: str) -> None:
    """As the page spells them."""
    assert said in " ".join(TEXT.split())
