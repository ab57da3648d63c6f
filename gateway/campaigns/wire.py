"""Events as bytes in a stream, and as rows of a file. docs/events.md is the page of both."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.campaigns import rows
from gateway.campaigns.event import NAMES, Event, Minted

VERSION: Final = b"1"
"""Of an entry's field `v`: `event.SCHEMA` as text."""
FIELD_VERSION: Final = b"v"
FIELD_EVENTS: Final = b"e"

_SYSTEM: Final = NAMES.index("system")
_PROMPT: Final = NAMES.index("prompt")
_MINTED: Final = NAMES.index("minted")
_DEFAULTS: Final = Event._field_defaults


def pack(events: Sequence[Event]) -> bytes:
    """A batch: a JSON array of arrays, each in the order of `event.NAMES`, sketches as `rows.spelled`."""
    return orjson.dumps([_array(event) for event in events])


def unpack(packed: bytes) -> list[Event]:
    """What `pack` made. A newer writer's further members are left out, an older one's missing ones have their default.

    Raises ValueError.
    """
    batch = orjson.loads(packed)
    if type(batch) is not list:
        raise ValueError("a batch must be an array")
    return [_event(array) for array in batch]


def salvaged(packed: bytes) -> list[Event]:
    """As `unpack`, of a batch in which some are no events: the others. Raises ValueError where it is no batch."""
    batch = orjson.loads(packed)
    if type(batch) is not list:
        raise ValueError("a batch must be an array")
    events = []
    for array in batch:
        with contextlib.suppress(ValueError, TypeError):
            events.append(_event(array))
    return events


def row(event: Event) -> dict[str, Any]:
    """A line of JSON lines: what has its default is left out."""
    line = {
        name: value
        for name, value in zip(NAMES, event, strict=True)
        if name not in _DEFAULTS or (name not in {"system", "prompt"} and value != _DEFAULTS[name])
    }
    for name, sketch in (("system", event.system), ("prompt", event.prompt)):
        if len(sketch):
            line[name] = rows.spelled(sketch)
    if event.minted:
        line["minted"] = [minted._asdict() for minted in event.minted]
    return line


def event_of(row: Mapping[str, Any]) -> Event:
    """A row of a file. Raises ValueError, which names the member."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        read = _READ.get(name)
        if read is None or value is None:
            continue
        try:
            found[name] = read(value)
        except ValueError as error:
            raise ValueError(f"“{name}” {error}") from None
    for name in _REQUIRED:
        if name not in found:
            raise ValueError(f"“{name}” is missing")
    if not found["exchange"] or not found["account"]:
        raise ValueError("“exchange” and “account” must not be empty")
    return Event(**found)


def _array(event: Event) -> list[Any]:
    array = list(event)
    array[_SYSTEM] = rows.spelled(event.system)
    array[_PROMPT] = rows.spelled(event.prompt)
    array[_MINTED] = [tuple(minted) for minted in event.minted]
    return array


def _event(array: object) -> Event:
    if type(array) is not list or len(array) < len(_REQUIRED):
        raise ValueError("an event must be an array of its members")
    # Anybody may write into a stream.
    members = array[: len(NAMES)]
    if list(map(type, members)) != _SENT[: len(members)]:
        raise ValueError("an event's members must have the types of docs/events.md")
    for index, name in _CONVERTED:
        if index < len(members):
            members[index] = _READ[name](members[index])
    return Event(*members)


def _minted(value: object) -> tuple[Minted, ...]:
    return tuple([_one_minted(item) for item in rows.items(value)])


def _one_minted(item: object) -> Minted:
    if isinstance(item, str):
        account, _, stated = item.rpartition(":")
    elif isinstance(item, Mapping):
        return Minted(rows.text(item.get("account")), rows.hashed(item.get("id")))
    elif isinstance(item, (list, tuple)) and len(item) == 2:
        account, stated = item
    else:
        raise ValueError("must hold objects with “account” and “id”")
    return Minted(rows.text(account), rows.hashed(stated))


def _sorted(value: object) -> tuple[str, ...]:
    return tuple(sorted(rows.words(value)))


_KINDS: Final = {name: str(getattr(kind, "__forward_arg__", kind)) for name, kind in Event.__annotations__.items()}
_BY_TYPE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "str": rows.text,
    "int": rows.whole,
    "float": rows.number,
    "bool": rows.truth,
    "tuple[str, ...]": rows.words,
    "tuple[int, ...]": rows.hashes,
    "Sketch": rows.sketch,
    "tuple[Minted, ...]": _minted,
}
_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    **{name: _BY_TYPE[kind] for name, kind in _KINDS.items()},
    "time": rows.instant,
    "created": rows.instant,
    "features": _sorted,
    "prompt_hash": rows.hashed,
}
_REQUIRED: Final = tuple(name for name in NAMES if name not in _DEFAULTS)
_SENT: Final = [
    {"str": str, "int": int, "float": float, "bool": bool, "Sketch": str}.get(_kind, list) for _kind in _KINDS.values()
]
_CONVERTED: Final = [
    (index, name) for index, (name, kind) in enumerate(_KINDS.items()) if kind.startswith(("tuple", "Sketch"))
]
