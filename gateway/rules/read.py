"""One YAML file -> plain data and the position of every key and value.

YAML 1.2 by ruamel.yaml's parser; the tree is built here, from its events, because we want less than YAML offers: text
keys only, no tags, no merge keys, no second document, no duplicate key, and bounds on size, depth and what aliases
expand to. At this level a file is wrong in one way at a time; `check` then finds all that is wrong in the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from gateway.rules import places
from gateway.rules.problems import Problem, Problems
from gateway.rules.scalars import meaning

try:
    from _ruamel_yaml import CParser
except ImportError:  # There is no wheel of it for every Python; the same file then takes longer.
    CParser = None

__all__ = ["Document", "Problem", "Problems", "parse", "read"]

MAX_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 64
MAX_ALIASED = 100_000
"""Values that all aliases together may stand for: "billion laughs" ends here, a long list used twice does not."""

Loc = Sequence[str | int]
"""A way down: keys of mappings and indices of lists, as pydantic's `loc`."""


@dataclass(slots=True)
class Node:
    """A value and where it stands, counted from 1. `children` and `keys` have the keys or indices of the value."""

    line: int
    column: int
    value: Any = None
    children: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1
    """Values in it, itself included, with aliases expanded."""


@dataclass(frozen=True)
class Document:
    """What a file says. `source` is its bytes as they were read, for digests."""

    path: Path
    data: dict[str, Any]
    root: Node
    source: bytes

    def position(self, loc: Loc) -> tuple[int, int]:
        """Line and column of the value at `loc`, or of the nearest value above it that is there."""
        node = self.root
        for step in self.real(loc):
            node = node.children[step]
        return node.line, node.column

    def key_position(self, loc: Loc) -> tuple[int, int]:
        """Line and column of the key at `loc`; of the value where it stands in a list or is not there."""
        steps = self.real(loc)
        if not steps or not isinstance(steps[-1], str):
            return self.position(loc)
        node = self.root
        for step in steps[:-1]:
            node = node.children[step]
        return node.keys[steps[-1]]

    def real(self, loc: Loc) -> tuple[str | int, ...]:
        """The steps of `loc` that exist: pydantic puts in the tags of unions, and `[key]` for an error in a key."""
        node, steps = self.root, []
        for step in loc:
            child = node.children.get(step)
            if child is not None:
                node = child
                steps.append(step)
        return tuple(steps)

    def text_position(self, loc: Loc, line: int, column: int) -> tuple[int, int]:
        """Where in the file a place in the text at `loc` stands, both counted from 1; where that text begins if it is
        not to be found.
        """
        node = self.root
        for step in self.real(loc):
            node = node.children[step]
        if isinstance(node.value, str) and node.value:
            before = node.value.split("\n")[: line - 1]
            index = sum(len(passed) + 1 for passed in before) + column - 1
            found = places.within(self.lines, (node.line, node.column), node.value)
            if found is not None:
                return found[min(index, len(found) - 1)]
        return node.line, node.column

    @cached_property
    def lines(self) -> list[str]:
        """The file, without the ends of its lines."""
        return places.lines(self.source.decode("utf-8-sig"))

    def problem(self, loc: Loc, message: str) -> Problem:
        """A problem with the value at `loc`."""
        return self.problem_at(self.position(loc), message)

    def problem_at(self, place: tuple[int, int], message: str) -> Problem:
        """A problem at a line and a column."""
        excerpt = self.lines[place[0] - 1] if place[0] <= len(self.lines) else ""
        return Problem(self.path, *place, message, excerpt)


def read(path: Path) -> Document:
    """Read and parse. Raises Problems with the one thing that makes the file unreadable."""
    try:
        with path.open("rb") as file:
            source = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Problems([Problem(path, 1, 1, f"cannot be read: {error.strerror or error}")]) from error
    return parse(path, source)


def parse(path: Path, source: bytes) -> Document:
    """As `read`, of bytes that are at hand. `path` is only for messages."""
    text = _text(path, source)
    root = _parse_fast(path, text)
    if root is not None:
        return Document(path, root.value, root, source)
    events = YAML(typ="safe", pure=True).parse(text)
    try:
        root = _Builder(path).document(events)
    except ReaderError as error:
        line, column = _line_column(text, error.position)
        said = f"character U+{error.character:04X} is not allowed in YAML"
        raise Problems([Problem(path, line, column, said)]) from error
    except MarkedYAMLError as error:
        raise Problems([_syntax(path, text, error)]) from error
    except YAMLError as error:
        raise Problems([Problem(path, 1, 1, f"not YAML: {error}")]) from error
    return Document(path, root.value, root, source)


def _parse_fast(path: Path, text: str) -> Node | None:
    """By libyaml, ten times as fast. None where it does not like the text: the words for that are ruamel.yaml's."""
    if CParser is None:
        return None
    try:
        return _Builder(path).document(_events(CParser(text)))
    except YAMLError:
        return None


def _events(parser: Any) -> Iterator[Event]:
    while parser.check_event():
        yield parser.get_event()


def _text(path: Path, source: bytes) -> str:
    if len(source) > MAX_BYTES:
        raise Problems([Problem(path, 1, 1, f"larger than {MAX_BYTES // 1024 // 1024} MiB")])
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_column(source[: error.start].decode("utf-8-sig", "replace"), len(source))
        raise Problems([Problem(path, line, column, f"byte 0x{source[error.start]:02x} is not UTF-8")]) from error


def _line_column(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _syntax(path: Path, text: str, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = str(error.problem or error.context)
    if "'\\t'" in said:
        said = "a tab: indent with spaces"
    elif "'<stream end>'" in said:
        said = "the file ends in the middle of a value"
    elif said == "mapping values are not allowed here":
        said = "a second `: ` in one line: quote the value, or indent what follows"
    elif "found '<scalar>'" in said and _before(text, line, column).endswith(("'", '"')):
        said = "text after a closing quote: put the whole value into quotes of the other kind, or on lines below `|`"
    elif said.startswith("found undefined alias"):
        said = f"{said[6:]}: no anchor of that name stands above"
    return Problem(path, line, column, said)


def _before(text: str, line: int, column: int) -> str:
    """What stands before a place in its line, without blanks at the end."""
    lines = text.split("\n")
    return lines[line - 1][: column - 1].rstrip() if line <= len(lines) else ""


class _Builder:
    """Builds the tree from the parser's events, one document."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.anchors: dict[str, Node] = {}
        self.aliased = 0

    def refuse(self, event: Event, message: str) -> NoReturn:
        raise Problems([Problem(self.path, event.start_mark.line + 1, event.start_mark.column + 1, message)])

    def document(self, events: Iterator[Event]) -> Node:
        event = next(events)
        while not isinstance(event, NodeEvent):
            if isinstance(event, StreamEndEvent):
                self.refuse_empty()
            event = next(events)
        root = self.node(event, events, 0)
        if root.value is None:
            self.refuse_empty()
        if not isinstance(root.value, dict):
            self.refuse(event, f"must be a mapping (`key: value`), not {_kind(root.value)}")
        for event in events:
            if isinstance(event, DocumentStartEvent):
                self.refuse(event, "a second document: one file holds one")
        return root

    def refuse_empty(self) -> NoReturn:
        raise Problems([Problem(self.path, 1, 1, "the file is empty")])

    def node(self, event: Event, events: Iterator[Event], depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.refuse(event, f"nested deeper than {MAX_DEPTH}")
        if isinstance(event, AliasEvent):
            return self.alias(event)
        tag = getattr(event, "tag", None)
        if tag:
            self.refuse(event, _tagged(tag))
        node = Node(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, ScalarEvent):
            node.value = self.scalar(event)
        elif isinstance(event, SequenceStartEvent):
            self.sequence(node, events, depth)
        else:
            self.mapping(node, events, depth)
        anchor = getattr(event, "anchor", None)
        if anchor:
            # Only now, when it is whole: so an alias can never hold itself.
            self.anchors[anchor] = node
        return node

    def alias(self, event: AliasEvent) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            self.refuse(event, f"alias `*{event.anchor}`: no whole value with that anchor stands above")
        self.aliased += node.size
        if self.aliased > MAX_ALIASED:
            self.refuse(event, f"aliases stand for more than {MAX_ALIASED} values")
        return node

    def scalar(self, event: ScalarEvent) -> Any:
        text: str = event.value
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self.refuse(event, "half of a surrogate pair is no character")
        if not event.implicit[0]:
            return text
        try:
            return meaning(text)
        except ValueError as error:
            self.refuse(event, str(error))

    def sequence(self, node: Node, events: Iterator[Event], depth: int) -> None:
        node.value = []
        for event in events:
            if isinstance(event, CollectionEndEvent):
                return
            child = self.node(event, events, depth + 1)
            node.children[len(node.value)] = child
            node.value.append(child.value)
            node.size += child.size

    def mapping(self, node: Node, events: Iterator[Event], depth: int) -> None:
        node.value = {}
        for event in events:
            if isinstance(event, CollectionEndEvent):
                return
            key = self.key(event)
            if key in node.keys:
                self.refuse(event, f"duplicate key `{key}`: it first stands in line {node.keys[key][0]}")
            node.keys[key] = (event.start_mark.line + 1, event.start_mark.column + 1)
            written = next(events)
            child = self.node(written, events, depth + 1)
            if isinstance(written, ScalarEvent) and not written.value and written.implicit[0]:
                # The parser has an empty value begin at whatever comes next: people look at its key.
                child.line, child.column = node.keys[key]
            node.children[key] = child
            node.value[key] = child.value
            node.size += child.size

    def key(self, event: Event) -> str:
        if not isinstance(event, ScalarEvent):
            self.refuse(event, "a key must be plain text")
        key = self.scalar(event)
        if key == "<<" and event.implicit[0]:
            self.refuse(event, "merge keys (`<<`) are not supported: YAML 1.2 has none")
        if not isinstance(key, str):
            self.refuse(event, f'a key must be text: write "{event.value}" in quotes')
        return key


def _tagged(tag: str) -> str:
    if tag.startswith("!"):
        # A condition that begins with a not.
        return f"`{tag}` begins with `!`, which YAML keeps for tags: put the whole value into single quotes"
    return f"tag `{tag}` is not supported"


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else "a single value"
