"""All that the content core knows as arrays, and back: what comes after is the same, to the bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from gateway.detect.content.slots import Slots
from gateway.detect.content.templates import Template, Word

if TYPE_CHECKING:
    from gateway.detect.content.core import Content

VERSION: Final = 2
"""Of what is kept; another one is not read."""

Kept = dict[str, npt.NDArray[Any]]
_TABLE: Final = ("tags", "untrusted", "trusted", "fillings", "seen", "heavy", "author")
_HEAVIES: Final = ("tags", "slots", "authors", "events", "parties", "template", "standing")
_PLAIN: Final = (
    "id",
    "key",
    "need",
    "born",
    "parties",
    "trusted",
    "hits",
    "first",
    "last",
    "suspect",
    "word",
    "author",
)


def save(content: Content) -> Kept:
    """Arrays by name; `meta` is JSON in UTF-8. They are views: write them out before the next batch."""
    catalogue = content.catalogue
    catalogue.ledger.fold()
    meta = {
        "version": VERSION,
        "events": content.events,
        "forgotten": content.forgotten,
        "next": catalogue.next,
        "grouped": catalogue.grouped,
        "eligible": catalogue.eligible,
        "templates": [_of_template(template) for template in catalogue.templates.values()],
        "rulings": [[key, word, shingles.tolist()] for key, (word, shingles) in catalogue.rulings.words.items()],
    }
    kept: Kept = {
        "meta": np.frombuffer(json.dumps(meta).encode(), np.uint8),
        "door": content.door.slots,
        "untrusted": content.untrusted.registers,
        "trusted": content.trusted.registers,
        "ledger.keys": catalogue.ledger.keys,
        "ledger.counts": catalogue.ledger.counts,
    }
    kept |= {f"table.{name}": getattr(content.table, name) for name in _TABLE}
    return kept | {f"heavies.{name}": getattr(content.heavies, name) for name in _HEAVIES}


def load(content: Content, kept: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Into one that was just made; False, and nothing has changed, where sizes or version are others."""
    meta = json.loads(kept["meta"].tobytes()) if "meta" in kept else {}
    fits = (
        meta.get("version") == VERSION
        and kept["door"].shape == content.door.slots.shape
        and kept["table.tags"].shape == content.table.tags.shape
        and len(kept["heavies.tags"]) <= content.heavies.at_most
    )
    if not fits:
        return False
    content.events, content.forgotten = meta["events"], meta["forgotten"]
    content.door.slots = kept["door"].copy()
    content.untrusted.registers, content.trusted.registers = kept["untrusted"].copy(), kept["trusted"].copy()
    for name in _TABLE:
        setattr(content.table, name, kept[f"table.{name}"].copy())
    for name in _HEAVIES:
        setattr(content.heavies, name, kept[f"heavies.{name}"].copy())
    content.heavies.restock()
    catalogue = content.catalogue
    catalogue.ledger.keys, catalogue.ledger.counts = kept["ledger.keys"].copy(), kept["ledger.counts"].copy()
    catalogue.rulings.words = {
        key: (Word(word), np.array(shingles, np.uint64)) for key, word, shingles in meta["rulings"]
    }
    catalogue.restore([_template(row) for row in meta["templates"]], meta["next"], meta["grouped"], meta["eligible"])
    return True


def _of_template(template: Template) -> dict[str, Any]:
    slots = template.slots
    return {name: getattr(template, name) for name in _PLAIN} | {
        "shingles": template.shingles.tolist(),
        "founders": template.founders.tolist(),
        "fillings": [[hashed, *known] for hashed, known in slots.fillings.items()],
        "below": slots.below,
        "followed": [
            [place, [[filling, signature.tolist()] for filling, signature in held.items()]]
            for place, held in slots.parties.items()
        ],
        "among": slots.among,
    }


def _template(row: Mapping[str, Any]) -> Template:
    slots = Slots(
        {hashed: known for hashed, *known in row["fillings"]},
        row["below"],
        {
            place: {filling: np.array(signature, np.uint32) for filling, signature in held}
            for place, held in row["followed"]
        },
        row["among"],
    )
    plain = {name: row[name] for name in _PLAIN} | {"word": Word(row["word"])}
    return Template(
        **plain,
        shingles=np.array(row["shingles"], np.uint64),
        founders=np.array(row["founders"], np.int32),
        slots=slots,
    )


def size(content: Content) -> int:
    """Bytes of arrays, and about as much for the samples of each template as they take."""
    columns = [getattr(content.table, name) for name in _TABLE] + [getattr(content.heavies, name) for name in _HEAVIES]
    columns += [content.door.slots, content.catalogue.ledger.keys, content.catalogue.ledger.counts]
    samples = sum(
        600 + template.shingles.nbytes + 250 * len(template.slots.fillings) + 2500 * len(template.slots.parties)
        for template in content.templates.values()
    )
    return sum(int(column.nbytes) for column in columns) + samples
