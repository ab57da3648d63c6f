"""How parts of a condition are called when something about them is wrong."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable

from gateway.expressions.tree import Const, Ident, Node, Select

_TYPES = {
    "string": "text",
    "int": "a whole number",
    "uint": "an unsigned number",
    "double": "a number with a point",
    "bool": "true or false",
    "bytes": "bytes",
    "timestamp": "a time",
    "google.protobuf.Timestamp": "a time",
    "duration": "a duration",
    "google.protobuf.Duration": "a duration",
    "null": "null",
    "null_type": "null",
    "dyn": "anything",
}
_LONGEST = 40


def type_words(name: str) -> str:
    """CEL's name of a type, for people."""
    if name.startswith("list("):
        items = {"list(string)": " of text", "list(int)": " of numbers"}
        return f"a list{items.get(name, '')}"
    if name.startswith("T%"):
        # What an empty list holds.
        return "anything"
    return "a map" if name.startswith("map(") else _TYPES.get(name, name)


def literal(value: object) -> str:
    """As it would be written, cut where it is long."""
    if isinstance(value, bytes):
        written = f"b{json.dumps(value.decode('latin-1'))}"
    else:
        written = json.dumps(value, ensure_ascii=False)
    return written if len(written) <= _LONGEST else f"{written[: _LONGEST - 3]}..."


def path(node: Node) -> str:
    """The dotted name that was written; empty where it is something else."""
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test:
        above = path(node.operand)
        return f"{above}.{node.field}" if above else ""
    return ""


def shown(node: Node, type_name: str) -> str:
    """The part and its type: `account.tier` (text)."""
    kind = type_words(type_name)
    if isinstance(node, Const):
        return f"`{literal(node.value)}` ({kind})"
    name = path(node)
    return f"`{name}` ({kind})" if name else kind


def near(wrong: str, known: Iterable[str]) -> str:
    """`: did you mean `x`?` where a known word is near, else nothing."""
    found = difflib.get_close_matches(wrong, list(known), n=1, cutoff=0.7)
    return f": did you mean `{found[0]}`?" if found else ""
