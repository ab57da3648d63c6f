"""Arrow columns -> lists of Python values, fast.

`to_pylist` makes an Arrow scalar of each value: 10 times the price. Here numbers are read from their buffer at once,
and what a dictionary holds is made once and handed out by its number, so that equal words are one object.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from gateway.history.columns import BY_NAME, RULE, Kind

_CAST: Final[dict[pa.DataType, Literal["q", "i", "d", "B"]]] = {
    pa.int64(): "q",
    pa.int32(): "i",
    pa.float64(): "d",
    pa.uint8(): "B",
}


def column(table: pa.Table, name: str) -> list[Any]:
    """The values of a column: lists as tuples, moments as Unix time in seconds."""
    array = table.column(name).combine_chunks()
    match BY_NAME[name].kind:
        case Kind.WORD | Kind.ID:
            return words(array)
        case Kind.COUNT | Kind.NUMBER:
            return _numbers(array)
        case Kind.MOMENT:
            return [None if value is None else value / 1_000_000 for value in _numbers(array.cast(pa.int64()))]
        case Kind.FLAG:
            return [value == 1 for value in _numbers(array.cast(pa.uint8()))]
        case Kind.WORDS:
            return _listed(array, words(pc.list_flatten(array)))
        case _:
            members = pc.list_flatten(array)
            fields = [members.field(index) for index in range(len(RULE))]
            flat = [words(field) for field in fields[:-1]]
            flags = [value == 1 for value in _numbers(fields[-1].cast(pa.uint8()))]
            return _listed(array, list(zip(*flat, flags, strict=True)))


def words(array: pa.Array) -> list[Any]:
    """Text, each distinct one as one object."""
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    known = array.dictionary.to_pylist()
    return [known[index] for index in _view(array.indices)]


def _numbers(array: pa.Array) -> list[Any]:
    if not array.null_count:
        return _view(array).tolist()
    valid = _view(array.is_valid().cast(pa.uint8()))
    return [value if there else None for value, there in zip(_view(array.fill_null(0)), valid, strict=True)]


def _view(array: pa.Array) -> memoryview[Any]:
    buffer = array.buffers()[1]
    if buffer is None:
        return memoryview(b"")
    view: memoryview[Any] = memoryview(buffer)
    return view.cast(_CAST[array.type])[array.offset : array.offset + len(array)]


def _listed(array: pa.Array, flat: list[Any]) -> list[Any]:
    """Slices of the flat values, as tuples, one a row. Equal ones are one object."""
    lengths = _view(pc.list_value_length(array))
    made: list[Any] = []
    seen: dict[tuple[Any, ...], tuple[Any, ...]] = {(): ()}
    start = 0
    for length in lengths:
        if length:
            found = tuple(flat[start : start + length])
            start += length
            made.append(seen.setdefault(found, found))
        else:
            made.append(())
    return made
