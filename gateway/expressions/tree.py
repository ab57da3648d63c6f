"""What a condition says, as a tree, for whoever has to reason about it. Positions count from 1, in characters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One part of the text. `type` is CEL's name of what it is, such as string, int, bool, list(string); empty where
    the text was not checked.
    """

    line: int
    column: int
    type: str

    def parts(self) -> tuple[Node, ...]:
        """What it is made of."""
        return ()


@dataclass(frozen=True, slots=True)
class Ident(Node):
    """A variable, such as `account.tier` or `lists.blocked`; or the name that a comprehension gives to an item."""

    name: str


@dataclass(frozen=True, slots=True)
class Const(Node):
    """A literal."""

    value: str | int | float | bool | bytes | None


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`operand.field`, or `has(operand.field)` where `test` is true."""

    operand: Node
    field: str
    test: bool

    def parts(self) -> tuple[Node, ...]:
        return (self.operand,)


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function, a method (`target` is its object), or an operator by CEL's name: `_==_`, `_&&_`, `@in`, `_?_:_`."""

    function: str
    target: Node | None
    args: tuple[Node, ...]

    def parts(self) -> tuple[Node, ...]:
        return self.args if self.target is None else (self.target, *self.args)


@dataclass(frozen=True, slots=True)
class ListLiteral(Node):
    """`[a, b]`."""

    items: tuple[Node, ...]

    def parts(self) -> tuple[Node, ...]:
        return self.items


@dataclass(frozen=True, slots=True)
class MapLiteral(Node):
    """`{k: v}`: keys and values in turn. A message has its name, and no keys."""

    message: str
    items: tuple[Node, ...]

    def parts(self) -> tuple[Node, ...]:
        return self.items


@dataclass(frozen=True, slots=True)
class Comprehension(Node):
    """`range.exists(item, ...)` and its kin, as CEL writes them out: a loop over `range` that changes `@result`."""

    variable: str
    range: Node
    start: Node
    condition: Node
    step: Node
    result: Node

    def parts(self) -> tuple[Node, ...]:
        return (self.range, self.start, self.condition, self.step, self.result)


def walk(node: Node) -> Iterator[Node]:
    """The node, and all below it, in the order of writing."""
    yield node
    for part in node.parts():
        yield from walk(part)


def variables(node: Node, bound: frozenset[str] = frozenset()) -> Iterator[Ident]:
    """Every variable read: names that comprehensions give are not among them."""
    if isinstance(node, Ident):
        if node.name not in bound:
            yield node
        return
    if isinstance(node, Comprehension):
        inner = bound | {node.variable, "@result"}
        for part in (node.range, node.start):
            yield from variables(part, bound)
        for part in (node.condition, node.step, node.result):
            yield from variables(part, inner)
        return
    for part in node.parts():
        yield from variables(part, bound)
