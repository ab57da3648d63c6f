"""Rows of EVENTS -> events. A column of which every cell is what it should be is taken as it is, which is most of them;
the others are read cell by cell, as tolerantly as `event_of` reads one row.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from gateway.campaigns.event import EMPTY, NAMES, Event, Sketch
from gateway.campaigns.sketch import Sketcher, count_of
from gateway.campaigns.wire import event_of
from gateway.campaigns.words import TURN_WORDS
from gateway.detect.backtest.files import Batch, Column, Refuse

KEY: Final = b"backtest"
"""Of sketches that are made here: those of two backtests can be compared, those of a fleet are keyed by its secret."""
TEXTS: Final = ("system_text", "prompt_text", "assistant_texts")
WANTED: Final = frozenset((*NAMES, *TEXTS))
SYSTEMS_AT_MOST: Final = 20_000
"""Texts of system prompts whose sketches are remembered: an application sends the same one with every request."""
LATEST: Final = 1e11
"""Unix time in seconds that cannot be meant."""
TURNS: Final = 2
"""Of the assistant's turns those that came last, as the gateway does."""

_DEFAULTS: Final[Mapping[str, Any]] = Event._field_defaults | {"exchange": "", "time": None, "account": ""}
_EXACT: Final[Mapping[str, frozenset[type]]] = {
    name: frozenset((float, int) if kind is float else (kind,))
    for name, default in _DEFAULTS.items()
    if (kind := float if name == "time" else type(default)) in (str, int, float, bool)
}
"""Member -> the types that its cells have where nothing is to be done about them."""
_NONE: Final = type(None)
_SPACES: Final = bytes(code for code in range(128) if chr(code).isspace())
_LOWER: Final = bytes(range(256)).lower()
_BASE: Final[Mapping[str, Any]] = {"exchange": "-", "time": 0.0, "account": "-"}


class Reader:
    """Makes events of batches, and counts what it met."""

    def __init__(self, refuse: Refuse) -> None:
        """`refuse` is told of each bad row; it is left out where that returns."""
        self._refuse = refuse
        self._sketcher = Sketcher(KEY)
        self._systems: dict[str, Sketch] = {}
        self._system_keys: dict[str, bytes] = {}
        self.rows = 0
        self.stated: set[str] = set()
        """Columns of which at least one cell says something."""

    def events(self, batches: Iterable[Batch]) -> Iterator[list[Event]]:
        """A list a batch, in the order of the file."""
        for batch in batches:
            self.rows += len(batch)
            yield self._events(batch)

    def _events(self, batch: Batch) -> list[Event]:
        bad: dict[int, str] = {}
        members = [self._member(batch, name, bad) for name in NAMES]
        if not batch.columns.keys().isdisjoint(TEXTS):
            self._sketch(batch, members, bad)
        events = list(map(Event._make, zip(*members, strict=True)))
        for index, said in _unusable(events):
            bad.setdefault(index, said)
        if bad:
            for index, said in sorted(bad.items()):
                self._refuse(batch.path, batch.numbers[index], said)
            events = [event for index, event in enumerate(events) if index not in bad]
        return events

    def _member(self, batch: Batch, name: str, bad: dict[int, str]) -> Sequence[Any]:
        column, default = batch.columns.get(name), _DEFAULTS[name]
        if column is None:
            return [default] * len(batch)
        exact = _EXACT.get(name)
        if exact is not None:
            types = set(map(type, column))
            if _NONE in types and types <= exact | {_NONE}:
                column = [default if cell is None else cell for cell in column]
                types.discard(_NONE)
            if types <= exact and (str in types or _is_plain(column, default)):
                if types and any(column):
                    self.stated.add(name)
                return column
        return self._read(name, column, default, bad)

    def _read(self, name: str, column: Column, default: Any, bad: dict[int, str]) -> list[Any]:
        """Cell by cell; what was read before is not read again."""
        cells: list[Any] = []
        known: dict[str, Any] = {}
        """How a cell is written -> what it says."""
        for index, cell in enumerate(column):
            if cell is None or (hasattr(cell, "__len__") and not len(cell)):
                cells.append(default)
                continue
            key = cell if isinstance(cell, str) else repr(cell) if isinstance(cell, list) else ""
            value = known.get(key) if key else None
            if value is None:
                try:
                    value = getattr(event_of({**_BASE, name: cell}), name)
                except (ValueError, TypeError) as error:
                    bad.setdefault(index, str(error))
                    cells.append(default)
                    continue
                known[key] = value
            cells.append(value)
        if any(cell is not default for cell in cells):
            self.stated.add(name)
        return cells

    # -- texts --------------------------------------------------------------------------------------------------------

    def _sketch(self, batch: Batch, members: list[Sequence[Any]], bad: dict[int, str]) -> None:
        """What rows state as text is sketched; a row that states sketches as well keeps those."""
        none: list[Any] = [None] * len(batch)
        systems, prompts = (
            [self._text(name, cell, index, bad) for index, cell in enumerate(batch.columns.get(name, none))]
            for name in ("system_text", "prompt_text")
        )
        if any(systems):
            sketched = self._systems_of(systems)
            self._fill(members, "system", (sketched.get(text, EMPTY) for text in systems))
        if any(prompts):
            sketches, words = self._sketcher.read(prompts)
            self._fill(members, "prompt", sketches)
            self._fill(members, "prompt_words", words)
            self._fill(members, "prompt_hash", map(self._hash, systems, prompts))
        answers = batch.columns.get("assistant_texts")
        if answers is not None:
            self._fill(members, "turns", (self._turns(cell, index, bad) for index, cell in enumerate(answers)))

    def _fill(self, members: list[Sequence[Any]], name: str, values: Iterable[Any]) -> None:
        """Where the row does not state it."""
        at = NAMES.index(name)
        column, default = members[at], _DEFAULTS[name]
        if all(map(operator.is_, column, itertools.repeat(default))):
            members[at] = list(values)
        else:
            members[at] = [
                stated if (len(stated) if hasattr(stated, "__len__") else stated) else value
                for stated, value in zip(column, values, strict=True)
            ]
        self.stated.add(name)

    def _systems_of(self, texts: Sequence[str]) -> Mapping[str, Sketch]:
        new = sorted({text for text in texts if text and text not in self._systems})
        if len(self._systems) + len(new) > SYSTEMS_AT_MOST:
            self._systems.clear()
            new = sorted({text for text in texts if text})
        self._systems.update(zip(new, self._sketcher.sketch_many(new), strict=True))
        return self._systems

    def _hash(self, system: str, prompt: str) -> int:
        """Of both together, as `Sketcher.hash` but that what is long counts whole: it is compared within one file."""
        if not prompt and not system:
            return 0
        key = self._system_keys.get(system)
        if key is None:
            if len(self._system_keys) >= SYSTEMS_AT_MOST:
                self._system_keys.clear()
            key = self._system_keys[system] = blake2b(_bare(system), digest_size=16, person=b"system").digest()
        return int.from_bytes(blake2b(_bare(prompt), digest_size=8, key=key).digest(), "little") >> 1 or 1

    def _turns(self, cell: Any, index: int, bad: dict[int, str]) -> tuple[int, ...]:
        turns = [cell] if isinstance(cell, str) else cell
        if turns is None:
            return ()
        if not hasattr(turns, "__iter__") or not all(isinstance(turn, str) for turn in turns):
            bad.setdefault(index, "“assistant_texts” must be a list of texts")
            return ()
        long = [turn for turn in turns if count_of(turn) >= TURN_WORDS]
        return tuple(map(self._sketcher.hash, long[-TURNS:]))

    @staticmethod
    def _text(name: str, cell: Any, index: int, bad: dict[int, str]) -> str:
        if cell is None or isinstance(cell, str):
            return cell or ""
        bad.setdefault(index, f"“{name}” must be a string")
        return ""


def _bare(text: str) -> bytes:
    """Spaces and case apart."""
    if text.isascii():
        return text.encode().translate(_LOWER, _SPACES)
    return "".join(text.lower().split()).encode("utf-8", "surrogatepass")


def _is_plain(numbers: Sequence[Any], default: Any) -> bool:
    """Whether there is nothing to read into them: no NaN, which pandas writes for what is not known."""
    stated = [number for number in numbers if number is not None] if default is None else numbers
    return all(map(math.isfinite, stated)) and min(stated, default=0) >= 0


def _unusable(events: Sequence[Event]) -> list[tuple[int, str]]:
    """Those that cannot be judged at all."""
    found = []
    for index, event in enumerate(events):
        time = event.time
        if not event.account or not event.exchange:
            found.append((index, f"“{'exchange' if event.account else 'account'}” is missing"))
        elif time is None:
            found.append((index, "“time” is missing"))
        elif not 0.0 < time < LATEST:
            found.append((index, f"“time” {time} must be Unix time in seconds: are these milliseconds?"))
    return found
