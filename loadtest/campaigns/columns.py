"""A world while it is made: accounts, places and clients as lists, exchanges as columns, and all of it as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from loadtest.campaigns.truth import AccountTruth, Truth

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MODELS: Final = ("m-small", "m-large", "m-sight", "m-next")
NEW_MODEL: Final = 3
"""The one that is released within the period."""
FEATURES: Final[tuple[tuple[str, ...], ...]] = (
    (),
    ("reasoning",),
    ("tools",),
    ("tools", "vision"),
    ("reasoning", "tools"),
    ("structured_output",),
    ("vision",),
)


BARE: Final = frozenset({"exchange", "time", "account", "model", "system_text", "prompt_text"})
"""What every log has."""


class Kind(IntEnum):
    """What an exchange is, in truth."""

    BENIGN = 0
    DISTILLATION = 1
    COVER = 2
    """Unrelated traffic through an account of a campaign."""
    REFUSED = 3
    """Of a campaign, and refused by the account's own quota: nothing to leak."""


class Place(NamedTuple):
    """An address and what databases say of it."""

    address: str
    network: str
    asn: int
    country: str
    kinds: tuple[str, ...] = ()


class Client(NamedTuple):
    """Software, as the gateway sees it."""

    sdk: str
    headers: str
    ja4: str


class Account(NamedTuple):
    """What the directory knows, and what is true."""

    facts: dict[str, Any]
    truth: AccountTruth
    client: int
    place: int


@dataclass(slots=True)
class Chunk:
    """Some exchanges, in any order. Every column is as long as `time`, or one value for all."""

    time: Floats
    account: Ints
    prompt: list[str]
    system: Ints | int = -1
    """Index into the book's systems, -1 is none."""
    place: Ints | int = -1
    """-1 is the account's own."""
    model: Ints | int = 1
    features: Ints | int = 0
    input_tokens: Ints | int = 0
    output_tokens: Ints | int = 0
    status: Ints | int = 200
    kind: Ints | int = 0
    turns: tuple[Ints, Ints] | None = None
    """Hashes of the last two assistant turns; 0 is none."""
    minted_account: Ints | int = -1
    minted_id: Ints | int = 0
    new_key: Ints | int = 0
    """Number of the key within its account."""

    def whole(self, name: str) -> Ints:
        return np.broadcast_to(np.asarray(getattr(self, name), np.int64), self.time.shape)


WHOLE: Final = (
    "account",
    "system",
    "place",
    "model",
    "features",
    "input_tokens",
    "output_tokens",
    "status",
    "kind",
    "minted_account",
    "minted_id",
    "new_key",
)


@dataclass(slots=True)
class Book:
    """Everything of one world."""

    truth: Truth
    accounts: list[Account] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    systems: list[str] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    conversations: int = 0
    """How many were numbered so far."""

    def enter(self, label: str, client: int, place: int, *, lab: str = "", party: str = "", **facts: Any) -> int:
        """An account; its number."""
        number = len(self.accounts)
        name = f"acct_{number * 2_654_435_761 % 2**32:08x}{number:05x}"
        plain = {"account": name, "organisation": f"org_{name[5:]}", **facts}
        truth = AccountTruth(name, label, lab, party or str(plain["organisation"]))
        self.accounts.append(Account(plain, truth, client, place))
        return number

    def place(self, place: Place) -> int:
        self.places.append(place)
        return len(self.places) - 1

    def client(self, client: Client) -> int:
        self.clients.append(client)
        return len(self.clients) - 1

    def system(self, text: str) -> int:
        self.systems.append(text)
        return len(self.systems) - 1

    def add(self, chunk: Chunk) -> None:
        if len(chunk.time):
            self.chunks.append(chunk)


class Columns(NamedTuple):
    """All exchanges, in the order of their time."""

    time: Floats
    whole: dict[str, Ints]
    turns: npt.NDArray[np.int64]
    """n x 2."""
    prompts: npt.NDArray[np.object_]


def gathered(book: Book) -> Columns:
    """The chunks as one."""
    time = np.concatenate([chunk.time for chunk in book.chunks])
    order = np.argsort(time, kind="stable")
    whole = {name: np.concatenate([chunk.whole(name) for chunk in book.chunks])[order] for name in WHOLE}
    none = [np.zeros((len(chunk.time), 2), np.int64) for chunk in book.chunks if chunk.turns is None]
    turns = np.concatenate(
        [np.column_stack(chunk.turns) if chunk.turns is not None else none.pop(0) for chunk in book.chunks]
    )[order]
    prompts = np.array([text for chunk in book.chunks for text in chunk.prompt] + [""], dtype=object)[:-1][order]
    own = np.array([account.place for account in book.accounts])
    whole["place"] = np.where(whole["place"] < 0, own[whole["account"]], whole["place"])
    return Columns(np.round(time[order], 3), whole, turns, prompts)


def picked(values: Sequence[Any], index: Ints, type_: pa.DataType | None = None) -> pa.Array:
    """The values at these places, as a dictionary: Arrow writes each once."""
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), pa.array(values, type_))


def lists(flat: pa.Array, counts: Ints) -> pa.ListArray:
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), flat)


def table(book: Book, columns: Columns, *, bare: bool = False) -> pa.Table:
    """Events in the schema of docs/events.md, with texts instead of sketches. Bare: only who asked what, and when."""
    whole, count = columns.whole, len(columns.time)
    account, place = whole["account"], whole["place"]
    names = [entry.facts["account"] for entry in book.accounts]
    client = np.array([entry.client for entry in book.accounts])[account]
    some = columns.turns != 0
    replayed = whole["minted_account"] >= 0
    minted = pa.StructArray.from_arrays(
        [pa.array([names[at] for at in whole["minted_account"][replayed]], pa.string()), whole["minted_id"][replayed]],
        ["account", "id"],
    )
    number = np.arange(count)
    members: dict[str, Any] = {
        "exchange": pa.array([f"x{at:09d}" for at in range(count)]),
        "time": pa.array(columns.time),
        "account": picked(names, account),
        "organisation": picked([entry.facts["organisation"] for entry in book.accounts], account),
        "key": picked(
            [f"{name}.{key}" for name in names for key in range(int(whole["new_key"].max()) + 1)],
            account * (int(whole["new_key"].max()) + 1) + whole["new_key"],
        ),
        "tier": picked([entry.facts.get("tier", "free") for entry in book.accounts], account),
        "verification": pa.array(np.array([e.facts.get("verification", 0) for e in book.accounts])[account]),
        "created": pa.array(np.array([e.facts.get("created", 0.0) for e in book.accounts], np.float64)[account]),
        "address": picked([entry.address for entry in book.places], place),
        "network": picked([entry.network for entry in book.places], place),
        "asn": pa.array(np.array([entry.asn for entry in book.places])[place]),
        "country": picked([entry.country for entry in book.places], place),
        "network_kinds": picked([",".join(entry.kinds) for entry in book.places], place),
        "ja4": picked([entry.ja4 for entry in book.clients], client),
        "headers": picked([entry.headers for entry in book.clients], client),
        "sdk": picked([entry.sdk for entry in book.clients], client),
        "dialect": picked(["openai", "anthropic"], client % 2),
        "route": picked(["chat.completions", "messages"], client % 2),
        "model": picked(MODELS, whole["model"]),
        "streaming": pa.array(number % 3 == 0),
        "features": picked([",".join(features) for features in FEATURES], whole["features"]),
        "input_tokens": pa.array(whole["input_tokens"]),
        "usage_input": pa.array(np.where(whole["status"] == 200, whole["input_tokens"], 0)),
        "usage_output": pa.array(np.where(whole["status"] == 200, whole["output_tokens"], 0)),
        "status": pa.array(whole["status"]),
        "action": picked(["allow", "throttle"], (whole["status"] == 429).astype(np.int64)),
        "reason": picked(["", "quota"], (whole["status"] == 429).astype(np.int64)),
        "seconds": pa.array(np.round(0.4 + whole["output_tokens"] / 60.0, 2)),
        "system_text": picked(["", *book.systems], whole["system"] + 1),
        "prompt_text": pa.array(columns.prompts, pa.string()),
        "turns": lists(pa.array(columns.turns[some]), some.sum(axis=1)),
        "minted": lists(minted, replayed.astype(np.int64)),
    }
    return pa.table({name: column for name, column in members.items() if not bare or name in BARE})


def write(book: Book, folder: Path, *, bare: bool = False) -> int:
    """The three files; how many exchanges there are. Bare: nothing is known of accounts."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = gathered(book)
    pq.write_table(
        table(book, columns, bare=bare), folder / "events.parquet", compression="zstd", row_group_size=50_000
    )
    if not bare:
        (folder / "accounts.jsonl").write_bytes(b"".join(orjson.dumps(e.facts) + b"\n" for e in book.accounts))
    book.truth.accounts = [entry.truth for entry in book.accounts]
    book.truth.kinds = columns.whole["kind"].astype(np.int8)
    book.truth.new = columns.whole["model"] == NEW_MODEL
    book.truth.of = columns.whole["account"].astype(np.int32)
    book.truth.times = columns.time
    book.truth.write(folder)
    return len(columns.time)
