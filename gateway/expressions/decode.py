"""cel-cpp's serialised trees -> `tree.Node`. The format is protobuf: cel/expr/syntax.proto and checked.proto of
github.com/google/cel-spec, each in a google.protobuf.Any. Only the fields that we read are known here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

from gateway.expressions.tree import Call, Comprehension, Const, Ident, ListLiteral, MapLiteral, Node, Select

ValueT = TypeVar("ValueT", int, bytes)

Field = tuple[int, "int | bytes"]

_PRIMITIVES = ("", "bool", "int", "uint", "double", "string", "bytes")
_WELL_KNOWN = ("", "any", "timestamp", "duration")


def fields(data: bytes) -> Iterator[Field]:
    """Number and value of each field: whole numbers as they are on the wire, all else as its bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at) if data[at] > 0x7F else (data[at], at + 1)
        wire = key & 7
        if wire == 0:
            number, at = _varint(data, at) if data[at] > 0x7F else (data[at], at + 1)
            yield key >> 3, number
            continue
        if wire == 2:
            size, at = _varint(data, at) if data[at] > 0x7F else (data[at], at + 1)
        else:
            size = {1: 8, 5: 4}[wire]
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _message(data: bytes) -> dict[int, list[int | bytes]]:
    found: dict[int, list[int | bytes]] = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    return found


def _number(message: Mapping[int, list[int | bytes]], field: int) -> int:
    value = message.get(field, [0])[-1]
    return value if isinstance(value, int) else 0


def _bytes(message: Mapping[int, list[int | bytes]], field: int) -> bytes:
    value = message.get(field, [b""])[-1]
    return value if isinstance(value, bytes) else b""


def _pairs(message: Mapping[int, list[int | bytes]], field: int, missing: ValueT) -> Iterator[tuple[int, ValueT]]:
    """The entries of a map from numbers to what `missing` is."""
    for entry in message.get(field, []):
        key: int = 0
        value = missing
        for number, found in fields(entry) if isinstance(entry, bytes) else ():
            if number == 1 and isinstance(found, int):
                key = found
            elif number == 2 and isinstance(found, type(missing)):
                value = found
        yield key, value


def _text(message: Mapping[int, list[int | bytes]], field: int) -> str:
    return _bytes(message, field).decode()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def types(serialised: bytes) -> dict[int, str]:
    """Of a checked expression: the id of a node -> CEL's name of its type."""
    checked = _message(_bytes(_message(serialised), 2))
    return {identity: _type(value) for identity, value in _pairs(checked, 3, b"")}


@lru_cache(maxsize=64)
def _type(data: bytes) -> str:
    for number, value in fields(data):
        inner = value if isinstance(value, bytes) else b""
        if number == 2:
            return "null"
        if number == 3 and isinstance(value, int):
            return _PRIMITIVES[value]
        if number == 5 and isinstance(value, int):
            return _WELL_KNOWN[value]
        if number == 6:
            return f"list({_type(_bytes(_message(inner), 1))})"
        if number == 7:
            pair = _message(inner)
            return f"map({_type(_bytes(pair, 1))}, {_type(_bytes(pair, 2))})"
    return "dyn"


def begin(text: str, index: int) -> int:
    """Where the name of a call begins, if its bracket is at `index`; else `index`."""
    if text[index : index + 1] == "(":
        while index and (text[index - 1].isalnum() or text[index - 1] == "_"):
            index -= 1
    return index


def parsed(serialised: bytes, text: str, names: Mapping[str, object], types: Mapping[int, str]) -> Node:
    """Of a parsed expression: its tree. `a.b` is one Ident where `names` has it."""
    message = _message(_bytes(_message(serialised), 2))
    source = _message(_bytes(message, 3))
    return _Tree(text, names, types, dict(_pairs(source, 4, 0))).node(_bytes(message, 2))


class _Tree:
    def __init__(
        self, text: str, names: Mapping[str, object], types: Mapping[int, str], positions: Mapping[int, int]
    ) -> None:
        self.text = text
        self.names = names
        self.types = types
        self.positions = positions

    def place(self, identity: int) -> tuple[int, int, str]:
        before = self.text[: begin(self.text, self.positions.get(identity, 0))]
        line = before.count("\n") + 1
        return line, len(before) - before.rfind("\n"), self.types.get(identity, "")

    def node(self, data: bytes) -> Node:
        message = _message(data)
        identity = _number(message, 2)
        place = self.place(identity)
        kind = next((number for number in message if number != 2), 0)
        inner = _message(_bytes(message, kind))
        match kind:
            case 3:
                return Const(*place, _constant(_bytes(message, 3)))
            case 4:
                return Ident(*place, _text(inner, 1))
            case 5:
                return self.select(place, inner)
            case 6:
                target = self.node(_bytes(inner, 1)) if 1 in inner else None
                return Call(*place, _text(inner, 2), target, self.nodes(inner, 3))
            case 7:
                return ListLiteral(*place, self.nodes(inner, 1))
            case 8:
                entries = [_message(entry) for entry in inner.get(2, []) if isinstance(entry, bytes)]
                items = [self.node(_bytes(entry, field)) for entry in entries for field in (3, 4) if field in entry]
                return MapLiteral(*place, _text(inner, 1), tuple(items))
            case 9:
                parts = [self.node(_bytes(inner, field)) for field in (2, 4, 5, 6, 7)]
                return Comprehension(*place, _text(inner, 1), *parts)
        raise ValueError(f"an expression of kind {kind}")

    def nodes(self, message: Mapping[int, list[int | bytes]], field: int) -> tuple[Node, ...]:
        return tuple([self.node(part) for part in message.get(field, []) if isinstance(part, bytes)])

    def select(self, place: tuple[int, int, str], inner: Mapping[int, list[int | bytes]]) -> Node:
        operand, field, test = self.node(_bytes(inner, 1)), _text(inner, 2), bool(_number(inner, 3))
        if isinstance(operand, Ident) and not test:
            name = f"{operand.name}.{field}"
            if name in self.names:
                # Where it begins is where people look; the parser's place is that of its last dot.
                return Ident(operand.line, operand.column, place[2], name)
        return Select(*place, operand, field, test)


def _constant(data: bytes) -> str | int | float | bool | bytes | None:
    number, value = next(fields(data))
    if isinstance(value, int):
        return {1: None, 2: bool(value), 3: _signed(value)}.get(number, value)
    if number == 5:
        return float(struct.unpack("<d", value)[0])
    return value.decode() if number == 6 else value
